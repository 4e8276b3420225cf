/**
 * The one way out of a build with `network = index`: an HTTP proxy on a unix socket that is bound into the
 * sandbox, which lets through requests to the allowed servers and refuses all others. Opened by the cell of
 * a build, closed with it; inside, relay.ts makes the socket a port that pip can use.
 *
 * It sees which server is asked and no more of https. It keeps a build from others' services, not from
 * telling an allowed server what it likes.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Dispatcher } from "undici";
import { environmentAgent } from "../../../protocol/upstream/index.ts";
import { type AllowedHosts, portOf } from "./allowed-hosts.ts";
import { openTunnel } from "./outer-proxy.ts";

/** pip uses one or a few; a build that opens more waits. */
const MAX_CONNECTIONS = 100;
const SILENCE_MS = 60_000;
/** So many refused servers are told; a build may try all of them. */
const MAX_TOLD = 20;

/** They belong to one connection, not to the request (RFC 9110, 7.6.1). */
const connectionHeaders = new Set([
  ...["connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate"],
  ...["te", "trailer", "transfer-encoding", "upgrade", "host", "expect"],
]);

export class IndexProxy {
  readonly #server: Server;
  readonly #allowed: AllowedHosts;
  readonly #onRefused: (place: string) => void;
  readonly #dispatcher: Dispatcher = environmentAgent({ connect: { timeout: 15_000 } });
  readonly #tunnels = new Set<Duplex>();
  readonly #told = new Set<string>();

  private constructor(allowed: AllowedHosts, onRefused: (place: string) => void) {
    this.#allowed = allowed;
    this.#onRefused = onRefused;
    this.#server = createServer((request, response) => {
      this.#forward(request, response).catch(() => response.destroy());
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on("connect", (request, socket, head) => {
      this.#tunnel(request, socket, head).catch(() => socket.destroy());
    });
    this.#server.on("clientError", (_error, socket) => socket.destroy());
  }

  /**
   * @param onRefused is told once of each server that was asked for in vain, as `HOST:PORT`
   * @throws when the socket cannot be made there
   */
  static async open(
    socketPath: string,
    allowed: AllowedHosts,
    onRefused: (place: string) => void,
  ): Promise<IndexProxy> {
    const proxy = new IndexProxy(allowed, onRefused);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(socketPath, () => {
        proxy.#server.off("error", reject);
        resolve();
      });
    });
    return proxy;
  }

  /** Cuts what is still open. */
  async close(): Promise<void> {
    for (const tunnel of this.#tunnels) tunnel.destroy();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await this.#dispatcher.destroy();
    await closed;
  }

  /** A plain request: `GET http://host/path`. Indexes are read only, so nothing is sent to them. */
  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = request.url ?? "";
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url?.protocol !== "http:") return answer(response, 400, "a proxy takes whole http URLs");
    if (!this.#isAllowed(url.hostname, portOf(url)))
      return answer(response, 403, refusalText(url.host));
    if (request.method !== "GET" && request.method !== "HEAD") {
      return answer(response, 405, "only GET and HEAD go through here");
    }
    const over = new AbortController();
    response.once("close", () => over.abort());
    let given: Dispatcher.ResponseData;
    try {
      given = await this.#dispatcher.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: request.method,
        headers: passedOn(request.headers),
        headersTimeout: SILENCE_MS,
        bodyTimeout: SILENCE_MS,
        signal: over.signal,
      });
    } catch (error) {
      return answer(response, 502, `${url.host} could not be reached: ${textOf(error)}`);
    }
    response.writeHead(given.statusCode, passedOn(given.headers));
    await pipeline(given.body, response);
  }

  async #tunnel(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    this.#tunnels.add(socket);
    socket.once("close", () => this.#tunnels.delete(socket));
    socket.on("error", () => socket.destroy());
    const [, host = "", port] = /^\[?([^\]]*?)\]?:(\d{1,5})$/.exec(request.url ?? "") ?? [];
    if (!this.#isAllowed(host, Number(port))) {
      socket.end(`HTTP/1.1 403 Forbidden\r\n\r\n${refusalText(`${host}:${port}`)}\n`);
      return;
    }
    let outside: Socket;
    try {
      outside = await openTunnel(host, Number(port), process.env);
    } catch {
      socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      return;
    }
    outside
      .on("error", () => socket.destroy())
      .setTimeout(10 * SILENCE_MS, () => outside.destroy());
    if (socket.destroyed) {
      outside.destroy();
      return;
    }
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) outside.write(head);
    await Promise.allSettled([pipeline(socket, outside), pipeline(outside, socket)]);
    outside.destroy();
    socket.destroy();
  }

  #isAllowed(host: string, port: number): boolean {
    if (this.#allowed.has(host, port)) return true;
    const place = `${host}:${port}`.slice(0, 300);
    if (!this.#told.has(place) && this.#told.size < MAX_TOLD) {
      this.#told.add(place);
      this.#onRefused(place);
    }
    return false;
  }
}

const refusalText = (place: string): string =>
  `${place} is not among the servers that builds may reach`;

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close" });
  response.end(`${text}\n`);
}

function passedOn(headers: IncomingMessage["headers"]): Record<string, string | string[]> {
  const entries = Object.entries(headers).filter(([name]) => !connectionHeaders.has(name));
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
