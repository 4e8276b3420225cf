/**
 * The thread of one incarnation, as its parent has it. States and their exits:
 *
 *     starting -> ready -> over     (the actor's init is done; it ended, or its thread did)
 *     starting -> over              (init failed or said IGNORE; the start was given up; the thread ended)
 *
 * `over` is for good: a restart makes another `Thread`. It sends and receives packets, and watches that
 * the thread's event loop turns; what the packets mean is with `ThreadLoop` and `ThreadErrands`.
 */
import type { Worker } from "node:worker_threads";
import { IGNORE, type UntypedContext } from "../actor-definition.ts";
import { describeExit, type ExitReason, toError } from "../exit-reason.ts";
import { SupervisionError } from "../supervision-error.ts";
import { beatMs } from "./beat.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { FromThread, ThreadTraits, ToThread } from "./packet.ts";
import { fromPlainError, fromPlainReason, toPlainReason } from "./plain-error.ts";
import { SharedState } from "./shared-state.ts";
import { runnableUrl, startWorker } from "./start-worker.ts";
import type { ThreadSettings } from "./thread-behaviour.ts";
import { ThreadErrands } from "./thread-errands.ts";

/** Control messages have places of their own, so that they go at once when the window is full. */
const urgentSlots = 32;
const defaultShutdownMs = 5_000;
/** A thread in a call that cannot be interrupted (a synchronous child process) is not waited for longer. */
const terminationMs = 1_000;

/** Who is told what comes from the thread once it is ready. */
export interface ThreadOwner {
  received(packet: FromThread): void;
  /** The actor's state, as it shows it. */
  state(): Promise<unknown>;
  /** It is over; said once, last. */
  ended(reason: ExitReason): void;
}

export class Thread {
  readonly slots: number;
  readonly shared: SharedState;
  readonly errands: ThreadErrands;
  readonly #ctx: UntypedContext;
  readonly #settings: ThreadSettings;
  readonly #worker: Worker;
  readonly #started: Promise<ThreadTraits | typeof IGNORE>;
  readonly #over: Promise<void>;
  readonly #exited: Promise<void>;
  #owner: ThreadOwner | undefined;
  #early: FromThread[] = [];
  #end: ExitReason | undefined;
  #isReady = false;
  #heartbeat: Heartbeat | undefined;
  #terminated: Promise<void> | undefined;
  /** Why it is being terminated, or what it said before it exited. */
  #error: Error | undefined;
  #settleStart: (outcome: ThreadTraits | typeof IGNORE) => void = () => undefined;
  #failStart: (error: Error) => void = () => undefined;
  #settleOver: () => void = () => undefined;

