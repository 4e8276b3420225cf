/**
 * The process's one ZAP handler (ZeroMQ RFC 27): asked by ZeroMQ for each CURVE connection, it lets in the
 * keys that the endpoint of that domain accepts. A CURVE server takes its options from here, so that there is none without a
 * handler: ZeroMQ itself would let every key in.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Router } from "zeromq";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { SocketReader } from "./socket-reader.ts";
import { encodeZ85Key } from "./z85.ts";

export interface GuardedDomain {
  readonly options: { readonly zapDomain: string; readonly zapEnforceDomain: true };
  /** To be called once the endpoint's socket is closed. */
  release(): void;
}

type Judge = (publicKeyZ85: string) => boolean;

const ADDRESS = "inproc://zeromq.zap.01";
/** A handler that was closed a moment ago leaves its address a moment later. */
const BIND_WITHIN_MS = 2_000;

const domains = new Map<string, Judge>();
let counter = 0;
let handler: Promise<Router> | undefined;

/** Opens a domain; resolves when the handler is in place. `judge` must not throw. */
export async function guardDomain(name: string, judge: Judge): Promise<GuardedDomain> {
  counter += 1;
  const domain = `${name}.${counter}`;
  domains.set(domain, judge);
  handler ??= startHandler();
  try {
    await handler;
  } catch (error) {
    domains.delete(domain);
    if (domains.size === 0) handler = undefined;
    throw error;
  }
  return {
    options: { zapDomain: domain, zapEnforceDomain: true },
    release: () => {
      if (!domains.delete(domain) || domains.size > 0) return;
      const ended = handler;
      handler = undefined;
      // With the last domain the handler goes too: its pending receive would keep the process alive.
      ended?.then(
        (socket) => {
          socket.close();
        },
        () => undefined,
      );
    },
  };
}

async function startHandler(): Promise<Router> {
  const socket = new Router({ linger: 0, sendTimeout: 0 });
  const startedAtMs = performance.now();
  for (;;) {
    try {
      socket.bindSync(ADDRESS);
      break;
    } catch (error) {
      if (performance.now() - startedAtMs < BIND_WITHIN_MS) {
        await delay(1);
        continue;
      }
      socket.close();
      throw new EndpointConfigError("another ZAP handler runs in this process", { cause: error });
    }
  }
  let answering = Promise.resolve();
  const answer = (request: readonly Buffer[]) => {
    const reply = judgeRequest(request);
    if (reply === undefined) return;
    // One at a time; an answer that cannot be sent leaves that one connection outside.
    answering = answering.then(() => socket.send(reply)).catch(() => undefined);
  };
  new SocketReader(socket, { take: answer, failed: () => undefined });
  return socket;
}

/** Undefined where the request is none: there is nobody to answer. */
function judgeRequest(request: readonly Buffer[]): (Buffer | string)[] | undefined {
  const [id, , version, requestId, domain, , , mechanism, key] = request;
  if (id === undefined || version === undefined || requestId === undefined) return undefined;
  const judge = domains.get(domain?.toString() ?? "");
  const isWelcome =
    version.toString() === "1.0" &&
    mechanism?.toString() === "CURVE" &&
    key?.length === 32 &&
    judge?.(encodeZ85Key(key)) === true;
  const [status, text] = isWelcome ? ["200", "OK"] : ["400", "key not authorised"];
  return [id, "", version, requestId, status, text, "", ""];
}
