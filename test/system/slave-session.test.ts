import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { FolderInUseError } from "../../actors/slave/folder-lock.ts";
import { type BuildResult, LOG_FILENAME } from "../../protocol/model/build.ts";
import { generateKeyPair, writeKeyFile } from "../../protocol/transport/index.ts";
import { type Logger, silentLogger } from "../../supervisor/index.ts";
import { ScriptedMaster, until } from "../actors/slave/scripted-master.ts";
import { SlaveFixture, TARGET, WHEEL_FILENAME } from "../actors/slave/slave-fixture.ts";
import { temporaryFolder } from "../actors/slave/temporary-folder.ts";

vi.setConfig({ testTimeout: 20_000 });

/** A slave that was greeted and said IDLE. */
async function idleSlave(ack: Parameters<ScriptedMaster["greet"]>[0] = {}) {
  const master = await ScriptedMaster.start();
  const slave = await SlaveFixture.create(master);
  const system = await slave.start();
  await master.greet(ack);
  await master.next("IDLE");
  return { master, slave, system };
}

/** A slave that builds token 1 and was heard saying so. */
async function busySlave(ack: Parameters<ScriptedMaster["greet"]>[0] = {}) {
  const all = await idleSlave(ack);
  all.master.say("BUILD", all.slave.order(1));
  await all.master.next("BUSY");
  await until("the build to run", async () => ((await all.slave.builds()) > 0 ? true : undefined));
  return all;
}

const sha256 = (data: Buffer) => createHash("sha256").update(data).digest("hex");

async function pullAll(master: ScriptedMaster, token: number, result: BuildResult) {
  for (const file of [...result.files, { filename: LOG_FILENAME, ...result.log }]) {
    const data = await master.pull(token, file.filename, file.sizeBytes);
    expect(sha256(data)).toBe(file.sha256);
    await master.next("SENT", (sent) => sent.filename === file.filename);
  }
}

test("walks a build from HELLO to an empty outbox", async () => {
  const { master, slave } = await busySlave();
  const hello = master.heard.find((message) => message.type === "HELLO")?.body;
  expect(hello).toMatchObject({ version: "1.2.3", label: "the slave", running: [], finished: [] });
  expect(hello).toHaveProperty("targets.0.name", TARGET);
  await master.next("BUSY");
  master.say("CONT", {});
  await slave.letBuildsEnd();
  const { token, result } = await master.next("BUILT");
  expect(token).toBe(1);
  expect(result).toMatchObject({ cause: "built", missing: [] });
  expect(result.files.map(({ filename }) => filename)).toEqual([WHEEL_FILENAME]);
  master.say("SEND", { token, filename: WHEEL_FILENAME });
  await pullAll(master, token, result);
  master.say("DONE", { token });
  const { stats } = await master.next("IDLE");
  expect(stats.diskSizeBytes).toBeGreaterThan(0);
  expect(await slave.list("outbox")).toEqual([]);
  expect(await slave.list("work")).toEqual([]);
});

test("goes on building while it is cut off, and HELLO says what it builds", async () => {
  const { master, slave } = await busySlave();
  master.drop();
  const hello = await master.greet();
  expect(hello).toMatchObject({ running: [1], finished: [] });
  await master.next("BUSY");
  await slave.letBuildsEnd();
  expect((await master.next("BUILT")).token).toBe(1);
  expect(await slave.builds()).toBe(1);
});

test("a build that ends while the master is away is delivered when it is back", async () => {
  const { master, slave } = await busySlave();
  await master.close();
  await slave.letBuildsEnd();
  await until("the result", async () =>
    (await slave.list("work")).length === 0 ? true : undefined,
  );
  await master.open();
  expect(await master.greet()).toMatchObject({ running: [], finished: [1] });
  const { result } = await master.next("BUILT");
  await pullAll(master, 1, result);
  expect(await slave.builds()).toBe(1);
});

test("says BUILT again in each session until DONE", async () => {
  const { master, slave } = await busySlave();
  await slave.letBuildsEnd();
  const first = await master.next("BUILT");
  for (let round = 0; round < 2; round += 1) {
    master.drop();
    expect(await master.greet()).toMatchObject({ finished: [1] });
    expect(await master.next("BUILT")).toEqual(first);
  }
  master.say("DONE", { token: 1 });
  await master.next("IDLE");
  expect(await slave.list("outbox")).toEqual([]);
});

