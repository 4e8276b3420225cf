/**
 * Where `piw verify` gets a wheel, its provenance and a farm's keys: files of this machine, or what a web server
 * hands out. Nothing is kept; a wheel is hashed as it comes.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { type Dispatcher, fetch, type Response } from "undici";
import { environmentAgent } from "../../protocol/upstream/index.ts";
import { MAX_PROVENANCE_BYTES } from "../../web/provenance/provenance.ts";

/** Without a byte for so long a server is taken as gone. */
const STALL_MS = 30_000;
const MAX_KEYS_BYTES = 1024 ** 2;

/** What is not there, or cannot be read; one line. */
export class SourceError extends Error {
  override readonly name = "SourceError";
}

export async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  try {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Buffer);
    return hash.digest("hex");
  } catch (error) {
    signal.throwIfAborted();
    throw new SourceError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** Undefined where there is no such file. @throws SourceError */
export async function readSmallFile(
  path: string,
  maxBytes = MAX_PROVENANCE_BYTES,
): Promise<Buffer | undefined> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw new SourceError(`${path} has over ${maxBytes} bytes`);
    return await readFile(path);
  } catch (error) {
    if (error instanceof SourceError) throw error;
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new SourceError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** Asks web servers; close it in the end. */
export class WebSource {
  readonly #agent: Dispatcher = environmentAgent({
    headersTimeout: STALL_MS,
    bodyTimeout: STALL_MS,
    connect: { timeout: STALL_MS },
  });
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async hash(url: string): Promise<string> {
    const hash = createHash("sha256");
    await this.#get(url, (chunk) => hash.update(chunk));
    return hash.digest("hex");
  }

  /** A farm's provenance file. */
  provenance = (url: string): Promise<Buffer> => this.#read(url, MAX_PROVENANCE_BYTES);
  keys = (url: string): Promise<Buffer> => this.#read(url, MAX_KEYS_BYTES);

  async #read(url: string, maxBytes: number): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    await this.#get(url, (chunk) => {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > maxBytes) throw new SourceError(`${url} has over ${maxBytes} bytes`);
      chunks.push(chunk);
    });
    return Buffer.concat(chunks);
  }

  async #get(url: string, take: (chunk: Uint8Array) => void): Promise<void> {
    try {
      const response: Response = await fetch(url, {
        dispatcher: this.#agent,
        signal: this.#signal,
      });
      if (!response.ok) {
        await response.body?.cancel();
        throw new SourceError(
          response.status === 404
            ? `${url}: there is nothing`
            : `${url} answers ${response.status}`,
        );
      }
      for await (const chunk of response.body ?? []) take(chunk as Uint8Array);
    } catch (error) {
      this.#signal.throwIfAborted();
      if (error instanceof SourceError) throw error;
      throw new SourceError(`${url} cannot be had: ${messageOf(error)}`, { cause: error });
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }
}

/** fetch says only that it failed; its cause says why. */
function messageOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : {};
  const told = cause instanceof Error ? cause : error;
  if (!(told instanceof Error)) return String(told);
  if (told instanceof AggregateError) return messageOf(told.errors[0]);
  return told.message || ("code" in told ? String(told.code) : told.name);
}
