/** Conformance: who is not let in, and what no honest peer would say. */
import { afterEach, describe, expect, it } from "vitest";
import { encode } from "../../protocol/transport/codec.ts";
import { generateKeyPair } from "../../protocol/transport/index.ts";
import { callEcho, closeAll, serveEcho, until } from "../protocol/transport/echo-link.ts";
import { openRawPeer } from "../protocol/transport/raw-peer.ts";
import { frameWays, goBy } from "../protocol/transport/ways.ts";

afterEach(closeAll);

describe("a server with keys", () => {
  const secret = generateKeyPair();
  const honest = generateKeyPair();
  const stranger = generateKeyPair();
  const keys = { secret, isAuthorised: (key: string) => key === honest.publicKey };
  const keysOf = (own: typeof honest) => ({ own, serverPublicKey: secret.publicKey });
  const strangers = [
    { who: "a key that nobody authorised", options: { keys: keysOf(stranger) } },
    {
      who: "a client that takes another server's key for ours",
      options: { keys: { own: honest, serverPublicKey: stranger.publicKey } },
    },
    { who: "a client without keys", options: {} },
  ];

  it.each(strangers)(
    "61: refuses $who, says so on both sides, and serves others",
    async ({ options }) => {
      const server = await serveEcho({ keys });
      const good = callEcho(server.address, { keys: keysOf(honest) });
      await until(() => good.ups() === 1, "the honest one is up");
      const bad = callEcho(server.address, { ...options });
      await until(() => bad.downs.length > 0, "the stranger is told");
      expect(bad.downs[0]).toMatch(/^refused: /);
      expect(bad.ups()).toBe(0);
      await until(() => (server.counters()["handshake failed"] ?? 0) > 0, "counted");
      expect(server.opened).toHaveLength(1);
      expect(await good.ask("ECHO", { text: "still" }, 5_000)).toEqual({ text: "still" });
      expect(good.downs).toEqual([]);
    },
  );

  it("61: keeps who came in while it cannot say who is authorised, and ends whose key is gone", async () => {
    let isKnown = true;
    let isThere = true;
    const door = {
      secret,
      isAuthorised: (key: string) => isKnown && isThere && key === honest.publicKey,
      mayStay: (key: string) => isThere && key === honest.publicKey,
    };
    const server = await serveEcho({ keys: door, heartbeatMs: 100 });
    const inside = callEcho(server.address, { keys: keysOf(honest), slot: "inside" });
    await until(() => inside.ups() === 1, "it is in");
    isKnown = false;
    const late = callEcho(server.address, { keys: keysOf(honest), slot: "late" });
    await until(
      () => (server.counters()["key not authorised"] ?? 0) > 0,
      "the late one is refused",
    );
    expect(late.ups()).toBe(0);
    // Longer than from one look at the sessions to the next.
    const refusedAt = performance.now();
    await until(() => performance.now() - refusedAt > 500, "sessions are looked at");
    expect(await inside.ask("ECHO", { text: "still" }, 5_000)).toEqual({ text: "still" });
    expect(server.ended).toEqual([]);
    isThere = false;
    await until(() => server.ended.length === 1, "it is sent away");
    expect(server.ended).toMatchObject([{ peer: { slot: "inside" }, end: "revoked" }]);
  });
});

