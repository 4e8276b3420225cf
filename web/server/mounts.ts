/**
 * Places of the site that are answered by programs and not by files: the tree reserves a mount, a prefix such as `/metrics`,
 * and gives it to the actor that serves it while it lives; the web server asks here before it looks for a file. While nobody
 * serves a mount its answer is 503, and the site goes on: neither a handler that throws, never answers or reads nothing, nor
 * its actor's end, is felt elsewhere.
 *
 * Who may ask is the handler's business; what it says of the site's own policy (headers) it may replace.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { hasTurn } from "./connections.ts";
import { type Exchange, securityHeaders } from "./exchange.ts";

/**
 * Answers one request, GET, HEAD or POST. What it throws, or what its promise rejects with, is logged and answered with
 * 500. An application of fastify is mounted with `(request, response) => app.routing(request, response)`.
 */
export type MountHandler = (
  request: IncomingMessage,
  response: ServerResponse,
) => void | Promise<void>;

export interface MountOptions {
  /** A larger body is refused with 413. Default 64 KiB. */
  readonly maxBodyBytes?: number;
  /** Requests in hand at once, streams among them; beyond it the answer is 503. Default 200. */
  readonly maxInHand?: number;
  /** An answer that has not begun after this is given up. Default 30,000. */
  readonly answerMs?: number;
}

/** What the actor of a mount is given. */
export interface Mount {
  readonly prefix: string;
  /**
   * From now on requests go to this handler, in place of one before it. Returns how to end that: what is in hand then is
   * answered with 503 where no answer has begun, or cut off. An old incarnation's end does not disturb its successor.
   */
  serve(handler: MountHandler): () => void;
}

interface MountLog {
  error(fields: object, message: string): void;
}

const MAX_BODY_BYTES = 64 * 1_024;
const MAX_IN_HAND = 200;
const ANSWER_MS = 30_000;
/** A refused body is read to its end up to this length, so that the client sees the answer; beyond it the connection is closed. */
const MAX_DISCARDED_BYTES = 1_024 * 1_024;
const RETRY_AFTER_S = 5;
const METHODS = "GET, HEAD, OPTIONS, POST";

/** As for files, but that other sites may not read it: what a mount says may depend on who asks. */
const mountHeaders: readonly (readonly [string, string])[] = [
  ...pairs(securityHeaders).filter(([name]) => !name.startsWith("access-control-")),
  ["cross-origin-resource-policy", "same-origin"],
  ["cache-control", "no-store"],
];

export class Mounts {
  readonly #places = new Map<string, MountPlace>();

  /** @throws Error for a prefix that is no `/word`, or is reserved already */
  reserve(prefix: string, options: MountOptions = {}): Mount {
    if (!/^\/[a-z0-9-]+$/.test(prefix)) throw new Error(`${prefix} is no prefix of a mount`);
    if (this.#places.has(prefix)) throw new Error(`${prefix} is reserved already`);
    const place = new MountPlace(prefix, options);
    this.#places.set(prefix, place);
    return place;
  }

  /** What answers a request for this target; undefined where that is for the files. */
  find(target: string): MountPlace | undefined {
    if (this.#places.size === 0) return undefined;
    return this.#places.get(/^\/[a-z0-9-]+(?=[/?]|$)/.exec(pathOf(target))?.[0] ?? "");
  }
}

/** A client may name the whole URL, as it does to a proxy (RFC 9112, 3.2.2). */
const pathOf = (target: string): string =>
  target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?]*/i, "");

/** A reserved mount, as the web server sees it. */
export class MountPlace implements Mount {
  readonly prefix: string;
  readonly #maxBodyBytes: number;
  readonly #maxInHand: number;
  readonly #answerMs: number;
  #handler: MountHandler | undefined;
  /** By handler, so that each can be ended with what it has in hand. */
  readonly #inHand = new Map<Exchange, MountHandler>();

