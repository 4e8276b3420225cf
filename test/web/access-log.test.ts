/** The built-in server's access log: every request a line that piw-logger reads, across rotation and trouble. */
import { mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLineReader } from "../../protocol/accesslog/line-reader.ts";
import { parseLogFormat } from "../../protocol/accesslog/log-format.ts";
import { lineOf } from "../../web/server/access-log.ts";
import { type Answered, openAccessLog } from "../../web/server.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "access-log-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const answered: Answered = {
  address: "192.0.2.7",
  atMs: Date.UTC(2026, 10, 22, 17, 0, 1),
  method: "GET",
  target: "/simple/tide-pool/tide_pool-1.0-py3-none-any.whl",
  httpVersion: "1.1",
  status: 200,
  bodyBytes: 1_234,
  referrer: "",
  userAgent: 'pip/24.0 {"cpu":"x86_64"}',
};

test("a line is that of Apache and nginx, and piw-logger counts it as a download", () => {
  const line = lineOf(answered);
  expect(line).toBe(
    '192.0.2.7 - - [22/Nov/2026:17:00:01 +0000] "GET /simple/tide-pool/tide_pool-1.0-py3-none-any.whl HTTP/1.1" 200 1234 "-" "pip/24.0 {\\x22cpu\\x22:\\x22x86_64\\x22}"\n',
  );
  const read = createLineReader(parseLogFormat("combined"), () => answered.atMs + 1_000);
  expect(read(line.trimEnd())).toMatchObject({
    kind: "download",
    package: "tide-pool",
    filename: "tide_pool-1.0-py3-none-any.whl",
  });
});

test("nothing that a client says ends a field or a line, or fills the disk", () => {
  const hostile = `"\n1.2.3.4 - - [x] "GET /\u001b[2J\\\u00e9${"x".repeat(10_000)}`;
  const line = lineOf({ ...answered, target: hostile, referrer: hostile, userAgent: hostile });
  expect(line.slice(0, -1)).toMatch(/^[\x20-\x7e]*$/);
  expect(line.match(/"/g)?.length).toBe(6);
  expect(line.length).toBeLessThan(10_000);
});

test("every request is written, and the file that is moved away is begun anew", async () => {
  const path = join(folder, "access.log");
  const log = await openAccessLog(path, () => undefined);
  const add = (number: number): void => log.add({ ...answered, target: `/request-${number}` });
  for (let number = 0; number < 100; number++) add(number);
  await expect.poll(() => readFile(path, "utf8"), { timeout: 8_000 }).toContain("/request-99 ");
  await rename(path, `${path}.1`);
  for (let number = 100; number < 200; number++) add(number);
  await log.close();
  await log.close();
  const texts = [await readFile(`${path}.1`, "utf8"), await readFile(path, "utf8")];
  const targets = texts.map((text) =>
    [...text.matchAll(/request-(\d+)/g)].map(([, n]) => Number(n)),
  );
  expect(targets).toEqual([
    Array.from({ length: 100 }, (_, number) => number),
    Array.from({ length: 100 }, (_, number) => 100 + number),
  ]);
});

test("a place where no file can be is said at once, and trouble later once", async () => {
  await expect(openAccessLog(join(folder, "absent", "x.log"), () => undefined)).rejects.toThrow(
    /ENOENT/,
  );
  await expect(openAccessLog("/dev/null", () => undefined)).rejects.toThrow("no ordinary file");
  const troubles: number[] = [];
  const below = await mkdtemp(join(folder, "below-"));
  const log = await openAccessLog(join(below, "x.log"), ({ lostLines }) =>
    troubles.push(lostLines),
  );
  await rm(below, { recursive: true });
  log.add(answered);
  await log.close();
  expect(troubles).toEqual([1]);
});
