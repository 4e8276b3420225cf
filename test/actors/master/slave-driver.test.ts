/** What the Slave Driver says by itself to slaves that a person wants something of. */
import { afterEach, expect, test } from "vitest";
import type { EndpointMessages } from "../../../actors/master/endpoint.ts";
import { type SlaveDriverMessages, slaveDriver } from "../../../actors/master/slave-driver.ts";
import type { SlaveWord } from "../../../actors/master/whereabouts.ts";
import type { ToSlave } from "../../../protocol/links/slave.ts";
import type { SlavesAsked } from "../../../protocol/model/steering.ts";
import {
  type ActorRef,
  child,
  defineActor,
  dynamicSupervisor,
  type MessageOf,
  type Peer,
  type System,
  silentLogger,
  startSystem,
  supervisor,
} from "../../../supervisor/index.ts";
import { until } from "../slave/scripted-master.ts";

type Said = { peer: string; message: MessageOf<ToSlave> };

const link = defineActor<EndpointMessages<ToSlave>, { readonly said: Said[] }, { said: Said[] }>({
  name: "takes note of what is said to slaves",
  init: (_ctx, { said }) => ({ said }),
  handle: {
    ATTACH: () => "memory",
    SEND({ said }, { peer, message }) {
      said.push({ peer: peer.id, message });
      return "sent";
    },
    DROP: () => undefined,
  },
});

let system: System;
let said: Said[];
let driver: ActorRef<SlaveDriverMessages>;
afterEach(() => system.stop());

async function start(): Promise<void> {
  said = [];
  system = await startSystem({
    name: "test",
    logger: silentLogger,
    root: ({ ref }) => {
      driver = ref<SlaveDriverMessages>("/driver");
      return supervisor("main", {}, [
        child("link", link, { said }),
        dynamicSupervisor("sessions", {}),
        child("driver", slaveDriver, {
          link: ref<EndpointMessages<ToSlave>>("/link"),
          sessionsPath: "/sessions",
          // No session is started here.
          session: { status: ref("/nobody"), database: ref("/nobody") } as never,
        }),
      ]);
    },
  });
}

const wordOf = (presence: SlaveWord["presence"]): SlaveWord => ({
  ...{ presence, build: null, delivering: 0, greeting: null },
});

const peer = (id: string, slot = "folder"): Peer => ({ id, identity: "key", slot });
const hello = (of: Peer) =>
  driver.ask("PEER_MESSAGE", {
    peer: of,
    message: { type: "HELLO", body: {} as never },
  });

async function killed(of: Peer): Promise<void> {
  await driver.ask("PEER_OPENED", of);
  const presence = { slaveId: 1, label: "one", phase: "building", running: 5 } as const;
  await driver.ask("PRESENCE", { peerId: of.id, word: wordOf(presence) });
  const steer = { slaveIds: [1, 2], action: "kill", reason: "killed by a person" } as const;
  expect(await driver.ask("STEER", steer)).toEqual([presence]);
}
const die = { type: "DIE", body: { reason: "killed by a person", final: true, now: true } };

test("a killed slave whose connection was lost is told again; one that has left is a slave like any other", async () => {
  await start();
  await killed(peer("1"));
  await until("DIE", () => (said.length === 1 ? true : undefined));
  await driver.ask("PEER_CLOSED", { peer: peer("1"), end: "silent" });
  expect(await driver.ask("WHEREABOUTS")).toMatchObject({
    slaves: [{ id: 1, state: "silent", connectedAt: null }],
  });
  await driver.ask("PEER_OPENED", peer("2"));
  await hello(peer("2"));
  await until("DIE again", () => (said.length === 2 ? true : undefined));
  expect(said).toEqual([
    { peer: "1", message: die },
    { peer: "2", message: die },
  ]);
  await driver.ask("PEER_CLOSED", { peer: peer("2"), end: "left" });
  await driver.ask("PEER_OPENED", peer("3"));
  await hello(peer("3"));
  // Nor is another slave of that key.
  await driver.ask("PEER_OPENED", peer("4", "folder2"));
  await hello(peer("4", "folder2"));
  expect(said.filter(({ message }) => message.type === "DIE")).toHaveLength(2);
});

test("who is not here is not in the answer, and a skip without a build says nothing", async () => {
  await start();
  const idle = { slaveId: 3, label: "three", phase: "idle", running: null } as const;
  await driver.ask("PEER_OPENED", peer("1"));
  await driver.ask("PRESENCE", { peerId: "1", word: wordOf(idle) });
  await driver.ask("PRESENCE", { peerId: "gone", word: wordOf({ ...idle, slaveId: 4 }) });
  const skip = { slaveIds: [3, 4], action: "skip", reason: "" } as const;
  expect(await driver.ask("STEER", skip)).toEqual([idle]);
  expect(await driver.ask("STEER", { ...skip, action: "sleep", reason: "why" })).toEqual([idle]);
  await until("SLEEP", () => (said.length > 0 ? true : undefined));
  expect(said).toEqual([{ peer: "1", message: { type: "SLEEP", body: { reason: "why" } } }]);
});

