/**
 * The farm as the dashboard is given it (web/dashboard/contract.ts): the picture of a watcher, and its questions and orders
 * as those of the control link.
 */
import type { HistoryPoint } from "../../protocol/model/statistics.ts";
import type { FarmPicture } from "../../protocol/watching/farm-picture.ts";
import type { MasterWatcher } from "../../protocol/watching/master-watcher.ts";
import type { Farm, HistoryAsked, Picture } from "../../web/dashboard/contract.ts";
import type { Order, OrderOutcome } from "../../web/dashboard/orders.ts";
import { noteOf } from "./dashboard-notes.ts";

const ANSWER_MS = 10_000;
/** Orders reach all processes and slaves. Less than a mount waits for its answer. */
const ORDER_MS = 20_000;
/** Beyond the time that an answer waits for there to be more of a log. */
const LOG_MS = 8_000;
/** Pages of the history for one plot. */
const MOST_PAGES = 5;

/** Of all readers together: they share the master's database with the builds. Orders are not counted, nor logs, whose streams are. */
const MOST_QUESTIONS = 32;

export function farmOf(watcher: MasterWatcher): Farm {
  const { picture: seen } = watcher;
  let inHand = 0;
  const ask: MasterWatcher["ask"] = async (type, body, timeoutMs) => {
    if (inHand >= MOST_QUESTIONS)
      throw new Error("too much is asked of the farm just now: try again");
    inHand += 1;
    try {
      return await watcher.ask(type, body, timeoutMs);
    } finally {
      inHand -= 1;
    }
  };
  let made: { readonly revision: number; readonly picture: Picture } | undefined;
  return {
    get picture() {
      if (made?.revision !== seen.revision)
        made = { revision: seen.revision, picture: pictureOf(seen) };
      return made.picture;
    },
    lookAtTree: (everyMs) => watcher.lookAtTree(everyMs),
    readHistory: (asked) => readHistory(ask, asked),
    readLog: (token, position, waitMs) =>
      watcher.ask("LOG", { token, slave: null, position, waitMs }, waitMs + LOG_MS),
    explain: (name) => ask("EXPLAIN", { package: name, version: null }, ANSWER_MS),
    readOrders: async (limit) => (await ask("ORDERS", { limit, before: null }, ANSWER_MS)).orders,
    order: (order, by) => give(watcher, order, by),
  };
}

function pictureOf(seen: FarmPicture): Picture {
  const { state, sinceAt, why } = seen.connection;
  return {
    connection: { isHere: state === "here", sinceAt, why },
    figures: seen.figures,
    slaves: seen.slaves(),
    ended: seen.ended(),
    notes: seen
      .events()
      .reverse()
      .flatMap((event) => noteOf(event) ?? []),
    tree: seen.tree,
  };
}

async function readHistory(
  ask: MasterWatcher["ask"],
  { kind, subject, stepS, fromAt }: HistoryAsked,
): Promise<readonly HistoryPoint[]> {
  const found: HistoryPoint[] = [];
  let after = { at: fromAt - 1, subject: 0 };
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { points, isMore } = await ask("HISTORY", { kind, subject, stepS, after }, ANSWER_MS);
    found.push(...points);
    const last = points.at(-1);
    if (!isMore || last === undefined) break;
    after = { at: last.at, subject: last.subject };
  }
  return found;
}

async function give({ ask }: MasterWatcher, order: Order, by: string): Promise<OrderOutcome> {
  switch (order.what) {
    case "steer": {
      const { slaves, action } = order;
      const { isDone, outcome } = await ask("STEER", { slaves, action, by }, ORDER_MS);
      return { isDone, text: outcome };
    }
    case "pause":
      return outcomeOf(await ask("PAUSE", { task: order.task, by }, ORDER_MS));
    case "resume":
      return outcomeOf(await ask("RESUME", { task: order.task, by }, ORDER_MS));
    case "quit-task":
      return outcomeOf(await ask("QUIT_TASK", { task: order.task, by }, ORDER_MS));
    case "quit":
      return outcomeOf(await ask("QUIT", { by }, ORDER_MS));
    case "log-level": {
      const { task, level } = order;
      return outcomeOf(await ask("LOG_LEVEL", { task, level, by }, ORDER_MS));
    }
  }
}

const outcomeOf = (obeyed: {
  readonly isDone: boolean;
  readonly outcome: string;
}): OrderOutcome => ({ isDone: obeyed.isDone, text: obeyed.outcome });
