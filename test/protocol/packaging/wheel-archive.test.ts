import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArrivingZip } from "../../../protocol/packaging/arriving-zip.ts";
import {
  inspectWheel,
  type WheelCheckOptions,
  WheelError,
  type WheelErrorCode,
} from "../../../protocol/packaging/wheel-archive.ts";
import { DIST_INFO, METADATA, recordRow, WHEEL, WHEEL_NAME, wheelPieces } from "./wheel-builder.ts";
import { buildZip, type ZipLies, type ZipPiece } from "./zip-builder.ts";

const run = promisify(execFile);
let folder: string;
let count = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wheel-archive-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Writes the bytes under a name that says nothing, so that the name is given by option alone. */
async function inspect(bytes: Buffer, options: WheelCheckOptions = {}) {
  count += 1;
  const path = join(folder, `blob-${count}`);
  await writeFile(path, bytes);
  return await inspectWheel(path, { filename: WHEEL_NAME, ...options });
}

async function refusal(bytes: Buffer, options: WheelCheckOptions = {}): Promise<WheelError> {
  const error: unknown = await inspect(bytes, options).catch((thrown: unknown) => thrown);
  if (!(error instanceof WheelError)) throw new Error(`not refused: ${String(error)}`);
  return error;
}

const openFiles = () => readdirSync("/proc/self/fd").length;

const unterminatedRecord =
  recordRow(`${DIST_INFO}/METADATA`, Buffer.from(METADATA)) +
  recordRow(`${DIST_INFO}/WHEEL`, Buffer.from(WHEEL)) +
  `${DIST_INFO}/RECORD,,`;

describe("a wheel that is as it should be", () => {
  it("is described", async () => {
    const facts = await inspect(buildZip(wheelPieces()));
    expect(facts).toMatchObject({
      filename: { name: "demo-pkg", nameAsWritten: "demo_pkg", version: "1.0", buildTag: null },
      metadata: { name: "demo-pkg", summary: "A demonstration" },
      requiresPython: ">=3.8",
      requiresDist: ["numpy>=1.20", 'rich; extra == "pretty"'],
      tags: ["py3-none-any"],
      sharedObjects: 0,
      entries: 4,
    });
    expect(facts.metadataText.toString()).toBe(METADATA);
    expect(facts.metadataSha256).toBe(createHash("sha256").update(METADATA).digest("hex"));
    expect(facts.unpackedSizeBytes).toBeGreaterThan(METADATA.length + WHEEL.length);
  });

  it("has its shared objects counted by what a linker loads", async () => {
    const names = ["a.so", "b.cpython-311-x86_64-linux-gnu.so", "libc.so.6", "libd.so.1.2.3"];
    const others = ["e.pyd", "f.dylib", "g.sophia", "so", "h.so.txt"];
    const files = [...names, ...others].map((name) => ({ name: `demo_pkg/${name}`, data: name }));
    expect((await inspect(buildZip(wheelPieces({ files })))).sharedObjects).toBe(6);
  });

  it.each([
    ["stored entries", { files: [{ name: "a.py", data: "x", isStored: true }] }],
    ["a large file", { files: [{ name: "a.py", data: Buffer.alloc(3_000_000, "large") }] }],
    [
      "a large stored file",
      { files: [{ name: "a.py", data: Buffer.alloc(3_000_000, "large"), isStored: true }] },
    ],
    ["an empty file", { files: [{ name: "a.py", data: "" }] }],
    ["an empty stored file", { files: [{ name: "a.py", data: "", isStored: true }] }],
    ["folders", { files: [{ name: "a/", data: "", isStored: true, mode: 0o040755 }] }],
    ["no Unix modes", { files: [{ name: "a.py", data: "x", mode: 0 }] }],
    ["a name in UTF-8", { files: [{ name: "données.py", data: "x" }] }],
    ["a name with a comma and quotes", { files: [{ name: 'a,"b".py', data: "x" }] }],
    ["no file but the dist-info", { files: [] }],
    [
      "vendored dist-info folders deeper down",
      { files: [{ name: "v/x-1.dist-info/METADATA", data: "" }] },
    ],
    ["signatures beside RECORD", { unlisted: [{ name: `${DIST_INFO}/RECORD.jws`, data: "{}" }] }],
    ["a folder spelled otherwise", { distInfo: "Demo.Pkg-1.0.0.dist-info" }],
    ["a Tag line in compressed form", { wheel: WHEEL.replace("py3", "py3.py3") }],
    [
      "a RECORD without a line end at its end",
      { files: [], record: { whole: unterminatedRecord } },
    ],
    ["CRLF in WHEEL", { wheel: WHEEL.replaceAll("\n", "\r\n") }],
  ])("is taken with %s", async (_what, parts) => {
    expect((await inspect(buildZip(wheelPieces(parts)))).filename.name).toBe("demo-pkg");
  });

  it("is taken with a zip64 end record", async () => {
    const facts = await inspect(buildZip(wheelPieces(), { hasZip64: true }));
    expect(facts.entries).toBe(4);
  });

  it("is taken when Python's zipfile made it, streamed and with data descriptors too", async () => {
    const path = join(folder, WHEEL_NAME);
    await run("python3", ["-c", pythonWheel, path, METADATA, WHEEL]);
    const facts = await inspectWheel(path);
    expect(facts).toMatchObject({ entries: 4, sharedObjects: 1 });
  }, 10_000);

  it("leaves no file open, taken or refused", async () => {
    const good = buildZip(wheelPieces());
    const before = openFiles();
    await inspect(good);
    await refusal(good.subarray(0, good.length - 30));
    await refusal(buildZip(wheelPieces({ files: [{ name: "a", data: "abc", crc: 1 }] })));
    expect(openFiles()).toBe(before);
  });

  it("may have its hashes left unchecked, not its names and sizes", async () => {
    const files = [{ name: "a.py", data: "abc" }];
    const lying = wheelPieces({ files }).map((piece) =>
      piece.name === "a.py" ? { ...piece, data: "abd" } : piece,
    );
    expect((await refusal(buildZip(lying))).code).toBe("record-mismatch");
    expect((await inspect(buildZip(lying), { verifyHashes: false })).entries).toBe(4);
    const longer = lying.map((piece) =>
      piece.name === "a.py" ? { ...piece, data: "abcd" } : piece,
    );
    expect((await refusal(buildZip(longer), { verifyHashes: false })).code).toBe("record-mismatch");
  });
});

