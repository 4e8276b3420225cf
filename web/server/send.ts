/**
 * Sends a representation: preconditions, ranges, and the body from memory or from its file. A file is open before its
 * length is told, so a page that is replaced meanwhile is still sent whole. Ranges are of the bytes as they
 * lie there only: a part of a compressed copy is of no use to those who ask for parts.
 */
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import type { PublicFile } from "../storage.ts";
import { findPreconditionStatus, rangeOf } from "./conditions.ts";
import { isWritten } from "./connections.ts";
import type { Exchange, HeaderList } from "./exchange.ts";
import { giveBack, takeBuffer } from "./read-buffers.ts";
import type { Representation } from "./representations.ts";

/** What is said of a file beside what it is. */
export interface FileHeaders {
  readonly contentType: string;
  readonly cacheControl: string;
  /** The headers of requests that chose this representation. */
  readonly vary: string | undefined;
}

/** Sends a representation as it is. Its file is closed in any case. */
export async function sendRepresentation(
  exchange: Exchange,
  found: Representation,
  about: FileHeaders,
): Promise<void> {
  const { body } = found;
  if (Buffer.isBuffer(body)) {
    const part = beginPart(exchange, found, about);
    if (part === undefined) exchange.end();
    else exchange.end(part.length === body.length ? body : body.subarray(part.start, part.end));
    return;
  }
  try {
    await sendFile(exchange, body, () => beginPart(exchange, found, about));
  } finally {
    await body.close();
  }
}

/** Sends a log, which lies gzip-compressed, as the text that it is. */
export async function sendUnpacked(
  exchange: Exchange,
  found: Representation & { readonly body: PublicFile },
  about: FileHeaders,
): Promise<void> {
  const { body, ...rest } = found;
  try {
    const status = findPreconditionStatus(exchange.request.headers, rest);
    const headers = describe(found, about);
    if (status !== undefined || exchange.isHead) {
      if (status === undefined) exchange.begin(200, [...headers, ...typeOf(about)]);
      else beginWithoutBody(exchange, status, headers);
      exchange.end();
      return;
    }
    // A failure on either side ends both, and the loop with it.
    const text = pipeline(body.read(), createGunzip({ chunkSize: 64 * 1_024 }), () => undefined);
    for await (const part of text as AsyncIterable<Buffer>) {
      if (!exchange.isBegun) exchange.begin(200, [...headers, ...typeOf(about)]);
      exchange.count(part.length);
      if (!(await isWritten(exchange.socket, exchange.response, part))) return;
    }
    if (!exchange.isBegun) exchange.begin(200, [...headers, ...typeOf(about)]);
    exchange.end();
  } finally {
    await body.close();
  }
}

interface Part {
  readonly start: number;
  /** Excluded. */
  readonly end: number;
  readonly length: number;
}

/** Says the head of the answer. Undefined where no body follows. */
function beginPart(
  exchange: Exchange,
  found: Representation,
  about: FileHeaders,
): Part | undefined {
  const { headers } = exchange.request;
  const described = describe(found, about);
  const status = findPreconditionStatus(headers, found);
  if (status !== undefined) {
    beginWithoutBody(exchange, status, described);
    return undefined;
  }
  const size = found.sizeBytes;
  const mayRange = found.coding === undefined;
  if (found.coding !== undefined) described.push("content-encoding", found.coding);
  else described.push("accept-ranges", "bytes");
  const range =
    mayRange && !exchange.isHead && headers.range !== undefined
      ? rangeOf(headers, size, found)
      : "whole";
  if (range === "unsatisfiable") {
    beginWithoutBody(exchange, 416, [...described, "content-range", `bytes */${size}`]);
    return undefined;
  }
  const [start, end] = range === "whole" ? [0, size] : [range.start, range.end + 1];
  described.push(...typeOf(about), "content-length", String(end - start));
  if (range === "whole") exchange.begin(200, described);
  else {
    described.push("content-range", `bytes ${range.start}-${range.end}/${size}`);
    exchange.begin(206, described);
  }
  return exchange.isHead ? undefined : { start, end, length: end - start };
}

function beginWithoutBody(exchange: Exchange, status: number, headers: HeaderList): void {
  // A 304 tells no length: that of an empty body would be taken for the page's.
  exchange.begin(status, status === 304 ? headers : [...headers, "content-length", "0"]);
}

const typeOf = ({ contentType }: FileHeaders): HeaderList => ["content-type", contentType];

function describe(found: Representation, { cacheControl, vary }: FileHeaders): string[] {
  const headers = ["etag", found.etag, "last-modified", found.lastModified];
  headers.push("cache-control", cacheControl);
  if (vary !== undefined) headers.push("vary", vary);
  return headers;
}

/**
 * In large parts. Where it cannot be read on, or is shorter than it was, the connection is cut: the client must not take
 * less for the whole.
 */
async function sendFile(
  exchange: Exchange,
  file: PublicFile,
  begin: () => Part | undefined,
): Promise<void> {
  const part = begin();
  if (part === undefined || part.length === 0) {
    exchange.end();
    return;
  }
  const buffer = takeBuffer();
  try {
    for (let at = part.start; at < part.end; ) {
      const wanted = buffer.subarray(0, Math.min(buffer.length, part.end - at));
      const got = await file.readInto(wanted, at);
      if (got < wanted.length) throw new Error("a file became shorter while it was sent");
      exchange.count(got);
      if (!(await isWritten(exchange.socket, exchange.response, wanted))) return;
      at += got;
    }
    exchange.end();
  } finally {
    giveBack(buffer);
  }
}
