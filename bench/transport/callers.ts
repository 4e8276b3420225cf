/** The contenders of the bench `transport`: each can ask the other process; a new one is one entry more. */
import { Push } from "zeromq";
import {
  type ConnectOptions,
  connectEndpoint,
  connectNode,
} from "../../protocol/transport/index.ts";
import {
  type ClientEndpoint,
  silentLogger,
  startSystem,
  supervisor,
} from "../../supervisor/index.ts";
import { Gate } from "../gate.ts";
import {
  benchLink,
  type EchoMessages,
  echoPath,
  job,
  nodeNames,
  protocols,
  type ToClient,
  type ToServer,
} from "./bench-link.ts";
import type { EchoProcess } from "./echo-process.ts";
import { RawCaller } from "./raw-client.ts";

export const RAW = "raw zeromq, tcp";
export const RAW_IPC = "raw zeromq, ipc";
export const TCP = "endpoint, tcp";
export const CURVE = "endpoint, tcp with CURVE";
export const IPC = "endpoint, ipc";
export const REF = "remote ref, tcp";
export const REF_CURVE = "remote ref, tcp with CURVE";
export const PUSH = "raw zeromq PUSH, tcp";

const TIMEOUT_MS = 30_000;

export interface Caller {
  readonly name: string;
  ask(n: number): Promise<unknown>;
}
interface ClosableCaller extends Caller {
  close(): Promise<void>;
}

export interface Callers {
  readonly raw: readonly Caller[];
  readonly endpoints: readonly (Caller & { readonly endpoint: ClientEndpoint<ToServer> })[];
  readonly refs: readonly Caller[];
  readonly push: Push;
  close(): Promise<void>;
}

/** Connects all of them; resolves when each has been answered once. */
export async function openCallers(echo: EchoProcess, signal: AbortSignal): Promise<Callers> {
  const { addresses, clientKeys: own, serverPublicKey } = echo;
  const raw = [rawCaller(RAW, addresses.rawTcp), rawCaller(RAW_IPC, addresses.rawIpc)];
  const endpoints = await Promise.all([
    endpointCaller(TCP, { address: addresses.tcp }, signal),
    endpointCaller(CURVE, { address: addresses.curve, keys: { own, serverPublicKey } }, signal),
    endpointCaller(IPC, { address: addresses.ipc }, signal),
  ]);
  const { refs, close: closeNode } = await refCallers(echo, signal);
  const push = new Push({ linger: 0 });
  push.connect(addresses.rawPull);
  await Promise.all([...raw, ...endpoints, ...refs].map(async (caller) => await caller.ask(0)));
  return {
    raw,
    endpoints,
    refs,
    push,
    close: async () => {
      push.close();
      await Promise.all([...raw, ...endpoints].map(async (caller) => await caller.close()));
      await closeNode();
    },
  };
}

function rawCaller(name: string, address: string): ClosableCaller {
  const caller = new RawCaller(address);
  return { name, ask: (n) => caller.ask(n), close: () => caller.close() };
}

async function endpointCaller(
  name: string,
  options: Pick<ConnectOptions<ToClient>, "address" | "keys">,
  signal: AbortSignal,
): Promise<ClosableCaller & { readonly endpoint: ClientEndpoint<ToServer> }> {
  const up = new Gate();
  const endpoint = connectEndpoint(benchLink, {
    ...options,
    log: silentLogger,
    handlers: { up: up.open, down: () => undefined, message: () => undefined },
  });
  await up.passed(signal);
  return {
    name,
    endpoint,
    ask: (n) => endpoint.ask("ECHO", job(n), TIMEOUT_MS),
    close: () => endpoint.close(),
  };
}

/** Asks of actors of other nodes, by their refs: through mailboxes, letters and acknowledgements. */
async function refCallers(
  { addresses, clientKeys: own, serverPublicKey }: EchoProcess,
  signal: AbortSignal,
): Promise<{ readonly refs: readonly Caller[]; close(): Promise<void> }> {
  const system = await startSystem({
    name: nodeNames.caller,
    logger: silentLogger,
    root: supervisor("root", {}, []),
    node: { name: nodeNames.caller, protocols },
  });
  const connect = async (
    node: string,
    options: Pick<ConnectOptions<ToClient>, "address" | "keys">,
  ) => {
    const up = new Gate();
    const connection = connectNode({
      ...options,
      channel: system.nodes.channel(node),
      slot: nodeNames.caller,
      up: up.open,
      log: silentLogger,
    });
    await up.passed(signal);
    return connection;
  };
  const connections = [
    await connect(nodeNames.plain, { address: addresses.node }),
    await connect(nodeNames.curve, {
      address: addresses.nodeCurve,
      keys: { own, serverPublicKey },
    }),
  ];
  const caller = (name: string, node: string): Caller => {
    const ref = system.ref<EchoMessages>(`${node}:${echoPath}`);
    return { name, ask: (n) => ref.ask("ECHO", job(n), { timeoutMs: TIMEOUT_MS }) };
  };
  return {
    refs: [caller(REF, nodeNames.plain), caller(REF_CURVE, nodeNames.curve)],
    close: async () => {
      await Promise.all(connections.map(async (connection) => await connection.close()));
      await system.stop();
    },
  };
}
