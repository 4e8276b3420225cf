/**
 * One request and its answer, on Node's own objects: the headers that every answer has, short texts, and what is told
 * of it afterwards. Fastify brings requests here and looks after the connections; its reply objects would cost
 * a page from memory half of its rate.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** What became of a request, for access logs. */
export interface Answered {
  readonly address: string;
  /** Since 1970, when it came. */
  readonly atMs: number;
  readonly method: string;
  /** As it was written. */
  readonly target: string;
  readonly httpVersion: string;
  readonly status: number;
  /** Of the body, handed to the connection. */
  readonly bodyBytes: number;
  readonly referrer: string;
  readonly userAgent: string;
}

type Write = (chunk?: unknown, encoding?: unknown, done?: unknown) => unknown;

/** Name, value, name, value: what Node sends fastest. */
export type HeaderList = readonly string[];

export const securityHeaders: HeaderList = [
  "x-content-type-options",
  "nosniff",
  "referrer-policy",
  "same-origin",
  "content-security-policy",
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy",
  "cross-origin",
  // Anybody's page may read the index: it is public, and nothing here depends on who asks.
  "access-control-allow-origin",
  "*",
  "access-control-expose-headers",
  "Accept-Ranges, Content-Length, Content-Range, ETag",
];

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly isHead: boolean;
  #bodyBytes = 0;
  #isCountedAsWritten = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    onAnswered: ((answered: Answered) => void) | undefined,
  ) {
    this.request = request;
    this.response = response;
    this.socket = request.socket;
    this.isHead = request.method === "HEAD";
    // The last word on errors of a connection is its end, which whoever writes here sees by itself.
    if (onAnswered !== undefined) this.#tell(onAnswered);
  }

  /** As it came, with its query. */
  get target(): string {
    return this.request.url ?? "/";
  }

  header(name: "accept" | "accept-encoding" | "range"): string | undefined {
    return this.request.headers[name] as string | undefined;
  }

  get isBegun(): boolean {
    return this.response.headersSent;
  }

  begin(status: number, headers: HeaderList): void {
    this.response.writeHead(status, [...securityHeaders, ...headers]);
  }

  /** Counts what was sent beside `end`. */
  count(bytes: number): void {
    this.#bodyBytes += bytes;
  }

  /** For an answer that somebody else writes: from now on what is handed to the response itself is counted. */
  countAsWritten(): void {
    if (this.isHead || this.#isCountedAsWritten) return;
    this.#isCountedAsWritten = true;
    const response = this.response as unknown as { write: Write; end: Write };
    for (const method of ["write", "end"] as const) {
      const original = response[method].bind(response);
      response[method] = (chunk, encoding, done) => {
        if (typeof chunk === "string") this.#bodyBytes += Buffer.byteLength(chunk);
        else if (chunk instanceof Uint8Array) this.#bodyBytes += chunk.length;
        return original(chunk, encoding, done);
      };
    }
  }

  end(body?: Buffer): void {
    if (body === undefined || this.isHead) {
      this.response.end();
      return;
    }
    if (!this.#isCountedAsWritten) this.#bodyBytes += body.length;
    this.response.end(body);
  }

  sendText(
    status: number,
    text: string,
    headers: HeaderList = ["cache-control", "no-cache"],
  ): void {
    const body = Buffer.from(`${text}\n`);
    const type = ["content-type", "text/plain; charset=utf-8"];
    this.begin(status, [...headers, ...type, "content-length", String(body.length)]);
    this.end(body);
  }

  redirect(location: string): void {
    const headers = ["cache-control", "public, max-age=600", "location", location];
    this.sendText(301, `This is at ${location}`, headers);
  }

  /** What is asked for may be here in a second. */
  redirectForNow(location: string): void {
    const headers = ["cache-control", "no-cache", "vary", "Accept", "location", location];
    this.sendText(302, `This is at ${location}`, headers);
  }

  #tell(onAnswered: (answered: Answered) => void): void {
    const atMs = Date.now();
    const { method = "", headers, httpVersion } = this.request;
    // Fastify's own handling may change the message's URL, and a closed socket knows no address.
    const target = this.target;
    const address = this.socket.remoteAddress ?? "-";
    this.response.once("close", () => {
      onAnswered({
        address,
        atMs,
        method,
        target,
        httpVersion,
        status: this.response.statusCode,
        bodyBytes: this.#bodyBytes,
        referrer: headers.referer ?? "",
        userAgent: headers["user-agent"] ?? "",
      });
    });
  }
}
