/** Sessions of slaves that say too much, or at the wrong moment: what the master does for them stays bounded. */
import { afterEach, expect, test } from "vitest";
import type { EndpointMessages } from "../../../actors/master/endpoint.ts";
import { type SlaveDriverMessages, slaveDriver } from "../../../actors/master/slave-driver.ts";
import type { SlaveSessionMessages } from "../../../actors/master/slave-session.ts";
import type { FromSlave, ToSlave } from "../../../protocol/links/slave.ts";
import {
  type ActorContext,
  type ActorRef,
  child,
  type Deferred,
  defineActor,
  dynamicSupervisor,
  type MessageOf,
  type Peer,
  Refusal,
  type System,
  silentLogger,
  startSystem,
  supervisor,
  type TreeNode,
} from "../../../supervisor/index.ts";
import { until } from "../slave/scripted-master.ts";

/** What a session asks of its colleagues; the others are only told things, which go nowhere here. */
type Question =
  | "helloSlave"
  | "findDelivery"
  | "releaseLeases"
  | "RENEW"
  | "ADDRESS"
  | "COLLECT"
  | "PLACE"
  | "unplaced"
  | "yieldNames"
  | "CLEAR";
type Colleague = Record<Question, (body: unknown) => unknown>;

interface Colleagues {
  /** Questions that get no answer before the test gives it. */
  readonly held: Set<Question>;
  readonly asked: {
    readonly question: Question;
    readonly body: unknown;
    readonly reply: Deferred<unknown>;
  }[];
}

const answers: Record<Question, unknown> = {
  helloSlave: {
    ...{ slaveId: 1, targetIds: [], asleep: null, drop: [], settled: [], isNewTarget: false },
  },
  findDelivery: null,
  releaseLeases: 0,
  RENEW: true,
  ADDRESS: { url: null },
  COLLECT: { files: [], log: null, refusal: { cause: "bad-wheel", message: "it is gone" } },
  PLACE: null,
  unplaced: { files: [{ id: 9, filename: "a.whl" }], logs: [] },
  yieldNames: null,
  CLEAR: undefined,
};

function answer(question: Question) {
  return ({ held, asked }: Colleagues, body: unknown, ctx: ActorContext<Colleague>) => {
    const reply = ctx.defer<unknown>();
    asked.push({ question, body, reply });
    if (!held.has(question)) reply.resolve(answers[question]);
    return reply;
  };
}

const colleague = defineActor<Colleague, Colleagues, Colleagues>({
  name: "answers as the test has it",
  init: (_ctx, colleagues) => colleagues,
  handle: {
    helloSlave: answer("helloSlave"),
    findDelivery: answer("findDelivery"),
    releaseLeases: answer("releaseLeases"),
    RENEW: answer("RENEW"),
    ADDRESS: answer("ADDRESS"),
    COLLECT: answer("COLLECT"),
    PLACE: answer("PLACE"),
    unplaced: answer("unplaced"),
    yieldNames: answer("yieldNames"),
    CLEAR: answer("CLEAR"),
  },
});

interface Said {
  readonly messages: MessageOf<ToSlave>[];
  readonly drops: string[];
}

const link = defineActor<EndpointMessages<ToSlave>, Said, Said>({
  name: "takes note of what is said to slaves",
  init: (_ctx, said) => said,
  handle: {
    ATTACH: () => "memory",
    SEND({ messages }, { message }) {
      messages.push(message);
      return "sent";
    },
    DROP({ drops }, { reason }) {
      drops.push(reason);
    },
  },
});

let system: System;
let said: Said;
let colleagues: Colleagues;
let driver: ActorRef<SlaveDriverMessages>;
let session: ActorRef<SlaveSessionMessages>;
afterEach(() => system.stop());

const peer: Peer = { id: "1", identity: "key", slot: "folder" };

