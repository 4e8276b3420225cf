/**
 * A master that is told to stop in the middle of a transfer, by `piw quit` or a signal: no build is given out any more, the
 * transfer is waited for, for a while, and nothing is lost.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { productVersion } from "../../config/version.ts";
import { controlLink } from "../../protocol/links/control.ts";
import { connectEndpoint } from "../../protocol/transport/index.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { silentLogger } from "../../supervisor/index.ts";
import { until } from "../actors/slave/scripted-master.ts";
import { LocalMaster } from "../support/local-master.ts";
import { LyingSlave, sha256 } from "../support/lying-slave.ts";
import { wheelBytes, wheelName } from "../support/plain-wheel.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { target } from "../support/queue-fixture.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream({
    files: ["one", "two"].map((name) => slowSdist({ name, version: "1.0" })),
  });
}, 60_000);
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await upstream.close();
  await database.end();
}, 60_000);

const WITHIN_MS = 60_000;

/** A slave whose wheel stands still after its first piece, and which has asked for more to do meanwhile. */
async function deliver(addresses: { slave: string; file: string }, version: string) {
  const slave = new LyingSlave({
    ...{ slaveAddress: addresses.slave, fileAddress: addresses.file },
    ...{ slot: "slow", version, target: target(12) },
  });
  closing.push(() => slave.close());
  await slave.begin();
  const order = await slave.order();
  const wheel = { name: order.package, version: order.version, ballastBytes: 3_000_000 };
  const [filename, data] = [wheelName(wheel), wheelBytes(wheel)];
  slave.files.set(filename, Buffer.from(data));
  const held: Parameters<typeof slave.answer>[0][] = [];
  let isHolding = true;
  slave.answer = (fetch) => {
    if (isHolding && fetch.filename === filename && fetch.offset > 0) held.push(fetch);
    else slave.answerHonestly(fetch);
  };
  slave.built(order.token, {
    files: [{ filename, sizeBytes: data.length, sha256: sha256(data), aptDependencies: [] }],
  });
  await until("its wheel is on its way", () => (held.length > 0 ? true : undefined), WITHIN_MS);
  const release = (): void => {
    isHolding = false;
    for (const fetch of held) slave.answerHonestly(fetch);
  };
  return { slave, order, filename, release };
}

describe.each(["piw quit", "a signal"])("told to stop by %s", (how) => {
  it("gives out no build, takes what is on its way, and then stops", async () => {
    const said: string[] = [];
    const note = (_fields: object, message?: string) => void said.push(message ?? "");
    const logger = { ...silentLogger, info: note as typeof silentLogger.info };
    const master = await LocalMaster.start({
      ...{ dsn: database.dsn, upstream, slaves: 0 },
      // However slow the machine is: neither the end nor the transfer is given up.
      times: { drainMs: 120_000, leaseMs: 600_000 },
      logger: { ...logger, child: () => logger },
    });
    let hasEnded = false;
    void master.system.terminated.then(() => {
      hasEnded = true;
    });
    closing.push(() => master.end());
    const ipc = (name: string) => `ipc://${master.folder}/${name}`;
    const { slave, order, filename, release } = await deliver(
      { slave: ipc("slave"), file: ipc("file") },
      "test",
    );
    if (how === "a signal") void master.system.stop();
    else expect(await quit(ipc("control"))).toEqual({ isDone: true, outcome: "the master stops" });
    await until(
      "it waits",
      () => (said.includes("stops when the builds on their way are taken") ? true : undefined),
      WITHIN_MS,
    );
    // There is another one, which nobody is given any more.
    await slave.askForWork();
    expect(slave.heard.filter(({ type }) => type === "BUILD")).toHaveLength(1);
    expect(hasEnded).toBe(false);
    release();
    await until(
      "it is taken",
      () =>
        slave.heard.some(({ type, body }) => type === "DONE" && body.token === order.token) ||
        undefined,
      WITHIN_MS,
    );
    await until("it has stopped", () => (hasEnded ? true : undefined), WITHIN_MS);
    expect(await master.system.terminated).toEqual({ kind: "shutdown" });
    expect(await database.sql`select cause from build`).toEqual([{ cause: "built" }]);
    expect(
      await database.sql`select filename, placed_at is not null as is_placed from file`,
    ).toEqual([{ filename, is_placed: true }]);
  }, 240_000);
});

it.each(["piw quit", "SIGTERM"])(
  "does not wait for ever for a transfer: %s ends it with 0, and the next one goes on",
  async (how) => {
    const farm = new TestFarm({ dsn: database.dsn, upstream, shape: "whole" });
    closing.push(() => farm.end());
    await farm.startMaster();
    const { slave: port, file } = farm.linkPorts;
    const { slave, order, release } = await deliver(
      { slave: `tcp://127.0.0.1:${port}`, file: `tcp://127.0.0.1:${file}` },
      productVersion,
    );
    if (how === "SIGTERM") process.kill(farm.pidOf("master") ?? 0, "SIGTERM");
    else await farm.control("QUIT", { by: "test" });
    await farm.untilEnded(["master"], 120_000);
    expect(farm.exitCode("master")).toBe(0);
    expect(farm.logs(10_000)).toContain("stops all the same");
    expect(await database.sql`select cause from build`).toEqual([{ cause: null }]);
    await farm.startMaster();
    release();
    await slave.untilUp();
    slave.hello({ finished: [order.token] });
    await slave.next("ACK");
    slave.built(order.token, { cause: "build-failed" });
    await slave.next("DONE", ({ token }) => token === order.token);
  },
  240_000,
);

async function quit(address: string) {
  const endpoint = connectEndpoint(controlLink, {
    address,
    log: silentLogger,
    handlers: { up: () => undefined, message: () => undefined, down: () => undefined },
  });
  closing.push(() => endpoint.close());
  return until(
    "an answer",
    () => endpoint.ask("QUIT", { by: "test" }, WITHIN_MS).catch(() => undefined),
    WITHIN_MS,
  );
}
