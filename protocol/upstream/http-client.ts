/**
 * One HTTP request to an index, with bounds: on silence, on waiting altogether, on the unpacked size of the
 * body. Called by `UpstreamClient`, which gives it addresses and reads what the body says. It follows
 * redirects and unpacks gzip (undici's fetch does), and takes the environment's proxy; it keeps no cookies, no
 * cache, and tries nothing twice.
 */
import type { ReadableStream } from "node:stream/web";
import { type Dispatcher, fetch, type Response } from "undici";
import { environmentAgent } from "./environment-agent.ts";
import { boundedRetryMs, UpstreamError } from "./upstream-error.ts";

export interface HttpClientOptions {
  readonly userAgent: string;
  /** How long the server may be silent: until the connection, the head, and each further piece of the body. */
  readonly timeoutMs: number;
  /** Of one body, unpacked. */
  readonly maxBodyBytes: number;
}

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpAnswer {
  /** 304: what the request's conditions named is what there is. There is no body then. */
  readonly isUnchanged: boolean;
  /** After redirects; what relative links are relative to. */
  readonly url: string;
  /** Without parameters, lower case; empty where the server does not say. */
  readonly contentType: string;
  header(name: string): string | null;
  /** The body as text, piece by piece. To leave the loop early closes the connection. */
  text(): AsyncGenerator<string, void, undefined>;
  /** For an answer whose body is not wanted: closes the connection. */
  discard(): void;
}

/** A server that trickles is given up when it was waited for this many times `timeoutMs`. */
const MAX_WAITS = 10;

/** Pieces of text are at most this long, so that whoever parses one is soon done with it. */
const PIECE_LENGTH = 16_384;

