/** Several sessions of one client on one connection: what they share, and what they do not. */
import { afterEach, describe, expect, it } from "vitest";
import { encode } from "../../../protocol/transport/codec.ts";
import { encodeFrame } from "../../../protocol/transport/frame.ts";
import { makeHello } from "../../../protocol/transport/hello.ts";
import { LinkProxy } from "../../support/link-proxy.ts";
import {
  callEcho,
  closeAll,
  closeLater,
  echoLine,
  echoLink,
  serveEcho,
  until,
} from "./echo-link.ts";
import { RawPeer } from "./raw-peer.ts";
import { allWays, goBy } from "./ways.ts";

afterEach(closeAll);

const portOf = (address: string) => Number(/:(\d+)$/.exec(address)?.[1]);

describe.each(allWays)("sessions that share a line over $way", { timeout: 10_000 }, (way) => {
  const { serve, call, line: lineTo } = goBy(way);

  it("are peers of their own, with their own slots, questions and messages", async () => {
    const server = await serve();
    const line = lineTo(server.address);
    const clients = await Promise.all(
      ["a", "b", "c"].map((slot) => call(server.address, { line, slot })),
    );
    expect(server.opened.map(({ slot }) => slot).sort()).toEqual(["a", "b", "c"]);
    expect(new Set(server.opened.map(({ identity }) => identity)).size).toBe(1);
    for (const peer of server.opened) {
      server.send(peer, "NEWS", { n: peer.slot.charCodeAt(0) });
    }
    await until(() => clients.every(({ heard }) => heard.length === 1), "each has its own");
    expect(clients.map(({ heard }) => heard[0]?.body)).toEqual([{ n: 97 }, { n: 98 }, { n: 99 }]);
    const answers = clients.map((client, n) => client.ask("ECHO", { text: `${n}` }, 5_000));
    expect(await Promise.all(answers)).toEqual([{ text: "0" }, { text: "1" }, { text: "2" }]);
  });

  it("are dropped one by one, and the one comes back without the others", async () => {
    const server = await serve();
    const line = lineTo(server.address);
    const bad = await call(server.address, { line, slot: "bad" });
    const good = await call(server.address, { line, slot: "good" });
    server.drop(server.opened[0] ?? expect.fail(), "enough");
    await until(() => bad.ups() === 2, "back");
    expect(bad.downs).toEqual(["dropped: enough"]);
    expect(await good.ask("ECHO", { text: "still" }, 5_000)).toEqual({ text: "still" });
    expect([good.ups(), good.downs]).toEqual([1, []]);
    expect(await bad.ask("ECHO", { text: "again" }, 5_000)).toEqual({ text: "again" });
    expect(server.ended).toEqual([{ peer: server.opened[0], end: "refused" }]);
  });

  it("are closed one by one, after what was said in them", async () => {
    const server = await serve();
    const line = lineTo(server.address);
    const first = await call(server.address, { line, slot: "first" });
    const second = await call(server.address, { line, slot: "second" });
    for (let n = 0; n < 100; n += 1) first.send("NOTE", { n });
    await first.close();
    await until(() => server.ended.length === 1, "it left");
    expect(server.ended).toEqual([{ peer: server.opened[0], end: "left" }]);
    expect(server.heard).toHaveLength(100);
    expect(await second.ask("ECHO", { text: "still" }, 5_000)).toEqual({ text: "still" });
    await second.close();
    await until(() => server.ended.length === 2, "both left");
    // A line that was left is joined again.
    const third = await call(server.address, { line, slot: "first" });
    expect(await third.ask("ECHO", { text: "again" }, 5_000)).toEqual({ text: "again" });
    expect(third.downs).toEqual([]);
  });

  it("of which one takes nothing: the others are served", async () => {
    const server = await serve();
    const line = lineTo(server.address);
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const slow = await call(server.address, {
      line,
      slot: "slow",
      window: 2,
      taking: () => opened,
    });
    const quick = await call(server.address, { line, slot: "quick" });
    const [slowPeer, quickPeer] = server.opened;
    if (slowPeer === undefined || quickPeer === undefined) throw new Error("nobody came");
    for (let n = 0; n < 500; n += 1) {
      server.send(slowPeer, "NEWS", { n });
      server.send(quickPeer, "NEWS", { n });
    }
    await until(() => quick.heard.length === 500, "the quick one has all");
    await until(() => slow.heard.length > 0, "the slow one has some");
    expect(slow.heard.length).toBeLessThan(3);
    open();
    await until(() => slow.heard.length === 500, "then the slow one");
  });

  it("come back, all of them, after the server was restarted", async () => {
    const first = await serve();
    const line = lineTo(first.address);
    const clients = await Promise.all(
      ["a", "b"].map((slot) => call(first.address, { line, slot })),
    );
    await first.close();
    await until(() => clients.every(({ downs }) => downs.length === 1), "down");
    const second = await serve({ address: first.address });
    await until(() => clients.every(({ ups }) => ups() === 2), "up again");
    expect(second.opened.map(({ slot }) => slot).sort()).toEqual(["a", "b"]);
  });

  it("of one slot follow each other: what was said in the older one is heard first", async () => {
    const server = await serve();
    const line = lineTo(server.address);
    await call(server.address, { line, slot: "neighbour" });
    const older = await call(server.address, { line, slot: "same" });
    for (let n = 0; n < 300; n += 1) older.send("NOTE", { n });
    await older.close();
    const newer = await call(server.address, { line, slot: "same" });
    await newer.ask("ECHO", { text: "there" }, 5_000);
    expect(server.heard.filter(({ type }) => type === "NOTE")).toHaveLength(300);
    expect(server.ended).toMatchObject([{ peer: { slot: "same" }, end: "left" }]);
    expect(newer.downs).toEqual([]);
  });
});

