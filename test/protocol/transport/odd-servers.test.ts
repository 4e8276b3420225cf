import { afterEach, describe, expect, it } from "vitest";
import { Router } from "zeromq";
import {
  decodeFrame,
  decodeMessages,
  encodeData,
  encodeDataHead,
  encodeFrame,
  encodeMessage,
  type Frame,
  type FrameKind,
  type WireMessage,
} from "../../../protocol/transport/frame.ts";
import { callEcho, closeAll, closeLater, type EchoClient, until } from "./echo-link.ts";

afterEach(closeAll);

/** A ROUTER driven by hand, for what no honest server would say. */
class RawServer {
  readonly socket = new Router({ linger: 0, receiveTimeout: 5_000, mandatory: true });
  #routingId = Buffer.alloc(0);
  #sequence = 0;

  async open(): Promise<EchoClient> {
    await this.socket.bind("tcp://127.0.0.1:0");
    closeLater({
      close: () => {
        this.socket.close();
      },
    });
    return callEcho(this.socket.lastEndpoint ?? "", { heartbeatMs: 2_000 });
  }

  async next(): Promise<Frame & { routingId: string }> {
    const [routingId, bytes] = await this.socket.receive();
    if (routingId === undefined || bytes === undefined) throw new Error("not a frame");
    this.#routingId = Buffer.from(routingId);
    return { ...decodeFrame(bytes), routingId: routingId.toString() };
  }

  async send(bytes: Buffer): Promise<void> {
    await this.socket.send([this.#routingId, bytes]);
  }

  async answer(kind: FrameKind, session: string, payload: unknown): Promise<void> {
    await this.send(encodeFrame(kind, session, payload));
  }

  async welcome(client: EchoClient): Promise<Frame & { routingId: string }> {
    const hello = await this.next();
    expect(hello.kind).toBe("HELLO");
    const ups = client.ups();
    this.#sequence = 0;
    await this.answer("WELCOME", hello.session, { epoch: "e", heartbeatMs: 2_000 });
    await until(() => client.ups() === ups + 1, "up");
    return hello;
  }

  async say(session: string, ...messages: WireMessage[]): Promise<void> {
    const first = this.#sequence + 1;
    this.#sequence += messages.length;
    const encoded = messages.map((message) => encodeMessage(message));
    await this.send(encodeData(encodeDataHead(session), first, 1_024, encoded));
  }
}

describe("a client", { timeout: 10_000 }, () => {
  it("asked who it is says HELLO again at once, with a new session and nothing of the old one", async () => {
    const server = new RawServer();
    const client = await server.open();
    const first = await server.welcome(client);
    const asked = client.ask("HUSH", {}, 5_000).catch((error: unknown) => error);
    expect((await server.next()).kind).toBe("DATA");
    await server.answer("WHO", first.session, null);
    await until(() => client.downs.length === 1, "down");
    expect(client.downs[0]).toMatch(/^unknown session/);
    expect(await asked).toMatchObject({ code: "gone" });
    const second = await server.welcome(client);
    expect(second.routingId).toBe(first.routingId);
    expect(second.session).not.toBe(first.session);
    // Late words about the first session concern nobody.
    await server.answer("WHO", first.session, null);
    await server.answer("END", first.session, { end: "dropped", reason: "late" });
    client.send("NOTE", { n: 1 });
    const said = await server.next();
    expect(said).toMatchObject({ kind: "DATA", session: second.session, sequence: 1 });
    expect(decodeMessages(said.payload)).toMatchObject([{ kind: "tell", body: { n: 1 } }]);
    expect(client.downs).toHaveLength(1);
  });

  it("takes from a server only what the link says", async () => {
    const server = new RawServer();
    const client = await server.open();
    const { session } = await server.welcome(client);
    const bad = client.ask("ECHO", { text: "a" }, 5_000).catch((error: unknown) => error);
    const refused = client.ask("ECHO", { text: "b" }, 5_000).catch((error: unknown) => error);
    const good = client.ask("ECHO", { text: "c" }, 5_000);
    expect(decodeMessages((await server.next()).payload)).toHaveLength(3);
    const reply = { kind: "reply", type: "ECHO" } as const;
    await server.say(
      session,
      { ...reply, body: { text: 7 }, correlation: 1 },
      { kind: "error", type: "ECHO", body: "no", correlation: 2 },
      { ...reply, body: { text: "c" }, correlation: 3 },
      { ...reply, body: { text: "again" }, correlation: 3 },
      { ...reply, body: {}, correlation: 99 },
      { kind: "tell", type: "DANCE", body: {} },
      { kind: "tell", type: "NEWS", body: { n: "one" } },
      { kind: "ask", type: "NEWS", body: { n: 1 }, correlation: 1, deadlineMs: 5 },
      { kind: "tell", type: "NEWS", body: { n: 2 } },
    );
    expect(await bad).toMatchObject({ code: "refused" });
    expect(await refused).toMatchObject({ code: "refused", message: "no" });
    expect(await good).toEqual({ text: "c" });
    expect(client.heard).toEqual([{ type: "NEWS", body: { n: 2 } }]);
    expect(client.downs).toEqual([]);
  });

  it("leaves a server that talks nonsense, and tries again on another connection", async () => {
    const server = new RawServer();
    const client = await server.open();
    const first = await server.welcome(client);
    await server.send(Buffer.from("nonsense"));
    await until(() => client.downs.length === 1, "down");
    expect(client.downs[0]).toMatch(/^malformed frame/);
    const second = await server.welcome(client);
    expect(second.routingId).not.toBe(first.routingId);
  });

  it("tells that it is down before it is up again, though both came while it stood still", async () => {
    const server = new RawServer();
    const client = await server.open();
    await server.welcome(client);
    const address = server.socket.lastEndpoint ?? "";
    // The connection breaks and ZeroMQ makes another one, without a turn of the event loop between.
    server.socket.close();
    const next = new RawServer();
    closeLater({
      close: () => {
        next.socket.close();
      },
    });
    const startedAtMs = performance.now();
    for (let isBound = false; !isBound; ) {
      try {
        next.socket.bindSync(address);
        isBound = true;
      } catch (error) {
        if (performance.now() - startedAtMs > 2_000) throw error;
      }
    }
    while (performance.now() - startedAtMs < 500);
    await next.welcome(client);
    expect(client.downs).toEqual(["disconnected"]);
  });

  it("says full when the server does not read, and gone when there is none", async () => {
    const server = new RawServer();
    server.socket.receiveHighWaterMark = 1;
    const client = await server.open();
    expect(client.send("NOTE", { n: 0 })).toBe("gone");
    await server.welcome(client);
    const data = Buffer.alloc(1_000_000);
    const results = Array.from({ length: 100 }, () => client.send("BLOB", { data }));
    expect(results.slice(0, 60)).toEqual(Array.from({ length: 60 }, () => "sent"));
    expect(results.at(-1)).toBe("full");
    await expect(client.ask("ECHO", { text: "x".repeat(5_000_000) }, 100)).rejects.toMatchObject({
      code: "refused",
    });
  });

  it("rejects what is still asked when it is closed", async () => {
    const server = new RawServer();
    const client = await server.open();
    await server.welcome(client);
    const asked = client.ask("HUSH", {}, 5_000).catch((error: unknown) => error);
    await client.close();
    expect(await asked).toMatchObject({ code: "closed" });
    await expect(client.ask("HUSH", {}, 5_000)).rejects.toMatchObject({ code: "closed" });
    expect(client.send("NOTE", { n: 1 })).toBe("gone");
    expect(client.downs).toEqual([]);
  });
});
