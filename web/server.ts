/**
 * The farm's own HTTP server: the output folder as a package index and a site, for those who have
 * no other web server before it. Reads files only; it knows neither the database nor the actors,
 * and may run in a process of its own. No TLS and no compression of pages: a proxy does both.
 */
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { negotiateSimple, simpleMediaTypes } from "./index/accept.ts";
import { renderNotFoundPage } from "./pages/not-found-page.ts";
import { urlPathOf } from "./public-key.ts";
import { listenErrorFrom, parseListenAddress, urlOf } from "./server/address.ts";
import { cacheControlOf, contentTypeOf } from "./server/content-type.ts";
import { type Destination, destinationOf } from "./server/destination.ts";
import { replyWithCompressed, replyWithFile } from "./server/file-reply.ts";
import { upstreamPage } from "./server/upstream-page.ts";
import { openPublicFolder, type PublicFiles } from "./storage.ts";

export { WebServerError, type WebServerErrorCode } from "./server/address.ts";

/** The part of a pino logger that the server uses. */
export interface WebLog {
  debug(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface WebServerOptions {
  /** `http://HOST:PORT`; port 0 takes a free one. */
  readonly address: string;
  readonly outputPath: string;
  readonly log: WebLog;
  /** Of the site, for the page that says that nothing is there. */
  readonly siteName?: string;
  /**
   * The Simple API of the followed index: a project that has no page here is looked for there. Undefined: it
   * is not found.
   */
  readonly upstreamSimpleUrl?: string | undefined;
  /** How long `close` lets downloads go on. Default 2,000. */
  readonly closeDeadlineMs?: number;
  /** Beyond it, new connections are dropped. Default 2,000: each may hold an open file. */
  readonly maxConnections?: number;
}

export interface WebServer {
  /** With the real port, and a slash at the end. */
  readonly url: string;
  /** Takes no more requests, ends those in hand within the deadline. Repeatable. */
  close(): Promise<void>;
}

const CLOSE_DEADLINE_MS = 2_000;
const MAX_CONNECTIONS = 2_000;
/** A peer that neither reads nor writes for so long is gone, or holds a place on purpose. */
const SILENT_CONNECTION_MS = 60_000;
const SLOW_REQUEST_MS = 30_000;

const commonHeaders = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "content-security-policy":
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "cross-origin",
  // Anybody's page may read the index: it is public, and nothing here depends on who asks.
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "Accept-Ranges, Content-Length, Content-Range, ETag",
};

/** @throws WebServerError one line for people; nothing listens then */
export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const address = parseListenAddress(options.address);
  const app = buildApp(options);
  try {
    await app.listen(address);
  } catch (error) {
    await app.close();
    throw listenErrorFrom(error, address);
  }
  const bound = app.server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
  let closing: Promise<void> | undefined;
  return {
    url: urlOf({ host: address.host, port }),
    close: () => (closing ??= closeWithin(app, options.closeDeadlineMs ?? CLOSE_DEADLINE_MS)),
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

function buildApp(options: WebServerOptions): FastifyInstance {
  const files = openPublicFolder(options.outputPath);
  const notFoundPage = renderNotFoundPage({ name: options.siteName ?? "Wheelwright" });
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    connectionTimeout: SILENT_CONNECTION_MS,
    requestTimeout: SLOW_REQUEST_MS,
    frameworkErrors: (_error, request, reply) => {
      reply.headers(commonHeaders);
      sendNothing(request, reply, notFoundPage);
    },
  });
  app.server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;