  /** @throws DataCloneError where the args cannot be cloned. */
  constructor(ctx: UntypedContext, args: unknown, settings: ThreadSettings) {
    const { module, exportName, maxMemoryMb, unresponsiveMs, window, program } = settings;
    this.#ctx = ctx;
    this.#settings = settings;
    this.slots = window + urgentSlots;
    this.shared = new SharedState(this.slots);
    this.#started = new Promise((resolve, reject) => {
      this.#settleStart = resolve;
      this.#failStart = reject;
    });
    // It may fail before anybody waits.
    this.#started.catch(() => undefined);
    this.#over = new Promise((resolve) => {
      this.#settleOver = resolve;
    });
    const start = {
      module: runnableUrl(module, program),
      exportName,
      args,
      path: ctx.path,
      incarnation: ctx.incarnation,
      shutdownMs: settings.shutdownMs ?? defaultShutdownMs,
      unresponsiveMs,
      slots: this.slots,
      shared: this.shared.buffer,
    };
    const resourceLimits = maxMemoryMb === undefined ? {} : { maxOldGenerationSizeMb: maxMemoryMb };
    this.#worker = startWorker(program, start, { resourceLimits, name: ctx.path });
    this.errands = new ThreadErrands(ctx, (packet) => this.post(packet));
    this.#worker.on("message", (packet: FromThread) => this.#received(packet));
    this.#worker.on("messageerror", (error) => this.#fail(toError(error)));
    this.#worker.on("error", (error) => {
      this.#error ??= toError(error);
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", (code) => {
        this.#finish({ kind: "error", error: this.#exitError(code) });
        resolve();
      });
    });
    const giveUp = () => {
      if (!this.#isReady) void this.terminate();
    };
    ctx.signal.addEventListener("abort", giveUp, { once: true });
  }

  /** @throws what the actor's init threw, or SupervisionError `thread-exit` or `out-of-memory`. */
  async started(): Promise<ThreadTraits | typeof IGNORE> {
    try {
      const traits = await this.#started;
      this.#isReady = traits !== IGNORE;
      if (traits === IGNORE) await this.terminate();
      else this.#watch(traits.handlerTimeoutMs);
      return traits;
    } catch (error) {
      await this.terminate();
      throw error;
    }
  }

  /** What `getState` shows. Rejects with AskError when the thread ends first. */
  async state(): Promise<unknown> {
    return await this.#owner?.state();
  }

  /** From now on `owner` is told; what came before is told to it when the present code is through. */
  attach(owner: ThreadOwner): void {
    queueMicrotask(() => {
      this.#owner = owner;
      for (const packet of this.#early.splice(0)) owner.received(packet);
      if (this.#end) owner.ended(this.#end);
    });
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** @throws DataCloneError when something in the packet cannot be cloned; nothing of it was sent. */
  post(packet: ToThread): void {
    if (!this.isOver) this.#worker.postMessage(packet);
  }

  /** Whether the process must go on living for what is under way. */
  hold(isHeld: boolean): void {
    if (isHeld) this.#worker.ref();
    else this.#worker.unref();
  }

  /** Ends the actor in order: its signal, its handler in hand, its `stop`. Settles when it is over. */
  async close(reason: ExitReason): Promise<void> {
    if (this.isOver) return;
    this.errands.closing(reason.kind === "error");
    this.post({ close: toPlainReason(reason) });
    this.hold(true);
    await this.#over;
  }

  /** Kills it, whatever it is doing. Settles when the thread has gone. */
  terminate(): Promise<void> {
    this.#terminated ??= this.#terminate();
    return this.#terminated;
  }

  async #terminate(): Promise<void> {
    this.#heartbeat?.stop();
    void this.#worker.terminate();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), terminationMs);
    });
    const outcome = await Promise.race([this.#exited, late]);
    clearTimeout(timer);
    if (outcome === "late") this.#ctx.log.error({}, "its thread is in a call that cannot be ended");
    this.#finish({ kind: "error", error: this.#exitError(undefined) });
  }

  // ---- own ------------------------------------------------------------------------------------

  #received(packet: FromThread): void {
    if (this.isOver) return;
    if (packet.says) this.errands.perform(packet.says);
    if (packet.started) this.#startedWith(packet.started);
    if (this.#owner) this.#owner.received(packet);
    else this.#early.push(packet);
    if (packet.ended) this.#finish(fromPlainReason(packet.ended));
  }

  #startedWith(started: NonNullable<FromThread["started"]>): void {
    switch (started.kind) {
      case "ready":
        this.#settleStart(started.traits);
        return;
      case "ignored":
        this.#settleStart(IGNORE);
        return;
      case "failed":
        this.#failStart(fromPlainError(started.error));
        return;
    }
  }

  #watch(handlerTimeoutMs: number): void {
    const { unresponsiveMs } = this.#settings;
    if (this.isOver) return;
    this.#heartbeat = new Heartbeat(this.shared, beatMs(unresponsiveMs, handlerTimeoutMs), {
      unresponsiveMs,
      handlerTimeoutMs,
      slow: (forMs) => this.#ctx.log.warn({ forMs }, "its thread stands still"),
      stuck: (code, forMs) => {
        const what = code === "handler-timeout" ? "a handler ran" : "it stood still";
        const why = `${this.#ctx.path}: its thread was terminated: ${what} for ${forMs} ms`;
        this.#fail(new SupervisionError(code, why));
      },
    });
  }

  /** Its thread is ended for this reason. */
  #fail(error: Error): void {
    this.#error = error;
    void this.terminate();
  }

  #finish(reason: ExitReason): void {
    if (this.#end) return;
    this.#end = reason;
    this.#heartbeat?.stop();
    this.#failStart(
      reason.kind === "error"
        ? reason.error
        : new Error(`${this.#ctx.path}: ended while it started (${describeExit(reason)})`),
    );
    this.#owner?.ended(reason);
    this.errands.end();
    this.#settleOver();
  }

  #exitError(code: number | undefined): Error {
    const error = this.#error;
    if (error instanceof SupervisionError) return error;
    const { path } = this.#ctx;
    if (error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY") {
      const limit = this.#settings.maxMemoryMb;
      const most = limit === undefined ? "there was" : `${limit} MiB`;
      const why = `${path}: its thread needed more memory than ${most}`;
      return new SupervisionError("out-of-memory", why, { cause: error });
    }
    const why = error ? error.message : `exit code ${code ?? "unknown"}`;
    const options = error ? { cause: error } : {};
    return new SupervisionError("thread-exit", `${path}: its thread ended: ${why}`, options);
  }
}