test("who was put to sleep is not woken in place of another", async () => {
  await start();
  for (const [id, slaveId] of [
    ["1", 1],
    ["2", 2],
  ] as const) {
    await driver.ask("PEER_OPENED", peer(id));
    const presence = { slaveId, label: id, phase: "idle", running: null } as const;
    await driver.ask("PRESENCE", { peerId: id, word: wordOf(presence) });
    await driver.ask("SLEEPING", { peerId: id, targetIds: [7] });
  }
  await driver.ask("STEER", { slaveIds: [1], action: "sleep", reason: "why" });
  await driver.ask("WAKE", { work: [{ targetId: 7, count: 1 }] });
  await until("CONT", () => (said.length > 1 ? true : undefined));
  expect(said.map((each) => [each.peer, each.message.type])).toEqual([
    ["1", "SLEEP"],
    ["2", "CONT"],
  ]);
});

test("work is offered to another slave beside one whose process was told to drop a build", async () => {
  await start();
  const jobs = [peer("1", "folder#1"), peer("2", "folder#2"), peer("3", "elsewhere")];
  for (const [at, job] of jobs.entries()) {
    await driver.ask("PEER_OPENED", job);
    const running = at === 0 ? 5 : null;
    const phase = at === 0 ? "building" : "idle";
    const presence = { slaveId: at + 1, label: job.slot, phase, running } as const;
    await driver.ask("PRESENCE", { peerId: job.id, word: wordOf(presence) });
    if (at > 0) await driver.ask("SLEEPING", { peerId: job.id, targetIds: [7] });
  }
  await driver.ask("STEER", { slaveIds: [1], action: "skip", reason: "" });
  // Its other job has slept longest, and may not have what came back.
  await driver.ask("WAKE", { work: [{ targetId: 7, count: 1 }] });
  await until("two to be woken", () =>
    said.filter(({ message }) => message.type === "CONT").length === 2 ? true : undefined,
  );
});

test("a kill by label needs nobody else: all jobs of the process that is meant hear of it, and no other", async () => {
  await start();
  const jobs = [peer("1", "folder#1"), peer("2", "folder#2"), peer("3", "elsewhere")];
  const labels = ["cellar#1", "cellar#2", "attic"];
  for (const [at, job] of jobs.entries()) {
    await driver.ask("PEER_OPENED", job);
    const presence = { slaveId: at + 1, label: labels[at] ?? "", phase: "idle", running: null };
    await driver.ask("PRESENCE", { peerId: job.id, word: wordOf(presence as never) });
  }
  const kill = async (slaves: SlavesAsked) =>
    (await driver.ask("KILL", { slaves, reason: "killed by a person" })).map(({ label }) => label);
  expect(await kill({ label: "nobody" })).toEqual([]);
  expect(await kill({ label: "cellar#1" })).toEqual(["cellar#1", "cellar#2"]);
  await until("both to hear", () => (said.length === 2 ? true : undefined));
  expect(said).toEqual([
    { peer: "1", message: die },
    { peer: "2", message: die },
  ]);
  expect(await kill({ id: 3 })).toEqual(["attic"]);
});

test("a log of a job that is not there any more is asked of the jobs that are, and of no other slave", async () => {
  await start();
  const idle = { slaveId: 3, label: "three", phase: "idle", running: null } as const;
  const question = { identity: "key", token: 5, position: 0, waitMs: 0 };
  for (const of of [peer("1", "other"), peer("2", "folder#2")]) {
    await driver.ask("PEER_OPENED", of);
    const word = { presence: idle, build: null, delivering: 0, greeting: null };
    await driver.ask("PRESENCE", { peerId: of.id, word });
  }
  // There are no sessions here: whoever is asked does not answer.
  await expect(driver.ask("READ_LOG", { ...question, slot: "folder#3" })).rejects.toThrow(
    "the slave does not answer",
  );
  for (const slot of ["nowhere", "fold"])
    await expect(driver.ask("READ_LOG", { ...question, slot })).rejects.toThrow(
      "the slave is not connected",
    );
  await expect(
    driver.ask("READ_LOG", { ...question, identity: "another", slot: "folder#2" }),
  ).rejects.toThrow("the slave is not connected");
});

test("a master that was about to stop, and has not, gives out builds again by itself", {
  timeout: 60_000,
}, async () => {
  await start();
  await driver.ask("PEER_OPENED", peer("1"));
  expect(await driver.ask("DRAIN")).toBe(0);
  const idle = { type: "IDLE", body: {} as never } as const;
  await driver.ask("PEER_MESSAGE", { peer: peer("1"), message: idle });
  await until("it to sleep", () => said.find(({ message }) => message.type === "SLEEP"));
  const woken = () => said.find(({ message }) => message.type !== "SLEEP");
  expect(woken()).toBeUndefined();
  for (const endsAt = Date.now() + 40_000; woken() === undefined && Date.now() < endsAt; )
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(woken()).toMatchObject({ peer: "1" });
});