const deep = Buffer.concat([Buffer.alloc(100_000, 0x91), Buffer.from([0xc0])]);
const good = encode([[1, "DATA", "raw-session", 1, 9], [[0, "NOTE", { n: 1 }]]]);
const record = Buffer.from([0x92, 0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01]);
const frames = [
  { what: "no msgpack", bytes: Buffer.from("GET / HTTP/1.1\r\n\r\n") },
  { what: "nothing", bytes: Buffer.alloc(0) },
  { what: "a frame cut off", bytes: good.subarray(0, good.length - 2) },
  { what: "a frame with bytes left over", bytes: Buffer.concat([good, Buffer.from([1])]) },
  { what: "100,000 levels", bytes: deep },
  { what: "a list that promises 4 billion items", bytes: Buffer.from([0xdd, 255, 255, 255, 255]) },
  { what: "a record definition", bytes: record },
  { what: "an unknown kind of frame", bytes: encode([[1, "DANCE", "raw-session", 1, 9], null]) },
  { what: "DATA without credit", bytes: encode([[1, "DATA", "raw-session", 1], []]) },
  { what: "another layout", bytes: encode([[9, "DATA", "raw-session", 1, 9], []]) },
  {
    what: "messages that are none",
    bytes: encode([
      [1, "DATA", "raw-session", 1, 9],
      [[0], 7, {}],
    ]),
  },
  {
    what: "an object for messages",
    bytes: encode([[1, "DATA", "raw-session", 1, 9], { length: 9 }]),
  },
];

describe.each(frameWays)("over $way", (way) => {
  const { serve, call, clientKeys } = goBy(way);
  const raw = (address: string) => openRawPeer(address, clientKeys || undefined);
  const who = clientKeys || { identity: "local:raw" };
  // Beside the honest one, which has the same key on a way with keys.
  const hello = (peer: ReturnType<typeof raw>) => peer.hello(who);

  it.each(frames)(
    "62: a peer that sends $what loses its session; others go on",
    async ({ bytes }) => {
      const server = await serve();
      const honestClient = await call(server.address);
      const peer = raw(server.address);
      // Before it has a session there is nothing to end, and nothing to answer.
      await peer.send(bytes);
      expect((await hello(peer)).kind).toBe("WELCOME");
      await peer.send(bytes);
      const end = await peer.next();
      expect(end.kind).toBe("END");
      expect(JSON.stringify(end.payload)).toContain("malformed frame");
      expect(server.ended).toMatchObject([{ peer: { slot: "raw" }, end: "refused" }]);
      expect(server.counters()["malformed frame"]).toBeGreaterThanOrEqual(1);
      expect(await honestClient.ask("ECHO", { text: "ok" }, 5_000)).toEqual({ text: "ok" });
      expect(honestClient.downs).toEqual([]);
      expect(server.heard.filter(({ type }) => type === "NOTE")).toEqual([]);
    },
  );

  it("62: a bad question is answered with an error, a bad message counted; the session goes on", async () => {
    const server = await serve();
    const peer = raw(server.address);
    await hello(peer);
    const ask = { kind: "ask", correlation: 5, deadlineMs: 1_000 } as const;
    await peer.say(
      { ...ask, type: "DANCE", body: {} },
      { kind: "tell", type: "constructor", body: {} },
      { kind: "tell", type: "NOTE", body: { n: "one" } },
      { ...ask, type: "ECHO", body: { text: 7 }, correlation: 6 },
      { kind: "reply", type: "ECHO", body: {}, correlation: 1 },
      { ...ask, type: "ECHO", body: { text: "fine" }, correlation: 7 },
    );
    const answers = await peer.nextMessages();
    expect(answers).toMatchObject([
      { kind: "error", correlation: 5, body: 'echo: unknown message "DANCE"' },
      { kind: "error", correlation: 6 },
      { kind: "reply", correlation: 7, body: { text: "fine" } },
    ]);
    expect(server.counters()).toEqual({ "invalid message": 5 });
    expect(server.ended).toEqual([]);
  });

  it("62: a peer that sends a frame beyond the limit loses its connection; others go on", async () => {
    const server = await serve({ maxFrameBytes: 10_000 });
    const honestClient = await call(server.address);
    const peer = raw(server.address);
    await hello(peer);
    await peer.send(Buffer.alloc(10_001));
    await until(() => server.ended.length === 1, "its session ends");
    expect(server.ended).toMatchObject([{ peer: { slot: "raw" }, end: "silent" }]);
    expect(await honestClient.ask("ECHO", { text: "ok" }, 5_000)).toEqual({ text: "ok" });
    expect(() => honestClient.send("BLOB", { data: Buffer.alloc(20_000_000) })).toThrow(RangeError);
  });
});