  app.addHook("onRequest", async (request, reply) => {
    reply.headers(commonHeaders);
    if (request.method === "GET" || request.method === "HEAD") return undefined;
    reply.header("allow", "GET, HEAD, OPTIONS");
    if (request.method !== "OPTIONS") {
      sendText(reply, 405, "This site is for reading: GET and HEAD only.");
      return reply;
    }
    reply
      .header("access-control-allow-methods", "GET, HEAD")
      .header("access-control-allow-headers", "Accept, Cache-Control, If-None-Match, Range");
    reply.code(204).send();
    return reply;
  });
  app.setErrorHandler((error, request, reply) => {
    options.log.error({ err: error, url: request.url.slice(0, 500) }, "a request failed");
    for (const name of ["etag", "last-modified", "content-encoding"]) reply.removeHeader(name);
    sendText(reply, 500, "The farm could not answer this request.");
  });
  app.addHook("onResponse", async (request, reply) => {
    const { method, url } = request;
    options.log.debug(
      { method, url: url.slice(0, 500), status: reply.statusCode, durationMs: reply.elapsedTime },
      "answered",
    );
  });
  app.setNotFoundHandler((request, reply) => sendNothing(request, reply, notFoundPage));
  app.route({
    method: ["GET", "HEAD"],
    url: "*",
    handler: async (request, reply) => {
      const destination = destinationOf(request.url);
      const isAnswered = await answer(files, destination, request, reply);
      const elsewhere = upstreamPage(options.upstreamSimpleUrl, destination);
      if (!isAnswered && elsewhere !== undefined) sendElsewhere(reply, elsewhere);
      else if (!isAnswered) sendNothing(request, reply, notFoundPage);
      return reply;
    },
  });
  return app;
}

/** False when nothing is there. Whoever calls returns the reply: awaiting it here would be its end. */
async function answer(
  files: PublicFiles,
  destination: Destination,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<boolean> {
  switch (destination.kind) {
    case "nothing":
      return false;
    case "redirect":
      redirect(reply, destination.location);
      return true;
    case "simple":
      return isSimpleAnswered(files, destination, request, reply);
    case "log": {
      const { key } = destination;
      const file = await files.open(key);
      if (file === undefined) return false;
      const contentType = "text/plain; charset=utf-8";
      const cacheControl = cacheControlOf(key);
      await replyWithCompressed(request, reply, file, { contentType, cacheControl });
      return true;
    }
    case "file": {
      const { key } = destination;
      const file = await files.open(key);
      if (file === undefined) return isFolderAnswered(files, key, reply);
      const [contentType, cacheControl] = [contentTypeOf(key), cacheControlOf(key)];
      await replyWithFile(request, reply, file, { contentType, cacheControl });
      return true;
    }
  }
}

async function isSimpleAnswered(
  files: PublicFiles,
  page: { readonly html: string; readonly json: string },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<boolean> {
  reply.header("vary", "Accept");
  const format = new URL(request.url, "http://site").searchParams.get("format") ?? undefined;
  const type = negotiateSimple(request.headers.accept, format);
  if (type === undefined) {
    sendText(reply, 406, `What there is:\n${simpleMediaTypes.join("\n")}`);
    return true;
  }
  const key = type.endsWith("+json") ? page.json : page.html;
  const file = await files.open(key);
  if (file === undefined) return false;
  const contentType = type === "text/html" ? "text/html; charset=utf-8" : type;
  await replyWithFile(request, reply, file, { contentType, cacheControl: cacheControlOf(key) });
  return true;
}

/** A folder with a page, asked for without its slash: relative links need the slash. */
async function isFolderAnswered(
  files: PublicFiles,
  key: string,
  reply: FastifyReply,
): Promise<boolean> {
  const page = await files.open(`${key}/index.html`);
  if (page === undefined) return false;
  await page.close();
  redirect(reply, `${urlPathOf(key)}/`);
  return true;
}

function redirect(reply: FastifyReply, location: string): void {
  reply
    .header("cache-control", "public, max-age=600")
    .type("text/plain; charset=utf-8")
    .redirect(location, 301);
}

/** For now: it may have a page of its own in a second. */
function sendElsewhere(reply: FastifyReply, location: string): void {
  reply
    .header("cache-control", "no-cache")
    .type("text/plain; charset=utf-8")
    .redirect(location, 302);
}

function sendNothing(request: FastifyRequest, reply: FastifyReply, page: string): void {
  // What is not there yet may be in a second: nobody is to remember its absence.
  reply.code(404).header("cache-control", "no-cache");
  const accept = request.headers.accept ?? "";
  const isBrowser = accept.includes("text/html") && !accept.includes("pypi.simple");
  if (isBrowser) reply.type("text/html; charset=utf-8").send(page);
  else reply.type("text/plain; charset=utf-8").send("404: nothing here\n");
}

function sendText(reply: FastifyReply, status: number, text: string): void {
  reply
    .code(status)
    .header("cache-control", "no-cache")
    .type("text/plain; charset=utf-8")
    .send(`${text}\n`);
}
