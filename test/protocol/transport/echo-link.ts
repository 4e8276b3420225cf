/** A small link of every kind of message, for the transport's tests, and recorders for both of its ends. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { z } from "zod";
import { declareLink, type MessagesOf } from "../../../protocol/links/declare.ts";
import {
  type BindOptions,
  bindEndpoint,
  type ConnectOptions,
  connectEndpoint,
  connectOver,
  type Line,
  type LineOptions,
  openLine,
} from "../../../protocol/transport/index.ts";
import {
  type ClientEndpoint,
  type MessageOf,
  type Peer,
  type PeerEnd,
  type ServerEndpoint,
  type ServerHandlers,
  silentLogger,
} from "../../../supervisor/index.ts";

const numbered = z.object({ n: z.number() });
const toServer = {
  ECHO: { body: z.object({ text: z.string() }), reply: z.object({ text: z.string() }) },
  /** Never answered. */
  HUSH: { body: z.object({}), reply: z.object({}) },
  NOTE: { body: numbered },
  BLOB: { body: z.object({ data: z.instanceof(Uint8Array) }) },
};
const toClient = {
  NEWS: { body: numbered },
  BLOB: { body: z.object({ data: z.instanceof(Uint8Array) }) },
};

export const echoLink = declareLink({ name: "echo", version: 1, toServer, toClient });
export type ToServer = MessagesOf<typeof toServer>;
export type ToClient = MessagesOf<typeof toClient>;

export interface EchoServer extends ServerEndpoint<ToClient> {
  readonly opened: Peer[];
  readonly ended: { peer: Peer; end: PeerEnd }[];
  readonly heard: MessageOf<ToServer>[];
}

export interface EchoClient extends ClientEndpoint<ToServer> {
  readonly downs: string[];
  readonly heard: MessageOf<ToClient>[];
  ups(): number;
}

/** Everything that a test opened; `closeAll` goes into `afterEach`. */
const opened: { close(): Promise<void> }[] = [];
export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((one) => one.close()));
}
export function closeLater(one: { close(): Promise<void> | void }): void {
  opened.push({ close: async () => one.close() });
}

export async function serveEcho(
  options: Partial<BindOptions<ToServer>> & {
    onOpened?: (peer: Peer, server: EchoServer) => void;
    /** Until it settles the message is not taken. */
    taking?: (message: MessageOf<ToServer>, peer: Peer) => Promise<void> | undefined;
  } = {},
): Promise<EchoServer> {
  const record = {
    opened: [] as Peer[],
    ended: [] as { peer: Peer; end: PeerEnd }[],
    heard: [] as MessageOf<ToServer>[],
  };
  const handlers: ServerHandlers<ToServer> = {
    opened: (peer) => {
      record.opened.push(peer);
      options.onOpened?.(peer, server);
    },
    message: (peer, message, reply) => {
      record.heard.push(message);
      if (message.type === "ECHO") reply?.({ value: { text: message.body.text } });
      return options.taking?.(message, peer);
    },
    closed: (peer, end) => {
      record.ended.push({ peer, end });
    },
  };
  const endpoint = await bindEndpoint(echoLink, {
    address: "tcp://127.0.0.1:0",
    handlers,
    log: silentLogger,
    heartbeatMs: 100,
    ...options,
  });
  const server: EchoServer = { ...endpoint, ...record };
  closeLater(server);
  return server;
}

const QUICK = { heartbeatMs: 100, retryMs: { min: 10, max: 100 } };

export const echoLine = (address: string, options: Partial<LineOptions> = {}): Line =>
  openLine({ address, log: silentLogger, ...QUICK, ...options });

export function callEcho(
  address: string,
  options: Partial<ConnectOptions<ToClient>> & {
    /** Until it settles the message is not taken. */
    taking?: (message: MessageOf<ToClient>) => Promise<void> | undefined;
    /** Shared with others; the address and what else is of the connection is the line's then. */
    line?: Line;
  } = {},
): EchoClient {
  const downs: string[] = [];
  const heard: MessageOf<ToClient>[] = [];
  let ups = 0;
  const all: ConnectOptions<ToClient> = {
    address,
    log: silentLogger,
    ...QUICK,
    handlers: {
      up: () => {
        ups += 1;
      },
      down: (reason) => {
        downs.push(reason);
      },
      message: (message) => {
        heard.push(message);
        return options.taking?.(message);
      },
    },
    ...options,
  };
  const { line } = options;
  const endpoint =
    line === undefined ? connectEndpoint(echoLink, all) : connectOver(line, echoLink, all);
  const client: EchoClient = { ...endpoint, downs, heard, ups: () => ups };
  closeLater(client);
  return client;
}

/** Waits until the condition holds; says what was waited for when it does not. */
export async function until(
  condition: () => boolean,
  what: string,
  withinMs = 5_000,
): Promise<void> {
  const startedAtMs = performance.now();
  while (!condition()) {
    if (performance.now() - startedAtMs > withinMs) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
    await nextTurn();
  }
}