describe("the connection of a line", { timeout: 20_000 }, () => {
  it("is one for all its sessions, before and after a cut", async () => {
    const server = await serveEcho({ heartbeatMs: 2_000 });
    const proxy = await LinkProxy.start(portOf(server.address));
    closeLater(proxy);
    const address = `tcp://127.0.0.1:${proxy.port}`;
    const line = echoLine(address);
    const clients = ["a", "b", "c"].map((slot) => callEcho(address, { line, slot }));
    await until(() => clients.every(({ ups }) => ups() === 1), "up");
    expect(proxy.connections).toBe(1);
    proxy.cut();
    await until(() => clients.every(({ ups }) => ups() === 2), "up again");
    expect(clients.map(({ downs }) => downs)).toEqual([
      ["disconnected"],
      ["disconnected"],
      ["disconnected"],
    ]);
    expect(await clients[2]?.ask("ECHO", { text: "ok" }, 5_000)).toEqual({ text: "ok" });
  });

  it("ends with the last session, and not before", async () => {
    const server = await serveEcho();
    const line = echoLine(server.address);
    const first = callEcho(server.address, { line, slot: "first" });
    await first.close();
    const second = callEcho(server.address, { line, slot: "second" });
    const third = callEcho(server.address, { line, slot: "third" });
    await until(() => second.ups() === 1 && third.ups() === 1, "up");
    await Promise.all([second.close(), third.close()]);
    await until(() => server.ended.filter(({ end }) => end === "left").length === 2, "both left");
  });

  it("takes all its sessions down when nothing is heard in one of them", async () => {
    const server = await serveEcho();
    const proxy = await LinkProxy.start(portOf(server.address));
    closeLater(proxy);
    const address = `tcp://127.0.0.1:${proxy.port}`;
    const line = echoLine(address);
    const clients = ["a", "b"].map((slot) => callEcho(address, { line, slot }));
    await until(() => clients.every(({ ups }) => ups() === 1), "up");
    proxy.halfOpen("master");
    await until(() => clients.every(({ ups }) => ups() === 2), "up again");
    expect(clients.map(({ downs }) => downs.length)).toEqual([1, 1]);
    expect(proxy.connections).toBe(2);
    await until(() => server.ended.length === 2, "the server knows");
  });

  const hello = (raw: RawPeer, session: string, slot: string, identity = "local:raw") =>
    raw.send(
      encodeFrame(
        "HELLO",
        session,
        makeHello(echoLink, session, slot, raw.routingId, { identity }),
      ),
    );

  it("loses all its sessions by a frame that is none", async () => {
    const server = await serveEcho();
    const raw = new RawPeer(server.address);
    await hello(raw, "session-one", "one");
    await hello(raw, "session-two", "two");
    expect([(await raw.next()).kind, (await raw.next()).kind]).toEqual(["WELCOME", "WELCOME"]);
    await raw.send(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    await until(() => server.ended.length === 2, "both end");
    expect(server.ended.map(({ end }) => end)).toEqual(["refused", "refused"]);
    // What they say later is refused, and each is told why.
    for (const session of ["session-one", "session-two"]) {
      expect(await raw.next()).toMatchObject({ kind: "END", payload: { end: "dropped" } });
      await raw.send(encode([[1, "DATA", session, 1, 9], [[0, "NOTE", { n: 1 }]]]));
    }
    expect([(await raw.next()).kind, (await raw.next()).kind]).toEqual(["END", "END"]);
    expect(server.heard).toEqual([]);
  });

  it("has sessions of one key only: with another one's it is another connection", async () => {
    const server = await serveEcho();
    const raw = new RawPeer(server.address);
    await hello(raw, "session-one", "one", "local:one");
    await hello(raw, "session-two", "two", "local:one");
    await hello(raw, "session-other", "one", "local:other");
    await until(() => server.opened.length === 3, "three came");
    expect(server.ended.map(({ peer, end }) => [peer.slot, end])).toEqual([
      ["one", "left"],
      ["two", "left"],
    ]);
    await raw.send(encode([[1, "DATA", "session-one", 1, 9], [[0, "NOTE", { n: 1 }]]]));
    await until(() => server.counters()["unknown session"] === 1, "it is a stranger's");
    expect(server.heard).toEqual([]);
  });
});
