import { createHash } from "node:crypto";
import { cp, mkdir, readdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Outbox } from "../../../actors/slave/outbox.ts";
import type { BuildOrder, BuildResult } from "../../../protocol/model/build.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const hash = (data: string) => createHash("sha256").update(data).digest("hex");

const orderOf = (token: number): BuildOrder => ({
  token,
  package: "foo",
  version: "1.0",
  target: "cp311-linux_x86_64",
  sdist: { filename: "foo-1.0.tar.gz", url: "http://x/", sha256: hash(""), sizeBytes: 0 },
  buildTag: null,
});

const WHEEL = "foo-1.0-py3-none-any.whl";

const resultOf = (wheel: string, log: string): BuildResult => ({
  cause: "built",
  message: "",
  missing: [],
  durationMs: 5,
  files: [{ filename: WHEEL, sizeBytes: wheel.length, sha256: hash(wheel), aptDependencies: [] }],
  log: { sizeBytes: log.length, sha256: hash(log) },
});

/** A finished build with a wheel that says "wheel" and a log that says "log". */
async function finish(outbox: Outbox, folder: string, token: number, job = 1): Promise<void> {
  await outbox.begin(orderOf(token), `id-${token}`, job);
  await writeFile(outbox.logPath(token), "log");
  await mkdir(join(folder, "out"), { recursive: true });
  await writeFile(join(folder, "out", WHEEL), "wheel");
  await outbox.commit(token, resultOf("wheel", "log"), [join(folder, "out", WHEEL)]);
}

test("a finished build is still there, and can be read, after a restart", async () => {
  const folder = await temporaryFolder();
  const { outbox } = await Outbox.open(join(folder, "outbox"));
  await finish(outbox, folder, 7);
  const { outbox: again, cutOff } = await Outbox.open(join(folder, "outbox"));
  expect(cutOff).toEqual([]);
  expect(again.finished().map(({ token }) => token)).toEqual([7]);
  expect(again.find(7)).toEqual(resultOf("wheel", "log"));
  expect(await again.read(7, WHEEL, 1, 3)).toEqual({ data: Buffer.from("hee"), isLast: false });
  expect(await again.read(7, WHEEL, 3, 100)).toEqual({ data: Buffer.from("el"), isLast: true });
  expect(await again.read(7, "build.log", 0, 100)).toEqual({
    data: Buffer.from("log"),
    isLast: true,
  });
});

test("a finished build stays its job's, and one of a slave that knew no jobs is the first one's", async () => {
  const folder = await temporaryFolder();
  const { outbox } = await Outbox.open(join(folder, "outbox"));
  await finish(outbox, folder, 7, 2);
  await finish(outbox, folder, 8);
  const order = join(folder, "outbox", "8", "order.json");
  await writeFile(order, JSON.stringify({ order: orderOf(8), buildId: "id-8" }));
  const { outbox: again } = await Outbox.open(join(folder, "outbox"));
  const tokensOf = (job?: number) => again.finished(job).map(({ token }) => token);
  expect([tokensOf(), tokensOf(1), tokensOf(2), tokensOf(3)]).toEqual([[7, 8], [8], [7], []]);
});

test("a build that was only begun is removed at the next start and its process id told", async () => {
  const folder = await temporaryFolder();
  const { outbox } = await Outbox.open(folder);
  await outbox.begin(orderOf(3), "some-id");
  await writeFile(outbox.logPath(3), "half a l");
  const { outbox: again, cutOff } = await Outbox.open(folder);
  expect(cutOff).toEqual([{ folder: join(folder, "3"), buildId: "some-id" }]);
  expect(again.finished()).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
});

test.each([
  ["its result is cut short", (entry: string) => truncate(join(entry, "result.json"), 40)],
  ["its result is missing", (entry: string) => rm(join(entry, "result.json"))],
  ["its wheel is cut short", (entry: string) => truncate(join(entry, "files", WHEEL), 2)],
  ["its wheel is missing", (entry: string) => rm(join(entry, "files", WHEEL))],
  ["its log is missing", (entry: string) => rm(join(entry, "files", "build.log"))],
  ["its order too is cut short", (entry: string) => tear(entry)],
])("an entry is torn and removed when %s", async (_what, damage) => {
  const folder = await temporaryFolder();
  const { outbox } = await Outbox.open(join(folder, "outbox"));
  await finish(outbox, folder, 7);
  await finish(outbox, folder, 8);
  await damage(join(folder, "outbox", "7"));
  const { outbox: again, cutOff } = await Outbox.open(join(folder, "outbox"));
  expect(cutOff).toHaveLength(1);
  expect(again.finished().map(({ token }) => token)).toEqual([8]);
  expect(await readdir(join(folder, "outbox"))).toEqual(["8"]);
});

