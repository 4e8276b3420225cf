/**
 * Control: what a monitor asks of the master. Orders and the tree need no other task of this process; a report
 * says what it can while database or Slave Driver are away, and that they are.
 */

import type { RequestResult } from "../../db/requests.ts";
import type { ControlAnswers, ControlQuestions } from "../../protocol/links/control.ts";
import type { ToBigBrother } from "../../protocol/links/tasks/big-brother.ts";
import type { ToControl, Vitals } from "../../protocol/links/tasks/control.ts";
import type { ToFileJuggler } from "../../protocol/links/tasks/file-juggler.ts";
import type { ToSlaveDriver } from "../../protocol/links/tasks/slave-driver.ts";
import type { FarmReport } from "../../protocol/model/status.ts";
import type { TaskNode } from "../../protocol/model/task-tree.ts";
import { type ActorContext, type ActorRef, defineActor, toError } from "../../supervisor/index.ts";
import type { DatabaseRef } from "./database.ts";
import type { EndpointMessages, PeerMessages } from "./endpoint.ts";
import { readLog } from "./log-desk.ts";
import { vitals } from "./metrics/vitals.ts";
import type { MasterPart } from "./part.ts";
import { listSlaves, steer } from "./steering.ts";

export interface ControlMessages extends ToControl, PeerMessages<ControlQuestions> {}

export interface ControlArgs {
  readonly link: ActorRef<EndpointMessages<ControlAnswers>>;
  readonly database: DatabaseRef;
  readonly slaveDriver: ActorRef<ToSlaveDriver>;
  readonly fileJuggler: ActorRef<ToFileJuggler>;
  readonly bigBrother: ActorRef<ToBigBrother>;
  /** Every process of the master, this one last: a QUIT reaches the others first. */
  readonly parts: readonly MasterPart[];
}

interface State {
  readonly args: ControlArgs;
  isCaughtUp: boolean;
}

type Reply = ((outcome: { value: unknown } | { error: string }) => void) | undefined;

export const control = defineActor<ControlMessages, ControlArgs, State>({
  name: "takes what monitors ask",
  async init(_ctx, args) {
    await args.link.ask("ATTACH");
    return { args, isCaughtUp: false };
  },
  handle: {
    PEER_OPENED: () => undefined,
    PEER_CLOSED: () => undefined,
    VITALS({ args }, _body, ctx) {
      const reply = ctx.defer<Vitals>();
      ctx.run(async () => reply.resolve(await vitals(args)));
      return reply;
    },
    FOLLOWING(state, { isCaughtUp }) {
      state.isCaughtUp = isCaughtUp;
    },
    PEER_MESSAGE(state, { message, reply }, ctx) {
      const { parts } = state.args;
      switch (message.type) {
        case "PAUSE": {
          const { task } = message.body;
          answer(ctx, reply, () => order(parts, (part) => part.pause(task)));
          return;
        }
        case "RESUME": {
          const { task } = message.body;
          answer(ctx, reply, () => order(parts, (part) => part.resume(task)));
          return;
        }
        case "QUIT_TASK": {
          const { task } = message.body;
          answer(ctx, reply, () => order(parts, (part) => part.quitTask(task)));
          return;
        }
        case "QUIT":
          ctx.log.info("a monitor asked the master to quit");
          reply?.({ value: {} });
          ctx.run(() => quit(parts, ctx));
          return;
        case "TREE":
          answer(ctx, reply, async () => {
            const { found, silent } = await askAll(parts, (part) => part.tree());
            return { tasks: eachOnce(found), silent };
          });
          return;
        case "REPORT":
          answer(ctx, reply, () => report(state));
          return;
        case "HELLO": {
          const { bigBrother } = state.args;
          answer(ctx, reply, () => bigBrother.ask("EVERYTHING", undefined, ANSWER_OPTIONS));
          return;
        }
        case "HISTORY": {
          const question = message.body;
          answer(ctx, reply, () => state.args.database.ask("historyOf", question, ANSWER_OPTIONS));
          return;
        }
        case "EXPLAIN": {
          const asked = message.body;
          answer(ctx, reply, () => state.args.database.ask("explainQueue", asked, ANSWER_OPTIONS));
          return;
        }
        case "LOG": {
          const asked = message.body;
          answer(ctx, reply, () => readLog(state.args, asked));
          return;
        }
        case "SLAVES":
          answer(ctx, reply, async () => ({ slaves: await listSlaves(state.args) }));
          return;
        case "STEER": {
          const { slaves, action } = message.body;
          answer(ctx, reply, async () => ({ slaves: await steer(state.args, slaves, action) }));
          return;
        }
      }
    },
  },
});

/** In the background, so that one slow part or database holds up no other question. */
function answer(
  ctx: ActorContext<ControlMessages>,
  reply: Reply,
  work: () => Promise<unknown>,
): void {
  ctx.run(async () => {
    try {
      reply?.({ value: await work() });
    } catch (error) {
      reply?.({ error: toError(error).message });
    }
  });
}

async function order(
  parts: readonly MasterPart[],
  say: (part: MasterPart) => Promise<readonly string[]>,
): Promise<{ tasks: string[]; silent: string[] }> {
  const { found, silent } = await askAll(parts, say);
  return { tasks: [...new Set(found)], silent };
}

/** What all parts answer, and the names of those that did not. */
async function askAll<T>(
  parts: readonly MasterPart[],
  ask: (part: MasterPart) => Promise<readonly T[]>,
): Promise<{ found: T[]; silent: string[] }> {
  const answers = await Promise.allSettled(parts.map(ask));
  const found: T[] = [];
  const silent: string[] = [];
  for (const [at, settled] of answers.entries()) {
    if (settled.status === "fulfilled") found.push(...settled.value);
    else silent.push(parts[at]?.name ?? "");
  }
  return { found, silent };
}

async function quit(
  parts: readonly MasterPart[],
  ctx: ActorContext<ControlMessages>,
): Promise<void> {
  const others = parts.slice(0, -1).map(async (part) => {
    try {
      await part.quit();
    } catch (error) {
      ctx.log.warn({ err: error, part: part.name }, "a part could not be told to quit");
    }
  });
  await Promise.all(others);
  await parts.at(-1)?.quit();
}

/** A process that runs several parts was asked for each of them. */
function eachOnce(nodes: readonly TaskNode[]): TaskNode[] {
  return [...new Map(nodes.map((node) => [`${node.part}:${node.path}`, node])).values()];
}

/** Less than the tools wait for an answer. */
const ANSWER_OPTIONS = { timeoutMs: 4_000 };

/** Whatever is away: the tree is always there to say so. */
async function report({ args, isCaughtUp }: State): Promise<FarmReport> {
  const [slaves, queue, asleep, tree] = await Promise.all([
    settled("the Slave Driver", args.slaveDriver.ask("COUNT", undefined, ANSWER_OPTIONS)),
    settled("the database", args.database.ask("queueReport", null, ANSWER_OPTIONS)),
    settled("the database", args.database.ask("sleepingSlaves", null, ANSWER_OPTIONS)),
    askAll(args.parts, (part) => part.tree()),
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
