/**
 * Raw frames at a running master, by seed: it stays up, no task of it crashes, whoever else is connected is answered, and what
 * is refused is counted. WHEELWRIGHT_FUZZ_FRAMES says how many (a million takes some minutes), WHEELWRIGHT_FUZZ_SEED which.
 */

import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { z } from "zod";
import { productVersion } from "../../config/version.ts";
import { controlLink } from "../../protocol/links/control.ts";
import { filesLink } from "../../protocol/links/files.ts";
import { importLink } from "../../protocol/links/import.ts";
import { logLink, logMessages } from "../../protocol/links/log.ts";
import { slaveLink, slaveMessages } from "../../protocol/links/slave.ts";
import { startSampleUpstream } from "../../samples/index.ts";
import { valuesOf } from "../protocol/links/schema-values.ts";
import { FrameFuzzer } from "../support/frame-fuzzer.ts";
import { LyingSlave } from "../support/lying-slave.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { target } from "../support/queue-fixture.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

const frames = Number(process.env["WHEELWRIGHT_FUZZ_FRAMES"] ?? 20_000);
const seed = Number(process.env["WHEELWRIGHT_FUZZ_SEED"] ?? 1);
/** Frames of each link between two looks at the others. */
const ROUND = 250;

it(`${frames} raw frames of seed ${seed} end no task, and hold up nobody`, {
  timeout: 120_000 + frames * 5,
}, async () => {
  const database = await createTestDatabase();
  const upstream = await startSampleUpstream({ files: [] });
  const farm = new TestFarm({ dsn: database.dsn, upstream, shape: "whole" });
  const closing: (() => unknown)[] = [];
  try {
    await farm.startMaster();
    await farm.until("it is up", ({ followed }) => followed);
    const pid = farm.pidOf("master");
    const { slave, file } = farm.linkPorts;
    const [slaveAddress, fileAddress] = [`tcp://127.0.0.1:${slave}`, `tcp://127.0.0.1:${file}`];
    const probe = new LyingSlave({
      ...{ slaveAddress, fileAddress },
      ...{ slot: "probe", version: productVersion, target: target(12) },
    });
    closing.push(() => probe.close());
    await probe.begin();
    const fuzzers = [
      new FrameFuzzer({ ...slaveLink, bodies: bodiesOf(slaveMessages) }, slaveAddress, seed),
      new FrameFuzzer({ ...filesLink, bodies: fileBodies }, fileAddress, seed + 1),
      new FrameFuzzer({ ...logLink, bodies: bodiesOf(logMessages) }, farm.logAddress, seed + 2),
      // Whoever may speak there may stop the master: these get no body that is right.
      new FrameFuzzer({ ...controlLink, bodies: noBodies }, farm.controlAddress, seed + 3),
      new FrameFuzzer({ ...importLink, bodies: noBodies }, farm.importAddress, seed + 4),
    ];
    for (const fuzzer of fuzzers) closing.push(() => fuzzer.close());
    for (let sent = 0; sent < frames; sent += ROUND * fuzzers.length) {
      await noise(slave);
      await Promise.all(fuzzers.map((fuzzer) => fuzzer.send(ROUND)));
      await probe.askForWork();
    }
    const tasks = await farm.tasks();
    const crashed = tasks.filter(({ restarts }) => restarts > 0);
    expect(crashed.map(({ path, lastError }) => [path, lastError])).toEqual([]);
    for (const link of ["slave", "file", "log", "control", "import"]) {
      const { refused } = tasks.find(({ path }) => path === `/links/${link}`) ?? {};
      expect([link, refused?.["malformed frame"] ?? 0]).not.toEqual([link, 0]);
    }
    expect(probe.downs).toEqual([]);
    expect(farm.isRunning("master")).toBe(true);
    expect(farm.pidOf("master")).toBe(pid);
    upstream.publish(slowSdist({ name: "honest", version: "1.0" }));
    await farm.startSlave();
    await farm.until("a slave that behaves builds", ({ rows }) =>
      rows.some(({ package: name, state }) => name === "honest" && state === "built"),
    );
  } catch (error) {
    throw new Error(`seed ${seed}\n${farm.logs()}`, { cause: error });
  } finally {
    for (const close of closing) await close();
    await farm.end();
    await upstream.close();
    await database.end();
  }
});

const noBodies = {};

const bodiesOf = (messages: Readonly<Record<string, { readonly body: z.ZodType }>>) =>
  Object.fromEntries(Object.entries(messages).map(([type, { body }]) => [type, valuesOf(body)]));

const chunk = {
  token: fc.integer({ min: 1, max: 100 }),
  filename: fc.constantFrom("build.log", "a-1.0-py3-none-any.whl"),
};
const fileBodies = {
  CHUNK: fc.record({ ...chunk, offset: fc.nat(), data: fc.uint8Array({ maxLength: 500 }) }),
  MISSING: fc.record({ ...chunk, reason: fc.string() }),
};

/** Bytes that are not even ZeroMQ's. */
async function noise(port: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  // The master may well reset it, at any moment.
  socket.on("error", () => undefined);
  socket.once("connect", () => socket.end(randomBytes(300)));
  socket.resume();
  await new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
  });
}
