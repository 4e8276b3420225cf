import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { encode } from "../../../protocol/transport/codec.ts";
import { encodeFrame } from "../../../protocol/transport/frame.ts";
import { generateKeyPair } from "../../../protocol/transport/index.ts";
import { callEcho, closeAll, serveEcho, until } from "./echo-link.ts";
import { RawPeer } from "./raw-peer.ts";

afterEach(closeAll);

const secret = generateKeyPair();
const honest = generateKeyPair();
const other = generateKeyPair();
const stranger = generateKeyPair();
const authorised = new Set([honest.publicKey, other.publicKey]);
const keys = { secret, isAuthorised: (key: string) => authorised.has(key) };
const keysOf = (own: typeof honest) => ({ own, serverPublicKey: secret.publicKey });

describe("at the door of a server with keys", { timeout: 10_000 }, () => {
  it("an authorised key that claims another's public key is refused", async () => {
    const server = await serveEcho({ keys });
    const good = callEcho(server.address, { keys: keysOf(honest) });
    await until(() => good.ups() === 1, "up");
    const thief = new RawPeer(server.address, keysOf(other));
    const forged = await thief.hello(keysOf(other), { publicKey: honest.publicKey });
    expect(forged).toMatchObject({
      kind: "REFUSED",
      payload: { reason: "the key was not proven" },
    });
    const unproven = await thief.hello(keysOf(other), { proof: Buffer.alloc(32) });
    expect(unproven.kind).toBe("REFUSED");
    const bare = await thief.hello({ identity: honest.publicKey });
    expect(bare.kind).toBe("REFUSED");
    await thief.say({ kind: "tell", type: "NOTE", body: { n: 1 } });
    expect((await thief.next()).kind).toBe("WHO");
    expect(server.counters()).toMatchObject({ "hello unproven": 3, "unknown session": 1 });
    expect(server.opened).toHaveLength(1);
    expect(server.heard).toEqual([]);
    expect(good.downs).toEqual([]);
  });

  it("a proof made for another routing id or session is refused", async () => {
    const server = await serveEcho({ keys });
    const first = new RawPeer(server.address, keysOf(other));
    expect((await first.hello(keysOf(other), { slot: "elsewhere" })).kind).toBe("REFUSED");
    const { makeHello } = await import("../../../protocol/transport/hello.ts");
    const { echoLink } = await import("./echo-link.ts");
    const overheard = makeHello(echoLink, first.session, "raw", "f".repeat(32), keysOf(other));
    expect((await first.hello(keysOf(other), overheard)).kind).toBe("REFUSED");
    expect((await first.hello(keysOf(other))).kind).toBe("WELCOME");
  });

  it("a second connection with a living routing id gets nothing of the first one's", async () => {
    const server = await serveEcho({ keys });
    const first = new RawPeer(server.address, keysOf(honest));
    expect((await first.hello(keysOf(honest))).kind).toBe("WELCOME");
    const thief = new RawPeer(server.address, keysOf(other), { routingId: first.routingId });
    await thief.socket.send(encodeFrame("HELLO", "thief-session", {}));
    for (let n = 0; n < 20; n += 1) {
      server.send(server.opened[0] ?? expect.fail(), "NEWS", { n });
      expect(await first.nextMessages()).toMatchObject([{ body: { n } }]);
    }
    thief.socket.receiveTimeout = 50;
    await expect(thief.socket.receive()).rejects.toThrow();
    expect(server.opened).toHaveLength(1);
    expect(server.ended).toEqual([]);
  });

  it("a key that is revoked while connected is dropped, and what it says later is refused", async () => {
    authorised.add(stranger.publicKey);
    const server = await serveEcho({ keys });
    const raw = new RawPeer(server.address, keysOf(stranger));
    expect((await raw.hello(keysOf(stranger))).kind).toBe("WELCOME");
    authorised.delete(stranger.publicKey);
    expect(await raw.next()).toMatchObject({ kind: "END", payload: { end: "dropped" } });
    expect(server.ended).toMatchObject([{ end: "revoked" }]);
    await raw.say({ kind: "tell", type: "NOTE", body: { n: 1 } });
    expect((await raw.next()).kind).toBe("END");
    expect((await raw.hello(keysOf(stranger))).kind).toBe("REFUSED");
    expect(server.heard).toEqual([]);
  });

  it("an authorised key that claims a key that is not, though it holds it, is refused", async () => {
    const server = await serveEcho({ keys });
    const raw = new RawPeer(server.address, keysOf(honest));
    const answer = await raw.hello(keysOf(stranger));
    expect(answer).toMatchObject({
      kind: "REFUSED",
      payload: { reason: "the key is not authorised here" },
    });
    expect(server.counters()).toEqual({ "key not authorised": 1 });
  });

  it("a question to the owner that throws lets nobody in", async () => {
    const server = await serveEcho({
      keys: {
        secret,
        isAuthorised: () => {
          throw new Error("the disk is gone");
        },
      },
    });
    const client = callEcho(server.address, { keys: keysOf(honest) });
    await until(() => client.downs.length > 0, "refused");
    expect(server.opened).toEqual([]);
  });

  it("a client of another link or version is refused with a reason that says both", async () => {
    const server = await serveEcho();
    const raw = new RawPeer(server.address);
    const link = await raw.hello(undefined, { link: "slave" });
    expect(link).toMatchObject({ kind: "REFUSED" });
    expect(JSON.stringify(link.payload)).toContain("this is the echo link, not the slave link");
    const version = await raw.hello(undefined, { linkVersion: 7 });
    expect(JSON.stringify(version.payload)).toContain("version 7");
    const wire = await raw.hello(undefined, { wire: 9, proof: "of another kind" });
    expect(JSON.stringify(wire.payload)).toContain("wire 9");
  });
});