const pythonWheel = `
import base64, hashlib, io, sys, zipfile
path, metadata, wheel = sys.argv[1:]
class Stream(io.RawIOBase):
    def __init__(self, f): self.f = f
    def writable(self): return True
    def write(self, b): return self.f.write(b)
files = {"demo_pkg/__init__.py": b"x = 1\\n" * 5000, "demo_pkg/é.so": b"\\0" * 300000,
         "demo_pkg-1.0.dist-info/METADATA": metadata.encode(), "demo_pkg-1.0.dist-info/WHEEL": wheel.encode()}
rows = [f"{n},sha256={base64.urlsafe_b64encode(hashlib.sha256(d).digest()).rstrip(b'=').decode()},{len(d)}\\n" for n, d in files.items()]
del files["demo_pkg/__init__.py"]
rows = rows[1:]
files["demo_pkg-1.0.dist-info/RECORD"] = ("".join(rows) + "demo_pkg-1.0.dist-info/RECORD,,\\n").encode()
with open(path, "wb") as f, zipfile.ZipFile(Stream(f), "w", zipfile.ZIP_DEFLATED) as z:
    for n, d in files.items(): z.writestr(n, d)
`;

describe("a wheel is refused", () => {
  const file = (piece: Partial<ZipPiece>): ZipPiece[] =>
    wheelPieces({ files: [{ name: "a.py", data: "some text", ...piece }] });
  const good = wheelPieces();
  /** Above the size that is unpacked at one go. */
  const large = Buffer.alloc(3_000_000, "large");
  const declaring = (lie: Partial<ZipPiece>): ZipPiece[] =>
    good.map((piece) => (piece.name === `${DIST_INFO}/METADATA` ? { ...piece, ...lie } : piece));
  const bomb = deflateRawSync(Buffer.alloc(50_000_000));
  const rows: readonly (readonly [
    code: WheelErrorCode,
    why: string,
    pieces: readonly ZipPiece[],
    lies?: ZipLies,
  ])[] = [
    ["bad-zip", "with bytes before the first entry", good, { prefix: Buffer.from("#!/bin/sh\n") }],
    ["bad-zip", "with bytes behind its end", good, { trailer: Buffer.from("x") }],
    ["bad-zip", "with fewer entries declared than there are", good, { entryCount: 3 }],
    ["bad-zip", "with more entries declared than there are", good, { entryCount: 5 }],
    ["bad-zip", "with a false directory size", good, { directorySize: 1 }],
    ["bad-zip", "with a false directory place", good, { directoryOffset: 3 }],
    ["bad-zip", "with a directory beyond the file", good, { directoryOffset: 0xfffffff0 }],
    ["bad-zip", "with a zip64 place beyond 2^53", good, { zip64Offset: 2n ** 63n }],
    ["bad-zip", "with a zip64 place beyond the file", good, { zip64Offset: 2n ** 40n }],
    ["bad-zip", "with its zip64 end beyond 2^53", good, { zip64EndOffset: 2n ** 63n + 5n }],
    ["bad-zip", "with its zip64 end elsewhere", good, { zip64EndOffset: 0n }],
    ["bad-zip", "with an entry beyond the file", file({ offset: 0x7ffffff0 })],
    ["bad-zip", "with entries in one place", [...good, { name: "b", data: "b", offset: 0 }]],
    ["bad-zip", "with another local name", file({ localName: "b.py" })],
    ["bad-zip", "with another local compression", file({ localMethod: 0 })],
    ["bad-zip", "encrypted by its local header", file({ localFlags: 1 })],
    ["bad-zip", "with another local checksum", file({ localCrc: 1 })],
    [
      "bad-zip",
      "with an entry that reaches into the directory",
      [...good, { name: "z", data: "z", isStored: true, packedSizeBytes: 60, sizeBytes: 60 }],
    ],
    ["bad-zip", "with another local size", file({ localSizeBytes: 3 })],
    [
      "bad-zip",
      "with an extra field that is cut short",
      file({ extra: Buffer.from([1, 0, 9, 0]) }),
    ],
    ["bad-zip", "stored with another size", file({ isStored: true, sizeBytes: 3 })],
    ["bad-entry-data", "with a false checksum", file({ crc: 1 })],
    ["bad-entry-data", "holding more than it declares", declaring({ sizeBytes: 3 })],
    ["bad-entry-data", "holding less than it declares", declaring({ sizeBytes: 3_000 })],
    [
      "bad-entry-data",
      "with data that is not compressed",
      file({ packed: Buffer.alloc(30, 0xff) }),
    ],
    [
      "bad-entry-data",
      "with compressed data cut short",
      file({ packed: deflateRawSync("some text").subarray(0, 5) }),
    ],
    [
      "bad-entry-data",
      "with bytes behind compressed data",
      file({ packed: Buffer.concat([deflateRawSync("some text"), Buffer.from("hidden")]) }),
    ],
    ["bad-entry-data", "large, with a false checksum", file({ data: large, crc: 1 })],
    [
      "bad-entry-data",
      "large, with data that is not compressed",
      file({ data: large, packed: Buffer.alloc(300, 0xff) }),
    ],
    [
      "bad-entry-data",
      "large, with compressed data cut short",
      file({ data: large, packed: deflateRawSync(large).subarray(0, -3) }),
    ],
    [
      "bad-entry-data",
      "large, with bytes behind compressed data",
      file({ data: large, packed: Buffer.concat([deflateRawSync(large), Buffer.from("hidden")]) }),
    ],
    ["bad-entry-data", "large, holding more than it declares", file({ data: large, packed: bomb })],
    [
      "bad-entry-data",
      "large, holding less than it declares",
      file({ data: large, packed: deflateRawSync(large.subarray(5)) }),
    ],
    [
      "bad-entry-data",
      "as a bomb that declares little",
      wheelPieces({ metadata: "x".repeat(100) }).map((piece) =>
        piece.name === `${DIST_INFO}/METADATA` ? { ...piece, packed: bomb } : piece,
      ),
    ],
    [
      "too-large",
      "as a bomb that declares much",
      wheelPieces({
        unlisted: [0, 1, 2].map((i) => ({ name: `b${i}`, data: "b", sizeBytes: 0xf0000000 })),
      }),
    ],
    [
      "too-large",
      "with METADATA of 10 MB",
      wheelPieces({ metadata: METADATA + "x".repeat(10_000_000) }),
    ],
    ["unsupported-entry", "encrypted", file({ flags: 1 })],
    ["unsupported-entry", "compressed by bzip2", file({ method: 12 })],
    ["unsupported-entry", "with a symbolic link", file({ mode: 0o120777 })],
    ["unsupported-entry", "with a device", file({ mode: 0o060644 })],
    ["bad-entry-name", "with a parent path", file({ name: "../a.py" })],
    ["bad-entry-name", "with a parent path inside", file({ name: "a/../../b.py" })],
    ["bad-entry-name", "with an absolute path", file({ name: "/etc/a.py" })],
    ["bad-entry-name", "with a drive", file({ name: "C:/a.py" })],
    ["bad-entry-name", "with a backslash", file({ name: "a\\b.py" })],
    ["bad-entry-name", "with a NUL", file({ name: "a.py\0.txt" })],
    ["bad-entry-name", "with an empty name", file({ name: "" })],
    ["bad-entry-name", "with an empty part", file({ name: "a//b.py" })],
    ["bad-entry-name", "with a dot part", file({ name: "./b.py" })],
    [
      "bad-entry-name",
      "with a name that is no UTF-8",
      file({ name: Buffer.from([0xff, 0x61]), flags: 0x800 }),
    ],
    ["bad-entry-name", "with a name in another code", file({ name: "é", flags: 0 })],
    ["bad-entry-name", "with a name of 3,000 bytes", file({ name: "n".repeat(3_000) })],
    ["bad-entry-name", "with 200 levels", file({ name: `${"a/".repeat(200)}b` })],
    ["bad-entry-name", "with a second name", file({ extra: Buffer.from([0x75, 0x70, 1, 0, 1]) })],
    ["bad-entry-name", "with a folder that has contents", file({ name: "a/" })],
    [
      "duplicate-entry",
      "with a name twice",
      wheelPieces({
        files: [
          { name: "a", data: "1" },
          { name: "a", data: "2" },
        ],
      }),
    ],
    [
      "duplicate-entry",
      "with a file and a folder of a name",
      wheelPieces({
        files: [
          { name: "a", data: "1" },
          { name: "a/b", data: "2" },
        ],
      }),
    ],
    [
      "duplicate-entry",
      "with a second RECORD",
      [...good, { name: `${DIST_INFO}/RECORD`, data: "" }],
    ],
    ["bad-dist-info", "with no entries", []],
    ["bad-dist-info", "without a dist-info folder", [{ name: "a.py", data: "x" }]],
    [
      "bad-dist-info",
      "with two dist-info folders",
      wheelPieces({ files: [{ name: "x-1.dist-info/A", data: "" }] }),
    ],
    ["bad-dist-info", "without METADATA", wheelPieces({ without: ["METADATA"] })],
    ["bad-dist-info", "without WHEEL", wheelPieces({ without: ["WHEEL"] })],
    ["bad-dist-info", "without RECORD", wheelPieces({ without: ["RECORD"] })],
    [
      "name-mismatch",
      "with another project's folder",
      wheelPieces({ distInfo: "other-1.0.dist-info" }),
    ],
    [
      "version-mismatch",
      "with another version's folder",
      wheelPieces({ distInfo: "demo_pkg-1.1.dist-info" }),
    ],
    [
      "name-mismatch",
      "with another project's METADATA",
      wheelPieces({ metadata: METADATA.replace("demo-pkg", "other") }),
    ],
    [
      "version-mismatch",
      "with another version's METADATA",
      wheelPieces({ metadata: METADATA.replace("n: 1.0", "n: 1.1") }),
    ],
    [
      "bad-metadata",
      "with METADATA without a name",
      wheelPieces({ metadata: "Metadata-Version: 2.1\nVersion: 1.0\n" }),
    ],
    ["bad-metadata", "with empty METADATA", wheelPieces({ metadata: "" })],
    [
      "bad-metadata",
      "with METADATA of a later format",
      wheelPieces({ metadata: METADATA.replace("2.1", "3.0") }),
    ],
    ["bad-wheel-file", "of format 2", wheelPieces({ wheel: WHEEL.replace("1.0", "2.0") })],
    ["bad-wheel-file", "of no format", wheelPieces({ wheel: "Tag: py3-none-any\n" })],
    ["bad-wheel-file", "without a tag", wheelPieces({ wheel: "Wheel-Version: 1.0\n" })],
    ["bad-wheel-file", "with a broken tag", wheelPieces({ wheel: `${WHEEL}Tag: py3\n` })],
    [
      "bad-wheel-file",
      "with tags without end",
      wheelPieces({
        wheel: WHEEL + [...Array(2000).keys()].map((i) => `Tag: py${i}-none-any\n`).join(""),
      }),
    ],
    [
      "tag-mismatch",
      "with a tag that its name lacks",
      wheelPieces({ wheel: `${WHEEL}Tag: py2-none-any\n` }),
    ],
    [
      "tag-mismatch",
      "without a tag that its name has",
      wheelPieces({ wheel: WHEEL.replace("py3", "py2") }),
    ],
    ["bad-record", "with a RECORD of two columns", wheelPieces({ record: { add: "a,b\n" } })],
    ["bad-record", "with a RECORD of four columns", wheelPieces({ record: { add: "a,,,\n" } })],
    ["bad-record", "with an open quote in RECORD", wheelPieces({ record: { add: '"a,,\n' } })],
    [
      "bad-record",
      "with text behind a quote in RECORD",
      wheelPieces({ record: { add: '"a"b,,\n' } }),
    ],
    [
      "bad-record",
      "with md5 in RECORD",
      wheelPieces({ record: { add: "b,md5=rL0Y20zC-Fzt72VPzMSk2A,3\n" } }),
    ],
    [
      "bad-record",
      "with a hash cut short in RECORD",
      wheelPieces({ record: { add: "b,sha256=abc,3\n" } }),
    ],
    [
      "bad-record",
      "with a size that is no number",
      wheelPieces({ record: { add: recordRow("b", Buffer.from("b")).replace(",1\n", ",-1\n") } }),
    ],
    [
      "bad-record",
      "with a path twice in RECORD",
      wheelPieces({ record: { add: `${DIST_INFO}/RECORD,,\n` } }),
    ],
    ["record-mismatch", "with an empty RECORD", wheelPieces({ record: { whole: "" } })],
    [
      "record-mismatch",
      "with a file that RECORD lacks",
      wheelPieces({ unlisted: [{ name: "evil.py", data: "" }] }),
    ],
    [
      "record-mismatch",
      "with a row without a file",
      wheelPieces({ record: { add: recordRow("b", Buffer.from("b")) } }),
    ],
    [
      "record-mismatch",
      "with a file that has no hash",
      wheelPieces({ unlisted: [{ name: "b", data: "" }], record: { add: "b,,\n" } }),
    ],
    [
      "record-mismatch",
      "with another hash",
      wheelPieces({
        unlisted: [{ name: "b", data: "c" }],
        record: { add: recordRow("b", Buffer.from("b")) },
      }),
    ],
    [
      "record-mismatch",
      "with another size",
      wheelPieces({
        unlisted: [{ name: "b", data: "b" }],
        record: { add: recordRow("b", Buffer.from("b")).replace(",1\n", ",2\n") },
      }),
    ],
  ];

  const cases = rows.map(([code, why, pieces, lies]) => ({ code, why, pieces, lies: lies ?? {} }));
  it.each(cases)("as $code: $why", async ({ code, pieces, lies }) => {
    const error = await refusal(buildZip(pieces, lies));
    expect(`${error.code}: ${error.message}`).toMatch(new RegExp(`^${code}: .{10}`, "s"));
  });

  it("when it has more entries or bytes than the caller allows", async () => {
    const bytes = buildZip(good);
    expect((await refusal(bytes, { maxEntries: 3 })).code).toBe("too-many-entries");
    expect((await refusal(bytes, { maxUnpackedBytes: 300 })).code).toBe("too-large");
  });

  it.each([
    ["small", { data: "text!", sizeBytes: 4 }],
    ["small, as a bomb", { data: "", packed: bomb, sizeBytes: 100 }],
    ["large", { data: Buffer.alloc(3_000_001, "x"), sizeBytes: 3_000_000 }],
    ["large, as a bomb", { data: "", packed: bomb, sizeBytes: 3_000_000 }],
  ])("as soon as an entry holds more than it declares: %s", async (_what, lie) => {
    const row = `listed.py,sha256=${"A".repeat(43)},${lie.sizeBytes}\n`;
    const unlisted = [{ name: "listed.py", ...lie }];
    const error = await refusal(buildZip(wheelPieces({ unlisted, record: { add: row } })));
    expect(`${error.code}: ${error.message}`).toMatch(
      /^bad-entry-data: .*holds more than it declares/,
    );
  });

  it("when its RECORD has more rows than could ever belong to it", async () => {
    const rows = Array.from({ length: 10 }, (_, i) => `row${i},,\n`).join("");
    const bytes = buildZip(wheelPieces({ record: { add: rows } }));
    const error = await refusal(bytes, { maxEntries: 4 });
    expect(`${error.code}: ${error.message}`).toMatch(/^bad-record: .*more than 8 rows/);
  });

  it("when it declares 2^60 entries, without reading them", async () => {
    const lies = { entryCount: 2 ** 60, hasZip64: true };
    expect((await refusal(buildZip(good, lies))).code).toBe("too-many-entries");
  });

  it("when its name is no wheel's, before the file is opened", async () => {
    const error: unknown = await inspectWheel(join(folder, "absent.zip")).catch((e: unknown) => e);
    expect(error).toMatchObject({ name: "WheelError", code: "bad-filename" });
  });

  it.each([
    ["absent", () => join(folder, "absent-1.0-py3-none-any.whl")],
    ["a folder", () => folder],
  ])("as unreadable when it is %s", async (_what, path) => {
    const error: unknown = await inspectWheel(path(), { filename: WHEEL_NAME }).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ name: "WheelError", code: "unreadable" });
  });

  it("as unreadable when it is a named pipe, without waiting for a writer", async () => {
    const path = join(folder, "pipe");
    await run("mkfifo", [path]);
    const error: unknown = await inspectWheel(path, { filename: WHEEL_NAME }).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ name: "WheelError", code: "unreadable" });
  });

  it("when the caller's signal is aborted", async () => {
    const options = { signal: AbortSignal.abort() };
    expect((await refusal(buildZip(good), options)).code).toBe("aborted");
  });

  it("with a WheelError wherever it is cut off", async () => {
    const bytes = buildZip(good);
    for (let length = 0; length < bytes.length; length += 23) {
      expect((await refusal(bytes.subarray(0, length))).code, `${length} bytes`).toBe("bad-zip");
    }
  });
});

