/**
 * The control link of a real master against those who should not order it, or not so: over tcp with keys, and over ipc. What is
 * refused has no effect, is counted, and harms nobody.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Dealer } from "zeromq";
import { controlLink } from "../../protocol/links/control.ts";
import { statusLink } from "../../protocol/links/status.ts";
import type { FarmEvent } from "../../protocol/model/status.ts";
import { encode } from "../../protocol/transport/codec.ts";
import {
  encodeData,
  encodeDataHead,
  encodeFrame,
  encodeMessage,
} from "../../protocol/transport/frame.ts";
import { makeHello, makeRoutingId } from "../../protocol/transport/hello.ts";
import {
  addKey,
  type ClientKeys,
  connectEndpoint,
  connectSubscriber,
  generateKeyPair,
  type KeyPair,
  revokeKey,
  writeKeyFile,
} from "../../protocol/transport/index.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { silentLogger } from "../../supervisor/index.ts";
import { until } from "../actors/slave/scripted-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { freePort, TestFarm } from "../support/test-farm.ts";

const WITHIN_MS = 30_000;
let folder: string;
let upstream: SampleUpstream;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ww-monitors-"));
  upstream = await startSampleUpstream({ files: [] });
}, 60_000);
afterAll(async () => {
  await upstream.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** A master of each kind, with the keys of one who may control it. */
interface Ground {
  readonly farm: TestFarm;
  readonly database: TestDatabase;
  readonly monitors: string;
  readonly statusAddress: string;
  keysOf(own: KeyPair): ClientKeys | undefined;
}

const boss = generateKeyPair();
const ways = ["tcp with keys", "ipc"] as const;

async function begin(way: (typeof ways)[number]): Promise<Ground> {
  const database = await createTestDatabase();
  const monitors = join(folder, "monitors");
  if (way === "ipc") {
    const farm = new TestFarm({ dsn: database.dsn, upstream, shape: "whole" });
    await farm.startMaster();
    return { farm, database, monitors, statusAddress: "", keysOf: () => undefined };
  }
  mkdirSync(monitors);
  const master = writeKeyFile(join(folder, "master.key"));
  addKey(monitors, "boss", boss.publicKey, "control");
  const [control, status] = [await freePort(), await freePort()].map(
    (port) => `tcp://127.0.0.1:${port}`,
  );
  const keysOf = (own: KeyPair) => ({ own, serverPublicKey: master.publicKey });
  const farm = new TestFarm({
    dsn: database.dsn,
    upstream,
    shape: "whole",
    control: { address: control ?? "", keys: keysOf(boss) },
    master: [
      ...["--key", join(folder, "master.key"), "--monitor-keys", monitors],
      ...["--control-queue", control ?? "", "--status-queue", status ?? ""],
    ],
  });
  await farm.startMaster();
  return { farm, database, monitors, statusAddress: status ?? "", keysOf };
}

async function end({ farm, database }: Ground): Promise<void> {
  for (const close of closing.splice(0)) await close();
  await farm.end();
  await database.end();
}

/** How often a task has refused what. */
async function refused({ farm }: Ground, task: string, why: string): Promise<number> {
  const found = (await farm.tasks()).find(({ path }) => path === task);
  return found?.refused?.[why] ?? 0;
}

const stateOf = async ({ farm }: Ground, name: string) =>
  (await farm.tasks()).find(({ path }) => path.endsWith(`/${name}`))?.state;

function connect(ground: Ground, own: KeyPair | undefined) {
  const keys = own && ground.keysOf(own);
  const downs: string[] = [];
  let ups = 0;
  const endpoint = connectEndpoint(controlLink, {
    address: ground.farm.controlAddress,
    ...(keys && { keys }),
    log: silentLogger,
    handlers: {
      up: () => {
        ups += 1;
      },
      message: () => undefined,
      down: (reason) => downs.push(reason),
    },
  });
  closing.push(() => endpoint.close());
  return { endpoint, downs, ups: () => ups };
}

async function connected(ground: Ground, own: KeyPair) {
  const client = connect(ground, own);
  await until("it is in", () => (client.ups() > 0 ? true : undefined), WITHIN_MS);
  return client;
}

