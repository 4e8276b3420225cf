/**
 * The model of a supervisor: OTP's rules as `docs/runtime-semantics.md` puts them, written to be read
 * beside it and not to be fast. Nothing here waits except restarts, so there are no races to think of.
 */
import { ModelNode, type ModelParent, type Shown, type Started } from "./model-node.ts";
import { ModelWorker } from "./model-worker.ts";
import type { End, ModelWorld } from "./model-world.ts";
import type { Plan, SupervisorPlan } from "./plan.ts";

export class ModelSupervisor extends ModelNode implements ModelParent {
  override readonly plan: SupervisorPlan;
  /** In the order of their specs, then dynamic ones in the order of their starts. */
  children: ModelNode[] = [];
  #starts = 0;
  #isAlive = false;
  #phase: "starting" | "up" | "over" = "over";
  #spentAtMs: number[] = [];
  /** Restarts that wait for their delay, by whose they are; the group's is the supervisor's own. */
  readonly #waits = new Map<ModelNode, () => void>();
  /** The group that is down and comes back together (not for one_for_one). */
  #group = new Set<ModelNode>();

  constructor(world: ModelWorld, parent: ModelParent, path: string, plan: SupervisorPlan) {
    super(world, parent, path);
    this.plan = plan;
  }

  override get isAlive(): boolean {
    return this.#isAlive;
  }

  get isRunning(): boolean {
    return this.#phase === "up";
  }

  // ---- start and stop -------------------------------------------------------------------------

  /** In order; a child that cannot start undoes it all, unless it has a delayed restart. */
  override start(): Started {
    this.#starts += 1;
    this.isUp = true;
    this.#isAlive = true;
    this.#phase = "starting";
    this.#spentAtMs = [];
    this.#group.clear();
    for (const plan of this.plan.children) {
      const child = this.#find(plan.id) ?? this.#add(plan);
      child.isUnwanted = false;
      child.isReviving = false;
      if (this.#startChild(child) !== "failed") continue;
      if (plan.reviveMs !== undefined && child.wasReady) this.#fail(child, "error");
      else {
        this.lastEnd = "error";
        this.#comeDown(false);
        if (this.state !== "failed") this.state = "restarting";
        return "failed";
      }
    }
    this.#phase = "up";
    this.state = "running";
    return "ready";
  }

  override halt(isFinal: boolean): void {
    if (this.isUp && this.#phase !== "over") this.lastEnd = "shutdown";
    const wasUp = this.isUp;
    this.#comeDown(isFinal);
    if (wasUp) this.state = "restarting";
    if (isFinal) this.finish(this.lastEnd);
  }

  override finish(end: End): void {
    for (const child of [...this.children].reverse()) child.finish(end);
    this.#isAlive = false;
    this.state = "stopped";
    this.world.terminated(this.path, this.#starts, end);
  }

  /** What only lives once ends for good; the rest keeps its queue and waits for the next start. */
  #comeDown(isFinal: boolean): void {
    this.#phase = "over";
    this.isUp = false;
    for (const cancel of this.#waits.values()) cancel();
    this.#waits.clear();
    for (const child of [...this.children].reverse()) {
      child.halt(isFinal || child.isAdded || child.plan.restart === "temporary");
      if (child.isAdded) this.#remove(child);
    }
  }

  /** More restarts than allowed (`gave up`), or a significant child has ended (`shutdown`). */
  giveUp(end: "gave up" | "shutdown"): void {
    this.lastEnd = end;
    this.state = "restarting";
    this.#comeDown(false);
    this.parent.childExited(this, end);
  }

  // ---- a child has ended by itself ------------------------------------------------------------

  childExited(child: ModelNode, end: End): void {
    const { restart, reviveMs } = child.plan;
    if (end === "gave up" && reviveMs !== undefined) this.#fail(child, end);
    else if (restart === "permanent" || (restart === "transient" && end === "error")) {
      this.#restart(child, end);
    } else this.#endForGood(child, end);
  }

  #restart(child: ModelNode, end: End): void {
    const isAllowed = this.#spend(child);
    if (!isAllowed && child.plan.reviveMs === undefined) {
      this.giveUp("gave up");
      return;
    }
    if (!isAllowed) this.#fail(child, end);
    if (this.plan.strategy !== "one_for_one") {
      this.#restartGroup(isAllowed ? child : undefined);
    } else if (isAllowed) {
      child.state = "restarting";
      this.#wait(child, this.plan.delayMs, () => {
        child.restarts += 1;
        if (this.#startChild(child) === "failed") this.#restart(child, "error");
      });
    }
  }

  /** At most `restarts` within any `withinMs`, counted from a list of all that were asked for. */
  #spend(child: ModelNode): boolean {
    const { restarts, withinMs } = this.plan;
    const hasOwnBudget = child.plan.kind === "worker" && child.plan.reviveMs !== undefined;
    const spentAtMs = hasOwnBudget ? child.ownSpentAtMs : this.#spentAtMs;
    spentAtMs.push(this.world.nowMs);
    return spentAtMs.filter((atMs) => this.world.nowMs - atMs <= withinMs).length <= restarts;
  }