async function start(...held: Question[]): Promise<void> {
  said = { messages: [], drops: [] };
  colleagues = { held: new Set(held), asked: [] };
  system = await startSystem({
    name: "test",
    logger: silentLogger,
    root: ({ ref }) => {
      driver = ref<SlaveDriverMessages>("/driver");
      session = ref<SlaveSessionMessages>("/sessions/s1");
      const anyone = ref<never>("/colleague");
      const nobody = ref<never>("/nobody");
      return supervisor("main", {}, [
        child("link", link, said),
        child("colleague", colleague, colleagues),
        dynamicSupervisor("sessions", {}),
        child("driver", slaveDriver, {
          link: ref<EndpointMessages<ToSlave>>("/link"),
          sessionsPath: "/sessions",
          session: {
            database: anyone,
            architect: anyone,
            http: anyone,
            fileJuggler: anyone,
            secretary: nobody,
            status: nobody,
            bigBrother: nobody,
            link: ref<EndpointMessages<ToSlave>>("/link"),
            slaveDriver: driver,
            refusals: { count: () => undefined } as never,
            productVersion: "1.2.3",
            upstreamIndex: "http://upstream/simple",
            farmIndex: undefined,
            busyIntervalMs: 600_000,
            idleIntervalMs: 600_000,
            leaseMs: 600_000,
            retry: {} as never,
          },
        }),
      ]);
    },
  });
  await driver.ask("PEER_OPENED", peer);
}

const say = (message: MessageOf<FromSlave>) => driver.ask("PEER_MESSAGE", { peer, message });
const hello = (running: number[] = [], finished: number[] = []) =>
  say({
    type: "HELLO",
    body: { version: "1.2.3", label: "slave", host: {}, targets: [], running, finished } as never,
  });
const ask = (question: Question) => colleagues.asked.filter((each) => each.question === question);
const heard = (type: MessageOf<ToSlave>["type"]) =>
  said.messages.filter((message) => message.type === type);
const untilHeard = (type: MessageOf<ToSlave>["type"]) =>
  until(type, () => (heard(type).length > 0 ? true : undefined));

const paths = ({ path, children = [] }: TreeNode): string[] => [path, ...children.flatMap(paths)];
const hasSession = () => paths(system.tree()).includes(session.path);

test("a session that is too full to hear that its slave is gone is ended", async () => {
  await start("helloSlave");
  await hello();
  await until("the session to wait", () => ask("helloSlave")[0]);
  const status = { token: 1, status: "at it", text: "" };
  while (said.drops.length === 0) await say({ type: "STATUS", body: status });
  expect(hasSession()).toBe(true);
  await driver.ask("PEER_CLOSED", { peer, end: "silent" });
  await until("its end", () => (hasSession() ? undefined : true));
});

test("what a slave says again while it waits for the answer makes no more work", async () => {
  await start("RENEW");
  await hello([5]);
  await untilHeard("ACK");
  colleagues.held.add("ADDRESS");
  const probes = ask("ADDRESS").length;
  const answers: unknown[] = [];
  const reply = (outcome: unknown) => void answers.push(outcome);
  const busy = { type: "BUSY", body: { token: 5, stats: {} as never } } as const;
  for (let count = 0; count < 20; count += 1) {
    await say(busy);
    await driver.ask("PEER_MESSAGE", { peer, message: { type: "PROBE", body: {} }, reply });
  }
  await session.ask("INTRODUCE");
  await until("RENEW", () => ask("RENEW")[0]);
  await until("ADDRESS", () => ask("ADDRESS")[probes]);
  expect(ask("RENEW")).toHaveLength(1);
  expect(ask("ADDRESS")).toHaveLength(probes + 1);
  expect(answers).toHaveLength(19);
  ask("RENEW")[0]?.reply.resolve(true);
  ask("ADDRESS")[probes]?.reply.resolve({ url: null });
  await untilHeard("CONT");
  await until("the first answer", () => (answers.length === 20 ? true : undefined));
  await say(busy);
  await until("RENEW again", () => ask("RENEW")[1]);
});

test("a slave that has finished more builds than it can hold is sent away", async () => {
  await start("findDelivery");
  await hello();
  await untilHeard("ACK");
  for (let token = 1; heard("DIE").length === 0 && token <= 2_000; token += 1) {
    await say({ type: "BUILT", body: { token, result: {} as never } });
    if (token % 100 === 0 && hasSession()) await session.ask("INTRODUCE").catch(() => undefined);
  }
  expect(heard("DIE")).toMatchObject([{ body: { final: false } }]);
  expect(ask("findDelivery")).toHaveLength(4);
});

