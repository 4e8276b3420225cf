import { afterEach, describe, expect, it } from "vitest";
import {
  createMemoryNetwork,
  EndpointConfigError,
  type MemoryNetwork,
  type NetworkFaults,
} from "../../../protocol/transport/index.ts";
import { limitsOf } from "../../../protocol/transport/socket-options.ts";
import { callEcho, closeAll, closeLater, serveEcho, until } from "./echo-link.ts";

afterEach(closeAll);

let counter = 0;
function open(faults: Partial<NetworkFaults> = {}, seed = 1) {
  counter += 1;
  const name = `net-${counter}`;
  const network = createMemoryNetwork({ name, seed, faults });
  closeLater(network);
  return { network, address: `memory://${name}/link` };
}

/** A connection without a session: what frames alone go through. */
async function connect(network: MemoryNetwork) {
  const limits = limitsOf({});
  const { socket: router } = await network.bind("raw", "memory://x/raw", limits);
  const seen: string[] = [];
  const dealer = network.dialler(
    "raw",
    "local:raw",
    limits,
  )("a".repeat(32), {
    connected: () => seen.push("connected"),
    broken: () => seen.push("broken"),
    turnedAway: () => undefined,
    failed: () => undefined,
  });
  await until(() => seen.length === 1, "connected");
  const send = (text: string) => dealer.send([Buffer.from(text)]);
  const answer = (text: string) => router.send([Buffer.from("a".repeat(32)), Buffer.from(text)]);
  const heard: string[] = [];
  void (async () => {
    for (;;) heard.push(String((await router.receive())[1]));
  })().catch(() => undefined);
  closeLater({
    close: () => {
      dealer.close("at once");
      router.close("at once");
    },
  });
  return { router, dealer, send, answer, heard, seen };
}

/** What arrives of a hundred frames. */
async function fate(faults: Partial<NetworkFaults>, seed: number): Promise<string[]> {
  const { network } = open(faults, seed);
  const { send, heard } = await connect(network);
  for (let n = 0; n < 100; n += 1) await send(`${n}`);
  const { lost, repeated } = network.counts();
  await until(() => heard.length === 100 - lost + repeated, "all that is to come");
  return heard;
}

