/** The bound end of a link as an actor: what its consumer and its peers notice when it crashes. */
import { createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import {
  defineEndpoint,
  type EndpointMessages,
  newEndpointMemory,
  type PeerMessages,
} from "../../../actors/master/endpoint.ts";
import { Refusals } from "../../../actors/master/refusals.ts";
import {
  type FromFileSender,
  filesLink,
  type ToFileSender,
} from "../../../protocol/links/files.ts";
import { connectEndpoint } from "../../../protocol/transport/index.ts";
import {
  type ClientEndpoint,
  child,
  defineActor,
  eachNode,
  type MessageOf,
  type Peer,
  type System,
  silentLogger,
  startSystem,
  supervisor,
} from "../../../supervisor/index.ts";

type Received = { opened: Peer[]; closed: string[]; messages: number };

const consumer = defineActor<
  PeerMessages<FromFileSender>,
  { readonly received: Received },
  Received
>({
  name: "takes note of peers",
  init: (_ctx, { received }) => received,
  handle: {
    PEER_OPENED(received, peer) {
      received.opened.push(peer);
    },
    PEER_MESSAGE(received) {
      received.messages += 1;
    },
    PEER_CLOSED(received, { peer }) {
      received.closed.push(peer.id);
    },
  },
});

let system: System;
let client: ClientEndpoint<FromFileSender>;

afterEach(async () => {
  await client.close();
  await system.stop();
});

async function freeAddress(): Promise<string> {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  await new Promise((resolve) => server.close(resolve));
  return `tcp://127.0.0.1:${port}`;
}

async function start() {
  const address = await freeAddress();
  const received: Received = { opened: [], closed: [], messages: 0 };
  system = await startSystem({
    name: "test",
    logger: silentLogger,
    root: ({ ref }) =>
      supervisor("main", {}, [
        child("link", defineEndpoint(filesLink), {
          address,
          keys: undefined,
          heartbeatMs: 200,
          consumer: ref<PeerMessages<FromFileSender>>("/consumer"),
          memory: newEndpointMemory(),
          refusals: new Refusals().at("/link"),
        }),
        child("consumer", consumer, { received }),
      ]),
  });
  const link = system.ref<EndpointMessages<ToFileSender>>("/link");
  await link.ask("ATTACH");
  const fetched: string[] = [];
  client = connectEndpoint(filesLink, {
    address,
    heartbeatMs: 200,
    retryMs: { min: 10, max: 50 },
    log: silentLogger,
    handlers: {
      up: () => undefined,
      down: () => undefined,
      message: ({ body }) => void fetched.push(body.filename),
    },
  });
  await expect.poll(() => received.opened.length, { timeout: 5_000 }).toBe(1);
  return { received, link, fetched };
}

const fetch = (filename: string): MessageOf<ToFileSender> => ({
  type: "FETCH",
  body: { token: 1, filename, offset: 0, lengthBytes: 1 },
});

test("after a crash it binds by itself: old peers end, and come back as new ones", async () => {
  const { received, link, fetched } = await start();
  expect(system.crash("/link", new Error("a fault of the test"))).toBe(true);
  await expect.poll(() => received.opened.length, { timeout: 5_000 }).toBe(2);
  const [before, after] = received.opened;
  expect(received.closed).toEqual([before?.id]);
  expect(after?.id).not.toBe(before?.id);
  if (after === undefined) return;
  expect(await link.ask("SEND", { peer: after, message: fetch("a.whl") })).toBe("sent");
  await expect.poll(() => fetched).toEqual(["a.whl"]);
  client.send("MISSING", { token: 1, filename: "a.whl", reason: "not held" });
  await expect.poll(() => received.messages).toBe(1);
});

test("a message that cannot be sent costs nobody the connection", async () => {
  const { received, link, fetched } = await start();
  const [peer] = received.opened;
  if (peer === undefined) return;
  const tooLarge = fetch("x".repeat(20 * 1024 ** 2));
  expect(await link.ask("SEND", { peer, message: tooLarge })).toBe("gone");
  expect(await link.ask("SEND", { peer, message: fetch("b.whl") })).toBe("sent");
  await expect.poll(() => fetched).toEqual(["b.whl"]);
  const restarts = [...eachNode(system.tree())].map((node) => node.restarts);
  expect(restarts.every((count) => count === 0)).toBe(true);
});