/** What a listener of the status link with this key hears. */
function listen(ground: Ground, own: KeyPair): FarmEvent[] {
  const keys = ground.keysOf(own);
  const heard: FarmEvent[] = [];
  const subscription = connectSubscriber(statusLink, {
    address: ground.statusAddress,
    ...(keys && { keys }),
    log: silentLogger,
    onMessage: ({ body }) => heard.push(body),
    onGap: () => undefined,
  });
  closing.push(() => subscription.close());
  return heard;
}

const isOrderOf = (by: string) => (event: FarmEvent) => event.kind === "order" && event.by === by;

describe("over tcp with keys", () => {
  let ground: Ground;
  beforeAll(async () => {
    ground = await begin("tcp with keys");
    await ground.farm.until("it is up", ({ isComplete }) => isComplete);
  }, 120_000);
  afterAll(() => end(ground), 60_000);

  it("who has no key, or one that nobody let in, is turned away and counted", async () => {
    for (const own of [undefined, generateKeyPair()]) {
      const before = await refused(ground, "/links/control", "handshake failed");
      const stranger = connect(ground, own);
      await until("it is told", () => (stranger.downs.length > 0 ? true : undefined), WITHIN_MS);
      expect(stranger.downs[0]).toMatch(/^refused: /);
      expect(stranger.ups()).toBe(0);
      await stranger.endpoint.close();
      await until(
        "it is counted",
        async () =>
          (await refused(ground, "/links/control", "handshake failed")) > before ? true : undefined,
        WITHIN_MS,
      );
    }
    expect(await refused(ground, "/links/control", "key not authorised")).toBeGreaterThan(0);
    expect(await ground.farm.control("ORDERS", { limit: 10, before: null })).toEqual({
      orders: [],
    });
  }, 120_000);

  it("a key that may watch sees everything and orders nothing, until it may", async () => {
    const own = generateKeyPair();
    addKey(ground.monitors, "alice", own.publicKey, "watch");
    const heard = listen(ground, boss);
    const { endpoint } = await connected(ground, own);
    const by = "alice@host test";
    const orders = [
      ["PAUSE", { task: "scribe", by }],
      ["RESUME", { task: "scribe", by }],
      ["QUIT_TASK", { task: "scribe", by }],
      ["STEER", { slaves: { label: "*" }, action: "kill", by }],
      ["LOG_LEVEL", { task: null, level: "trace", by }],
      ["QUIT", { by }],
    ] as const;
    // Whatever else comes first, the listener is there before the last of them.
    await until(
      "an order that is refused is told",
      async () => {
        await expect(endpoint.ask("QUIT", { by }, WITHIN_MS)).rejects.toThrow(
          /key alice may watch, and give no orders/,
        );
        return heard.some(isOrderOf(by)) ? true : undefined;
      },
      WITHIN_MS,
    );
    for (const [type, body] of orders)
      await expect(endpoint.ask(type, body as never, WITHIN_MS)).rejects.toThrow(/may watch/);
    // Said again and again it is counted, and not noted any more.
    for (let at = 0; at < 20; at += 1)
      await expect(endpoint.ask("QUIT", { by }, WITHIN_MS)).rejects.toThrow(/may watch/);
    expect(heard.find(isOrderOf(by))).toMatchObject({
      via: "key alice",
      what: "quit",
      isDone: false,
      outcome: expect.stringContaining("refused") as string,
    });
    expect(await stateOf(ground, "scribe")).toBe("running");
    const counted = await refused(
      ground,
      "/observers/control",
      "order without the right to control",
    );
    expect(counted).toBeGreaterThanOrEqual(27);
    const { orders: kept } = await endpoint.ask("ORDERS", { limit: 100, before: null }, WITHIN_MS);
    expect(kept.filter((order) => order.by === by && !order.isDone)).toHaveLength(10);
    expect(ground.farm.logs(10_000)).toContain("an order that was not carried out");
    for (const type of ["HELLO", "REPORT", "LOG_LEVELS"] as const)
      expect(await endpoint.ask(type, {}, WITHIN_MS)).toBeTruthy();
    expect((await endpoint.ask("TREE", { sessions: true }, WITHIN_MS)).tasks).not.toEqual([]);

    addKey(ground.monitors, "alice", own.publicKey, "control");
    await until(
      "it may",
      () =>
        endpoint.ask("PAUSE", { task: "scribe", by }, WITHIN_MS).then(
          ({ isDone }) => (isDone ? true : undefined),
          () => undefined,
        ),
      WITHIN_MS,
    );
    expect(await stateOf(ground, "scribe")).toBe("paused");
    await endpoint.ask("RESUME", { task: "scribe", by }, WITHIN_MS);
    const [last, before] = (await endpoint.ask("ORDERS", { limit: 2, before: null }, WITHIN_MS))
      .orders;
    expect([last, before]).toMatchObject([
      { by, via: "key alice", what: "resume scribe", isDone: true, outcome: "running: scribe" },
      { by, via: "key alice", what: "pause scribe", isDone: true, outcome: "paused: scribe" },
    ]);
  }, 120_000);

  it("a key that is revoked loses its session, and hears nothing more", async () => {
    const own = generateKeyPair();
    addKey(ground.monitors, "leaver", own.publicKey, "control");
    const { downs } = await connected(ground, own);
    const left = listen(ground, own);
    const stays = listen(ground, boss);
    const say = (by: string) => ground.farm.control("PAUSE", { task: "nobody", by });
    await until(
      "both listen",
      async () => {
        await say("before");
        return [left, stays].every((heard) => heard.some(isOrderOf("before"))) ? true : undefined;
      },
      WITHIN_MS,
    );
    revokeKey(ground.monitors, "leaver");
    await until(
      "its session ends",
      () => (downs.some((why) => why.includes("no longer authorised")) ? true : undefined),
      WITHIN_MS,
    );
    await until(
      "the publisher has seen it too",
      async () =>
        (await refused(ground, "/observers/status", "key not authorised")) > 0 ? true : undefined,
      WITHIN_MS,
    );
    await until(
      "the other one is back",
      async () => {
        await say("after");
        return stays.some(isOrderOf("after")) ? true : undefined;
      },
      WITHIN_MS,
    );
    expect(left.some(isOrderOf("after"))).toBe(false);
    // For good: what came to its old connection came before it was cut.
    const again = connect(ground, own);
    await until("it is told", () => (again.downs.length > 0 ? true : undefined), WITHIN_MS);
    expect(again.ups()).toBe(0);
  }, 120_000);
});

