/**
 * A supervisor: starts its children in order, stops them in reverse, and decides what follows when one
 * ends by itself. States and their exits:
 *
 *     down -> starting -> up -> stopping -> down     (all ready; told to stop or gave up; all stopped)
 *             starting -> stopping -> down           (a child's init failed, or told to stop)
 *
 * It handles no messages. It gives up when its children fail more often than `intensity` allows, and
 * then its own supervisor decides. How restarts run is in `one-for-one.ts` and `group-restart.ts`.
 */
import { ActorCell } from "./actor-cell.ts";
import { Backoff } from "./backoff.ts";
import type { Cell, CellParent } from "./cell.ts";
import type { AnyChildSpec, SupervisorSpec } from "./child-spec.ts";
import { DelayedRestart } from "./delayed-restart.ts";
import { describeExit, type ExitReason, isOrderly, toError } from "./exit-reason.ts";
import { GroupRestart } from "./group-restart.ts";
import { IntensityWindow } from "./intensity.ts";
import type { NodeState, TreeNode } from "./introspection.ts";
import type { Logger } from "./logger.ts";
import { OneForOne } from "./one-for-one.ts";
import type { Receiver, Runtime } from "./runtime.ts";
import { outsideScopes } from "./scope.ts";
import { checkSpec } from "./spec-validation.ts";
import {
  type Child,
  defaultBackoff,
  defaultIntensity,
  makeChild,
  type RestartHost,
  type RestartStrategy,
} from "./supervised-child.ts";
import { SupervisionError } from "./supervision-error.ts";
import { SupervisorLife } from "./supervisor-life.ts";

interface EarlyExit {
  readonly child: Child;
  readonly generation: number;
  readonly reason: ExitReason;
}

export class SupervisorCell implements Cell, CellParent, Receiver {
  readonly id: string;
  readonly path: string;
  readonly spec: SupervisorSpec;
  /** Nobody can tell a supervisor anything. */
  readonly isOpen = false;
  readonly incarnationNumber = 0;
  readonly #runtime: Runtime;
  readonly #parent: CellParent;
  readonly #log: Logger;
  readonly #window: IntensityWindow;
  readonly #children = new Map<string, Child>();
  #life: SupervisorLife;
  #strategy: RestartStrategy;
  #delayed: DelayedRestart;
  #generation = 0;
  #isUp = false;
  #isAlive = false;
  #state: NodeState = "stopped";
  #exit: ExitReason = { kind: "shutdown" };
  /** Ends of children that came while later ones were still starting. */
  #early: EarlyExit[] = [];
  /** Settles when the last `start` has, however it went. */
  #startSettled: Promise<unknown> = Promise.resolve();
  #restarts = 0;
  #lastError: string | undefined;
  #startedAt: number | undefined;

  constructor(runtime: Runtime, parent: CellParent, path: string, spec: SupervisorSpec) {
    this.#runtime = runtime;
    this.#parent = parent;
    this.id = spec.id;
    this.path = path;
    this.spec = spec;
    this.#log = runtime.logger.child({ supervisor: path });
    this.#window = new IntensityWindow(spec.options.intensity ?? defaultIntensity);
    this.#life = new SupervisorLife(runtime.clock);
    const host = this.#hostOf(this.#life);
    this.#strategy = this.#makeStrategy(host);
    this.#delayed = new DelayedRestart(host, () => this.#strategy.isBusy);
    runtime.receivers.set(path, this);
  }

  get generation(): number {
    return this.#generation;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  deliver(): "dead" {
    return "dead";
  }

  deliverWhenRoom(): Promise<"dead"> {
    return Promise.resolve("dead");
  }

  // ---- start ----------------------------------------------------------------------------------