describe("whatever bytes are changed", () => {
  it("the answer is facts or a WheelError", async () => {
    const bytes = buildZip(wheelPieces());
    const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const copy = Buffer.from(bytes);
        for (const [at, value] of changes) copy[at] = value;
        const answer: unknown = await inspect(copy).catch((thrown: unknown) => thrown);
        if (answer instanceof Error) expect(answer).toBeInstanceOf(WheelError);
      }),
      { numRuns: 150 },
    );
  }, 10_000);
});

describe("a wheel that was read as it arrived", () => {
  const ballast = randomBytes(200_000);
  const wheel = buildZip(
    wheelPieces({ files: [{ name: "demo_pkg/ballast", data: ballast, isStored: true }] }),
  );
  const see = async () => {
    const zip = new ArrivingZip();
    await zip.take(wheel);
    return zip.seen;
  };
  /** As what arrived was; the contents are other ones now, so that whoever reads them sees it. */
  const changed = () => {
    const bytes = Buffer.from(wheel);
    const at = bytes.indexOf(ballast.subarray(0, 50)) + 100;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    return bytes;
  };

  it("is not unpacked again where the directory says the same", async () => {
    const seen = await see();
    expect(seen).toHaveLength(1);
    expect((await inspect(changed(), { seen })).entries).toBe(4);
    expect((await refusal(changed())).code).toBe("bad-entry-data");
  });

  it.each(["dataOffset", "sizeBytes", "compressedSizeBytes", "crc32"] as const)(
    "is unpacked where another %s was seen",
    async (figure) => {
      const seen = (await see()).map((entry) => ({ ...entry, [figure]: entry[figure] + 1 }));
      expect((await refusal(changed(), { seen })).code).toBe("bad-entry-data");
      expect((await inspect(wheel, { seen })).entries).toBe(4);
    },
  );

  it("is refused where what was seen is not what RECORD lists", async () => {
    const seen = (await see()).map((entry) => ({ ...entry, sha256: "0".repeat(64) }));
    expect((await refusal(wheel, { seen })).code).toBe("record-mismatch");
  });
});