describe("an in-memory network", { timeout: 10_000 }, () => {
  const hundred = Array.from({ length: 100 }, (_, n) => `${n}`);

  it("does the same to the same frames by the same seed, and something else by another", async () => {
    const faults = { lose: 0.2, delay: 0.1, delayMs: 3, repeat: 0.2, reorder: 0.2 };
    const [first, again, other] = await Promise.all([1, 1, 2].map((seed) => fate(faults, seed)));
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it("without faults brings all, in order", async () => {
    expect(await fate({}, 1)).toEqual(hundred);
  });

  it.each([
    { what: "loses", faults: { lose: 0.3 }, some: 70, sorted: true },
    { what: "repeats", faults: { repeat: 0.3 }, some: 130, sorted: true },
    { what: "reorders", faults: { reorder: 0.3 }, some: 100, sorted: false },
    { what: "delays, but in order", faults: { delay: 0.3, delayMs: 5 }, some: 100, sorted: true },
  ])("$what some frames when told to", async ({ faults, some, sorted }) => {
    const heard = await fate(faults, 3);
    expect(Math.abs(heard.length - some)).toBeLessThan(20);
    expect(heard).not.toEqual(some === 100 && sorted ? [] : hundred);
    const inOrder = heard.toSorted((a, b) => Number(a) - Number(b));
    if (sorted) expect(heard).toEqual(inOrder);
    else expect([...new Set(inOrder)]).toEqual(hundred);
  });

  it("lets a frame go that nothing overtakes", async () => {
    const { network } = open({ reorder: 1 });
    const { send, heard } = await connect(network);
    await send("alone");
    await until(() => heard.length === 1, "it arrives");
  });

  it("has faults for one direction, and other ones from now on", async () => {
    const { network } = open();
    const { send, answer, heard, dealer } = await connect(network);
    network.setFaults({ lose: 1 }, "toServer");
    await send("lost");
    await answer("heard");
    expect(String((await dealer.receive())[0])).toBe("heard");
    network.setFaults({ lose: 0 });
    await send("later");
    await until(() => heard.length > 0, "it arrives");
    expect(heard).toEqual(["later"]);
    expect(network.counts()).toMatchObject({ sent: 3, lost: 1 });
  });

  it("holds no more frames than sockets do, and says EAGAIN then", async () => {
    const { network } = open();
    const { answer } = await connect(network);
    let sent = 0;
    const full = async () => {
      for (; sent < 10_000; sent += 1) await answer("unread");
    };
    await expect(full()).rejects.toMatchObject({ code: "EAGAIN" });
    expect(sent).toBe(128);
  });

  it("that is cut breaks the connection for both sides; what has arrived can be read", async () => {
    const { network } = open();
    const { answer, seen, dealer, router } = await connect(network);
    await answer("before");
    network.cut({ identity: "local:other" });
    network.cut({ name: "other" });
    await answer("still");
    network.cut({ identity: "local:raw" });
    await until(() => seen.includes("broken"), "the client sees it");
    await expect(answer("after")).rejects.toMatchObject({ code: "EHOSTUNREACH" });
    expect(String((await dealer.receive())[0])).toBe("before");
    expect(String((await dealer.receive())[0])).toBe("still");
    router.close("at once");
  });

  it("is found by its name, which one network has at a time", async () => {
    const { network, address } = open();
    await serveEcho({ address });
    await expect(serveEcho({ address })).rejects.toThrow(/in use/);
    const client = callEcho(address);
    await until(() => client.ups() === 1, "up");
    const name = /memory:\/\/([^/]+)/.exec(address)?.[1] ?? "";
    expect(() => createMemoryNetwork({ name })).toThrow(EndpointConfigError);
    network.close();
    await until(() => client.downs.length === 1, "its connections are cut");
    expect(() => callEcho(address)).toThrow(/createMemoryNetwork/);
    createMemoryNetwork({ name }).close();
  });
});

describe("a session over a bad network", { timeout: 20_000 }, () => {
  it("of one peer ends when that peer is cut, and comes back; others notice nothing", async () => {
    const { network, address } = open();
    const server = await serveEcho({ address });
    const a = callEcho(address, { identity: "local:a" });
    const b = callEcho(address, { identity: "local:b" });
    await until(() => a.ups() + b.ups() === 2, "both are up");
    network.cut({ identity: "local:a" });
    await until(() => a.ups() === 2, "back");
    expect(a.downs).toEqual(["disconnected"]);
    expect(b.downs).toEqual([]);
    await until(() => server.ended.length === 1, "the server has seen it");
    expect(server.ended[0]?.peer.identity).toBe("local:a");
  });

  it("ends in silence on both sides of a partition, and begins anew when it heals", async () => {
    const { network, address } = open();
    const server = await serveEcho({ address, heartbeatMs: 30 });
    const a = callEcho(address, { identity: "local:a", heartbeatMs: 30 });
    const b = callEcho(address, { identity: "local:b", heartbeatMs: 30 });
    await until(() => a.ups() + b.ups() === 2, "both are up");
    network.partition({ identity: "local:a" });
    expect(a.send("NOTE", { n: 1 })).toBe("sent");
    await until(() => server.ended.length === 1 && a.downs.length === 1, "both notice");
    expect(server.ended).toMatchObject([{ end: "silent", peer: { identity: "local:a" } }]);
    expect(a.downs[0]).toMatch(/^silent/);
    expect(await b.ask("ECHO", { text: "ok" }, 5_000)).toEqual({ text: "ok" });
    network.heal();
    await until(() => a.ups() === 2, "back");
    expect(server.heard).toEqual([{ type: "ECHO", body: { text: "ok" } }]);
    expect(b.downs).toEqual([]);
  });

  it("comes about though most of the hand-shake is lost", async () => {
    const { network, address } = open({ lose: 0.5 }, 7);
    const server = await serveEcho({ address, heartbeatMs: 20 });
    const clients = Array.from({ length: 10 }, () => callEcho(address, { heartbeatMs: 20 }));
    await until(() => clients.every((client) => client.ups() > 0), "all are up once", 20_000);
    network.setFaults({ lose: 0 });
    await until(() => server.opened.length >= 10, "the server knows them");
  }, 30_000);
});
