/** What Control answers to VITALS: every process of the master, and what tasks know that the database does not. */
import type { Vitals } from "../../../protocol/links/tasks/control.ts";
import type { ToFileJuggler } from "../../../protocol/links/tasks/file-juggler.ts";
import type { ToSlaveDriver } from "../../../protocol/links/tasks/slave-driver.ts";
import type { ActorRef } from "../../../supervisor/index.ts";
import type { MasterPart } from "../part.ts";

export interface VitalsMeans {
  readonly parts: readonly MasterPart[];
  readonly slaveDriver: ActorRef<ToSlaveDriver>;
  readonly fileJuggler: ActorRef<ToFileJuggler>;
}

/** Within what a scrape waits. */
const PATIENCE = { timeoutMs: 1_500 };

/** Whoever does not answer is left out. */
export async function vitals({ parts, slaveDriver, fileJuggler }: VitalsMeans): Promise<Vitals> {
  const [answers, whereabouts, disk] = await Promise.all([
    Promise.allSettled(parts.map((part) => part.vitals())),
    slaveDriver.ask("WHEREABOUTS", undefined, PATIENCE).catch(() => null),
    fileJuggler.ask("ROOM", undefined, PATIENCE).catch(() => null),
  ]);
  const told = answers.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const silent = answers.flatMap(({ status }, at) =>
    status === "rejected" ? [parts[at]?.name ?? ""] : [],
  );
  // A process that runs several parts was asked for each of them.
  const processes = [...new Map(told.map((each) => [each.process, each])).values()];
  const slaves = whereabouts?.slaves.map(({ id, state }) => ({ id, state })) ?? null;
  return { processes, silent, slaves, disk };
}
