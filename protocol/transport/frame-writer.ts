/**
 * The one writer of a socket (which allows one send at a time). Takes turns among the lanes that have
 * something to say, after what was posted, once per turn of the event loop, so that a lane's frame holds what
 * the turn had to say; a lane with much to say is not kept that long, so that the other side begins with it. A peer that does not read is tried again later and holds up nobody.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Packet } from "./frame.ts";
import type { FrameSocket } from "./frame-socket.ts";

/** A source of frames for one peer. */
export interface Lane {
  /** Undefined on a socket with one peer. */
  readonly routingId: Buffer | undefined;
  /** Past this (on the monotonic clock) a frame that cannot be sent is given up. */
  readonly expiresAtMs: number;
  /** Messages that a frame could take now. */
  readonly sendable: number;
  /** The next frame, or undefined when there is nothing to say. */
  takeFrame(): Packet | undefined;
}

export interface FrameWriterHandlers {
  /** There is no connection behind the routing id any more. */
  unreachable(lane: Lane): void;
  failed(error: unknown): void;
}

/** Answers to strangers wait here; beyond the bound they are dropped, since strangers ask again. */
const MOST_POSTS = 10_000;
const SENDS_PER_TURN = 64;
/** With as many messages a frame is worth its cost, and the two sides of a link work at the same time. */
const EAGER_MESSAGES = 128;
const FIRST_RETRY_MS = 1;
const LAST_RETRY_MS = 50;

interface Stalled {
  readonly frame: Packet;
  delayMs: number;
  timer: NodeJS.Timeout | undefined;
}

export class FrameWriter {
  readonly #socket: Pick<FrameSocket, "send">;
  readonly #handlers: FrameWriterHandlers;
  readonly #ready = new Set<Lane>();
  readonly #stalled = new Map<Lane, Stalled>();
  readonly #idleWaiters = new Set<() => void>();
  #posts: Packet[][] = [];
  #state: "idle" | "scheduled" | "sending" = "idle";
  #turn: NodeJS.Immediate | undefined;
  #isClosed = false;

  constructor(socket: Pick<FrameSocket, "send">, handlers: FrameWriterHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
  }

  /** Says that the lane has something to say. */
  wake(lane: Lane): void {
    if (this.#isClosed || this.#stalled.has(lane)) return;
    this.#ready.add(lane);
    if (lane.sendable >= EAGER_MESSAGES) void this.#runEagerly(lane);
    else this.#schedule();
  }

  /** Queues a frame that may be lost. False where too many wait. */
  post(parts: Packet[]): boolean {
    if (this.#isClosed || this.#posts.length >= MOST_POSTS) return false;
    this.#posts.push(parts);
    this.#schedule();
    return true;
  }

  forget(lane: Lane): void {
    this.#ready.delete(lane);
    clearTimeout(this.#stalled.get(lane)?.timer);
    this.#stalled.delete(lane);
    this.#tellIfIdle();
  }

  /** Resolves when all has been handed to the socket, or after `withinMs`. */
  async flush(withinMs: number): Promise<void> {
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#idleWaiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, withinMs);
      this.#idleWaiters.add(done);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#ready.clear();
    this.#posts = [];
    for (const { timer } of this.#stalled.values()) clearTimeout(timer);
    this.#stalled.clear();
    this.#tellIfIdle();
  }

  #schedule(): void {
    if (this.#state !== "idle") return;
    this.#state = "scheduled";
    this.#turn = setImmediate(() => {
      void this.#run();
    });
  }

  /** Full frames only: what the rest of the turn has to say goes together. */
  async #runEagerly(lane: Lane): Promise<void> {
    if (this.#state === "sending") return;
    clearImmediate(this.#turn);
    this.#state = "sending";
    while (
      this.#posts.length === 0 &&
      this.#ready.has(lane) &&
      lane.sendable >= EAGER_MESSAGES &&
      !this.#isClosed
    ) {
      await this.#sendNext(lane);
    }
    this.#state = "idle";
    if (this.#isClosed || (this.#ready.size === 0 && this.#posts.length === 0)) this.#tellIfIdle();
    else this.#schedule();
  }

  async #run(): Promise<void> {
    this.#state = "sending";
    let sent = 0;
    while (!this.#isClosed) {
      const posts = this.#posts;
      this.#posts = [];
      for (const parts of posts) await this.#sendPost(parts);
      const [lane] = this.#ready;
      if (lane === undefined) {
        if (this.#posts.length === 0) break;
        continue;
      }
      await this.#sendNext(lane);
      sent += 1 + posts.length;
      if (sent >= SENDS_PER_TURN) {
        sent = 0;
        await nextTurn();
      }
    }
    this.#state = "idle";
    this.#tellIfIdle();
  }

  async #sendNext(lane: Lane): Promise<void> {
    this.#ready.delete(lane);
    try {
      await this.#sendFrame(lane);
    } catch (error) {
      this.forget(lane);
      this.#handlers.failed(error);
    }
  }

  async #sendPost(parts: Packet[]): Promise<void> {
    try {
      await this.#socket.send(parts);
    } catch (error) {
      const code = codeOf(error);
      if (code !== "EAGAIN" && code !== "EHOSTUNREACH" && !this.#isClosed) {
        this.#handlers.failed(error);
      }
    }
  }

  async #sendFrame(lane: Lane): Promise<void> {
    const stalled = this.#stalled.get(lane);
    const frame = stalled?.frame ?? lane.takeFrame();
    if (frame === undefined) return;
    try {
      await this.#socket.send(lane.routingId === undefined ? [frame] : [lane.routingId, frame]);
      this.#stalled.delete(lane);
      this.#ready.add(lane);
    } catch (error) {
      if (this.#isClosed) return;
      const code = codeOf(error);
      if (code === "EAGAIN" && performance.now() < lane.expiresAtMs) {
        this.#stall(lane, frame, stalled);
        return;
      }
      this.forget(lane);
      if (code === "EHOSTUNREACH") this.#handlers.unreachable(lane);
      else if (code !== "EAGAIN") this.#handlers.failed(error);
    }
  }

  #stall(lane: Lane, frame: Packet, before: Stalled | undefined): void {
    const delayMs = Math.min(LAST_RETRY_MS, (before?.delayMs ?? FIRST_RETRY_MS / 2) * 2);
    const timer = setTimeout(() => {
      this.#ready.add(lane);
      this.#schedule();
    }, delayMs);
    this.#stalled.set(lane, { frame, delayMs, timer });
  }

  #isIdle(): boolean {
    return (
      this.#state === "idle" &&
      this.#ready.size === 0 &&
      this.#stalled.size === 0 &&
      this.#posts.length === 0
    );
  }

  #tellIfIdle(): void {
    if (!this.#isIdle() && !this.#isClosed) return;
    for (const tell of [...this.#idleWaiters]) tell();
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;
