/** kill -9 of the slave, a process of its own, at every step of a build. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { findBuildProcesses } from "../../actors/slave/build-processes.ts";
import { LOG_FILENAME } from "../../protocol/model/build.ts";
import { ScriptedMaster, until } from "../actors/slave/scripted-master.ts";
import { SlaveFixture } from "../actors/slave/slave-fixture.ts";

const program = fileURLToPath(new URL("./slave-program.ts", import.meta.url));

function startProcess(slave: SlaveFixture): ChildProcess {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", program, JSON.stringify(slave.settings)],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  onTestFinished(() => kill(child));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

async function setUp() {
  const master = await ScriptedMaster.start();
  const slave = await SlaveFixture.create(master);
  return { master, slave };
}

test("killed in mid-build: nothing of the build is left, and the master is told by its silence", async () => {
  const { master, slave } = await setUp();
  const first = startProcess(slave);
  await master.greet();
  await master.next("IDLE");
  master.say("BUILD", slave.order(1));
  await master.next("BUSY");
  await until("the build to run", async () => ((await slave.builds()) > 0 ? true : undefined));
  const entry = join(slave.settings.dir, "outbox", "1");
  const { buildId } = JSON.parse(await readFile(join(entry, "order.json"), "utf8")) as {
    buildId: string;
  };
  await kill(first);
  expect(await findBuildProcesses(buildId)).not.toEqual([]);
  startProcess(slave);
  expect(await master.greet()).toMatchObject({ running: [], finished: [] });
  await master.next("IDLE");
  expect(await findBuildProcesses(buildId)).toEqual([]);
  expect(await slave.list("outbox")).toEqual([]);
  expect(await slave.list("work")).toEqual([]);
});

test("killed after BUILT: the next one holds the same files and builds nothing again", async () => {
  const { master, slave } = await setUp();
  await slave.letBuildsEnd();
  const first = startProcess(slave);
  await master.greet();
  await master.next("IDLE");
  master.say("BUILD", slave.order(1));
  const before = await master.next("BUILT");
  const head = await master.pull(1, LOG_FILENAME, 10);
  await kill(first);
  startProcess(slave);
  expect(await master.greet()).toMatchObject({ running: [], finished: [1] });
  expect(await master.next("BUILT")).toEqual(before);
  const log = await master.pull(1, LOG_FILENAME, before.result.log.sizeBytes);
  expect(log.subarray(0, head.length)).toEqual(head);
  expect(createHash("sha256").update(log).digest("hex")).toBe(before.result.log.sha256);
  expect(await slave.builds()).toBe(1);
});

test("killed at any moment of a build: it is finished and whole, or gone without a trace", async () => {
  const { master, slave } = await setUp();
  await slave.letBuildsEnd();
  let process = startProcess(slave);
  for (let token = 1; token <= 12; token += 1) {
    const hello = await master.greet();
    await deliverAll(master, hello.finished);
    await master.next("IDLE");
    expect(await slave.list("outbox")).toEqual([]);
    expect(await slave.list("work")).toEqual([]);
    master.say("BUILD", slave.order(token));
    await delay(4 * token * token);
    await kill(process);
    process = startProcess(slave);
  }
  const hello = await master.greet();
  await deliverAll(master, hello.finished);
  await master.next("IDLE");
  expect(await slave.list("outbox")).toEqual([]);
});

/** Takes what a slave holds, each file checked against its hash, and says DONE. */
async function deliverAll(master: ScriptedMaster, tokens: readonly number[]): Promise<void> {
  for (const token of tokens) {
    const { result } = await master.next("BUILT", (built) => built.token === token);
    for (const file of [...result.files, { filename: LOG_FILENAME, ...result.log }]) {
      const data = await master.pull(token, file.filename, file.sizeBytes);
      expect(createHash("sha256").update(data).digest("hex")).toBe(file.sha256);
    }
    master.say("DONE", { token });
  }
}
