/**
 * The place of one actor in the tree: its mailbox, its counts and the incarnation that lives there now.
 * Its supervisor starts and halts it; refs deliver to it.
 */
import { type Behaviour, behaviourOf } from "./actor-definition.ts";
import type { TellResult } from "./actor-ref.ts";
import type { Cell, CellParent } from "./cell.ts";
import type { WorkerSpec } from "./child-spec.ts";
import { describeExit, type ExitReason, toError } from "./exit-reason.ts";
import { Incarnation } from "./incarnation.ts";
import type { IncarnationHost } from "./incarnation-host.ts";
import type { NodeState, TreeNode } from "./introspection.ts";
import type { Logger } from "./logger.ts";
import { type Envelope, Mailbox } from "./mailbox.ts";
import type { Receiver, Runtime } from "./runtime.ts";
import type { StateCall } from "./state-call.ts";
import { SupervisionError } from "./supervision-error.ts";

const defaultStartMs = 30_000;
const defaultShutdownMs = 5_000;

export class ActorCell implements Cell, Receiver, IncarnationHost {
  readonly id: string;
  readonly path: string;
  readonly spec: WorkerSpec;
  readonly runtime: Runtime;
  readonly behaviour: Behaviour;
  readonly mailbox: Mailbox;
  readonly log: Logger;
  readonly startMs: number;
  readonly shutdownMs: number;
  readonly #parent: CellParent;
  #generation = 0;
  #incarnation: Incarnation | undefined;
  #lastNumber = 0;
  #isOpen = false;
  #isPaused = false;
  #state: NodeState = "stopped";
  #exit: ExitReason = { kind: "shutdown" };
  #handled = 0;
  readonly #lostCounts = { dropped: 0, rejected: 0 };
  #restarts = 0;
  #lastError: string | undefined;
  #startedAt: number | undefined;
  #degraded: { readonly reason: string; readonly sinceAt: number } | undefined;

  constructor(runtime: Runtime, parent: CellParent, path: string, spec: WorkerSpec) {
    this.runtime = runtime;
    this.#parent = parent;
    this.id = spec.id;
    this.path = path;
    this.spec = spec;
    this.behaviour = behaviourOf(spec.definition);
    this.startMs = spec.options.startMs ?? defaultStartMs;
    this.shutdownMs = spec.options.shutdownMs ?? defaultShutdownMs;
    this.log = runtime.logger.child({ actor: path });
    const { bound, overflow } = this.behaviour;
    this.mailbox = new Mailbox(bound, overflow, runtime.gauges, (envelope, how) =>
      this.#lost(envelope, how),
    );
    runtime.receivers.set(path, this);
  }

  // ---- as a receiver --------------------------------------------------------------------------

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isAlive(): boolean {
    return this.#isOpen || this.#incarnation !== undefined;
  }

  get incarnationNumber(): number {
    return this.#incarnation?.number ?? 0;
  }

  deliver(envelope: Envelope): TellResult {
    if (this.behaviour.control.has(envelope.type)) {
      this.mailbox.push("control", envelope);
    } else if (envelope.ask && this.behaviour.overflow === "wait") {
      void this.deliverWhenRoom(envelope);
      return "queued";
    } else {
      const result = this.mailbox.offer(envelope);
      if (result !== "queued") return result;
    }
    this.#incarnation?.wake();
    return "queued";
  }

  async deliverWhenRoom(envelope: Envelope): Promise<TellResult> {
    if (this.behaviour.control.has(envelope.type)) return this.deliver(envelope);
    const settled = this.mailbox.offerWhenRoom(envelope);
    this.#incarnation?.wake();
    return await settled;
  }

  /** Looks at the state between two messages; see `state-call.ts`. False when nobody lives here. */
  callState(call: StateCall): boolean {
    if (!this.#isOpen) return false;
    this.mailbox.pushCall(call);
    this.#incarnation?.wake();
    return true;
  }

  #lost({ type, ask }: Envelope, how: "dropped" | "rejected"): void {
    this.#lostCounts[how] += 1;
    this.runtime.gauges[how] += 1;
    this.runtime.undelivered.record(this.path, type, "mailbox-full");
    ask?.fail("rejected", "its mailbox is full");
  }

  // ---- as a cell ------------------------------------------------------------------------------

  get generation(): number {
    return this.#generation;
  }

  get isUp(): boolean {
    return this.#incarnation !== undefined;
  }

