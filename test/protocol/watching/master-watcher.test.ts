/** A watcher and a master that says and does what the test wants: away, slow, another one, cut off. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type ControlQuestions, controlLink } from "../../../protocol/links/control.ts";
import { statusLink } from "../../../protocol/links/status.ts";
import type { SlaveNow } from "../../../protocol/model/slave-now.ts";
import type { SlaveRow } from "../../../protocol/model/steering.ts";
import { bindEndpoint, bindPublisher } from "../../../protocol/transport/index.ts";
import { type MasterWatcher, watchMaster } from "../../../protocol/watching/master-watcher.ts";
import { type MessageOf, silentLogger } from "../../../supervisor/index.ts";
import { until } from "../../actors/slave/scripted-master.ts";

const folder = mkdtempSync(join(tmpdir(), "watching-"));
const controlAddress = `ipc://${folder}/control`;
const statusAddress = `ipc://${folder}/status`;
const ends: (() => Promise<void>)[] = [];
let watcher: MasterWatcher | undefined;

afterEach(async () => {
  await watcher?.close();
  watcher = undefined;
  for (const end of ends.splice(0)) await end();
});

const slave = (id: number, state: SlaveNow["state"] = "idle"): SlaveNow => ({
  ...{ id, label: `s${id}`, state, sinceAt: 5, asleep: null, build: null, delivering: 0 },
  connectedAt: 5,
});
const row = ({ id, label, state }: SlaveNow): SlaveRow => ({
  ...{ id, label, state, slot: "main", identity: "key", hostname: "h", os: "", board: "" },
  ...{ version: "1", targets: [], asleep: null, build: null, seenAt: 5, silentMs: 0 },
});

/** Bound to both addresses, with these slaves. */
async function startMaster(life: string, slaves: SlaveNow[]) {
  const master = {
    asked: [] as string[],
    change: 0,
    slaves,
    /** Answers to SLAVES are held back until it is cleared. */
    held: undefined as (() => void)[] | undefined,
  };
  const everything = {
    ...{
      asOf: null,
      farm: null,
      targets: [],
      master: null,
      resting: null,
      nowAt: Date.now(),
      upSinceAt: 1,
    },
    slaves: [],
  };
  const answerTo = ({ type }: MessageOf<ControlQuestions>): unknown => {
    const asked: string = type;
    switch (asked) {
      case "HELLO":
        return everything;
      case "SLAVES": {
        const whereabouts = { life, change: master.change, slaves: master.slaves };
        return { slaves: master.slaves.map(row), whereabouts };
      }
      case "ENDED":
        return { builds: [] };
      case "HISTORY":
        return { points: [], isMore: false };
      default:
        throw new Error(asked);
    }
  };
  const control = await bindEndpoint(controlLink, {
    address: controlAddress,
    log: silentLogger,
    heartbeatMs: 100,
    handlers: {
      opened: () => undefined,
      closed: () => undefined,
      message: (_peer, message, reply) => {
        master.asked.push(message.type);
        const value = answerTo(message);
        if (master.held === undefined || message.type !== "SLAVES") reply?.({ value });
        else master.held.push(() => reply?.({ value }));
      },
    },
  });
  const bindStatus = () =>
    bindPublisher(statusLink, { address: statusAddress, log: silentLogger, heartbeatMs: 50 });
  let status: Awaited<ReturnType<typeof bindStatus>> | undefined = await bindStatus();
  const cutStatus = async () => {
    await status?.close();
    status = undefined;
  };
  let isOver = false;
  const end = async () => {
    if (isOver) return;
    isOver = true;
    await cutStatus();
    await control.close();
  };
  ends.push(end);
  return {
    ...{ master, end, cutStatus },
    openStatus: async () => {
      status = await bindStatus();
    },
    say: (now: SlaveNow) => {
      master.change += 1;
      master.slaves = [...master.slaves.filter(({ id }) => id !== now.id), now];
      const { change } = master;
      status?.publish("EVENT", { kind: "slave", life, change, facts: null, ...now });
    },
  };
}

