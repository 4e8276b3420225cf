/**
 * Restarts a child together with its siblings: all of them (`one_for_all`), or those started after it
 * (`rest_for_one`). One restart runs at a time; a child that ends meanwhile widens it, and a sibling whose
 * init fails makes the whole attempt be undone, counted and tried again.
 */
import type { Backoff } from "./backoff.ts";
import { type ExitReason, toError } from "./exit-reason.ts";
import type { Child, RestartHost, RestartStrategy } from "./supervised-child.ts";
import type { Wait } from "./supervisor-life.ts";

interface Exit {
  readonly child: Child;
  readonly generation: number;
  readonly reason: ExitReason;
}

export class GroupRestart implements RestartStrategy {
  readonly #host: RestartHost;
  readonly #restartsAll: boolean;
  readonly #backoff: Backoff;
  #exits: Exit[] = [];
  #isRunning = false;
  /** Children that are down, or on their way down, and are to come back together. */
  readonly #down = new Set<Child>();
  #wait: Wait | undefined;

  constructor(host: RestartHost, restartsAll: boolean, backoff: Backoff) {
    this.#host = host;
    this.#restartsAll = restartsAll;
    this.#backoff = backoff;
  }

  get isBusy(): boolean {
    return this.#isRunning;
  }

  exited(child: Child, reason: ExitReason): void {
    this.#exits.push({ child, generation: child.cell.generation, reason });
    this.#wait?.cancel();
    if (!this.#isRunning) void this.#run();
  }

  /** All were ready: health is counted from now. */
  ready(): void {
    this.#backoff.ready(this.#host.nowMs());
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      do {
        this.#takeExits();
        if (this.#down.size === 0) return;
        await this.#haltDown();
        if (this.#exits.length > 0) continue;
        if (!(await this.#waitForDelay())) continue;
        await this.#startDown();
      } while (this.#host.isUp());
    } finally {
      this.#isRunning = false;
    }
  }

  #takeExits(): void {
    const children = this.#host.children();
    for (const { child, generation, reason } of this.#exits.splice(0)) {
      // A sibling's restart may have taken it along already.
      const isStale = child.cell.isUp || child.cell.generation !== generation || !child.isWanted;
      if (isStale || !this.#host.spend(child, reason)) continue;
      const from = this.#restartsAll ? 0 : children.indexOf(child);
      for (const member of children.slice(from)) this.#down.add(member);
    }
    if (!this.#host.isUp()) this.#down.clear();
  }

  /** Those of the group that are still there, in the order of their starts. */
  #members(): Child[] {
    return this.#host.children().filter((child) => this.#down.has(child));
  }

  async #haltDown(): Promise<void> {
    for (const child of this.#members().reverse()) {
      if (!child.cell.isUp && (child.isReviving || child.hasEnded)) continue;
      if (child.cell.spec.options.restart === "temporary") {
        await this.#host.remove(child);
        continue;
      }
      await child.cell.halt(false);
      // Unless somebody has stopped it by name meanwhile.
      if (child.isWanted) child.cell.show("restarting");
    }
  }

  async #waitForDelay(): Promise<boolean> {
    const host = this.#host;
    const delayMs = this.#backoff.nextDelayMs(host.nowMs());
    const from = this.#members()[0]?.cell.id;
    host.log.warn({ from, delayMs: Math.round(delayMs) }, "restarting a group");
    this.#wait = host.wait(delayMs);
    const hasElapsed = await this.#wait.elapsed;
    this.#wait = undefined;
    return hasElapsed;
  }

  async #startDown(): Promise<void> {
    for (const child of this.#members()) {
      const isLeftOut = child.isReviving || !child.isWanted || child.cell.isUp;
      if (isLeftOut) continue;
      child.cell.countRestart();
      try {
        await this.#host.start(child);
      } catch (thrown) {
        if (!this.#host.isUp()) return;
        if (!child.isWanted) continue;
        // The exit of a start that failed: the next pass spends, halts and tries again.
        const reason: ExitReason = { kind: "error", error: toError(thrown) };
        this.#exits.push({ child, generation: child.cell.generation, reason });
        return;
      }
      if (!this.#host.isUp()) return;
    }
    this.#down.clear();
    this.ready();
  }
}