  async start(): Promise<"ready" | "ignored"> {
    this.#generation += 1;
    this.#isOpen = true;
    this.#degraded = undefined;
    if (this.#state === "stopped") this.#state = "starting";
    const incarnation = new Incarnation(this, this.runtime.nextIncarnation());
    this.#incarnation = incarnation;
    this.#lastNumber = incarnation.number;
    try {
      const outcome = await incarnation.start(this.spec.args);
      if (outcome === "ignored") {
        this.#incarnation = undefined;
        this.finish({ kind: "normal" });
      }
      return outcome;
    } catch (thrown) {
      const error = toError(thrown);
      const wasGivenUp = error instanceof SupervisionError && error.code === "stopped";
      if (!wasGivenUp) {
        this.#lastError = error.message;
        this.#exit = { kind: "error", error };
        const fields = { err: error, incarnation: incarnation.number };
        // At the very first start whoever starts it is given the error, and says it once.
        if (this.#generation === 1) this.log.debug(fields, "init failed");
        else this.log.error(fields, "init failed");
      }
      if (this.#incarnation === incarnation) this.#incarnation = undefined;
      // Down, and to be tried again; who does not want that says so (`finish`).
      if (this.#state === "starting") this.#state = "restarting";
      throw error;
    }
  }

  async halt(isFinal: boolean): Promise<void> {
    if (isFinal) this.#closeMailbox();
    const incarnation = this.#incarnation;
    if (incarnation) {
      if (incarnation.isStarting) incarnation.abandon();
      else this.#exit = await incarnation.close({ kind: "shutdown" });
      if (this.#incarnation === incarnation) this.#incarnation = undefined;
      this.#state = isFinal ? "stopped" : "restarting";
    }
    if (isFinal) this.finish(this.#exit);
  }

  finish(reason: ExitReason): void {
    this.#closeMailbox();
    this.#state = "stopped";
    this.#startedAt = undefined;
    this.#degraded = undefined;
    this.runtime.deathWatch.terminated(this.path, this.#lastNumber, reason);
    this.runtime.registry.terminated(this.path);
  }

  release(): void {
    this.runtime.receivers.delete(this.path);
  }

  kill(): void {
    this.#incarnation?.kill();
  }

  show(state: "restarting" | "failed" | "stopped"): void {
    this.#state = state;
  }

  countRestart(): void {
    this.#restarts += 1;
    this.runtime.gauges.restarts += 1;
  }

  crash(error: Error): boolean {
    return this.#incarnation?.crash(error) ?? false;
  }

  /** Whether this actor can be paused. */
  setPaused(isPaused: boolean): boolean {
    if (this.behaviour.pause === "never") return false;
    if (this.#isPaused !== isPaused) {
      this.#isPaused = isPaused;
      this.#incarnation?.wake();
    }
    return true;
  }

  snapshot(): TreeNode {
    const isRunning = this.#state === "running";
    const { oldestAtMs } = this.mailbox;
    return {
      path: this.path,
      id: this.id,
      role: this.behaviour.name,
      kind: "worker",
      state: isRunning && this.#isPaused ? "paused" : this.#state,
      pause: this.behaviour.pause,
      incarnation: this.#lastNumber,
      mailboxDepth: this.mailbox.depth,
      mailboxAgeMs: oldestAtMs === undefined ? 0 : Math.max(0, performance.now() - oldestAtMs),
      ...this.#lostCounts,
      busyMs: this.#incarnation?.busyMs ?? 0,
      handled: this.#handled,
      restarts: this.#restarts,
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
      ...(this.#startedAt !== undefined && { startedAt: this.#startedAt }),
      ...(this.#degraded && { degraded: this.#degraded }),
      children: [],
    };
  }

  #closeMailbox(): void {
    this.#isOpen = false;
    for (const { type, ask } of this.mailbox.clear()) {
      this.runtime.undelivered.record(this.path, type, ask?.isSettled ? "expired" : "stopped");
      ask?.fail("dead", "it has ended");
    }
  }

  // ---- as the host of an incarnation ----------------------------------------------------------

  get isPaused(): boolean {
    return this.#isPaused;
  }

  countHandled(): void {
    this.#handled += 1;
    this.runtime.gauges.handled += 1;
  }

  setDegraded(reason: string | undefined): void {
    if (reason === this.#degraded?.reason) return;
    if (reason === undefined) this.log.info({ was: this.#degraded?.reason }, "healthy again");
    else this.log.warn({ reason }, "degraded");
    const sinceAt = this.#degraded?.sinceAt ?? this.runtime.clock.epochMs();
    this.#degraded = reason === undefined ? undefined : { reason, sinceAt };
  }

  started(incarnation: number): void {
    if (this.#incarnation?.number !== incarnation) return;
    this.#state = "running";
    this.#startedAt = this.runtime.clock.epochMs();
  }

  exited(incarnation: number, reason: ExitReason): void {
    if (reason.kind === "error") {
      this.#lastError = reason.error.message;
      this.log.error({ err: reason.error, incarnation }, "crashed");
    } else this.log.debug({ reason: describeExit(reason) }, "ended");
    // A halt was faster and has the word.
    if (this.#incarnation?.number !== incarnation) return;
    this.#incarnation = undefined;
    this.#exit = reason;
    this.#state = "restarting";
    this.#startedAt = undefined;
    this.#parent.childExited(this, this.#generation, reason);
  }
}