const built = (token: number) => say({ type: "BUILT", body: { token, result: {} as never } });

test("a skip that crosses BUILT changes nothing", async () => {
  await start("findDelivery");
  await hello([5]);
  await untilHeard("ACK");
  await built(5);
  await until("its delivery", () => ask("findDelivery")[0]);
  await session.ask("STEERED", { action: "skip", token: 5 });
  const probes = ask("ADDRESS").length;
  const probe = { peer, message: { type: "PROBE", body: {} }, reply: () => undefined } as const;
  await driver.ask("PEER_MESSAGE", probe);
  // What the session asked comes before it.
  await until("a later question", () => ask("ADDRESS")[probes]);
  expect(ask("releaseLeases")).toEqual([]);
  expect(heard("DONE")).toEqual([]);
});

test("a build that ended before its slave heard of the skip is delivered", async () => {
  await start("findDelivery");
  await hello([5]);
  await untilHeard("ACK");
  await session.ask("INTRODUCE");
  await driver.ask("STEER", { slaveIds: [1], action: "skip", reason: "" });
  await until("its release", () => ask("releaseLeases")[0]);
  await untilHeard("DONE");
  expect(heard("DONE")).toEqual([{ type: "DONE", body: { token: 5, ifRunning: true } }]);
  await built(5);
  await until("its delivery", () => ask("findDelivery")[0]);
  expect(heard("DONE")).toHaveLength(1);
});

test("a settled file that is lost and that the slave has not any more is given up", async () => {
  await start("findDelivery", "PLACE");
  await hello();
  await untilHeard("ACK");
  await say({ type: "BUILT", body: { token: 5, result: { files: [], log: {} } as never } });
  const delivery = await until("its delivery", () => ask("findDelivery")[0]);
  delivery.reply.resolve({ slaveId: 1, isSettled: true });
  const placing = await until("PLACE", () => ask("PLACE")[0]);
  placing.reply.reject(new Refusal("the blob is gone", { code: "missing" }));
  await untilHeard("DONE");
  expect(ask("yieldNames")).toHaveLength(1);
  expect(ask("PLACE")).toHaveLength(1);
});

test("the builds of a slave whose key is revoked are for others at once, also when the database was away", async () => {
  await start("releaseLeases", "findDelivery");
  await hello([5], [6]);
  await untilHeard("ACK");
  await session.ask("INTRODUCE");
  await driver.ask("PEER_CLOSED", { peer, end: "revoked" });
  const asked = await until("its release", () => ask("releaseLeases")[0]);
  expect(asked.body).toMatchObject({ slaveId: 1, tokens: [5, 6], isPassed: false });
  expect(hasSession()).toBe(true);
  asked.reply.resolve(2);
  await until("its end", () => (hasSession() ? undefined : true));
});

test("a slave that is merely gone keeps its builds", async () => {
  await start();
  await hello([5], [6]);
  await untilHeard("ACK");
  await driver.ask("PEER_CLOSED", { peer, end: "silent" });
  await until("its end", () => (hasSession() ? undefined : true));
  expect(ask("releaseLeases")).toEqual([]);
});

test("what HELLO names and is settled is cleared; a build that may have ended meanwhile is dropped only while it runs", async () => {
  await start("helloSlave");
  await hello([5, 6], [7, 8]);
  const greeting = await until("helloSlave", () => ask("helloSlave")[0]);
  greeting.reply.resolve({
    ...(answers.helloSlave as object),
    drop: [5, 7, 8],
    settled: [7],
  });
  await until("three drops", () => (heard("DONE").length === 3 ? true : undefined));
  expect(heard("DONE").map(({ body }) => body)).toEqual([
    { token: 5, ifRunning: true },
    { token: 7 },
    { token: 8 },
  ]);
  await until("the clearing", () => ask("CLEAR")[0]);
  expect(ask("CLEAR").map(({ body }) => body)).toEqual([{ token: 7 }]);
});
