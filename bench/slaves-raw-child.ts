/** A bare ROUTER of zeromq.js that remembers who has spoken: what 5,000 peers cost without sessions. For the bench `slaves`. */
import { once } from "node:events";
import { type MessageLike, Router } from "zeromq";
import type { RawSays } from "./slaves/words.ts";

const router = new Router({ linger: 0, backlog: 1_024 });
await router.bind("tcp://127.0.0.1:0");
const peers = new Map<string, Buffer>();
void (async () => {
  for await (const [id, frame] of router) {
    peers.set((id as Buffer).toString("latin1"), Buffer.from(id as Buffer));
    await router.send([id as MessageLike, frame as MessageLike]);
  }
})();
process.send?.({ type: "bound", address: router.lastEndpoint ?? "" } satisfies RawSays);
if (process.connected) await once(process, "disconnect");
router.close();