test("a finished build that is ordered again is not built again", async () => {
  const { master, slave, system } = await busySlave();
  await slave.letBuildsEnd();
  await master.next("BUILT");
  await system.stop();
  const again = await slave.start();
  await master.greet();
  const { token } = await master.next("BUILT");
  master.say("BUILD", slave.order(token));
  master.drop();
  expect(await master.greet()).toMatchObject({ running: [], finished: [1] });
  expect(await slave.builds()).toBe(1);
  await again.stop();
});

test("DONE in the middle of a build ends it at once, with all that it started", async () => {
  const { master, slave } = await busySlave();
  const saidAt = performance.now();
  master.say("DONE", { token: 1 });
  await master.next("IDLE");
  expect(performance.now() - saidAt).toBeLessThan(5_000);
  expect(await slave.list("outbox")).toEqual([]);
  expect(await slave.list("work")).toEqual([]);
  await slave.letBuildsEnd();
  master.say("BUILD", slave.order(2));
  expect((await master.next("BUILT")).token).toBe(2);
});

test("DONE for a build only if it runs keeps one that has ended", async () => {
  const { master, slave } = await busySlave();
  await slave.letBuildsEnd();
  const built = await master.next("BUILT");
  master.say("DONE", { token: 1, ifRunning: true });
  master.drop();
  expect(await master.greet()).toMatchObject({ running: [], finished: [1] });
  expect(await master.next("BUILT")).toEqual(built);
  master.say("DONE", { token: 1 });
  await master.next("IDLE");
  await slave.holdBuilds();
  master.say("BUILD", slave.order(2));
  await master.next("BUSY", ({ token }) => token === 2);
  master.say("DONE", { token: 2, ifRunning: true });
  await master.next("IDLE");
  expect(await slave.list("outbox")).toEqual([]);
});

test("DONE for a build that it knows nothing of changes nothing", async () => {
  const { master, slave } = await busySlave();
  master.say("DONE", { token: 99 });
  await slave.letBuildsEnd();
  expect((await master.next("BUILT")).token).toBe(1);
});

test("BUSY is said again and again, and IDLE at the interval that is shorter", async () => {
  const { master, slave } = await busySlave({ idleIntervalMs: 30 });
  for (let count = 0; count < 3; count += 1) {
    expect(await master.next("BUSY")).toMatchObject({ token: 1 });
  }
  master.say("DONE", { token: 1 });
  for (let count = 0; count < 3; count += 1) await master.next("IDLE");
  expect(await slave.list("outbox")).toEqual([]);
});

test("what it has finished it says again within a session, as BUILT or its DONE may have been lost", async () => {
  const { master, slave } = await busySlave();
  await slave.letBuildsEnd();
  for (let count = 0; count < 3; count += 1) expect((await master.next("BUILT")).token).toBe(1);
  master.say("DONE", { token: 1 });
  await master.next("IDLE");
  expect(await slave.list("outbox")).toEqual([]);
});

test("put to sleep in the middle of a build it goes on with that one", async () => {
  const { master, slave } = await busySlave();
  master.say("SLEEP", { reason: "put to sleep by a person" });
  await master.next("BUSY");
  await slave.letBuildsEnd();
  expect(await master.next("BUILT")).toMatchObject({ token: 1, result: { cause: "built" } });
});

test("a sleeping slave asks for work as soon as it is woken", async () => {
  const { master } = await idleSlave();
  for (let count = 0; count < 3; count += 1) {
    master.say("SLEEP", { reason: null });
    master.say("CONT", {});
    await master.next("IDLE");
  }
});

test("a second order while one is in hand is not taken, and harms nothing", async () => {
  const { master, slave } = await busySlave();
  master.say("BUILD", slave.order(2));
  await slave.letBuildsEnd();
  const { token } = await master.next("BUILT");
  master.say("DONE", { token });
  await master.next("IDLE");
  expect(await slave.builds()).toBe(1);
});