describe.each(ways)("over %s", (way) => {
  let ground: Ground;
  beforeAll(async () => {
    rmSync(join(folder, "monitors"), { recursive: true, force: true });
    rmSync(join(folder, "master.key"), { force: true });
    ground = await begin(way);
    await ground.farm.until("it is up", ({ isComplete }) => isComplete);
  }, 120_000);
  afterAll(() => end(ground), 60_000);

  /** A socket that says by hand what it is told to; `session` is one of its own unless one was recorded. */
  function speaker(session = `spoken-${makeRoutingId()}`) {
    const routingId = makeRoutingId();
    const keys = ground.keysOf(boss);
    const who = keys ?? { identity: "local:speaker" };
    const socket = new Dealer({
      linger: 0,
      routingId,
      ...(keys && {
        curvePublicKey: keys.own.publicKey,
        curveSecretKey: keys.own.secretKey,
        curveServerKey: keys.serverPublicKey,
      }),
    });
    socket.connect(ground.farm.controlAddress);
    void (async () => {
      try {
        for await (const _frame of socket);
      } catch {
        // Closed.
      }
    })();
    closing.push(() => socket.close());
    const hello = encodeFrame(
      "HELLO",
      session,
      makeHello(controlLink, session, session.slice(0, 50), routingId, who),
    );
    let sequence = 0;
    const ask = (type: string, body: unknown): Buffer => {
      sequence += 1;
      const message = {
        kind: "ask",
        type,
        body,
        correlation: sequence,
        deadlineMs: 20_000,
      } as const;
      return encodeData(encodeDataHead(session), sequence, 1_000, [encodeMessage(message)]);
    };
    return { socket, hello, ask };
  }

  it("what is no message, or none of this link, harms nobody and does nothing", async () => {
    const pid = ground.farm.pidOf("master");
    const by = "mallory";
    const wrong = [
      ["DANCE", {}],
      ["constructor", {}],
      ["__proto__", {}],
      ["QUIT", {}],
      ["QUIT", { by: "" }],
      ["QUIT", { by: "x".repeat(201) }],
      ["QUIT", { by: 7 }],
      ["QUIT", null],
      ["PAUSE", { task: "scribe" }],
      ["PAUSE", { task: "x".repeat(201), by }],
      ["PAUSE", { task: ["scribe"], by }],
      ["STEER", { slaves: { id: -1 }, action: "kill", by }],
      ["STEER", { slaves: { label: "*" }, action: "explode", by }],
      ["LOG_LEVEL", { task: null, level: "loud", by }],
      ["ORDERS", { limit: 1e9, before: null }],
      ["ORDERS", { limit: 0, before: "1; drop table control_order" }],
      ["TREE", "x".repeat(1_000_000)],
    ] as const;
    const first = speaker();
    await first.socket.send(first.hello);
    for (const [type, body] of wrong) await first.socket.send(first.ask(type, body));
    for (const bytes of [
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      Buffer.alloc(0),
      encode([[1, "DATA", "nobody", 1, 9], { length: 9 }]),
      encode([[1, "QUIT", "nobody", 1], null]),
      Buffer.concat([Buffer.alloc(50_000, 0x91), Buffer.from([0xc0])]),
    ])
      await first.socket.send(bytes);
    await first.socket.send([first.hello, first.hello]);
    const large = speaker();
    await large.socket.send(large.hello);
    await large.socket.send(Buffer.alloc(17_000_000));
    await until(
      "all of it was taken",
      async () =>
        (await refused(ground, "/links/control", "malformed frame")) >= 5 &&
        (await refused(ground, "/links/control", "invalid message")) >= wrong.length
          ? true
          : undefined,
      WITHIN_MS,
    );
    // Those that are messages, and mean nobody.
    for (const task of ["", "nobody", "(", "*a".repeat(100), "\0", "\ud800", "'; drop table"])
      for (const type of ["PAUSE", "RESUME", "QUIT_TASK"] as const)
        expect(await ground.farm.control(type, { task, by })).toMatchObject({ isDone: false });
    const none = await ground.farm.control("STEER", {
      ...{ slaves: { label: "nobody" }, action: "kill", by },
    });
    expect(none).toMatchObject({ isDone: false, slaves: [] });
    const tasks = await ground.farm.tasks();
    expect(tasks.filter(({ restarts }) => restarts > 0)).toEqual([]);
    expect(tasks.filter(({ state }) => state !== "running")).toEqual([]);
    expect(ground.farm.pidOf("master")).toBe(pid);
    expect(ground.farm.isRunning("master")).toBe(true);
    const { orders } = await ground.farm.control("ORDERS", { limit: 100, before: null });
    expect(orders.map((order) => order.isDone)).not.toContain(true);
    expect(orders).toHaveLength(22);
  }, 120_000);

  it("what was recorded does nothing when it is said again, there or elsewhere", async () => {
    const by = "recorded";
    const honest = speaker();
    const order = honest.ask("PAUSE", { task: "secretary", by });
    await honest.socket.send(honest.hello);
    await honest.socket.send(order);
    const isPaused = async () => (await stateOf(ground, "secretary")) === "paused";
    await until("it is obeyed", async () => ((await isPaused()) ? true : undefined), WITHIN_MS);
    await ground.farm.control("RESUME", { task: "secretary", by: "test" });

    await honest.socket.send(order);
    await until(
      "it is known on its connection",
      async () =>
        (await refused(ground, "/links/control", "repeated frame")) > 0 ? true : undefined,
      WITHIN_MS,
    );
    // While the first stands, and after it has gone.
    for (const _time of [1, 2]) {
      const thief = speaker();
      const count = async () => {
        const whys = ["hello unproven", "spoke after its end", "unknown session"];
        const counts = await Promise.all(whys.map((why) => refused(ground, "/links/control", why)));
        return counts.reduce((sum, one) => sum + one, 0);
      };
      const before = await count();
      await thief.socket.send(honest.hello);
      await thief.socket.send(order);
      // HELLO, and the order of a session that there is not.
      await until(
        "it is known elsewhere",
        async () => ((await count()) >= before + 2 ? true : undefined),
        WITHIN_MS,
      );
      honest.socket.close();
      await until(
        "nobody is left of the first",
        async () => ((await stateOf(ground, "secretary")) === "running" ? true : undefined),
        WITHIN_MS,
      );
    }
    const { orders } = await ground.farm.control("ORDERS", { limit: 100, before: null });
    expect(orders.filter((one) => one.by === by)).toHaveLength(1);
    expect(await stateOf(ground, "secretary")).toBe("running");
  }, 120_000);
});
