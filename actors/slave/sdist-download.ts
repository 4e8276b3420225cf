/**
 * Fetches the sdist that an order names, and lets through only the very file: size and SHA-256 are those of
 * the order. Called by build.ts, which turns `SdistError.buildCause` into the build's result.
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { type Dispatcher, request } from "undici";
import type { Sdist } from "../../protocol/model/build.ts";
import type { Cause } from "../../protocol/model/cause.ts";
import { createDispatcher, USER_AGENT } from "./http-client.ts";

export class SdistError extends Error {
  readonly buildCause: Cause;
  constructor(buildCause: Cause, message: string) {
    super(message);
    this.name = "SdistError";
    this.buildCause = buildCause;
  }
}

export interface DownloadLimits {
  /** How long the server may say nothing. Default 30 s. */
  readonly silenceMs?: number;
  /** For a sdist whose size the index does not tell. Default 2 GiB. */
  readonly maxBytes?: number;
  /** Tries on an index that cannot be reached, in all. Default 3, a growing second apart. */
  readonly attempts?: number;
  readonly retryDelayMs?: number;
}

/**
 * Downloads to `path`; after an error something may lie there. An index that fails is asked again; a file that is another one
 * is not.
 *
 * @throws SdistError; the signal's reason when aborted
 */
export async function downloadSdist(
  sdist: Sdist,
  path: string,
  limits: DownloadLimits,
  signal: AbortSignal,
): Promise<void> {
  const url = parseUrl(sdist.url);
  const dispatcher = createDispatcher();
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await fetchOnce(url, sdist, path, limits, dispatcher, signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        const failure = asSdistError(error);
        const isTransient = failure.buildCause === "index-unreachable";
        if (!isTransient || attempt >= (limits.attempts ?? 3)) throw failure;
        await delay((limits.retryDelayMs ?? 1_000) * attempt, undefined, { signal });
      }
    }
  } finally {
    await dispatcher.destroy();
  }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new SdistError("no-sdist", "the sdist's address is no http address");
  }
  return url;
}

async function fetchOnce(
  url: URL,
  sdist: Sdist,
  path: string,
  limits: DownloadLimits,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<void> {
  const silenceMs = limits.silenceMs ?? 30_000;
  const response = await request(url, {
    dispatcher,
    signal,
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    headers: { "user-agent": USER_AGENT, "accept-encoding": "identity" },
  });
  if (response.statusCode !== 200) {
    response.body.on("error", () => {}).destroy();
    throw refusal(response.statusCode, url);
  }
  await store(response.body, sdist, path, limits.maxBytes ?? 2 * 1024 ** 3);
}

/** The server's plain word that there is no such file ends it; anything else may pass. */
function refusal(status: number, url: URL): SdistError {
  const gone = status === 404 || status === 410 || status === 451;
  return new SdistError(
    gone ? "no-sdist" : "index-unreachable",
    `${url.host} answered ${status} for the sdist`,
  );
}

async function store(
  body: AsyncIterable<Uint8Array>,
  sdist: Sdist,
  path: string,
  maxBytes: number,
): Promise<void> {
  const limitBytes = sdist.sizeBytes ?? maxBytes;
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const file = await open(path, "w", 0o600);
  try {
    for await (const chunk of body) {
      sizeBytes += chunk.length;
      if (sizeBytes > limitBytes) throw tooLong(sdist, limitBytes);
      hash.update(chunk);
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
  // A proxy that lost its server ends an answer without a length in good order; what is too long never passes.
  if (sdist.sizeBytes !== null && sizeBytes < sdist.sizeBytes) {
    throw new SdistError(
      "index-unreachable",
      `only ${sizeBytes} bytes came of ${sdist.filename}, which has ${sdist.sizeBytes}`,
    );
  }
  const sha256 = hash.digest("hex");
  if (sha256 !== sdist.sha256) {
    throw new SdistError(
      "hash-mismatch",
      `${sdist.filename} has SHA-256 ${sha256}, the index declares ${sdist.sha256}`,
    );
  }
}

const tooLong = (sdist: Sdist, limitBytes: number): SdistError =>
  sdist.sizeBytes === null
    ? new SdistError("no-sdist", `${sdist.filename} is longer than ${limitBytes} bytes`)
    : new SdistError(
        "hash-mismatch",
        `${sdist.filename} is longer than the ${limitBytes} bytes that the index declares`,
      );

function asSdistError(error: unknown): SdistError {
  if (error instanceof SdistError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const text = error instanceof Error ? error.message : String(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new SdistError("out-of-disk", "no room for the sdist on this slave's disk");
  }
  return new SdistError(
    "index-unreachable",
    `the sdist could not be fetched: ${text === "" ? code : text}`,
  );
}
