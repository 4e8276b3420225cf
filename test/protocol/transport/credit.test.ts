import { afterEach, describe, expect, it } from "vitest";
import { closeAll, until } from "./echo-link.ts";
import { openRawPeer } from "./raw-peer.ts";
import { allWays, frameWays, goBy } from "./ways.ts";

afterEach(closeAll);

/** Promises of an owner that takes messages when the test says so. */
function slowOwner() {
  const held: (() => void)[] = [];
  return {
    hold: () =>
      new Promise<void>((taken) => {
        held.push(taken);
      }),
    takeAll: () => {
      for (const taken of held.splice(0)) taken();
    },
  };
}

describe.each(allWays)("credit over $way", { timeout: 10_000 }, (way) => {
  const { serve, call } = goBy(way);

  it("holds a peer back whose messages are not taken, and then its outbox is full; others go on", async () => {
    const owner = slowOwner();
    const flooded: number[] = [];
    const server = await serve({
      window: 8,
      taking: (message, { slot }) => {
        if (slot !== "flood" || message.type !== "NOTE") return undefined;
        flooded.push(message.body.n);
        return owner.hold();
      },
    });
    const flood = await call(server.address, { slot: "flood", outboxBound: 20 });
    const other = await call(server.address, { slot: "other" });
    let sent = 0;
    await until(() => {
      const result = flood.send("NOTE", { n: sent });
      if (result === "sent") sent += 1;
      return result === "full" && flooded.length === 8;
    }, "the window and the outbox are full");
    expect(sent).toBe(28);
    for (let n = 0; n < 50; n += 1) {
      expect(await other.ask("ECHO", { text: "ok" }, 5_000)).toEqual({ text: "ok" });
    }
    expect(flooded).toHaveLength(8);
    expect(flood.send("NOTE", { n: -1 })).toBe("full");
    await until(() => {
      owner.takeAll();
      return flooded.length === 28;
    }, "the rest comes as it is taken");
    expect(flooded).toEqual(Array.from({ length: 28 }, (_, n) => n));
    expect(flood.downs).toEqual([]);
    expect(server.counters()).toEqual({});
  });

  it("is no matter for answers and heartbeats, and an ask without it waits for its deadline", async () => {
    const serverOwner = slowOwner();
    const clientOwner = slowOwner();
    const server = await serve({
      window: 2,
      heartbeatMs: 50,
      taking: ({ type }) => (type === "NOTE" ? serverOwner.hold() : undefined),
    });
    const client = await call(server.address, {
      window: 1,
      heartbeatMs: 50,
      taking: () => clientOwner.hold(),
    });
    const peer = server.opened[0] ?? expect.fail();
    for (let n = 0; n < 5; n += 1) expect(server.send(peer, "NEWS", { n })).toBe("sent");
    await until(() => client.heard.length === 1, "the client's window is full");
    client.send("NOTE", { n: 0 });
    // One place is left to ask: the answer has none in the other direction, and needs none.
    expect(await client.ask("ECHO", { text: "ok" }, 5_000)).toEqual({ text: "ok" });
    client.send("NOTE", { n: 1 });
    await until(() => server.heard.length === 3, "the server's window is full");
    // Eight heartbeats, twice what ends a session.
    await expect(client.ask("ECHO", { text: "late" }, 400)).rejects.toMatchObject({
      code: "timeout",
    });
    expect(client.heard).toHaveLength(1);
    expect(server.ended).toEqual([]);
    expect(client.downs).toEqual([]);
    await until(() => {
      serverOwner.takeAll();
      clientOwner.takeAll();
      return client.heard.length === 5 && server.heard.length === 4;
    }, "all comes when there is room");
  });

  it("is given back by a handler that throws or rejects", async () => {
    let n = 0;
    const server = await serve({
      window: 1,
      taking: () => {
        n += 1;
        if (n % 2 === 0) throw new Error("no");
        return Promise.reject(new Error("not taken"));
      },
    });
    const client = await call(server.address);
    for (let at = 0; at < 20; at += 1) client.send("NOTE", { n: at });
    await until(() => server.heard.length === 20, "all are heard");
    await until(() => server.counters()["handler threw"] === 20, "counted");
  });

  it("lost with what was still held back is counted at its sender", async () => {
    const server = await serve({ window: 1, taking: () => new Promise(() => undefined) });
    const client = await call(server.address);
    for (let n = 0; n < 10; n += 1) expect(client.send("NOTE", { n })).toBe("sent");
    await until(() => server.heard.length === 1, "one is heard");
    await client.close();
    expect(client.counters()).toEqual({ "message not sent": 9 });
  });
});

