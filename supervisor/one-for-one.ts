/** Restarts the child that ended and no other. Children wait out their delays independently. */
import { type ExitReason, toError } from "./exit-reason.ts";
import type { Child, RestartHost, RestartStrategy } from "./supervised-child.ts";

export class OneForOne implements RestartStrategy {
  readonly isBusy = false;
  readonly #host: RestartHost;

  constructor(host: RestartHost) {
    this.#host = host;
  }

  /** Each child's health is counted for itself. */
  ready(): void {}

  exited(child: Child, reason: ExitReason): void {
    void this.#restart(child, reason);
  }

  async #restart(child: Child, firstReason: ExitReason): Promise<void> {
    const host = this.#host;
    // Somebody may stop the child and start it again by name while this one waits.
    let { generation } = child.cell;
    const isOff = () => !host.isUp() || !child.isWanted || child.cell.generation !== generation;
    let reason = firstReason;
    while (host.spend(child, reason)) {
      child.cell.show("restarting");
      const delayMs = child.backoff.nextDelayMs(host.nowMs());
      host.log.warn({ child: child.cell.id, delayMs: Math.round(delayMs) }, "restarting");
      if (!(await host.wait(delayMs).elapsed) || isOff()) return;
      child.cell.countRestart();
      generation += 1;
      try {
        await host.start(child);
        return;
      } catch (thrown) {
        if (isOff()) return;
        reason = { kind: "error", error: toError(thrown) };
      }
    }
  }
}
