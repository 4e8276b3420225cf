/**
 * A slave of the bench `transfer`: the file sender of piw-slave with an outbox on disk, or a raw PUSH. Started by
 * `transfer.bench.ts`; ends when its channel closes.
 */
import { once } from "node:events";
import { lineTo } from "../actors/slave/connection.ts";
import { fileSender } from "../actors/slave/file-sender.ts";
import type { FileSenderMessages } from "../actors/slave/messages.ts";
import { Outbox } from "../actors/slave/outbox.ts";
import { child, silentLogger, startSystem, supervisor } from "../supervisor/index.ts";
import { obeyOrders } from "./bench-child.ts";
import { connectPush, sendFile } from "./transfer/raw-copy.ts";
import type { SenderOrder, SenderSays } from "./transfer/words.ts";

type Connect = Extract<SenderOrder, { type: "connect" }>;

interface Line {
  send(path: string): Promise<void>;
  close(): Promise<void>;
}

const say = (words: SenderSays): void => void process.send?.(words);
let line: Line | undefined;

obeyOrders(obey);
if (process.connected) await once(process, "disconnect");
await line?.close();

async function obey(order: SenderOrder): Promise<void> {
  if (order.type === "connect") {
    line = order.way === "raw" ? openRaw(order) : await openSender(order);
    say({ type: "connected" });
  } else if (order.type === "send") await line?.send(order.path);
  else {
    await line?.close();
    line = undefined;
    say({ type: "closed" });
  }
}

function openRaw({ address, own, serverPublicKey }: Connect): Line {
  const push = connectPush(address, own, serverPublicKey);
  return { send: (path) => sendFile(push, path), close: async () => push.close() };
}

async function openSender({
  address,
  own,
  serverPublicKey,
  name,
  ...order
}: Connect): Promise<Line> {
  const { outbox } = await Outbox.open(order.outbox);
  const keys = own && serverPublicKey !== undefined ? { own, serverPublicKey } : undefined;
  const line = lineTo(
    {
      ...{ address, keys, identity: name.identity },
      ...{ heartbeatMs: 2_000, retryMs: { min: 100, max: 1_000 } },
    },
    silentLogger,
  );
  const system = await startSystem({
    name: "sender",
    logger: silentLogger,
    root: supervisor("sender", {}, [
      child("file-sender", fileSender, {
        connection: { line, slot: name.slot },
        outbox,
        job: 1,
        linkPath: "/nobody",
      }),
    ]),
  });
  const sender = system.ref<FileSenderMessages>("/file-sender");
  for (const { token } of outbox.finished()) sender.tell("SERVE", { token });
  return { send: () => Promise.resolve(), close: () => system.stop() };
}
