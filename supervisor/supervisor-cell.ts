/**
 * A supervisor: starts its children in order, stops them in reverse, and decides what follows when one
 * ends by itself. States and their exits:
 *
 *     down -> starting -> up -> stopping -> down     (all ready; told to stop or gave up; all stopped)
 *             starting -> stopping -> down           (a child's init failed, or told to stop)
 *
 * It handles no messages. It gives up when its children fail more often than `intensity` allows, and
 * then its own supervisor decides. What follows a child's end is in `child-exits.ts`, what can be done to
 * children at run time in `runtime-children.ts`.
 */
import { ActorCell } from "./actor-cell.ts";
import type { Cell, CellParent } from "./cell.ts";
import { ChildExits, type ExitHost } from "./child-exits.ts";
import type { SupervisorSpec } from "./child-spec.ts";
import { ChildTable } from "./child-table.ts";
import { type ExitReason, toError } from "./exit-reason.ts";
import { IntensityWindow } from "./intensity.ts";
import type { NodeState, TreeNode } from "./introspection.ts";
import type { Logger } from "./logger.ts";
import type { Receiver, Runtime } from "./runtime.ts";
import { RuntimeChildren } from "./runtime-children.ts";
import { outsideScopes } from "./scope.ts";
import { type Child, defaultIntensity } from "./supervised-child.ts";
import { SupervisionError } from "./supervision-error.ts";
import { SupervisorLife } from "./supervisor-life.ts";

export class SupervisorCell implements Cell, CellParent, Receiver, ExitHost {
  readonly id: string;
  readonly path: string;
  readonly spec: SupervisorSpec;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly window: IntensityWindow;
  readonly children: ChildTable;
  /** Starts, stops, restarts and deletes children while it runs. */
  readonly atRunTime: RuntimeChildren;
  /** Nobody can tell a supervisor anything. */
  readonly isOpen = false;
  readonly incarnationNumber = 0;
  readonly #parent: CellParent;
  #life: SupervisorLife;
  #exits: ChildExits;
  #generation = 0;
  #isUp = false;
  #isAlive = false;
  #state: NodeState = "stopped";
  #exit: ExitReason = { kind: "shutdown" };
  /** Settles when the last `start` has, however it went. */
  #startSettled: Promise<unknown> = Promise.resolve();
  #restarts = 0;
  #lastError: string | undefined;
  #startedAt: number | undefined;

