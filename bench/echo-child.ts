/**
 * The other process of the bench `transport`: answers what it is asked and counts what it is told, over raw
 * ZeroMQ and over bound endpoints. Started by `transport/echo-process.ts`; ends when its channel closes.
 */
import { once } from "node:events";
import { type MessageLike, Pull, Router } from "zeromq";
import {
  bindEndpoint,
  generateKeyPair,
  openNodeDoor,
  type ServerKeys,
} from "../protocol/transport/index.ts";
import {
  child,
  defineActor,
  type MessageOf,
  type ServerHandlers,
  silentLogger,
  startSystem,
  supervisor,
} from "../supervisor/index.ts";
import {
  benchLink,
  type ChildOrder,
  type ChildSays,
  type EchoMessages,
  type Job,
  LAST,
  nodeNames,
  packr,
  protocols,
  type ToServer,
} from "./transport/bench-link.ts";

const say = (words: ChildSays): void => void process.send?.(words);

let notes = 0;
function note({ id }: Pick<Job, "id">): void {
  notes += 1;
  if (id !== LAST) return;
  say({ type: "counted", notes });
  notes = 0;
}

const [order] = (await once(process, "message")) as [ChildOrder];
const secret = generateKeyPair();
const isAuthorised = (key: string): boolean => key === order.clientPublicKey;
const endpoints = [
  await bind("tcp://127.0.0.1:0"),
  await bind("tcp://127.0.0.1:0", { secret, isAuthorised }),
  await bind(`ipc://${order.folder}/endpoint`),
] as const;
const nodes = [
  await startNode(nodeNames.plain),
  await startNode(nodeNames.curve, { secret, isAuthorised }),
] as const;
const routers = [new Router({ linger: 0 }), new Router({ linger: 0 })] as const;
const pull = new Pull({ linger: 0 });
await routers[0].bind("tcp://127.0.0.1:0");
await routers[1].bind(`ipc://${order.folder}/raw`);
await pull.bind("tcp://127.0.0.1:0");
const serving = [...routers.map(echo), countNotes()];

const [tcp, curve, ipc] = endpoints.map(({ address }) => address);
const [rawTcp, rawIpc, rawPull] = [...routers, pull].map(({ lastEndpoint }) => lastEndpoint ?? "");
const [node, nodeCurve] = nodes.map(({ address }) => address);
const known = { rawTcp, rawIpc, rawPull, tcp, curve, ipc, node, nodeCurve } as ChildAddresses;
say({ type: "ready", addresses: known, publicKey: secret.publicKey });
if (process.connected) await once(process, "disconnect");
for (const socket of [...routers, pull]) socket.close();
await Promise.all([...serving, ...[...endpoints, ...nodes].map((one) => one.close())]);

type ChildAddresses = Extract<ChildSays, { type: "ready" }>["addresses"];

async function bind(address: string, keys?: ServerKeys) {
  const handlers: ServerHandlers<ToServer> = {
    opened: () => undefined,
    closed: () => undefined,
    message: (_peer, message: MessageOf<ToServer>, reply) => {
      if (message.type === "ECHO") reply?.({ value: message.body });
      else note(message.body);
    },
  };
  return await bindEndpoint(benchLink, {
    address,
    ...(keys && { keys }),
    handlers,
    log: silentLogger,
  });
}

/** A system of its own with one actor, whom other nodes may ask. */
async function startNode(name: string, keys?: ServerKeys) {
  const echoActor = defineActor<EchoMessages>({
    name: "answers with what it was asked",
    init: () => undefined,
    handle: {
      ECHO: (_state, body) => body,
      NOTE: (_state, body) => {
        note(body);
      },
    },
  });
  const system = await startSystem({
    name,
    logger: silentLogger,
    root: supervisor("root", {}, [child("echo", echoActor, undefined)]),
    node: { name, protocols },
  });
  const door = await openNodeDoor({
    nodes: system.nodes,
    address: "tcp://127.0.0.1:0",
    ...(keys && { keys }),
    log: silentLogger,
  });
  return {
    address: door.address,
    close: async () => {
      await door.close();
      await system.stop();
    },
  };
}

async function echo(router: Router): Promise<void> {
  for await (const [id, frame] of router) {
    const [n, body] = packr.unpack(frame as Buffer) as [number, Job];
    await router.send([id as MessageLike, packr.pack([n, body])]);
  }
}

async function countNotes(): Promise<void> {
  for await (const [frame] of pull) note(packr.unpack(frame as Buffer) as Job);
}