  start(): Promise<"ready"> {
    const life = new SupervisorLife(this.#runtime.clock);
    this.#generation += 1;
    this.#life = life;
    this.#isUp = true;
    this.#isAlive = true;
    this.#early = [];
    this.#window.clear();
    const host = this.#hostOf(life);
    this.#strategy = this.#makeStrategy(host);
    this.#delayed = new DelayedRestart(host, () => this.#strategy.isBusy);
    if (this.#state === "stopped") this.#state = "starting";
    const started = this.#startAll(life);
    this.#startSettled = started.catch(() => undefined);
    return started;
  }

  async #startAll(life: SupervisorLife): Promise<"ready"> {
    let timeout: SupervisionError | undefined;
    const { startMs } = this.spec.options;
    const cancelDeadline = this.#runtime.clock.setTimer(startMs ?? Number.POSITIVE_INFINITY, () => {
      const message = `${this.path}: not ready within ${startMs} ms`;
      timeout = new SupervisionError("init-timeout", message);
      void this.halt(false);
    });
    try {
      for (const spec of this.spec.children) {
        const child = this.#children.get(spec.id) ?? this.#addChild(spec, false);
        child.isWanted = true;
        child.isReviving = false;
        await this.#startFirst(child, life);
        if (life.isOver)
          throw new SupervisionError("stopped", `${this.path}: its start was given up`);
      }
    } catch (thrown) {
      const error = timeout ?? toError(thrown);
      life.end();
      this.#lastError = error.message;
      await this.#haltChildren(false);
      this.#isUp = false;
      throw error;
    } finally {
      cancelDeadline();
    }
    life.becomeUp();
    this.#state = "running";
    this.#startedAt = this.#runtime.clock.epochMs();
    this.#strategy.ready();
    for (const { child, generation, reason } of this.#early.splice(0)) {
      this.#handleExit(child, generation, reason);
    }
    return "ready";
  }

  /** A child that was ready once and may be revived does not keep its supervisor from starting. */
  async #startFirst(child: Child, life: SupervisorLife): Promise<void> {
    try {
      await this.#startChild(child);
    } catch (thrown) {
      if (!child.revival || !child.wasReady || life.isOver) throw thrown;
      this.#delayed.fail(child, { kind: "error", error: toError(thrown) });
    }
  }

  async #startChild(child: Child): Promise<void> {
    child.hasEnded = false;
    const outcome = await child.cell.start();
    child.hasEnded = outcome === "ignored";
    child.wasReady = true;
    child.backoff.ready(this.#runtime.clock.monotonicMs());
    if (child.hasEnded && child.cell.spec.options.restart === "temporary") this.#forget(child);
  }

  #addChild(spec: AnyChildSpec, isDynamic: boolean): Child {
    const path = `${this.path === "/" ? "" : this.path}/${spec.id}`;
    const cell =
      spec.kind === "worker"
        ? new ActorCell(this.#runtime, this, path, spec)
        : new SupervisorCell(this.#runtime, this, path, spec);
    const child = makeChild(cell, isDynamic, this.spec.options, this.#runtime.random(path));
    this.#children.set(spec.id, child);
    return child;
  }

  #forget(child: Child): void {
    const { id, path } = child.cell;
    // A successor of the same name may be there already.
    if (this.#children.get(id) !== child) return;
    this.#children.delete(id);
    this.#runtime.receivers.delete(path);
  }

  // ---- stop -----------------------------------------------------------------------------------

  async halt(isFinal: boolean): Promise<void> {
    this.#life.end();
    const { shutdownMs } = this.spec.options;
    const cancelDeadline = this.#runtime.clock.setTimer(
      shutdownMs ?? Number.POSITIVE_INFINITY,
      () => this.kill(),
    );
    await this.#haltChildren(isFinal);
    await this.#startSettled;
    cancelDeadline();
    this.#isUp = false;
    if (this.#state !== "failed") this.#state = "restarting";
    if (isFinal) this.finish(this.#exit);
  }

  /** In reverse order, one after the other; the children of a dynamic supervisor all at once. */
  async #haltChildren(isFinal: boolean): Promise<void> {
    const children = [...this.#children.values()].reverse();
    const halt = async (child: Child) => {
      const isGoing = isFinal || child.isDynamic || child.cell.spec.options.restart === "temporary";
      await child.cell.halt(isGoing);
      if (child.isDynamic) this.#forget(child);
    };
    if (this.spec.kind === "dynamic") await Promise.all(children.map(halt));
    else for (const child of children) await halt(child);
  }

  finish(reason: ExitReason): void {
    for (const { cell } of [...this.#children.values()].reverse()) cell.finish(reason);
    this.#isAlive = false;
    this.#state = "stopped";
    this.#startedAt = undefined;
    this.#runtime.deathWatch.terminated(this.path, this.#generation, reason);
  }

  kill(): void {
    for (const { cell } of this.#children.values()) cell.kill();
  }

  show(state: "restarting" | "failed" | "stopped"): void {
    this.#state = state;
  }

  countRestart(): void {
    this.#restarts += 1;
  }

  /** Makes it give up, as if its budget were spent. */
  crash(error: Error): boolean {
    if (!this.#life.isUp) return false;
    this.#giveUp(error);
    return true;
  }

  // ---- ends of children -----------------------------------------------------------------------

  childExited(cell: Cell, generation: number, reason: ExitReason): void {
    const child = this.#children.get(cell.id);
    if (!child || child.cell !== cell) return;
    if (this.#life.isStarting) this.#early.push({ child, generation, reason });
    else outsideScopes(() => this.#handleExit(child, generation, reason));
  }

  #handleExit(child: Child, generation: number, reason: ExitReason): void {
    const { cell } = child;
    const isStale = cell.isUp || cell.generation !== generation || !child.isWanted;
    if (isStale || !this.#life.isUp) return;
    const { restart = "permanent" } = cell.spec.options;
    const hasGivenUp = reason.kind === "shutdown" && reason.cause !== undefined;
    if (hasGivenUp && child.revival) {
      this.#delayed.fail(child, reason);
    } else if (restart === "permanent" || (restart === "transient" && !isOrderly(reason))) {
      this.#strategy.exited(child, reason);
    } else this.#end(child, reason);
  }

  #end(child: Child, reason: ExitReason): void {
    const { cell } = child;
    const { restart, significant } = cell.spec.options;
    child.hasEnded = true;
    cell.finish(reason);
    if (child.isDynamic || restart === "temporary") this.#forget(child);
    if (!significant) return;
    const others = [...this.#children.values()].filter((c) => c.cell.spec.options.significant);
    const { autoShutdown = "never" } = this.spec.options;
    const isLast = others.every((c) => c.hasEnded);
    if (autoShutdown === "any_significant" || (autoShutdown === "all_significant" && isLast)) {
      this.#giveUp(undefined);
    }
  }

  /** Ends this supervisor by itself: with a cause when its budget is spent, without at autoShutdown. */
  #giveUp(cause: Error | undefined): void {
    const generation = this.#generation;
    this.#life.end();
    this.#exit = cause ? { kind: "shutdown", cause } : { kind: "shutdown" };
    if (cause) {
      this.#lastError = cause.message;
      this.#log.error({ err: cause }, "gave up");
    }
    this.#state = "restarting";
    const exit = this.#exit;
    void this.#haltChildren(false).then(() => {
      if (this.#generation !== generation) return;
      this.#isUp = false;
      this.#startedAt = undefined;
      this.#parent.childExited(this, generation, exit);
    });
  }

  // ---- restarts -------------------------------------------------------------------------------

  #makeStrategy(host: RestartHost): RestartStrategy {
    const { strategy = "one_for_one", backoff = defaultBackoff } = this.spec.options;
    if (strategy === "one_for_one") return new OneForOne(host);
    const delays = new Backoff(backoff, this.#runtime.random(this.path));
    return new GroupRestart(host, strategy === "one_for_all", delays);
  }

  #hostOf(life: SupervisorLife): RestartHost {
    const { clock } = this.#runtime;
    return {
      isUp: () => life.isUp,
      isOver: () => life.isOver,
      log: this.#log,
      children: () => [...this.#children.values()],
      wait: (delayMs) => life.wait(delayMs),
      nowMs: () => clock.monotonicMs(),
      spend: (child, reason) => this.#spend(child, reason, life),
      start: (child) => this.#startChild(child),
      remove: async (child) => {
        await child.cell.halt(true);
        this.#forget(child);
      },
    };
  }

  #spend(child: Child, reason: ExitReason, life: SupervisorLife): boolean {
    if (!life.isUp) return false;
    const isWithinBudget = (child.budget ?? this.#window).spend(this.#runtime.clock.monotonicMs());
    if (isWithinBudget) return true;
    if (child.revival) {
      this.#delayed.fail(child, reason);
      return false;
    }
    const { restarts, withinMs } = this.spec.options.intensity ?? defaultIntensity;
    const last = `${child.cell.id}: ${describeExit(reason)}`;
    const message = `${this.path}: more than ${restarts} restarts within ${withinMs} ms; ${last}`;
    const options = reason.kind === "error" ? { cause: reason.error } : {};
    this.#giveUp(new SupervisionError("intensity", message, options));
    return false;
  }

  // ---- children at run time -------------------------------------------------------------------

  /** @throws SupervisionError, or what the child's `init` threw; see `ActorContext.startChild`. */
  async startDynamic(spec: AnyChildSpec): Promise<void> {
    if (this.spec.kind !== "dynamic") {
      throw new SupervisionError("not_dynamic", `${this.path}: its children are fixed`);
    }
    checkSpec(spec, this.spec.options.autoShutdown);
    const life = this.#life;
    if (!life.isUp) throw new SupervisionError("not_running", `${this.path}: is not running`);
    const present = this.#children.get(spec.id);
    if (present) {
      const ref = { path: present.cell.path };
      throw new SupervisionError("already_started", `${ref.path}: is there already`, { ref });
    }
    const child = this.#addChild(spec, true);
    try {
      await outsideScopes(() => this.#startChild(child));
      if (child.hasEnded) this.#forget(child);
    } catch (thrown) {
      const error = toError(thrown);
      if (child.isWanted) child.cell.finish({ kind: "error", error });
      child.isWanted = false;
      this.#forget(child);
      throw error;
    }
  }

  async stopChild(id: string): Promise<void> {
    const child = this.#children.get(id);
    if (!child) return;
    child.isWanted = false;
    child.isReviving = false;
    await outsideScopes(() => child.cell.halt(true));
    child.hasEnded = true;
    if (child.isDynamic) this.#forget(child);
  }

  /** The supervisor or actor at a path below this one. */
  find(segments: readonly string[]): Cell | undefined {
    const [id, ...rest] = segments;
    if (id === undefined) return this;
    const cell = this.#children.get(id)?.cell;
    if (rest.length === 0) return cell;
    return cell instanceof SupervisorCell ? cell.find(rest) : undefined;
  }

  *actors(): Generator<ActorCell> {
    for (const { cell } of this.#children.values()) {
      if (cell instanceof ActorCell) yield cell;
      else if (cell instanceof SupervisorCell) yield* cell.actors();
    }
  }

  snapshot(): TreeNode {
    const { strategy = "one_for_one" } = this.spec.options;
    return {
      path: this.path,
      id: this.id,
      role: strategy,
      kind: this.spec.kind,
      state: this.#state,
      pause: "never",
      incarnation: this.#generation,
      mailboxDepth: 0,
      busyMs: 0,
      handled: 0,
      restarts: this.#restarts,
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
      ...(this.#startedAt !== undefined && { startedAt: this.#startedAt }),
      children: [...this.#children.values()].map(({ cell }) => cell.snapshot()),
    };
  }
}
