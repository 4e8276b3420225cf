/**
 * Delayed restart: what happens to a child with `revive` once its budget is spent. It is `failed`, with
 * an alarm in the log, and started again by itself after growing delays, for as long as its supervisor lives.
 */
import { describeExit, type ExitReason, toError } from "./exit-reason.ts";
import type { Child, RestartHost } from "./supervised-child.ts";

export class DelayedRestart {
  readonly #host: RestartHost;
  /** Whether siblings that the child may need are down just now. */
  readonly #isGroupDown: () => boolean;

  constructor(host: RestartHost, isGroupDown: () => boolean) {
    this.#host = host;
    this.#isGroupDown = isGroupDown;
  }

  /** The child is down and stays so for a while: to everybody else it has ended for good. */
  fail(child: Child, reason: ExitReason): void {
    child.isReviving = true;
    void this.#revive(child, reason);
  }

  async #revive(child: Child, firstReason: ExitReason): Promise<void> {
    const { cell, revival, budget } = child;
    const host = this.#host;
    // Somebody may stop the child and start it again by name while this one waits.
    let { generation } = cell;
    const isOff = () => host.isOver() || !child.isWanted || cell.generation !== generation;
    let reason = firstReason;
    while (revival) {
      cell.finish(reason);
      cell.show("failed");
      const delayMs = Math.round(revival.nextDelayMs(host.nowMs()));
      const fields = { alarm: true, child: cell.id, reason: describeExit(reason), delayMs };
      host.log.error(fields, "failed; will be revived");
      if (!(await host.wait(delayMs).elapsed) || isOff()) return;
      if (this.#isGroupDown()) continue;
      cell.countRestart();
      cell.show("restarting");
      generation += 1;
      try {
        await host.start(child);
        child.isReviving = false;
        budget?.clear();
        revival.ready(host.nowMs());
        host.log.info({ child: cell.id }, "revived");
        return;
      } catch (thrown) {
        if (isOff()) return;
        reason = { kind: "error", error: toError(thrown) };
      }
    }
  }
}