describe("a peer that breaks the rules", { timeout: 10_000 }, () => {
  const good = encode([[1, "DATA", "raw-session", 1, 9], [[0, "NOTE", { n: 1 }]]]);

  it("is heard once when it repeats a frame", async () => {
    const server = await serveEcho();
    const raw = new RawPeer(server.address);
    await raw.hello();
    await raw.socket.send(good);
    await raw.socket.send(good);
    await until(() => server.counters()["repeated frame"] === 1, "the second is counted");
    expect(server.heard).toEqual([{ type: "NOTE", body: { n: 1 } }]);
  });

  it("is silent after four heartbeats without a sign, though its connection stands", async () => {
    const server = await serveEcho();
    const raw = new RawPeer(server.address);
    const startedAtMs = performance.now();
    await raw.hello();
    await until(() => server.ended.length === 1, "silent");
    expect(server.ended).toMatchObject([{ end: "silent" }]);
    expect(performance.now() - startedAtMs).toBeGreaterThan(350);
    expect(await raw.next()).toMatchObject({ kind: "END", payload: { end: "silent" } });
  });

  it("is told at once that it was replaced, though it says nothing", async () => {
    const server = await serveEcho();
    const first = new RawPeer(server.address);
    await first.hello();
    const second = new RawPeer(server.address);
    second.session = "another-session";
    expect((await second.hello()).kind).toBe("WELCOME");
    expect(await first.next()).toMatchObject({ kind: "END", payload: { end: "replaced" } });
  });

  it("cannot fill the table with slots of one key", async () => {
    const server = await serveEcho({ heartbeatMs: 2_000 });
    const peers = Array.from({ length: 257 }, () => new RawPeer(server.address));
    const answers = await Promise.all(
      peers.map((raw, n) => {
        raw.session = `raw-session-${n}`;
        return raw.hello(undefined, { slot: `slot-${n}` });
      }),
    );
    expect(answers.filter(({ kind }) => kind === "WELCOME")).toHaveLength(256);
    expect(answers.filter(({ kind }) => kind === "REFUSED")).toHaveLength(1);
  });

  it("is found out by the next heartbeat when its connection is gone without a word", async () => {
    const server = await serveEcho({ heartbeatMs: 1_000 });
    const raw = new RawPeer(server.address);
    await raw.hello();
    raw.socket.close();
    await until(() => server.ended.length === 1, "silent", 3_500);
    expect(server.ended).toMatchObject([{ end: "silent" }]);
  });

  it("that does not read fills its own outbox and holds up nobody", async () => {
    const server = await serveEcho({ outboxBound: 50, heartbeatMs: 2_000 });
    const deaf = new RawPeer(server.address, undefined, { receiveHighWaterMark: 1 });
    await deaf.hello();
    const client = callEcho(server.address);
    await until(() => client.ups() === 1, "up");
    const [deafPeer, peer] = server.opened;
    if (deafPeer === undefined || peer === undefined) throw new Error("nobody came");
    const data = Buffer.alloc(200_000);
    for (let sent = 0; server.send(deafPeer, "BLOB", { data }) !== "full"; sent += 1) {
      expect(sent).toBeLessThan(2_000);
      if (sent % 10 === 0) await delay(1);
    }
    for (let n = 0; n < 50; n += 1) expect(server.send(peer, "NEWS", { n })).toBe("sent");
    await until(() => client.heard.length === 50, "the other is served");
    expect(await client.ask("ECHO", { text: "ok" }, 5_000)).toEqual({ text: "ok" });
    expect(server.send(deafPeer, "NEWS", { n: 1 })).toBe("full");
  });

  it("gets what one turn of the event loop had to say in one frame", async () => {
    const server = await serveEcho();
    const raw = new RawPeer(server.address);
    await raw.hello();
    for (let n = 0; n < 100; n += 1) server.send(server.opened[0] ?? expect.fail(), "NEWS", { n });
    expect(await raw.nextMessages()).toHaveLength(100);
  });
});

describe("a handler that throws", { timeout: 10_000 }, () => {
  it("costs its own message only", async () => {
    const server = await serveEcho({
      onOpened: () => {
        throw new Error("in opened");
      },
    });
    const client = callEcho(server.address);
    await until(() => client.ups() === 1, "up");
    expect(await client.ask("ECHO", { text: "ok" }, 5_000)).toEqual({ text: "ok" });
    expect(server.counters()).toEqual({ "handler threw": 1 });
  });
});

describe("a node that stood still", { timeout: 10_000 }, () => {
  it("blames no peer for its own stall", async () => {
    const server = await serveEcho();
    const client = callEcho(server.address);
    await until(() => client.ups() === 1, "up");
    const untilMs = performance.now() + 1_000;
    while (performance.now() < untilMs);
    await delay(150);
    expect(await client.ask("ECHO", { text: "ok" }, 5_000)).toEqual({ text: "ok" });
    expect(server.ended).toEqual([]);
    expect(client.downs).toEqual([]);
  });
});
