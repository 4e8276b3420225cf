/** Parts of pages, and pages that are joined from them. */
import { createHash, randomBytes } from "node:crypto";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLocalStorage, type PageStretch, type Storage } from "../../web/storage.ts";
import { makeScratchFolder } from "./scratch-folder.ts";

let output: string;
let storage: Storage;
beforeEach(async () => {
  output = await makeScratchFolder();
  storage = await openLocalStorage(output);
});
afterEach(() => rm(output, { recursive: true, force: true }));

const MIB = 1024 * 1024;
const at = (key: string) => join(output, key);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("a part is kept whole, replaced, listed and removed, out of readers' sight", async () => {
  await storage.writeParts([{ name: "some-part", contents: Buffer.from("one") }]);
  await storage.writeParts([{ name: "some-part", contents: Buffer.from("two") }]);
  expect((await storage.readPart("some-part"))?.toString()).toBe("two");
  storage = await openLocalStorage(output);
  expect(await storage.listParts()).toEqual(["some-part"]);
  expect((await readdir(output)).sort()).toEqual([".store"]);
  expect((await stat(at(".store"))).mode & 0o777).toBe(0o700);
  await storage.removePart("some-part");
  await storage.removePart("some-part");
  expect([await storage.listParts(), await storage.readPart("some-part")]).toEqual([[], undefined]);
});

test.each(["", ".", "..", "../x", "a/b", "A", "a\0", "-a", "a".repeat(200)])(
  "%j is no part's name",
  async (name) => {
    await expect(storage.writeParts([{ name, contents: Buffer.from("x") }])).rejects.toMatchObject({
      code: "bad-name",
    });
    await expect(storage.readPart(name)).rejects.toMatchObject({ code: "bad-name" });
    await expect(storage.removePart(name)).rejects.toMatchObject({ code: "bad-name" });
  },
);

test("pages of many megabytes are the bytes of their parts, in order, also of a part larger than the memory", async () => {
  const parts = [1.5, 1.5, 1.5, 5, 0.2, 1.5, 3].map((size) => randomBytes(Math.round(size * MIB)));
  const [one, two]: [PageStretch[], PageStretch[]] = [[], []];
  const [expectedOne, expectedTwo]: [Buffer[], Buffer[]] = [[], []];
  for (const [number, bytes] of parts.entries()) {
    const part = `part-${number}`;
    await storage.writeParts([{ name: part, contents: bytes }]);
    const middle = bytes.length >> 1;
    const between = Buffer.from(`between ${number}`);
    one.push({ part, start: 0, end: middle }, between);
    two.push({ part, start: middle, end: bytes.length }, Buffer.alloc(0));
    expectedOne.push(bytes.subarray(0, middle), between);
    expectedTwo.push(bytes.subarray(middle));
  }
  await storage.join([{ key: "simple/a.html", contents: one, gzip: two }]);
  expect(sha256(await readFile(at("simple/a.html")))).toBe(sha256(Buffer.concat(expectedOne)));
  expect(sha256(await readFile(at("simple/a.html.gz")))).toBe(sha256(Buffer.concat(expectedTwo)));
  for (const name of ["a.html", "a.html.gz"])
    expect((await stat(at(`simple/${name}`))).mode & 0o777).toBe(0o644);
});

test.each<[string, PageStretch]>([
  ["gone", { part: "other", start: 0, end: 1 }],
  ["too short", { part: "part", start: 0, end: 5_001 }],
])("with a part that is %s nothing is changed", async (_what, stretch) => {
  await storage.writeParts([{ name: "part", contents: randomBytes(5_000) }]);
  const gzip = [{ part: "part", start: 0, end: 100 }];
  await storage.join([
    { key: "page.html", contents: [{ part: "part", start: 0, end: 5_000 }], gzip },
  ]);
  const before = await readFile(at("page.html"));
  const good = { key: "other.html", contents: [Buffer.from("x")], gzip: [] };
  const broken = { key: "page.html", contents: [Buffer.from("y"), stretch], gzip };
  await expect(storage.join([good, broken])).rejects.toMatchObject({ code: "missing" });
  expect((await readFile(at("page.html"))).equals(before)).toBe(true);
  expect((await readdir(output)).sort()).toEqual([".store", "page.html", "page.html.gz"]);
  expect(await readdir(at(".store/temporary"))).toEqual([]);
});

test("a key that may name nothing is refused", async () => {
  const page = { key: "../page.html", contents: [Buffer.from("x")], gzip: [] };
  await expect(storage.join([page])).rejects.toMatchObject({ code: "bad-name" });
});
