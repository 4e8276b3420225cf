/**
 * One stream of server-sent events (the HTML standard's text/event-stream) to one reader, who may be slow or gone: says
 * whether it may be written to, and writes nothing beyond what the reader takes.
 */
import type { ServerResponse } from "node:http";

const STALL_MS = 30_000;
/** Proxies end what says nothing, the farm's own server after a minute. */
const HEARTBEAT_MS = 15_000;

export class EventStream {
  readonly #response: ServerResponse;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #stallMs: number;
  #stalled: NodeJS.Timeout | undefined;

  /**
   * @param on `free` is called when a reader who had fallen behind has taken all, `end` once, however it ends
   * @param stallMs a reader who takes nothing for so long is gone
   */
  constructor(
    response: ServerResponse,
    on: { readonly free: () => void; readonly end: () => void },
    stallMs = STALL_MS,
  ) {
    this.#stallMs = stallMs;
    this.#response = response;
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store, no-transform",
      // For nginx, which would gather the events.
      "x-accel-buffering": "no",
    });
    response.flushHeaders();
    this.#heartbeat = setInterval(() => {
      if (this.isFree) this.#write(":\n\n");
    }, HEARTBEAT_MS);
    this.#heartbeat.unref();
    response.on("drain", () => {
      clearTimeout(this.#stalled);
      this.#stalled = undefined;
      on.free();
    });
    response.once("close", () => {
      clearInterval(this.#heartbeat);
      clearTimeout(this.#stalled);
      on.end();
    });
  }

  /** False while the reader has not taken what was written, and when it is gone. */
  get isFree(): boolean {
    return this.#stalled === undefined && !this.isEnded;
  }

  get isEnded(): boolean {
    return this.#response.destroyed || this.#response.writableEnded;
  }

  /** @param data one line, such as JSON */
  send(event: string, id: string | undefined, data: string): void {
    const said = id === undefined ? "" : `id: ${id}\n`;
    this.#write(`${said}event: ${event}\ndata: ${data}\n\n`);
  }

  /** In order: what was written still arrives. */
  end(): void {
    if (!this.isEnded) this.#response.end();
  }

  #write(text: string): void {
    if (this.isEnded || this.#response.write(text)) return;
    this.#stalled ??= setTimeout(() => this.#response.destroy(), this.#stallMs);
    this.#stalled.unref();
  }
}
