/**
 * The farm's own HTTP server: the output folder as a package index and a site, for those who have
 * no other web server before it, and what actors answer below their mounts. By itself it reads files only; it knows
 * neither the database nor the actors, and may run in a process of its own.
 *
 * Fastify listens, looks after connections and picks the route; from there a request goes its short way through
 * `server/`.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server as TlsServer } from "node:https";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { listenErrorFrom, parseListenAddress, urlOf } from "./server/address.ts";
import { answer } from "./server/answer.ts";
import { type CertificateFiles, followCertificate, readCertificate } from "./server/certificate.ts";
import { type Answered, Exchange } from "./server/exchange.ts";
import type { Mounts } from "./server/mounts.ts";
import { Representations } from "./server/representations.ts";
import { openPublicFolder } from "./storage.ts";

export { type AccessLog, openAccessLog } from "./server/access-log.ts";
export { WebServerError, type WebServerErrorCode } from "./server/address.ts";
export type { CertificateFiles } from "./server/certificate.ts";
export type { Answered } from "./server/exchange.ts";
export { type Mount, type MountHandler, type MountOptions, Mounts } from "./server/mounts.ts";
export { isAskedHere } from "./server/own-machine.ts";
export { type CookieOptions, noTokenCookie, tokenCookie } from "./server/token-cookie.ts";
export {
  type Admitted,
  type RefusalReason,
  type Refused,
  sendRefusal,
  TokenGate,
  type TokenGateOptions,
} from "./server/token-gate.ts";

/** The part of a pino logger that the server uses. */
export interface WebLog {
  error(fields: object, message: string): void;
}

export interface WebServerOptions {
  /** `http://HOST:PORT`; port 0 takes a free one. */
  readonly address: string;
  readonly outputPath: string;
  readonly log: WebLog;
  /** Places that programs answer. */
  readonly mounts?: Mounts | undefined;
  /** Speaks TLS with these, and nothing else. */
  readonly tls?: CertificateFiles | undefined;
  /**
   * The Simple API of the followed index: a project that has no page here is looked for there. Undefined: it
   * is not found.
   */
  readonly upstreamSimpleUrl?: string | undefined;
  /** Told of each request when its answer has ended, whole or cut off. */
  readonly onAnswered?: ((answered: Answered) => void) | undefined;
  /** How long `close` lets downloads go on. Default 2,000. */
  readonly closeDeadlineMs?: number;
  /** Beyond it, new connections are dropped, and idle ones closed. Default 2,000: each may hold an open file. */
  readonly maxConnections?: number;
  /** For small pages, compressed and not; 0 keeps none. Default 64 MiB. */
  readonly pageMemoryBytes?: number;
  /** How often the files of `tls` are looked at. Default 10,000. */
  readonly certificateLookMs?: number;
}

export interface WebServer {
  /** With the real port, and a slash at the end. */
  readonly url: string;
  /** Takes no more requests, ends those in hand within the deadline. Repeatable. */
  close(): Promise<void>;
}

const CLOSE_DEADLINE_MS = 2_000;
const MAX_CONNECTIONS = 2_000;
const PAGE_MEMORY_BYTES = 64 * 1_024 * 1_024;
const CERTIFICATE_LOOK_MS = 10_000;
/** A peer that neither reads nor writes for so long is gone, or holds a place on purpose. */
const SILENT_CONNECTION_MS = 60_000;
const SLOW_REQUEST_MS = 30_000;

/** @throws WebServerError one line for people; nothing listens then */
export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const address = parseListenAddress(options.address);
  const { tls } = options;
  const app = buildApp(options, tls === undefined ? null : await readCertificate(tls));
  try {
    await app.listen(address);
  } catch (error) {
    await app.close();
    throw listenErrorFrom(error, address);
  }
  const stopFollowing =
    tls === undefined
      ? undefined
      : followCertificate(
          app.server as TlsServer,
          tls,
          options.certificateLookMs ?? CERTIFICATE_LOOK_MS,
          (err) => options.log.error({ err }, "the new certificate is not used"),
        );
  const bound = app.server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
  let closing: Promise<void> | undefined;
  return {
    url: urlOf({ host: address.host, port }, tls === undefined ? "http" : "https"),
    close: () => {
      stopFollowing?.();
      closing ??= closeWithin(app, options.closeDeadlineMs ?? CLOSE_DEADLINE_MS);
      return closing;
    },
  };
}

async function closeWithin(app: FastifyInstance, deadlineMs: number): Promise<void> {
  const deadline = setTimeout(() => app.server.closeAllConnections(), deadlineMs);
  try {
    await app.close();
  } finally {
    clearTimeout(deadline);
  }
}

function buildApp(
  options: WebServerOptions,
  https: { readonly cert: Buffer; readonly key: Buffer } | null,
): FastifyInstance {
  const files = openPublicFolder(options.outputPath);
  const pages = new Representations(files, options.pageMemoryBytes ?? PAGE_MEMORY_BYTES);

  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const exchange = new Exchange(request, response, options.onAnswered);
    // Node itself closes those connections only that are idle when the server stops.
    if (!app.server.listening) response.shouldKeepAlive = false;
    try {
      const mount = options.mounts?.find(exchange.target);
      if (mount !== undefined) await mount.answer(exchange, options.log);
      else if (request.method === "GET" || request.method === "HEAD")
        await answer(exchange, pages, options.upstreamSimpleUrl);
      else refuse(exchange);
    } catch (err) {
      if (exchange.socket.destroyed) return;
      options.log.error({ err, url: exchange.target.slice(0, 500) }, "a request failed");
      if (exchange.isBegun) response.destroy();
      else exchange.sendText(500, "The farm could not answer this request.");
    }
  };
  const handle = (request: FastifyRequest, reply: FastifyReply): void => {
    reply.hijack();
    void take(request.raw, reply.raw);
  };

  const app: FastifyInstance = fastify({
    // The type of the server follows from it; both kinds have what is used here.
    ...(https === null ? {} : ({ https } as object)),
    logger: false,
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    connectionTimeout: SILENT_CONNECTION_MS,
    requestTimeout: SLOW_REQUEST_MS,
    frameworkErrors: (_error, request, reply) => handle(request, reply),
  });
  app.server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  // Those who have said nothing since their last answer make room for the next.
  app.server.on("drop", () => app.server.closeIdleConnections());
  // Here and not in a route: what is not for reading is refused before its body is read.
  app.addHook("onRequest", (request, reply, done) => {
    if (request.method === "GET" || request.method === "HEAD") done();
    else handle(request, reply);
  });
  app.setNotFoundHandler(handle);
  app.route({ method: ["GET", "HEAD"], url: "*", handler: handle });
  return app;
}

function refuse(exchange: Exchange): void {
  const allow = ["allow", "GET, HEAD, OPTIONS"];
  if (exchange.request.method !== "OPTIONS") {
    const text = "This site is for reading: GET and HEAD only.";
    exchange.sendText(405, text, ["cache-control", "no-cache", ...allow]);
    return;
  }
  exchange.begin(204, [
    ...allow,
    "access-control-allow-methods",
    "GET, HEAD",
    "access-control-allow-headers",
    "Accept, Cache-Control, If-None-Match, Range",
  ]);
  exchange.end();
}
