/**
 * What follows when a child ends by itself, during one life of its supervisor: it is restarted (alone or
 * with siblings), revived later, or left ended; beyond the budget the supervisor gives up. How restarts
 * run is in `one-for-one.ts` and `group-restart.ts`, how revivals do in `delayed-restart.ts`.
 */
import { Backoff } from "./backoff.ts";
import type { SupervisorSpec } from "./child-spec.ts";
import type { ChildTable } from "./child-table.ts";
import { DelayedRestart } from "./delayed-restart.ts";
import { describeExit, type ExitReason, isOrderly } from "./exit-reason.ts";
import { GroupRestart } from "./group-restart.ts";
import type { IntensityWindow } from "./intensity.ts";
import type { Logger } from "./logger.ts";
import { OneForOne } from "./one-for-one.ts";
import type { Runtime } from "./runtime.ts";
import {
  type Child,
  defaultBackoff,
  defaultIntensity,
  type RestartHost,
  type RestartStrategy,
} from "./supervised-child.ts";
import { SupervisionError } from "./supervision-error.ts";
import type { SupervisorLife, Wait } from "./supervisor-life.ts";

/** The supervisor whose children they are. */
export interface ExitHost {
  readonly runtime: Runtime;
  readonly path: string;
  readonly spec: SupervisorSpec;
  readonly log: Logger;
  readonly window: IntensityWindow;
  readonly children: ChildTable;
  /** Ends the supervisor by itself: with a cause when its budget is spent, without at autoShutdown. */
  giveUp(cause: Error | undefined): void;
}

interface Exit {
  readonly child: Child;
  readonly generation: number;
  readonly reason: ExitReason;
}

export class ChildExits implements RestartHost {
  readonly #host: ExitHost;
  readonly #life: SupervisorLife;
  readonly #strategy: RestartStrategy;
  readonly #delayed: DelayedRestart;
  /** Ends that came while later children were still starting; OTP's supervisor sees them then, too. */
  #early: Exit[] = [];

  constructor(host: ExitHost, life: SupervisorLife) {
    this.#host = host;
    this.#life = life;
    this.#strategy = this.#makeStrategy();
    this.#delayed = new DelayedRestart(this, () => this.#strategy.isBusy);
  }

  exited(child: Child, generation: number, reason: ExitReason): void {
    if (this.#life.isStarting) this.#early.push({ child, generation, reason });
    else this.#handle({ child, generation, reason });
  }

  /** All children are up: ends that came meanwhile have their turn. */
  ready(): void {
    this.#strategy.ready();
    for (const exit of this.#early.splice(0)) this.#handle(exit);
  }

  /** It is down and will be revived after a while. */
  delay(child: Child, reason: ExitReason): void {
    this.#delayed.fail(child, reason);
  }

  #handle({ child, generation, reason }: Exit): void {
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
    child.hasEnded = true;
    child.cell.finish(reason);
    if (!child.keepsSpec) this.#host.children.forget(child);
    if (!child.cell.spec.options.significant) return;
    const { autoShutdown = "never" } = this.#host.spec.options;
    const others = this.children().filter((c) => c.cell.spec.options.significant);
    const isLast = others.every((c) => c.hasEnded);
    if (autoShutdown === "any_significant" || (autoShutdown === "all_significant" && isLast)) {
      this.#host.giveUp(undefined);
    }
  }

  #makeStrategy(): RestartStrategy {
    const { spec, runtime, path } = this.#host;
    const { strategy = "one_for_one", backoff = defaultBackoff } = spec.options;
    if (strategy === "one_for_one") return new OneForOne(this);
    const delays = new Backoff(backoff, runtime.random(path));
    return new GroupRestart(this, strategy === "one_for_all", delays);
  }

  // ---- for the restart strategies -------------------------------------------------------------

  get log(): Logger {
    return this.#host.log;
  }

  isUp(): boolean {
    return this.#life.isUp;
  }

  isOver(): boolean {
    return this.#life.isOver;
  }

  children(): readonly Child[] {
    return this.#host.children.inOrder();
  }

  wait(delayMs: number): Wait {
    return this.#life.wait(delayMs);
  }

  nowMs(): number {
    return this.#host.runtime.clock.monotonicMs();
  }

  start(child: Child): Promise<void> {
    return this.#host.children.start(child);
  }

  async remove(child: Child): Promise<void> {
    await child.cell.halt(true);
    this.#host.children.forget(child);
  }

  spend(child: Child, reason: ExitReason): boolean {
    if (!this.#life.isUp) return false;
    const { window, spec, path } = this.#host;
    if ((child.budget ?? window).spend(this.nowMs())) return true;
    if (child.revival) {
      this.#delayed.fail(child, reason);
      return false;
    }
    const { restarts, withinMs } = spec.options.intensity ?? defaultIntensity;
    const last = `${child.cell.id}: ${describeExit(reason)}`;
    const message = `${path}: more than ${restarts} restarts within ${withinMs} ms; ${last}`;
    const options = reason.kind === "error" ? { cause: reason.error } : {};
    this.#host.giveUp(new SupervisionError("intensity", message, options));
    return false;
  }
}
