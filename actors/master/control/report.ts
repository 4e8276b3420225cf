/** The farm's report, as Control answers REPORT: whatever is away, the tree is always there to say so. */
import type { RequestResult } from "../../../db/requests.ts";
import type { ToSlaveDriver } from "../../../protocol/links/tasks/slave-driver.ts";
import type { FarmReport } from "../../../protocol/model/status.ts";
import type { TaskNode } from "../../../protocol/model/task-tree.ts";
import { type ActorRef, toError } from "../../../supervisor/index.ts";
import type { DatabaseRef } from "../database.ts";
import type { MasterPart } from "../part.ts";
import { askAll, eachOnce } from "./ask-parts.ts";

export interface ReportSources {
  readonly database: DatabaseRef;
  readonly slaveDriver: ActorRef<ToSlaveDriver>;
  readonly parts: readonly MasterPart[];
}

/** Less than the tools wait for an answer. */
const ANSWER_OPTIONS = { timeoutMs: 4_000 };

export async function report(args: ReportSources, isCaughtUp: boolean): Promise<FarmReport> {
  const [slaves, queue, asleep, tree] = await Promise.all([
    settled("the Slave Driver", args.slaveDriver.ask("COUNT", undefined, ANSWER_OPTIONS)),
    settled("the database", args.database.ask("queueReport", null, ANSWER_OPTIONS)),
    settled("the database", args.database.ask("sleepingSlaves", null, ANSWER_OPTIONS)),
    askAll(args.parts, (part) => part.tree(false)),
  ]);
  const away = [slaves, queue, asleep].flatMap((one) => ("away" in one ? [one.away] : []));
  const { unread, ...rest } = "value" in queue ? queue.value : NOTHING_KNOWN;
  const nodes = eachOnce(tree.found);
  const silent = tree.silent.map((name) => `the part ${name} of the master does not answer`);
  return {
    ...rest,
    isComplete: away.length === 0,
    followed: away.length === 0 && isCaughtUp && unread === 0,
    refused: nodes.flatMap(refusalsOf),
    slaves: "value" in slaves ? slaves.value : 0,
    troubles: [
      ...new Set(away),
      ...silent,
      ...("value" in asleep ? asleep.value.map(sleeperLine) : []),
      ...nodes.flatMap(troubleOf),
    ],
  };
}

const refusalsOf = ({ path, refused = {} }: TaskNode): FarmReport["refused"] =>
  Object.entries(refused).map(([why, count]) => ({ task: path.slice(1), why, count }));

/** What the database would say, where it does not. */
const NOTHING_KNOWN: RequestResult<"queueReport"> = {
  ...{ ready: 0, leased: 0, waiting: 0, blocked: 0, unpublished: 0, unread: 0 },
  unsatisfied: [],
  rows: [],
};

async function settled<T>(
  who: string,
  answered: Promise<T>,
): Promise<{ readonly value: T } | { readonly away: string }> {
  try {
    return { value: await answered };
  } catch (error) {
    return { away: `${who} does not answer: ${toError(error).message}` };
  }
}

/** A slave that gets no builds, and what a person may do about it. */
function sleeperLine({ label, by, why, trials }: RequestResult<"sleepingSlaves">[number]): string {
  const tried =
    trials === 0 ? "" : `; ${trials} trial build${trials === 1 ? "" : "s"} failed since`;
  const asleep = by === "person" ? why : `was put to sleep: ${why}${tried}`;
  return `slave ${label} ${asleep} (piw slaves wake ${label} to give it builds again)`;
}

/** A task that is without something that it needs, or that has failed. */
function troubleOf({ path, state, degraded }: TaskNode): string[] {
  const id = path.slice(path.lastIndexOf("/") + 1);
  if (degraded !== undefined) return [`${id}: ${degraded.reason}`];
  return state === "failed" ? [`${id}: has failed and will be revived`] : [];
}
