/**
 * What comes before an orderly end of the master: no build is given out any more, nothing more is taken from slaves, and
 * the builds whose files are on their way are waited for, for a while. What is not done by then goes on where it stopped when a
 * master is back. Called by Control for QUIT, and by the process that has the Slave Driver when a signal stops it.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ToArchitect } from "../../protocol/links/tasks/architect.ts";
import type { ToSlaveDriver } from "../../protocol/links/tasks/slave-driver.ts";
import { type ActorRef, AskError, type Logger } from "../../supervisor/index.ts";

export interface Drained {
  readonly architect: ActorRef<ToArchitect>;
  readonly slaveDriver: ActorRef<ToSlaveDriver>;
  /** So long the transfers in hand are waited for. */
  readonly drainMs: number;
}

const LOOK_MS = 100;
const ANSWER_MS = 1_000;

/** Never rejects: the master is to stop. Said again and again, since a task that is restarted meanwhile has forgotten it. */
export async function drain(
  { architect, slaveDriver, drainMs }: Drained,
  log: Logger,
): Promise<void> {
  const startedAtMs = performance.now();
  const leftMs = () => drainMs - (performance.now() - startedAtMs);
  let isFirst = true;
  let wasNone = false;
  for (;;) {
    const options = { timeoutMs: Math.max(1, Math.min(ANSWER_MS, leftMs())) };
    const [, left] = await Promise.all([
      architect.ask("END_HANDOUTS", undefined, options).catch(() => undefined),
      slaveDriver.ask("DRAIN", undefined, options).catch(countOf),
    ]);
    // Once may be a Slave Driver that has just begun, and has not heard of its sessions yet.
    if (left === 0 && wasNone) return;
    wasNone = left === 0;
    if (leftMs() <= 0) {
      log.warn(
        { builds: left },
        "stops all the same: what is on its way goes on with the next master",
      );
      return;
    }
    if (isFirst && left !== 0)
      log.info({ builds: left }, "stops when the builds on their way are taken");
    isFirst &&= left === 0;
    await delay(LOOK_MS);
  }
}

/** Where there is no Slave Driver, nobody delivers. Undefined: it may be busy. */
const countOf = (error: unknown): 0 | undefined =>
  error instanceof AskError && error.code === "timeout" ? undefined : 0;