async function tear(entry: string): Promise<void> {
  await truncate(join(entry, "order.json"), 3);
  await truncate(join(entry, "result.json"), 3);
}

test("an entry that lies under another token's name is torn", async () => {
  const folder = await temporaryFolder();
  const { outbox } = await Outbox.open(join(folder, "outbox"));
  await finish(outbox, folder, 7);
  await cp(join(folder, "outbox", "7"), join(folder, "outbox", "9"), { recursive: true });
  const { outbox: again, cutOff } = await Outbox.open(join(folder, "outbox"));
  expect(cutOff).toEqual([{ folder: join(folder, "outbox", "9"), buildId: "id-7" }]);
  expect(again.finished().map(({ token }) => token)).toEqual([7]);
});

test("discarding a build, finished or not, once or twice, leaves nothing of it", async () => {
  const folder = await temporaryFolder();
  const { outbox } = await Outbox.open(join(folder, "outbox"));
  await finish(outbox, folder, 7);
  await outbox.begin(orderOf(8), "eight");
  for (const token of [7, 7, 8, 99]) await outbox.discard(token);
  expect(outbox.finished()).toEqual([]);
  expect(await readdir(join(folder, "outbox"))).toEqual([]);
});

test.each([
  ["another build", 8, WHEEL, 0, /not held/],
  ["a file of no build", 7, "other-1.0-py3-none-any.whl", 0, /no such file/],
  ["the order", 7, "order.json", 0, /no such file/],
  ["a path", 7, "../order.json", 0, /no such file/],
  ["beyond the end", 7, WHEEL, 6, /ends at 5 bytes/],
])("asked for %s it says why there is none", async (_what, token, filename, offset, reason) => {
  const folder = await temporaryFolder();
  const { outbox } = await Outbox.open(join(folder, "outbox"));
  await finish(outbox, folder, 7);
  const part = await outbox.read(token, filename, offset, 10);
  expect(part).toEqual({ missing: expect.stringMatching(reason) as string });
});

test("asked for nothing but the end of a file it says that this is the end", async () => {
  const folder = await temporaryFolder();
  const { outbox } = await Outbox.open(join(folder, "outbox"));
  await finish(outbox, folder, 7);
  expect(await outbox.read(7, WHEEL, 5, 10)).toEqual({ data: Buffer.alloc(0), isLast: true });
});

test("a file that was cut short or replaced by a link since is not given", async () => {
  const folder = await temporaryFolder();
  const { outbox } = await Outbox.open(join(folder, "outbox"));
  await finish(outbox, folder, 7);
  const wheel = join(folder, "outbox", "7", "files", WHEEL);
  await truncate(wheel, 2);
  expect(await outbox.read(7, WHEEL, 0, 10)).toEqual({ missing: "the file cannot be read" });
  // A file that is open is the one that was there.
  await outbox.rest();
  await rm(wheel);
  await symlink("/etc/hostname", wheel);
  expect(await outbox.read(7, WHEEL, 0, 1)).toEqual({ missing: "the file cannot be read" });
});

test("a commit that failed half way can be made again", async () => {
  const folder = await temporaryFolder();
  const { outbox } = await Outbox.open(join(folder, "outbox"));
  await outbox.begin(orderOf(7), "seven");
  await writeFile(outbox.logPath(7), "log");
  const wheel = join(folder, WHEEL);
  await writeFile(wheel, "wheel");
  const result = resultOf("wheel", "log");
  await expect(outbox.commit(7, result, [wheel, join(folder, "gone.whl")])).rejects.toThrow(
    "ENOENT",
  );
  expect(outbox.find(7)).toBeUndefined();
  await outbox.commit(7, result, [wheel]);
  const { outbox: again } = await Outbox.open(join(folder, "outbox"));
  expect(again.find(7)).toEqual(result);
});

test("a finished build is never begun again", async () => {
  const folder = await temporaryFolder();
  const { outbox } = await Outbox.open(join(folder, "outbox"));
  await finish(outbox, folder, 7);
  await expect(outbox.begin(orderOf(7), "again")).rejects.toThrow("finished already");
  expect(outbox.find(7)).toBeDefined();
});
