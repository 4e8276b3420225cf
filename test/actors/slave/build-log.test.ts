import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BuildLog, rescueLog } from "../../../actors/slave/build-log.ts";
import { RingFile } from "../../../actors/slave/ring-file.ts";
import { FinishedLog } from "../../../protocol/model/finished-log.ts";
import { temporaryFolder } from "./temporary-folder.ts";

test("a log within its limit is kept as it is, and its size and hash are those of the file", async () => {
  const path = join(await temporaryFolder(), "build.log");
  const log = await BuildLog.create(path, { limitBytes: 1_000 });
  log.write(Buffer.from("one\n"));
  log.note("two");
  const { sizeBytes, sha256 } = await log.finish();
  const text = await readFile(path);
  expect(text.toString()).toBe("one\ntwo\n");
  expect(sizeBytes).toBe(text.length);
  expect(sha256).toBe(createHash("sha256").update(text).digest("hex"));
});

test("of a log beyond its limit the first and the last lines are kept and the cut is marked", async () => {
  const path = join(await temporaryFolder(), "build.log");
  const log = await BuildLog.create(path, { limitBytes: 200 });
  for (let line = 1; line <= 1_000; line += 1) log.note(`line ${line}`);
  await log.finish();
  const text = await readFile(path, "utf8");
  expect(text.startsWith("line 1\nline 2\n")).toBe(true);
  expect(text.endsWith("\nline 999\nline 1000\n")).toBe(true);
  const cut = /\n\[\.\.\. (\d+) bytes cut here \.\.\.\]\n/.exec(text);
  const whole = Array.from({ length: 1_000 }, (_, n) => `line ${n + 1}\n`).join("");
  expect(text.length - (cut?.[0].length ?? 0) + Number(cut?.[1])).toBe(whole.length);
});

test("however the output is cut into pieces, what is kept is its head and its tail", async () => {
  const folder = await temporaryFolder();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 20 }),
      fc.integer({ min: 20, max: 400 }),
      async (sizes, limitBytes) => {
        run += 1;
        const path = join(folder, `${run}.log`);
        const log = await BuildLog.create(path, { limitBytes });
        let whole = Buffer.alloc(0);
        for (const [index, size] of sizes.entries()) {
          const piece = Buffer.alloc(size, 65 + (index % 26));
          if (size > 0) piece[size - 1] = 10;
          whole = Buffer.concat([whole, piece]);
          log.write(piece);
        }
        const end = log.readEnd(50);
        await log.finish();
        const kept = await readFile(path);
        const headBytes = Math.min(Math.floor(limitBytes / 2), whole.length);
        expect(kept.subarray(0, headBytes)).toEqual(whole.subarray(0, headBytes));
        if (whole.length <= limitBytes) expect(kept).toEqual(whole);
        else {
          const [, tail = ""] = kept.toString().split("bytes cut here ...]\n");
          expect(whole.toString().endsWith(tail)).toBe(true);
          expect(kept.length).toBeLessThan(limitBytes + 60);
        }
        expect(whole.toString().endsWith(end)).toBe(true);
        expect(end.length).toBe(Math.min(50, whole.length));
      },
    ),
    { numRuns: 60 },
  );
}, 10_000);

test("what is written after the end is dropped", async () => {
  const path = join(await temporaryFolder(), "build.log");
  const log = await BuildLog.create(path);
  log.note("before");
  await log.finish();
  log.note("after");
  expect(await readFile(path, "utf8")).toBe("before\n");
});

/** Reads on from 0 until nothing more comes, as one who follows does. */
async function readAll(
  read: (position: number, maxBytes: number) => ReturnType<BuildLog["read"]>,
  sizes: readonly number[],
  from = 0,
) {
  const parts: { position: number; data: Buffer }[] = [];
  let position = from;
  for (let turn = 0; ; turn += 1) {
    const part = await read(position, sizes[turn % sizes.length] ?? 1);
    expect(part.position).toBe(position);
    expect(part.nextPosition).toBe(position + part.skippedBytes + part.data.length);
    const data = Buffer.from(part.data);
    if (data.length > 0) parts.push({ position: position + part.skippedBytes, data });
    position = part.nextPosition;
    if (part.isEnd || data.length === 0) return { parts, position, isEnd: part.isEnd };
  }
}

const sizesOfParts = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 4 });