describe.each(frameWays)("a peer over $way", { timeout: 10_000 }, (way) => {
  const { serve, call, clientKeys } = goBy(way);
  const who = clientKeys || { identity: "local:raw" };
  const note = (n: number) => ({ kind: "tell", type: "NOTE", body: { n } }) as const;

  it("that sends beyond its credit is counted and loses its session; others go on", async () => {
    const server = await serve({ window: 4, taking: () => new Promise(() => undefined) });
    const honest = await call(server.address);
    const raw = openRawPeer(server.address, clientKeys || undefined);
    await raw.hello(who);
    await raw.say(note(1), note(2), note(3), note(4));
    await until(() => server.heard.length === 4, "what it had credit for");
    await raw.say(note(5), note(6));
    const end = await raw.next();
    expect(end).toMatchObject({ kind: "END", payload: { end: "dropped" } });
    expect(server.heard).toHaveLength(4);
    expect(server.counters()).toMatchObject({ "beyond credit": 1 });
    expect(await honest.ask("ECHO", { text: "ok" }, 5_000)).toEqual({ text: "ok" });
  });

  it("that says what the link does not know has its credit back", async () => {
    const server = await serve({ window: 1 });
    const raw = openRawPeer(server.address, clientKeys || undefined);
    await raw.hello(who);
    const dance = { kind: "tell", type: "DANCE", body: {} } as const;
    await raw.say(dance);
    await raw.say(dance);
    await raw.say(note(1));
    await until(() => server.heard.length === 1, "what the link knows");
    expect(server.counters()).toEqual({ "invalid message": 2 });
  });

  it("that gives no credit gets no more than it said, and then more", async () => {
    const server = await serve();
    const raw = openRawPeer(server.address, clientKeys || undefined);
    await raw.hello(who, { window: 3 });
    const peer = server.opened[0] ?? expect.fail();
    for (let n = 0; n < 4; n += 1) server.send(peer, "NEWS", { n });
    expect(await raw.nextMessages()).toHaveLength(3);
    raw.credit = 5;
    await raw.say(note(1));
    expect(await raw.nextMessages()).toMatchObject([{ body: { n: 3 } }]);
    // A credit that is older takes nothing back.
    raw.credit = 2;
    await raw.say(note(2));
    await until(() => server.heard.length === 2, "the older credit is known");
    server.send(peer, "NEWS", { n: 4 });
    expect(await raw.nextMessages()).toMatchObject([{ body: { n: 4 } }]);
  });

  it("whose numbers jump has lost messages, which are counted; late ones are not heard any more", async () => {
    const server = await serve();
    const raw = openRawPeer(server.address, clientKeys || undefined);
    await raw.hello(who);
    await raw.sayFrom(1, note(1));
    await raw.sayFrom(5, note(5), note(6));
    await raw.sayFrom(2, note(2));
    await raw.sayFrom(9);
    await raw.sayFrom(7);
    await raw.sayFrom(9, note(9));
    await until(() => server.heard.length === 4, "the last one");
    expect(server.heard.map(({ body }) => body)).toEqual([{ n: 1 }, { n: 5 }, { n: 6 }, { n: 9 }]);
    expect(server.counters()).toEqual({ "lost message": 3 + 2, "repeated frame": 1 });
  });
});