test("an order for a target that it does not serve is given back", async () => {
  const { master, slave } = await idleSlave();
  master.say("BUILD", slave.order(1, { target: "cp39-linux_riscv64" }));
  await master.next("IDLE");
  expect(await slave.builds()).toBe(0);
});

test("what does not pass the checks is a result with its cause", async () => {
  const { master, slave } = await idleSlave();
  await slave.letBuildsEnd();
  const sdist = slave.order(1).sdist;
  const orders = [
    [slave.order(1, { package: "other" }), "bad-wheel"],
    [slave.order(2, { version: "1.1" }), "bad-wheel"],
    [slave.order(3, { sdist: { ...sdist, sha256: "0".repeat(64) } }), "hash-mismatch"],
    [slave.order(4, { sdist: { ...sdist, url: "ftp://x/" } }), "no-sdist"],
    [slave.order(5, { version: "1.0.0" }), "built"],
  ] as const;
  for (const [order, cause] of orders) {
    master.say("BUILD", order);
    const { token, result } = await master.next("BUILT");
    expect({ token, cause: result.cause, files: result.files.length }).toEqual({
      token: order.token,
      cause,
      files: cause === "built" ? 1 : 0,
    });
    await pullAll(master, token, result);
    master.say("DONE", { token });
    await master.next("IDLE");
  }
});

test("files that it does not hold are missing, with a reason", async () => {
  const { master } = await idleSlave();
  const answer = await master.fetch({ token: 5, filename: "x.whl", offset: 0, lengthBytes: 10 });
  expect(answer).toMatchObject({ type: "MISSING", body: { reason: "build 5 is not held here" } });
});

test("many ranges that are asked for at once are all answered", async () => {
  const { master, slave } = await idleSlave();
  await slave.letBuildsEnd();
  master.say("BUILD", slave.order(1));
  const { result } = await master.next("BUILT");
  const [wheel] = result.files;
  const data = await master.pull(1, WHEEL_FILENAME, wheel?.sizeBytes ?? 0);
  const offsets = Array.from({ length: 40 }, (_, offset) => offset);
  await Promise.all(
    offsets.map((offset) =>
      master.fetch({ token: 1, filename: WHEEL_FILENAME, offset, lengthBytes: 7 }),
    ),
  );
  await until("all of them", () => (master.answers.length >= 41 ? true : undefined));
  for (const { type, body } of master.answers.slice(1)) {
    if (type !== "CHUNK") throw new Error(body.reason);
    expect(Buffer.from(body.data)).toEqual(data.subarray(body.offset, body.offset + 7));
  }
});

test("a master that refuses HELLO for good ends the slave with its reason", async () => {
  const master = await ScriptedMaster.start();
  const slave = await SlaveFixture.create(master);
  const system = await slave.start();
  await master.next("HELLO");
  master.say("DIE", { reason: "install version 2", final: true, now: false });
  const end = await system.terminated;
  expect(end).toMatchObject({
    kind: "error",
    error: { message: expect.stringContaining("install version 2") as string },
  });
});

test("a slave leaves a master of another version that does not mind, and says both versions", async () => {
  const master = await ScriptedMaster.start();
  const slave = await SlaveFixture.create(master);
  const system = await slave.start();
  await master.greet({ version: "9.8.7" });
  expect(await system.terminated).toMatchObject({
    kind: "error",
    error: {
      message: expect.stringMatching(
        /the master is version 9\.8\.7, this slave is 1\.2\.3: install the same version/,
      ) as string,
    },
  });
});

test("a slave that is refused with a build in hand finishes it first, and its successor delivers it", async () => {
  const { master, slave, system } = await busySlave();
  master.drop();
  await master.next("HELLO");
  master.say("DIE", { reason: "install version 2", final: true, now: false });
  await slave.letBuildsEnd();
  expect(await system.terminated).toMatchObject({ kind: "error" });
  expect(await slave.list("outbox")).toEqual(["1"]);
  await slave.start();
  expect(await master.greet()).toMatchObject({ running: [], finished: [1] });
  expect((await master.next("BUILT")).result.cause).toBe("built");
});