  /** `child` has to come back with those around it. While a group waits, any end begins its delay anew. */
  #restartGroup(child: ModelNode | undefined): void {
    const isAll = this.plan.strategy === "one_for_all";
    if (child) {
      const from = isAll ? 0 : this.children.indexOf(child);
      for (const member of this.children.slice(from)) this.#group.add(member);
    }
    if (this.#group.size === 0) return;
    for (const member of this.children.filter((c) => this.#group.has(c)).reverse()) {
      if (!member.isUp && (member.isReviving || member.hasEnded)) continue;
      if (member.plan.restart === "temporary") {
        member.halt(true);
        this.#remove(member);
      } else {
        member.halt(false);
        member.state = "restarting";
      }
    }
    this.#wait(this, this.plan.delayMs, () => this.#startGroup());
  }

  #startGroup(): void {
    for (const member of this.children.filter((c) => this.#group.has(c))) {
      if (member.isReviving || member.isUnwanted || member.isUp) continue;
      member.restarts += 1;
      if (this.#startChild(member) !== "failed") continue;
      this.#restart(member, "error");
      return;
    }
    this.#group.clear();
  }

  /** Delayed restart: to everybody else it has ended; it is tried again alone, while its group is not down. */
  #fail(child: ModelNode, end: End): void {
    child.isReviving = true;
    child.finish(end);
    child.state = "failed";
    this.#wait(child, child.plan.reviveMs ?? 0, () => {
      if (this.#group.size > 0) {
        this.#fail(child, end);
        return;
      }
      child.restarts += 1;
      child.state = "restarting";
      if (this.#startChild(child) === "failed") this.#fail(child, "error");
      else {
        child.isReviving = false;
        child.ownSpentAtMs.length = 0;
      }
    });
  }

  #endForGood(child: ModelNode, end: End): void {
    child.hasEnded = true;
    child.finish(end);
    if (!this.#keepsSpec(child)) this.#remove(child);
    if (!child.plan.significant || this.plan.autoShutdown === "never") return;
    const areAllOver = this.children.every((c) => !c.plan.significant || c.hasEnded);
    if (this.plan.autoShutdown === "any_significant" || areAllOver) this.giveUp("shutdown");
  }

  // ---- at run time ----------------------------------------------------------------------------

  // Each gives what the caller of the real one sees: "ok", or the code or message of its error.

  startNew(plan: Plan): string {
    if (!this.isRunning) return "not_running";
    const present = this.#find(plan.id);
    if (present) return isDown(present) ? "already_present" : "already_started";
    const child = this.#add(plan);
    child.isAdded = true;
    if (this.#startChild(child) !== "failed") return "ok";
    child.finish("error");
    this.#remove(child);
    return "as told";
  }

  stopChild(child: ModelNode): string {
    child.isUnwanted = true;
    child.isReviving = false;
    this.#waits.get(child)?.();
    child.halt(true);
    child.hasEnded = true;
    if (!this.#keepsSpec(child)) this.#remove(child);
    return "ok";
  }

  restartChild(child: ModelNode): string {
    if (!this.isRunning) return "not_running";
    if (!isDown(child)) return child.isUp ? "running" : "restarting";
    child.isUnwanted = false;
    if (this.#startChild(child) !== "failed") return "ok";
    child.finish("error");
    child.isUnwanted = true;
    child.hasEnded = true;
    return "as told";
  }

  deleteChild(child: ModelNode): string {
    if (!isDown(child)) return child.isUp ? "running" : "restarting";
    this.#remove(child);
    return "ok";
  }

  // ---- lists ----------------------------------------------------------------------------------

  #startChild(child: ModelNode): Started {
    child.hasEnded = false;
    const started = child.start();
    child.hasEnded = started === "ignored";
    if (started !== "failed") child.wasReady = true;
    if (started === "ignored" && !this.#keepsSpec(child)) this.#remove(child);
    return started;
  }

  #keepsSpec({ plan }: ModelNode): boolean {
    return this.plan.kind !== "dynamic" && plan.restart !== "temporary";
  }

  #wait(whose: ModelNode, delayMs: number, then: () => void): void {
    this.#waits.get(whose)?.();
    const cancel = this.world.after(delayMs, then);
    this.#waits.set(whose, cancel);
  }

  #find(id: string): ModelNode | undefined {
    return this.children.find((child) => child.plan.id === id);
  }

  /** In the place that its spec gives it. */
  #add(plan: Plan): ModelNode {
    const path = `${this.path === "/" ? "" : this.path}/${plan.id}`;
    const child =
      plan.kind === "worker"
        ? new ModelWorker(this.world, this, path, plan)
        : new ModelSupervisor(this.world, this, path, plan);
    this.children.push(child);
    // What it does not name was added at run time and stays behind, in the order of its starts.
    const place = ({ plan }: ModelNode) =>
      this.plan.children.includes(plan) ? this.plan.children.indexOf(plan) : Number.MAX_VALUE;
    this.children.sort((one, other) => place(one) - place(other));
    return child;
  }

  #remove(child: ModelNode): void {
    this.children = this.children.filter((other) => other !== child);
    this.#group.delete(child);
  }

  override show(): Shown[] {
    const own = {
      path: this.path,
      state: this.state,
      incarnation: this.#starts,
      restarts: this.restarts,
      handled: 0,
      mailboxDepth: 0,
    };
    return [own, ...this.children.flatMap((child) => child.show())];
  }
}

/** It neither runs nor is about to. */
const isDown = (child: ModelNode) => !child.isUp && (child.hasEnded || child.isUnwanted);
