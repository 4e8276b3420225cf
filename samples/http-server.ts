/**
 * The sample upstream over HTTP/1.1: routes, redirects to the canonical address, status codes. Called by
 * `sample-upstream.ts`. Only for loopback: it has no limits beyond the size of a request.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { canonicalName } from "../protocol/packaging/canonical-name.ts";
import { jsonApiPage } from "./json-api.ts";
import { type Delivery, distort, type RequestHook, type SampleResponse } from "./misbehaviour.ts";
import { chooseFormat, type SimpleFormat, simpleContentType } from "./negotiation.ts";
import type { SampleIndex } from "./sample-index.ts";
import { projectHtml, projectJson, rootHtml, rootJson } from "./simple-pages.ts";
import { answerXmlRpc } from "./xml-rpc.ts";

const MAX_REQUEST_BYTES = 1024 * 1024;

export interface ServerOptions {
  readonly index: SampleIndex;
  /** `http://127.0.0.1:1234`, known once the server listens. */
  readonly baseUrl: () => string;
  readonly simpleFormats: readonly SimpleFormat[];
  readonly speaksXmlRpc: boolean;
  readonly saysSerials: boolean;
  readonly saysValidators: boolean;
  readonly hook: () => RequestHook | undefined;
}

/** Not yet listening. */
export function createSampleServer(options: ServerOptions): Server {
  return createServer((request, response) => {
    serve(options, request, response).catch((error: unknown) => {
      // A fault of the sample upstream itself, or a hook that threw: the client sees it at once.
      if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
      response.end(`the sample upstream failed: ${String(error)}\n`);
    });
  });
}

async function serve(
  options: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const method = request.method ?? "GET";
  const path = request.url ?? "/";
  const body = await readBody(request);
  const misbehaviour = await options.hook()?.({ method, path, body, headers: request.headers });
  const right = route(options, method, path, body, request.headers.accept);
  const isMarked = options.saysValidators && path.startsWith("/simple/");
  const due = isMarked ? conditional(right, request.headers["if-none-match"]) : right;
  send(response, await distort(misbehaviour, due), method === "HEAD");
}

function route(
  options: ServerOptions,
  method: string,
  target: string,
  body: string,
  accept: string | undefined,
): SampleResponse {
  const path = target.split("?", 1)[0] ?? "/";
  if (method === "POST" && /^\/pypi\/?$/.test(path) && options.speaksXmlRpc)
    return ok("text/xml; charset=utf-8", answerXmlRpc(options.index, body));
  if (method !== "GET" && method !== "HEAD") return plain(405, "method not allowed");
  const parts = path.split("/").slice(1).map(decodePart);
  const [room = "", ...rest] = parts;
  switch (room) {
    case "simple":
      return simple(options, path, rest, accept);
    case "pypi":
      return jsonApi(options, rest);
    case "packages":
      return file(options, path);
    default:
      return notFound;
  }
}

function simple(
  options: ServerOptions,
  path: string,
  rest: readonly string[],
  accept: string | undefined,
): SampleResponse {
  const { index } = options;
  const [name = "", end, ...more] = rest;
  if (more.length > 0 || (end !== undefined && end !== "")) return notFound;
  const canonical = canonicalName(name);
  const address = name === "" ? "/simple/" : `/simple/${encodeURIComponent(canonical)}/`;
  if (path !== address) return redirect(address);
  const format = chooseFormat(accept, options.simpleFormats);
  if (format === undefined) return plain(406, "not acceptable");
  const project = index.findProject(canonical);
  if (name !== "" && project === undefined) return notFound;
  const serial = project?.lastSerial ?? index.lastSerial;
  const isJson = format === "json";
  const page =
    project === undefined
      ? isJson
        ? rootJson(index, options.saysSerials)
        : rootHtml(index)
      : isJson
        ? projectJson(project, options.baseUrl(), options.saysSerials)
        : projectHtml(project);
  const headers = {
    vary: "Accept",
    ...(options.saysSerials && { "x-pypi-last-serial": String(serial) }),
  };
  return ok(simpleContentType[format], page, headers);
}

/** The answer with its entity tag, or 304 for whoever has it (RFC 9110, 13.1.2). */
function conditional(response: SampleResponse, known: string | undefined): SampleResponse {
  if (response.status !== 200) return response;
  const etag = `"${createHash("sha256").update(response.body).digest("hex").slice(0, 32)}"`;
  const headers = { ...response.headers, etag };
  return known === etag ? { status: 304, headers, body: "" } : { ...response, headers };
}

function jsonApi(options: ServerOptions, rest: readonly string[]): SampleResponse {
  const [name = "", versionOrJson, json] = rest;
  const version = json === undefined ? undefined : versionOrJson;
  if (rest.at(-1) !== "json" || rest.length < 2 || rest.length > 3) return notFound;
  const project = options.index.findProject(name);
  const page = project && jsonApiPage(project, version, options.baseUrl());
  if (project === undefined || page === undefined) return notFound;
  return ok("application/json", page, { "x-pypi-last-serial": String(project.lastSerial) });
}

function file(options: ServerOptions, path: string): SampleResponse {
  const isMetadata = path.endsWith(".metadata");
  const held = options.index.findFile(isMetadata ? path.slice(0, -".metadata".length) : path);
  if (held === undefined) return notFound;
  if (!isMetadata) return ok("application/octet-stream", held.contents);
  return held.metadataText === null ? notFound : ok("text/plain", held.metadataText);
}

function send(response: ServerResponse, delivery: Delivery, isHead: boolean): void {
  const { status, headers, body } = delivery.response;
  const { end } = delivery;
  const bytes = Buffer.from(body);
  const sentBytes = delivery.sentBytes ?? bytes.length;
  if (sentBytes < 0) {
    response.destroy();
    return;
  }
  const sizeBytes = typeof end === "number" ? Number.MAX_SAFE_INTEGER : bytes.length;
  response.writeHead(status, { "content-length": sizeBytes, ...headers });
  if (isHead || end === "end") {
    response.end(isHead ? undefined : bytes);
    return;
  }
  response.flushHeaders();
  if (typeof end === "number") {
    const timer = setInterval(() => response.write(" "), end);
    response.on("close", () => clearInterval(timer));
    return;
  }
  response.write(bytes.subarray(0, sentBytes), () => {
    if (end === "cut") response.destroy();
  });
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_REQUEST_BYTES) throw new Error("the request is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const ok = (
  contentType: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): SampleResponse => ({ status: 200, headers: { "content-type": contentType, ...headers }, body });

const plain = (status: number, text: string): SampleResponse => ({
  status,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body: `${text}\n`,
});

const notFound = plain(404, "not found");

const redirect = (location: string): SampleResponse => ({
  status: 301,
  headers: { location },
  body: "",
});

const decodePart = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};