  constructor(runtime: Runtime, parent: CellParent, path: string, spec: SupervisorSpec) {
    this.runtime = runtime;
    this.#parent = parent;
    this.id = spec.id;
    this.path = path;
    this.spec = spec;
    this.log = runtime.logger.child({ supervisor: path });
    this.window = new IntensityWindow(spec.options.intensity ?? defaultIntensity);
    this.children = new ChildTable(runtime, path, spec, (childPath, childSpec) =>
      childSpec.kind === "worker"
        ? new ActorCell(runtime, this, childPath, childSpec)
        : new SupervisorCell(runtime, this, childPath, childSpec),
    );
    this.atRunTime = new RuntimeChildren(this);
    this.#life = new SupervisorLife(runtime.clock);
    this.#exits = new ChildExits(this, this.#life);
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

  canChange(): boolean {
    return this.#life.isUp;
  }

  deliver(): "dead" {
    return "dead";
  }

  deliverWhenRoom(): Promise<"dead"> {
    return Promise.resolve("dead");
  }

  // ---- start ----------------------------------------------------------------------------------

  start(): Promise<"ready"> {
    const life = new SupervisorLife(this.runtime.clock);
    const exits = new ChildExits(this, life);
    this.#generation += 1;
    this.#life = life;
    this.#exits = exits;
    this.#isUp = true;
    this.#isAlive = true;
    this.window.clear();
    if (this.#state === "stopped") this.#state = "starting";
    const started = this.#startAll(life, exits);
    this.#startSettled = started.catch(() => undefined);
    return started;
  }

  async #startAll(life: SupervisorLife, exits: ChildExits): Promise<"ready"> {
    let timeout: SupervisionError | undefined;
    const { startMs } = this.spec.options;
    const cancelDeadline = this.runtime.clock.setTimer(startMs ?? Number.POSITIVE_INFINITY, () => {
      const message = `${this.path}: not ready within ${startMs} ms`;
      timeout = new SupervisionError("init-timeout", message);
      void this.halt(false);
    });
    try {
      for (const spec of this.spec.children) {
        const child = this.children.getStatic(spec);
        child.isReviving = false;
        child.isWanted = !this.runtime.isToldToQuit(child.cell.path);
        if (!child.isWanted) {
          child.hasEnded = true;
          child.cell.show("stopped");
          continue;
        }
        await this.#startFirst(child, life, exits);
        if (life.isOver)
          throw new SupervisionError("stopped", `${this.path}: its start was given up`);
      }
    } catch (thrown) {
      const error = timeout ?? toError(thrown);
      if (timeout || !life.isOver) this.#exit = { kind: "error", error };
      life.end();
      this.#lastError = error.message;
      await this.#haltChildren(false);
      this.#isUp = false;
      if (this.#state === "starting") this.#state = "restarting";
      throw error;
    } finally {
      cancelDeadline();
    }
    life.becomeUp();
    this.#state = "running";
    this.#startedAt = this.runtime.clock.epochMs();
    exits.ready();
    return "ready";
  }

  /** A child that was ready once and may be revived does not keep its supervisor from starting. */
  async #startFirst(child: Child, life: SupervisorLife, exits: ChildExits): Promise<void> {
    try {
      await this.children.start(child);
    } catch (thrown) {
      if (!child.revival || !child.wasReady || life.isOver) throw thrown;
      exits.delay(child, { kind: "error", error: toError(thrown) });
    }
  }

  // ---- stop -----------------------------------------------------------------------------------

  async halt(isFinal: boolean): Promise<void> {
    const wasUp = this.#isUp;
    // One that gave up before has its reason already.
    if (!this.#life.isOver) this.#exit = { kind: "shutdown" };
    this.#life.end();
    const { shutdownMs } = this.spec.options;
    const cancelDeadline = this.runtime.clock.setTimer(shutdownMs ?? Number.POSITIVE_INFINITY, () =>
      this.kill(),
    );
    await this.#haltChildren(isFinal);
    await this.#startSettled;
    cancelDeadline();
    this.#isUp = false;
    if (wasUp && this.#isAlive && this.#state !== "failed") this.#state = "restarting";
    if (isFinal) this.finish(this.#exit);
  }

  /** In reverse order, one after the other; the children of a dynamic supervisor all at once. */
  async #haltChildren(isFinal: boolean): Promise<void> {
    const children = this.children.inReverse();
    const halt = async (child: Child) => {
      const isGoing = isFinal || child.isAdded || child.cell.spec.options.restart === "temporary";
      await child.cell.halt(isGoing);
      if (child.isAdded) this.children.forget(child);
    };
    if (this.spec.kind === "dynamic") await Promise.all(children.map(halt));
    else for (const child of children) await halt(child);
  }

  finish(reason: ExitReason): void {
    for (const { cell } of this.children.inReverse()) cell.finish(reason);
    this.#isAlive = false;
    this.#state = "stopped";
    this.#startedAt = undefined;
    this.runtime.deathWatch.terminated(this.path, this.#generation, reason);
  }

  release(): void {
    for (const { cell } of this.children.inOrder()) cell.release();
    this.runtime.receivers.delete(this.path);
  }

  kill(): void {
    for (const { cell } of this.children.inOrder()) cell.kill();
  }

  show(state: "restarting" | "failed" | "stopped"): void {
    this.#state = state;
  }

  countRestart(): void {
    this.#restarts += 1;
    this.runtime.gauges.restarts += 1;
  }

  /** Makes it give up, as if its budget were spent. */
  crash(error: Error): boolean {
    if (!this.#life.isUp) return false;
    this.giveUp(error);
    return true;
  }

  // ---- ends -----------------------------------------------------------------------------------

  childExited(cell: Cell, generation: number, reason: ExitReason): void {
    const child = this.children.get(cell.id);
    if (child?.cell === cell) outsideScopes(() => this.#exits.exited(child, generation, reason));
  }

  giveUp(cause: Error | undefined): void {
    const generation = this.#generation;
    this.#life.end();
    this.#exit = cause ? { kind: "shutdown", cause } : { kind: "shutdown" };
    if (cause) {
      this.#lastError = cause.message;
      this.log.error({ err: cause }, "gave up");
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

  // ---- to look at -----------------------------------------------------------------------------

  /** The supervisor or actor at a path below this one. */
  find(segments: readonly string[]): Cell | undefined {
    const [id, ...rest] = segments;
    if (id === undefined) return this;
    const cell = this.children.get(id)?.cell;
    if (rest.length === 0) return cell;
    return cell instanceof SupervisorCell ? cell.find(rest) : undefined;
  }

  *actors(): Generator<ActorCell> {
    for (const { cell } of this.children.inOrder()) {
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
      mailboxAgeMs: 0,
      dropped: 0,
      rejected: 0,
      busyMs: 0,
      handled: 0,
      restarts: this.#restarts,
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
      ...(this.#startedAt !== undefined && { startedAt: this.#startedAt }),
      children: this.children.inOrder().map(({ cell }) => cell.snapshot()),
    };
  }
}