test("what is read at any time is what was said at that position, to the last byte, and the end survives", async () => {
  const folder = await temporaryFolder();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 25 }),
      fc.integer({ min: 20, max: 600 }),
      fc.integer({ min: 16, max: 500 }),
      sizesOfParts,
      fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
      async (lines, limitBytes, memoryBytes, sizes, waits) => {
        run += 1;
        const path = join(folder, `${run}.log`);
        const log = await BuildLog.create(path, { limitBytes, memoryBytes });
        let whole = Buffer.alloc(0);
        const check = async (
          read: (position: number, maxBytes: number) => ReturnType<BuildLog["read"]>,
          from = 0,
        ) => {
          const got = await readAll(read, sizes, from);
          for (const { position, data } of got.parts)
            expect(data).toEqual(whole.subarray(position, position + data.length));
          expect(got.position).toBe(whole.length);
          return got;
        };
        const read = (position: number, maxBytes: number) => log.read(position, maxBytes);
        for (const [index, length] of lines.entries()) {
          const line = Buffer.from(`${String(index).repeat(length).slice(0, length)}\n`);
          whole = Buffer.concat([whole, line]);
          log.write(line);
          // Else the disk is behind, by more than memory holds at times.
          if (waits[index % waits.length] === true) expect((await check(read)).isEnd).toBe(false);
        }
        await log.finish();
        const fromLog = await check(read);
        expect(fromLog.isEnd).toBe(true);
        const file = await readFile(path);
        for (const from of [0, Math.floor(whole.length / 3), whole.length - 1, whole.length]) {
          const finished = new FinishedLog(createReadStream(path, { highWaterMark: 7 }));
          const got = await check((position, max) => finished.read(position, max), from);
          expect(got.isEnd).toBe(true);
          if (from > 0) continue;
          // What a follower puts together is the file.
          const cut = got.parts.findIndex(
            ({ position }, at) => position > endOf(got.parts[at - 1]),
          );
          if (cut === -1) expect(bytesOf(got.parts)).toEqual(file);
        }
        const lastLine = whole.toString().trimEnd().split("\n").at(-1) ?? "";
        const keptOfLast = lastLine.slice(-Math.min(Math.floor(limitBytes / 2), memoryBytes) / 2);
        expect(file.toString().trimEnd().endsWith(keptOfLast)).toBe(true);
        expect((await readdir(folder)).filter((name) => name.endsWith(".ring"))).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);

const bytesOf = (parts: readonly { data: Buffer }[]): Buffer =>
  Buffer.concat(parts.map(({ data }) => data));
const endOf = (part: { position: number; data: Buffer } | undefined): number =>
  part === undefined ? 0 : part.position + part.data.length;

test("a ring on disk holds what a plain list would, at every step, also for who finds it later", async () => {
  const folder = await temporaryFolder();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 0, max: 100 }),
      fc.array(
        fc.record({ gap: fc.constantFrom(0, 0, 0, 5), length: fc.integer({ min: 1, max: 150 }) }),
        { maxLength: 12 },
      ),
      async (size, first, writes) => {
        run += 1;
        const path = join(folder, `${run}.ring`);
        const ring = await RingFile.create(path, size, first);
        let model: { position: number; byte: number }[] = [];
        let end = first;
        for (const { gap, length } of writes) {
          if (gap > 0) model = [];
          end += gap;
          const bytes = Buffer.from(Array.from({ length }, (_, at) => (end + at) % 251));
          await ring.write(end, bytes);
          model.push(...Array.from(bytes, (byte, at) => ({ position: end + at, byte })));
          model = model.slice(-size);
          end += length;
          const found = await RingFile.find(path);
          for (const each of [ring, found]) {
            expect([each?.start, each?.end]).toEqual([model[0]?.position, end]);
            const all = await each?.read(0, end);
            expect([...(all ?? [])]).toEqual(model.map(({ byte }) => byte));
          }
          await found?.close();
        }
        await ring.close();
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);

test("the log that a killed slave left is kept to its last whole line", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "build.log");
  const log = await BuildLog.create(path, { limitBytes: 200 });
  for (let line = 1; line <= 500; line += 1) log.note(`line ${line}`);
  log.write(Buffer.from("a line without an end"));
  await log.read(0, 1);
  await expect
    .poll(async () => {
      const ring = await RingFile.find(`${path}.ring`);
      await ring?.close();
      return ring?.end;
    })
    .toBe(Array.from({ length: 500 }, (_, n) => `line ${n + 1}\n`).join("").length);
  // As kill -9 leaves them: nobody has brought them together.
  for (const end of ["", ".ring"]) await copyFile(path + end, join(folder, `left.log${end}`));
  const to = join(folder, "17.log");
  expect(await rescueLog(join(folder, "left.log"), to)).toBe("line 500");
  const text = await readFile(to, "utf8");
  expect(text).toMatch(/^line 1\nline 2\n/);
  expect(text).toMatch(/\n\[\.\.\. \d+ bytes cut here \.\.\.\]\nline \d+\n/);
  expect(text).toMatch(
    /\nline 499\nline 500\n\n\[\.\.\. the slave ended in the middle of this build \.\.\.\]\n$/,
  );
  expect(await rescueLog(join(folder, "never.log"), to)).toBeUndefined();
  await log.finish();
});

test("a build that says where its log was cut is not believed", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "build.log");
  const log = await BuildLog.create(path);
  const said = "one\n[... 1000000 bytes cut here ...]\ntwo\n";
  log.write(Buffer.from(said));
  await log.finish();
  const finished = new FinishedLog(createReadStream(path));
  const part = await finished.read(0, 1_000);
  expect(Buffer.from(part.data).toString()).toBe("one\n[***\ntwo\n");
  expect(part).toMatchObject({ skippedBytes: 0, isEnd: true });
});
