/**
 * Control: what monitors and tools ask of the master. Orders and the tree need no other task of this process; a report
 * says what it can while database or Slave Driver are away, and that they are. Each order is kept (`control/order-book.ts`).
 */

import type { ControlAnswers, ControlQuestions } from "../../protocol/links/control.ts";
import type { ToBigBrother } from "../../protocol/links/tasks/big-brother.ts";
import type { ToControl, Vitals } from "../../protocol/links/tasks/control.ts";
import type { ToFileJuggler } from "../../protocol/links/tasks/file-juggler.ts";
import type { ToStatus } from "../../protocol/links/tasks/status.ts";
import {
  type ActorContext,
  type ActorRef,
  defineActor,
  type Peer,
  toError,
} from "../../supervisor/index.ts";
import { askAll, eachOnce } from "./control/ask-parts.ts";
import { Guests } from "./control/guests.ts";
import { OrderBook } from "./control/order-book.ts";
import { carryOut, type GivenOrder, isGiven, whatOf } from "./control/orders.ts";
import { report } from "./control/report.ts";
import type { DatabaseRef } from "./database.ts";
import { type Drained, drain } from "./drain.ts";
import type { EndpointMessages, PeerMessages } from "./endpoint.ts";
import { readLog } from "./log-desk.ts";
import { vitals } from "./metrics/vitals.ts";
import type { Caller } from "./monitor-door.ts";
import type { MasterPart } from "./part.ts";
import type { TaskRefusals } from "./refusals.ts";
import { listSlaves } from "./steering.ts";

export interface ControlMessages extends ToControl, PeerMessages<ControlQuestions> {}

export interface ControlArgs extends Drained {
  readonly link: ActorRef<EndpointMessages<ControlAnswers>>;
  readonly database: DatabaseRef;
  readonly fileJuggler: ActorRef<ToFileJuggler>;
  readonly bigBrother: ActorRef<ToBigBrother>;
  readonly status: ActorRef<ToStatus>;
  /** What the peer of an identity may. */
  readonly callerOf: (identity: string) => Caller;
  readonly refusals: TaskRefusals;
  /** Every process of the master, this one last: a QUIT reaches the others first. */
  readonly parts: readonly MasterPart[];
}

interface State {
  readonly args: ControlArgs;
  readonly book: OrderBook;
  readonly guests: Guests;
  isCaughtUp: boolean;
}

type Reply = ((outcome: { value: unknown } | { error: string }) => void) | undefined;

export const control = defineActor<ControlMessages, ControlArgs, State>({
  name: "takes what monitors ask",
  async init(ctx, args) {
    await args.link.ask("ATTACH");
    const book = new OrderBook(args.database, args.status, ctx.log);
    return { args, book, guests: new Guests(), isCaughtUp: false };
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
    PEER_MESSAGE(state, { peer, message, reply: answerTo }, ctx) {
      const { callerOf, parts, refusals } = state.args;
      const caller = callerOf(peer.identity);
      if (isGiven(message)) {
        if (caller.right === "control") obey(state, message, caller, answerTo, ctx);
        else refuse(state, message, caller, peer, answerTo);
        return;
      }
      // Said without wanting an answer, a question is nothing.
      if (answerTo === undefined) return;
      if (caller.right === "none") {
        refusals.count("question of a revoked key");
        answerTo({ error: `${caller.via} may ask nothing` });
        return;
      }
      const reply = caller.right === "control" ? answerTo : asGuest(state, peer, answerTo);
      if (reply === undefined) return;
      switch (message.type) {
        case "TREE": {
          const { sessions } = message.body;
          answer(ctx, reply, async () => {
            const { found, silent } = await askAll(parts, (part) => part.tree(sessions));
            return { tasks: eachOnce(found), silent };
          });
          return;
        }
        case "REPORT":
          answer(ctx, reply, () => report(state.args, state.isCaughtUp));
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
          answer(ctx, reply, () => listSlaves(state.args));
          return;
        case "ENDED": {
          const question = message.body;
          answer(ctx, reply, async () => ({
            builds: await state.args.database.ask("endedBuilds", question, ANSWER_OPTIONS),
          }));
          return;
        }
        case "ORDERS": {
          const question = message.body;
          answer(ctx, reply, async () => {
            await state.book.settled();
            return {
              orders: await state.args.database.ask("listOrders", question, ANSWER_OPTIONS),
            };
          });
          return;
        }
        case "LOG_LEVELS":
          answer(ctx, reply, async () => {
            const { found, silent } = await askAll(parts, async (part) => [await part.logLevels()]);
            // A process that runs several parts was asked for each of them.
            return { parts: [...new Map(found.map((one) => [one.part, one])).values()], silent };
          });
          return;
      }
    },
  },
});

/** An order that fails, such as one that needs the database while that is away, is kept too. */
function obey(
  state: State,
  order: GivenOrder,
  { via }: Caller,
  reply: Reply,
  ctx: ActorContext<ControlMessages>,
): void {
  const { args, book } = state;
  const given = { at: Date.now(), by: order.body.by, via, what: whatOf(order) };
  ctx.run(async () => {
    try {
      const answer = await carryOut(order, args);
      book.note({ ...given, isDone: answer.isDone, outcome: answer.outcome });
      reply?.({ value: answer });
    } catch (error) {
      const { message } = toError(error);
      book.note({ ...given, isDone: false, outcome: message.slice(0, 1_000) });
      reply?.({ error: message });
      return;
    }
    if (order.type === "QUIT") await quit(args, book, ctx);
  });
}

/** Nothing happens; it is counted, and noted unless the same key does so again and again. */
function refuse(
  { args, book, guests }: State,
  order: GivenOrder,
  { via, right }: Caller,
  { identity }: Peer,
  reply: Reply,
): void {
  const may = right === "watch" ? "may watch, and give no orders" : "may give no orders";
  const outcome = `refused: ${via} ${may} (on the master: piw monitor-key add NAME KEY --right control)`;
  args.refusals.count("order without the right to control");
  if (guests.isWorthNoting(identity))
    book.note({
      ...{ at: Date.now(), by: order.body.by, via, what: whatOf(order) },
      ...{ isDone: false, outcome },
    });
  reply?.({ error: outcome });
}

/** One who may only watch may have so many answers in the making; undefined: too many. */
function asGuest({ args, guests }: State, { identity }: Peer, reply: NonNullable<Reply>): Reply {
  if (!guests.begins(identity)) {
    args.refusals.count("too many questions at once");
    reply({ error: "too many questions at once: wait for an answer" });
    return undefined;
  }
  return (outcome) => {
    guests.ends(identity);
    reply(outcome);
  };
}

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

/** First what is on its way, while all parts are there for it; then the other parts, then this one. */
async function quit(
  args: ControlArgs,
  book: OrderBook,
  ctx: ActorContext<ControlMessages>,
): Promise<void> {
  await Promise.all([drain(args, ctx.log), book.settled()]);
  const { parts } = args;
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

/** Less than the tools wait for an answer. */
const ANSWER_OPTIONS = { timeoutMs: 4_000 };