  constructor(prefix: string, { maxBodyBytes, maxInHand, answerMs }: MountOptions) {
    this.prefix = prefix;
    this.#maxBodyBytes = maxBodyBytes ?? MAX_BODY_BYTES;
    this.#maxInHand = maxInHand ?? MAX_IN_HAND;
    this.#answerMs = answerMs ?? ANSWER_MS;
  }

  serve(handler: MountHandler): () => void {
    this.#handler = handler;
    return () => {
      if (this.#handler === handler) this.#handler = undefined;
      for (const [exchange, by] of this.#inHand) if (by === handler) giveUp(exchange);
    };
  }

  async answer(exchange: Exchange, log: MountLog): Promise<void> {
    const { request, response } = exchange;
    request.url = pathOf(exchange.target);
    if (!(await hasTurn(exchange.socket, response))) return;
    if (request.method === "OPTIONS") {
      exchange.begin(204, ["allow", METHODS]);
      exchange.end();
      return;
    }
    if (!["GET", "HEAD", "POST"].includes(request.method ?? "")) {
      const headers = ["cache-control", "no-cache", "allow", METHODS];
      return exchange.sendText(405, "Here GET, HEAD and POST are answered.", headers);
    }
    if (!this.#admitBody(exchange)) return;
    const handler = this.#handler;
    if (handler === undefined || this.#inHand.size >= this.#maxInHand) return notNow(exchange);
    await this.#handle(exchange, handler, log);
  }

  /** A body without its length said would have to be read to be measured. */
  #admitBody(exchange: Exchange): boolean {
    const { headers } = exchange.request;
    if (headers["transfer-encoding"] !== undefined) {
      exchange.response.shouldKeepAlive = false;
      exchange.sendText(411, "Say how long the body is (Content-Length).");
      return false;
    }
    const length = Number(headers["content-length"] ?? 0);
    if (length <= this.#maxBodyBytes) return true;
    if (length > MAX_DISCARDED_BYTES) exchange.response.shouldKeepAlive = false;
    exchange.sendText(413, `A body has at most ${this.#maxBodyBytes} bytes here.`);
    return false;
  }

  async #handle(exchange: Exchange, handler: MountHandler, log: MountLog): Promise<void> {
    const { request, response } = exchange;
    for (const [name, value] of mountHeaders) response.setHeader(name, value);
    exchange.countAsWritten();
    this.#inHand.set(exchange, handler);
    const deadline = setTimeout(() => {
      if (response.headersSent) return;
      log.error({ mount: this.prefix }, "a request was given up: its handler did not answer");
      giveUp(exchange);
    }, this.#answerMs);
    response.once("close", () => {
      clearTimeout(deadline);
      this.#inHand.delete(exchange);
    });
    // What a handler writes after its answer was given up is an error of the response, and nobody else's.
    response.on("error", () => undefined);
    try {
      await handler(request, response);
    } catch (err) {
      // Whose asker has gone may fail.
      if (exchange.socket.destroyed) return;
      log.error({ err, mount: this.prefix }, "a request failed");
      if (response.writableEnded) return;
      if (response.headersSent) response.destroy();
      else replace(exchange, 500, "The farm could not answer this request.");
    }
  }
}

const notNow = (exchange: Exchange): void =>
  replace(exchange, 503, "This part of the farm is not there just now.", [
    "retry-after",
    String(RETRY_AFTER_S),
  ]);

/** Ends what a handler has not: the client asks again, or sees that it was cut off. */
function giveUp(exchange: Exchange): void {
  const { response } = exchange;
  if (response.writableEnded) return;
  if (response.headersSent) response.destroy();
  else notNow(exchange);
}

/** In place of whatever the handler meant to say. */
function replace(
  exchange: Exchange,
  status: number,
  text: string,
  headers: readonly string[] = [],
): void {
  const { response } = exchange;
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  exchange.sendText(status, text, ["cache-control", "no-store", ...headers]);
}

function pairs(list: readonly string[]): (readonly [string, string])[] {
  const found: (readonly [string, string])[] = [];
  for (let at = 0; at + 1 < list.length; at += 2) found.push([list[at] ?? "", list[at + 1] ?? ""]);
  return found;
}