function watch(): MasterWatcher {
  const watching = watchMaster({
    ...{ controlAddress, statusAddress, log: silentLogger },
    onChange: () => undefined,
  });
  watcher = watching;
  return watching;
}

const fits = (what: string, condition: () => boolean) =>
  until(what, () => (condition() ? true : undefined), 60_000);
const caughtUp = ({ picture }: MasterWatcher) =>
  fits("it is caught up", () => picture.connection.isCaughtUp && picture.connection.isHearing);
const labels = ({ picture }: MasterWatcher) =>
  picture
    .slaves()
    .map(({ label }) => label)
    .toSorted();

describe("a watcher", { timeout: 90_000 }, () => {
  it("waits for a master that is not there, says since when it is away, and follows the next one on the address", async () => {
    const startedAt = Date.now();
    const watching = watch();
    const { picture } = watching;
    expect(picture.connection.state).toBe("connecting");
    const first = await startMaster("a", [slave(1), slave(2)]);
    await caughtUp(watching);
    expect(labels(watching)).toEqual(["s1", "s2"]);
    await first.end();
    await fits("it is away", () => picture.connection.state === "away");
    expect(picture.connection.why).not.toBe("");
    expect(picture.connection.sinceAt).toBeLessThanOrEqual(Date.now());
    expect(picture.connection.sinceAt).toBeGreaterThanOrEqual(startedAt);
    expect(picture.slaves()).toHaveLength(2);
    await startMaster("b", [slave(2, "building"), slave(3)]);
    await fits("it is here", () => picture.connection.state === "here");
    await fits("it knows the new one's slaves", () => labels(watching).join() === "s2,s3");
    expect(picture.findSlave(2)?.state).toBe("building");
    await caughtUp(watching);
  });

  it("asks again for what was said while the status link was cut", async () => {
    const watching = watch();
    const { picture } = watching;
    const { master, say, cutStatus, openStatus } = await startMaster("a", [slave(1)]);
    await caughtUp(watching);
    await cutStatus();
    say(slave(1, "building"));
    // By asking, since nothing is heard.
    await fits("it asks", () => picture.findSlave(1)?.state === "building");
    await fits("it says that it hears nothing", () => !picture.connection.isHearing);
    await openStatus();
    await caughtUp(watching);
    const asked = master.asked.length;
    say(slave(1, "delivering"));
    await fits("it hears", () => picture.findSlave(1)?.state === "delivering");
    expect(master.asked.length).toBeLessThan(asked + 10);
  });

  it("of a slow master takes the news that are newer than the answer", async () => {
    const { master, say } = await startMaster("a", [slave(1)]);
    const watching = watch();
    const { picture } = watching;
    await caughtUp(watching);
    await fits("it is quiet", () => !picture.isStale);
    master.held = [];
    picture.missed(1);
    say(slave(1, "asleep"));
    await fits("it has asked", () => (master.held ?? []).length > 0);
    say(slave(1, "building"));
    await fits("it has heard", () => picture.findSlave(1)?.state === "building");
    for (const answer of master.held.splice(0)) answer();
    master.held = undefined;
    await caughtUp(watching);
    expect(picture.findSlave(1)?.state).toBe("building");
  });

  it("that stood still asks for what it missed, and no more often than it may", async () => {
    const { master, say } = await startMaster("a", [slave(1)]);
    const watching = watch();
    await caughtUp(watching);
    const asked = () => master.asked.filter((type) => type === "SLAVES").length;
    const before = asked();
    const startedAt = performance.now();
    for (let count = 0; count < 200; count += 1) watching.picture.missed(1);
    say(slave(1, "building"));
    await caughtUp(watching);
    await fits("it knows", () => watching.picture.findSlave(1)?.state === "building");
    const rounds = Math.ceil((performance.now() - startedAt) / 500) + 2;
    expect(asked() - before).toBeLessThanOrEqual(rounds);
  });
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