test("a slave that is told to leave in mid-build leaves at once", async () => {
  const { master, slave, system } = await busySlave();
  master.say("DIE", { reason: "killed by a person", final: true, now: true });
  expect(await system.terminated).toMatchObject({ kind: "error" });
  expect(await slave.list("work")).toEqual([]);
});

test("a killed slave that comes back leaves at once, whatever it builds", async () => {
  const { master, slave, system } = await busySlave();
  master.drop();
  await master.next("HELLO");
  master.say("DIE", { reason: "killed by a person", final: true, now: true });
  expect(await system.terminated).toMatchObject({ kind: "error" });
  expect(await slave.list("outbox")).toEqual([]);
});

test("a slave that is sent away for a while comes back with its build", async () => {
  const { master, slave } = await busySlave();
  master.say("DIE", { reason: "out of order", final: false, now: false });
  expect(await master.greet()).toMatchObject({ running: [1] });
  await slave.letBuildsEnd();
  expect((await master.next("BUILT")).token).toBe(1);
});

test("an ordered stop says BYE with what is finished, and leaves no process and no folder", async () => {
  const { master, slave, system } = await busySlave();
  await system.stop();
  expect(await master.next("BYE")).toEqual({ finished: [] });
  expect(await slave.list("outbox")).toEqual([]);
  expect(await slave.list("work")).toEqual([]);
  await slave.letBuildsEnd();
  await slave.start();
  await master.greet();
  await master.next("IDLE");
  master.say("BUILD", slave.order(2));
  await master.next("BUILT");
  const again = await slave.start().catch((error: unknown) => error);
  expect(again).toBeInstanceOf(FolderInUseError);
});

test("when the builder crashes the build is lost at once, and HELLO says so", async () => {
  const { master, slave, system } = await busySlave();
  system.crash("/job-1/builder", new Error("by the test"));
  expect(await master.greet()).toMatchObject({ running: [], finished: [] });
  await master.next("IDLE");
  expect(await slave.list("work")).toEqual([]);
  await slave.letBuildsEnd();
  master.say("BUILD", slave.order(2));
  expect((await master.next("BUILT")).token).toBe(2);
});

test("is on the file link only while it has something to send", async () => {
  const { master, slave } = await idleSlave();
  expect(master.isOnFileLink).toBe(false);
  await slave.letBuildsEnd();
  master.say("BUILD", slave.order(1));
  const { result } = await master.next("BUILT");
  expect(master.isOnFileLink).toBe(false);
  await pullAll(master, 1, result);
  expect(master.isOnFileLink).toBe(true);
  master.say("DONE", { token: 1 });
  await until("the end of the file connection", () => (master.isOnFileLink ? undefined : true));
});

test("when the link session crashes the build goes on", async () => {
  const { master, slave, system } = await busySlave();
  system.crash("/job-1/link-session", new Error("by the test"));
  expect(await master.greet()).toMatchObject({ running: [1] });
  expect(master.heard.some(({ type }) => type === "BYE")).toBe(false);
  await slave.letBuildsEnd();
  expect((await master.next("BUILT")).token).toBe(1);
  expect(await slave.builds()).toBe(1);
});

test("when the file sender crashes a transfer goes on where it stopped", async () => {
  const { master, slave, system } = await idleSlave();
  await slave.letBuildsEnd();
  master.say("BUILD", slave.order(1));
  const { result } = await master.next("BUILT");
  const size = result.files[0]?.sizeBytes ?? 0;
  const head = await master.pull(1, WHEEL_FILENAME, 10);
  system.crash("/job-1/file-sender", new Error("by the test"));
  const whole = await master.pull(1, WHEEL_FILENAME, size);
  expect(whole.subarray(0, head.length)).toEqual(head);
  expect(sha256(whole)).toBe(result.files[0]?.sha256);
});

test("speaks with the same identity after a restart", async () => {
  const { master, slave, system } = await idleSlave();
  const before = master.peer?.identity;
  await system.stop();
  await slave.start();
  await master.greet();
  expect(master.peer?.identity).toBe(before);
  expect(before).toMatch(/^local:[0-9a-f-]{36}$/);
});

