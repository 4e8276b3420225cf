/** What is seen of a zip that comes in pieces: what is in it, or nothing. */
import { createHash, randomBytes } from "node:crypto";
import { crc32, deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { expect, it } from "vitest";
import { ArrivingZip } from "../../../protocol/packaging/arriving-zip.ts";
import { buildZip, type ZipPiece } from "./zip-builder.ts";

const big = randomBytes(100_000);
const text = Buffer.from("all work and no play\n".repeat(20_000));

async function see(zip: Buffer, pieceBytes = 65_536) {
  const arriving = new ArrivingZip();
  for (let at = 0; at < zip.length; at += pieceBytes)
    await arriving.take(Buffer.from(zip.subarray(at, at + pieceBytes)));
  return arriving;
}

const told = (data: Buffer, isDeflated: boolean) => ({
  sizeBytes: data.length,
  isDeflated,
  crc32: crc32(data),
  sha256: createHash("sha256").update(data).digest("hex"),
  start: data.toString("hex", 0, 4),
});

it("the larger entries are seen as they are, wherever the pieces end", async () => {
  const zip = buildZip([
    { name: "small.py", data: "x = 1\n" },
    { name: "stored.bin", data: big, isStored: true },
    { name: "folder/", data: "", isStored: true },
    { name: "text.txt", data: text, extra: Buffer.from([0x55, 0x54, 1, 0, 0]) },
    { name: "last.bin", data: big },
  ]);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 100, max: 300_000 }), async (pieceBytes) => {
      const { seen, isOver } = await see(zip, pieceBytes);
      expect(seen).toMatchObject([told(big, false), told(text, true), told(big, true)]);
      for (const { dataOffset, compressedSizeBytes, isDeflated } of seen) {
        const packed = zip.subarray(dataOffset, dataOffset + compressedSizeBytes);
        expect(
          [big, text].some((data) => packed.equals(isDeflated ? deflateRawSync(data) : data)),
        ).toBe(true);
      }
      expect(isOver).toBe(true);
    }),
    { numRuns: 30 },
  );
}, 30_000);

it.each<[string, Partial<ZipPiece>]>([
  ["has another checksum", { crc: 1 }],
  ["holds more than it declares", { sizeBytes: 99_000 }],
  ["holds less than it declares", { sizeBytes: 101_000 }],
  ["is no deflated data", { packed: big }],
  ["has bytes behind its data", { packed: Buffer.concat([deflateRawSync(big), Buffer.alloc(9)]) }],
  ["is encrypted", { localFlags: 1 }],
  ["tells its size only at its end", { localFlags: 8 }],
  ["is packed in a way that nobody knows", { localMethod: 12 }],
  [
    "unpacks to a million times as much",
    { packed: deflateRawSync(Buffer.alloc(50_000_000)), sizeBytes: 70_000 },
  ],
])("an entry that %s is not seen", async (_what, lie) => {
  const { seen } = await see(buildZip([{ name: "a", data: big, ...lie }]));
  expect(seen).toEqual([]);
});

it("whatever comes, it neither fails nor sees what is not there", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 2_000 }), fc.nat(500), async (noise, at) => {
      const zip = buildZip([{ name: "a", data: big, isStored: true }]);
      zip.set(noise, at);
      for (const entry of (await see(zip, 7_000)).seen) {
        const data = zip.subarray(entry.dataOffset, entry.dataOffset + entry.compressedSizeBytes);
        expect(entry.sha256).toBe(createHash("sha256").update(data).digest("hex"));
        expect(entry.crc32).toBe(crc32(data));
      }
    }),
  );
});

it("given up in the middle of an entry it takes no more", async () => {
  const zip = buildZip([{ name: "a", data: text }]);
  const arriving = new ArrivingZip();
  await arriving.take(zip.subarray(0, 200));
  arriving.close();
  await arriving.take(zip.subarray(200));
  expect(arriving.seen).toEqual([]);
});

it("a crowd of entries is walked only so far: the rest is left to the check", async () => {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  const crowd = (count: number) =>
    Buffer.concat([
      ...Array.from({ length: count }, () => header),
      buildZip([{ name: "last.bin", data: big, isStored: true }]),
    ]);
  expect((await see(crowd(1_000))).seen).toHaveLength(1);
  const { seen, isOver } = await see(crowd(60_000));
  expect([seen.length, isOver]).toEqual([0, true]);
}, 30_000);
