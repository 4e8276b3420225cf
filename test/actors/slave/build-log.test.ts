import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BuildLog } from "../../../actors/slave/build-log.ts";
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