test("with keys it is known by its key, and its files travel on a link of the same key", async () => {
  const folder = await temporaryFolder();
  const [own, secret] = [generateKeyPair(), generateKeyPair()];
  const keyFile = join(folder, "slave.key");
  writeKeyFile(keyFile, own);
  const master = await ScriptedMaster.start({
    secret,
    isAuthorised: (key) => key === own.publicKey,
  });
  const slave = await SlaveFixture.create(master, { masterKey: secret.publicKey, keyFile });
  await slave.letBuildsEnd();
  await slave.start();
  await master.greet();
  expect(master.peer?.identity).toBe(own.publicKey);
  await master.next("IDLE");
  master.say("BUILD", slave.order(1));
  await pullAll(master, 1, (await master.next("BUILT")).result);
});

test.each([
  ["masterKey", { masterKey: "x".repeat(40) }],
  ["keyFile", { keyFile: "/nowhere/slave.key" }],
])("half of the keys (%s) is refused before anything starts", async (_which, keys) => {
  const master = await ScriptedMaster.start();
  const slave = await SlaveFixture.create(master, keys);
  await expect(slave.start()).rejects.toThrow("give both --master-key and --key, or neither");
});

test("answers for the log of a build from any byte, while it runs, when it is finished, and not for one it has not", async () => {
  const { master, slave } = await busySlave();
  const ask = async (question: number, position: number, maxBytes: number, token = 1) => {
    master.say("READ_LOG", { question, token, position, maxBytes, waitMs: 5_000 });
    return (await master.next("LOG_PART", (answer) => answer.question === question)).part;
  };
  const first = await ask(1, 0, 8);
  expect(Buffer.from(first?.data ?? []).toString()).toBe("Building");
  expect(first).toMatchObject({ position: 0, skippedBytes: 0, nextPosition: 8, isEnd: false });
  const second = await ask(2, 8, 65_536);
  expect(Buffer.from(second?.data ?? []).toString()).toMatch(/^ demo-pkg 1.0 for .*\nbuilding\n$/s);
  const position = second?.nextPosition ?? 0;
  // Asked before there is more, answered when there is: here the end.
  const last = ask(3, position, 65_536);
  await slave.letBuildsEnd();
  expect(await last).toMatchObject({ position, nextPosition: position, isEnd: true });
  await until("the result", async () =>
    (await slave.list("work")).length === 0 ? true : undefined,
  );
  expect(await ask(4, 8, 65_536)).toEqual({ ...second, isEnd: true });
  expect(await ask(5, 0, 1, 77)).toBeNull();
});

test("a full disk costs the build in hand and not the slave, which asks for none until there is room", async (context) => {
  const master = await ScriptedMaster.start();
  const slave = await SlaveFixture.create(master);
  const { dir } = slave.settings;
  await mkdir(dir, { recursive: true });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=60m", "tmpfs", dir], { stdio: "ignore" });
  } catch {
    context.skip("only root may mount a small disk");
  }
  onTestFinished(() => {
    execFileSync("umount", ["--lazy", dir]);
  });
  const lines: string[] = [];
  const hear = (_fields: unknown, text?: string) => void lines.push(text ?? String(_fields));
  const logger: Logger = { ...silentLogger, error: hear, info: hear, child: () => logger };
  await slave.start(logger);
  await master.greet({ idleIntervalMs: 50 });
  await master.next("IDLE");
  const filler = join(dir, "filler");
  await writeFile(filler, Buffer.alloc(80_000_000)).catch(() => undefined);
  const count = (part: string) => lines.filter((line) => line.includes(part)).length;
  const said = (type: string) => master.heard.filter((each) => each.type === type).length;
  await until("the slave to see it", () => (count("MB are free") > 0 ? true : undefined));
  let idles = 0;
  for (let token = 1; token <= 7; token += 1) {
    master.say("BUILD", slave.order(token));
    await until("the build to be dropped", () =>
      count("has no room for build") === token ? true : undefined,
    );
    if (token === 1) idles = said("IDLE");
  }
  expect(await slave.list("outbox")).toEqual([]);
  expect(said("IDLE")).toBe(idles);
  expect(said("HELLO")).toBe(1);
  await rm(filler);
  await master.next("IDLE");
  master.say("BUILD", slave.order(8));
  await slave.letBuildsEnd();
  expect((await master.next("BUILT")).token).toBe(8);
});
