/**
 * Answers with a public file: validators, ranges, logs inflated for those who take no gzip. The
 * file is open before its length is told, so a page that is replaced meanwhile is still sent whole
 * (a server that looks first and opens then would mix the two). Nothing here returns the
 * reply: Fastify's is a thenable, and whoever awaits it waits for the last byte.
 */
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { PublicFile } from "../storage.ts";
import { findPreconditionStatus, rangeOf, type Validators } from "./conditions.ts";

export interface FileHeaders {
  readonly contentType: string;
  readonly cacheControl: string;
}

/** Sends a file as it is. The file is closed in any case. */
export async function replyWithFile(
  request: FastifyRequest,
  reply: FastifyReply,
  file: PublicFile,
  headers: FileHeaders,
): Promise<void> {
  const validators = setValidators(reply, file, headers, file.version);
  const status = findPreconditionStatus(request.headers, validators);
  if (status !== undefined) return replyWithoutBody(reply, file, status);

  reply.header("accept-ranges", "bytes").type(headers.contentType);
  if (request.method === "HEAD") {
    reply.header("content-length", file.sizeBytes);
    return replyWithoutBody(reply, file, 200);
  }
  const range = rangeOf(request.headers, file.sizeBytes, validators);
  if (range === "unsatisfiable") {
    reply.header("content-range", `bytes */${file.sizeBytes}`);
    return replyWithoutBody(reply, file, 416);
  }
  if (range === "whole") {
    reply.code(200).header("content-length", file.sizeBytes).send(file.read());
    return;
  }
  reply
    .code(206)
    .header("content-range", `bytes ${range.start}-${range.end}/${file.sizeBytes}`)
    .header("content-length", range.end - range.start + 1)
    .send(file.read(range));
}

/** Sends a file that lies gzip-compressed as the text that it is. */
export async function replyWithCompressed(
  request: FastifyRequest,
  reply: FastifyReply,
  file: PublicFile,
  headers: FileHeaders,
): Promise<void> {
  const isGzipTaken = takesGzip(request.headers["accept-encoding"]);
  reply.header("vary", "Accept-Encoding");
  const validators = setValidators(
    reply,
    file,
    headers,
    isGzipTaken ? `${file.version}-gzip` : file.version,
  );
  const status = findPreconditionStatus(request.headers, validators);
  if (status !== undefined) return replyWithoutBody(reply, file, status);

  reply.code(200).type(headers.contentType);
  if (isGzipTaken) {
    reply.header("content-encoding", "gzip").header("content-length", file.sizeBytes);
    if (request.method === "HEAD") return replyWithoutBody(reply, file, 200);
    reply.send(file.read());
    return;
  }
  if (request.method === "HEAD") return replyWithoutBody(reply, file, 200);
  // A failure on either side ends both; the reply's stream is the one that Fastify watches.
  reply.send(pipeline(file.read(), createGunzip(), () => undefined));
}

function setValidators(
  reply: FastifyReply,
  file: PublicFile,
  headers: FileHeaders,
  version: string,
): Validators {
  const etag = `"${version}"`;
  reply
    .header("etag", etag)
    .header("last-modified", file.modifiedAt.toUTCString())
    .header("cache-control", headers.cacheControl);
  return { etag, modifiedAt: file.modifiedAt };
}

async function replyWithoutBody(
  reply: FastifyReply,
  file: PublicFile,
  status: number,
): Promise<void> {
  await file.close();
  reply.code(status).send();
}

/** RFC 9110, 12.5.3. Without the header nothing is compressed: scripts that read logs expect text. */
export function takesGzip(acceptEncoding: string | string[] | undefined): boolean {
  const codings = String(acceptEncoding ?? "")
    .toLowerCase()
    .split(",")
    .map((element) => element.split(";").map((part) => part.trim()));
  const chosen =
    codings.find(([name]) => name === "gzip" || name === "x-gzip") ??
    codings.find(([name]) => name === "*");
  return chosen !== undefined && !/^q\s*=\s*0(\.0*)?$/.test(chosen[1] ?? "");
}
