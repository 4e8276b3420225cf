import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  bindPublisher,
  connectSubscriber,
  EndpointConfigError,
  forceCodec,
  generateKeyPair,
} from "../../../protocol/transport/index.ts";
import { silentLogger } from "../../../supervisor/index.ts";
import { callEcho, closeAll, echoLink, serveEcho, until } from "./echo-link.ts";

const address = "inproc://tests/link";
beforeEach(() => {
  forceCodec(false);
});
afterEach(async () => {
  await closeAll();
  forceCodec(false);
});

async function pair() {
  const server = await serveEcho({ address });
  const client = callEcho(address, { identity: "local:me" });
  await until(() => client.ups() === 1, "up");
  return { server, client, peer: server.opened[0] ?? expect.fail() };
}

describe("an inproc link", { timeout: 10_000 }, () => {
  it("hands over bodies themselves, in both directions, and asks no schema", async () => {
    const { server, client, peer } = await pair();
    const data = new Uint8Array([1, 2, 3]);
    const out = { data, beside: new Map([[1, 2]]) };
    client.send("BLOB", out);
    server.send(peer, "BLOB", out);
    await until(() => server.heard.length + client.heard.length === 2, "both");
    expect(server.heard[0]?.body).toBe(out);
    expect(client.heard[0]?.body).toBe(out);
    expect(peer.identity).toBe("local:me");
  });

  it("with the codec forced copies, checks, and refuses to send what would not survive a wire", async () => {
    forceCodec(true);
    const { server, client } = await pair();
    const out = { data: new Uint8Array([1, 2, 3]), beside: "stripped by the schema" };
    client.send("BLOB", out);
    await until(() => server.heard.length === 1, "it comes");
    expect(server.heard[0]?.body).not.toBe(out);
    expect(Object.keys(server.heard[0]?.body ?? {})).toEqual(["data"]);
    client.send("NOTE", JSON.parse('{"n":"one"}') as { n: number });
    await until(() => server.counters()["invalid message"] === 1, "counted");
    const at = { n: 1, at: new Date(0) };
    expect(() => client.send("NOTE", at)).toThrow(TypeError);
    expect(() => client.send("BLOB", { data: Buffer.alloc(20_000_000) })).toThrow(RangeError);
  });

  it("calls a handler after the sender is done, never from inside another", async () => {
    const order: string[] = [];
    const server = await serveEcho({
      address,
      onOpened: (peer, self) => {
        order.push("opened");
        self.drop(peer, "enough");
        order.push("opened is over");
      },
    });
    const client = callEcho(address);
    await until(() => client.downs.length === 1, "dropped");
    await until(() => server.ended.length === 1, "closed");
    expect(order).toEqual(["opened", "opened is over"]);
    expect(client.downs).toEqual(["dropped: enough"]);
    expect(client.send("NOTE", { n: 1 })).toBe("gone");
  });

  it("may be connected before it is bound, and bound again after a close", async () => {
    const client = callEcho(address);
    expect(client.ups()).toBe(0);
    const first = await serveEcho({ address });
    await until(() => client.ups() === 1, "up");
    await first.close();
    await until(() => client.downs.length === 1, "down");
    await serveEcho({ address });
    await until(() => client.ups() === 2, "up again");
    await expect(serveEcho({ address })).rejects.toThrow(/in use/);
  });

  it("needs no keys and uses none", async () => {
    const keys = { secret: generateKeyPair(), isAuthorised: () => false };
    const server = await serveEcho({ address, keys });
    const client = callEcho(address, {
      keys: { own: generateKeyPair(), serverPublicKey: keys.secret.publicKey },
    });
    await until(() => client.ups() === 1, "up");
    expect(server.opened[0]?.identity).toMatch(/^local:/);
  });

  it("is no way to publish, and that is said", async () => {
    const log = silentLogger;
    await expect(bindPublisher(echoLink, { address, log })).rejects.toThrow(/tcp:.*ipc:/);
    const onMessage = () => undefined;
    expect(() =>
      connectSubscriber(echoLink, { address, log, onMessage, onGap: onMessage }),
    ).toThrow(EndpointConfigError);
  });
});