export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #agent: Dispatcher;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    // Undici's own timers are off: they also run while the reader of a body takes its time.
    this.#agent = environmentAgent({
      connect: { timeout: options.timeoutMs },
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /**
   * The answer, once its head is there; undefined where there is no such page (404, 410).
   * @throws UpstreamError and nothing else, also while the body is read.
   */
  async request(
    address: string,
    request: HttpRequest,
    signal: AbortSignal,
  ): Promise<HttpAnswer | undefined> {
    const { url, authorization } = parseAddress(address);
    const wait = new Wait(url, this.#options.timeoutMs, signal);
    try {
      const headers = {
        "user-agent": this.#options.userAgent,
        ...authorization,
        ...request.headers,
      };
      const init = { ...request, headers, dispatcher: this.#agent, signal: wait.signal };
      const response = await wait.for(fetch(url, init));
      if (response.ok || response.status === 304) return this.#answer(response, wait);
      wait.abandon();
      if (response.status === 404 || response.status === 410) return undefined;
      throw statusError(url, response);
    } catch (error) {
      const explained = wait.explain(error);
      wait.abandon();
      throw explained;
    }
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #answer(response: Response, wait: Wait): HttpAnswer {
    const type = response.headers.get("content-type") ?? "";
    const isUnchanged = response.status === 304;
    if (isUnchanged) wait.end();
    return {
      isUnchanged,
      url: response.url,
      contentType: (type.split(";", 1)[0] ?? "").trim().toLowerCase(),
      header: (name) => response.headers.get(name),
      text: () => readText(response, wait, this.#options.maxBodyBytes),
      discard: () => wait.abandon(),
    };
  }
}

async function* readText(
  response: Response,
  wait: Wait,
  maxBodyBytes: number,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let sizeBytes = 0;
  try {
    const body: ReadableStream<Uint8Array> | null = response.body;
    const reader = body?.getReader();
    while (reader !== undefined) {
      const { done, value } = await wait.for(reader.read());
      if (done) break;
      sizeBytes += value.byteLength;
      if (sizeBytes > maxBodyBytes)
        throw new UpstreamError("garbled", `${wait.what} is larger than ${maxBodyBytes} bytes`);
      yield* pieces(decoder.decode(value, { stream: true }));
    }
    wait.end();
    yield* pieces(decoder.decode());
  } catch (error) {
    throw wait.explain(error);
  } finally {
    // Also where the reader of this stopped early.
    wait.abandon();
  }
}

function* pieces(text: string): Generator<string, void, undefined> {
  for (let at = 0; at < text.length; at += PIECE_LENGTH) yield text.slice(at, at + PIECE_LENGTH);
}

/** The time spent waiting for one exchange, and the ways in which the waiting ends before its time. */
class Wait {
  /** The address, for messages; without user and password. */
  readonly what: string;
  readonly #controller = new AbortController();
  readonly #callerSignal: AbortSignal;
  readonly #timeoutMs: number;
  readonly #giveUp: () => void;
  #leftMs: number;
  #isOver = false;

  constructor(what: string, timeoutMs: number, callerSignal: AbortSignal) {
    this.what = what;
    this.#timeoutMs = timeoutMs;
    this.#leftMs = timeoutMs * MAX_WAITS;
    this.#callerSignal = callerSignal;
    this.#giveUp = () =>
      this.#abort(new UpstreamError("unreachable", `${what} was given up by its caller`));
    if (callerSignal.aborted) this.#giveUp();
    else callerSignal.addEventListener("abort", this.#giveUp, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits for one step of the exchange, as long as there is time. */
  async for<T>(step: Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const limitMs = Math.min(this.#timeoutMs, this.#leftMs);
    const timer = setTimeout(
      () => this.#abort(new UpstreamError("unreachable", `${this.what} took too long`)),
      limitMs,
    );
    try {
      return await step;
    } finally {
      clearTimeout(timer);
      this.#leftMs -= performance.now() - startedAt;
    }
  }

  /** The exchange came to its end; its connection may serve another. */
  end(): void {
    this.#isOver = true;
    this.#callerSignal.removeEventListener("abort", this.#giveUp);
  }

  /** The exchange is cut, unless it came to its end. */
  abandon(): void {
    if (!this.#isOver) this.#controller.abort();
    this.end();
  }

  explain(error: unknown): UpstreamError {
    if (error instanceof UpstreamError) return error;
    const reason: unknown = this.signal.reason;
    if (reason instanceof UpstreamError) return reason;
    return networkError(this.what, error);
  }

  #abort(reason: UpstreamError): void {
    this.#controller.abort(reason);
  }
}

/** Fetch refuses addresses with a password in them; it goes into a header, and not into messages. */
function parseAddress(address: string): { url: string; authorization: Record<string, string> } {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new UpstreamError("refused", `${JSON.stringify(address)} is no http or https address`);
  if (url.username === "" && url.password === "") return { url: url.href, authorization: {} };
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = "";
  url.password = "";
  const basic = Buffer.from(credentials).toString("base64");
  return { url: url.href, authorization: { authorization: `Basic ${basic}` } };
}

function statusError(url: string, response: Response): UpstreamError {
  const { status } = response;
  const message = `${url} answers ${status} ${response.statusText}`.trim();
  if (status === 429 || status === 503) {
    const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"));
    return new UpstreamError("busy", message, { retryAfterMs });
  }
  return new UpstreamError(status >= 500 ? "unreachable" : "refused", message);
}

/** Seconds, or a date (RFC 9110, 10.2.3). */
function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return boundedRetryMs(Number(value) * 1000);
  return boundedRetryMs(Date.parse(value) - Date.now());
}

/** Undici says "fetch failed" or "terminated"; why is in the cause. */
function networkError(what: string, error: unknown): UpstreamError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const message = cause instanceof Error && cause.message !== "" ? cause.message : code;
  // The HTTP parser's and zlib's codes: something answered, but not as it should.
  const isGarbled = /^(HPE_|Z_|ERR_BROTLI)/.test(code);
  const text = `${what}: ${message}`;
  return new UpstreamError(isGarbled ? "garbled" : "unreachable", text, { cause: error });
}
