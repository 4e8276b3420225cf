/** An actor that does, seeded, whatever an actor may do wrong, and keeps books about it. */
import {
  type ActorContext,
  type ActorDefinition,
  defineActor,
  type Overflow,
  type PauseKind,
  Refusal,
  type Terminated,
} from "../../../supervisor/index.ts";
import type { Books, Life } from "./books.ts";

export type Deed =
  | "note"
  | "slow"
  | "throw"
  | "reject"
  | "refuse"
  | "exit"
  | "hang"
  | "defer"
  | "settle"
  | "tell"
  | "ask"
  | "watch"
  | "unwatch"
  | "run"
  | "timers";

export interface Order {
  readonly number: number;
  readonly deed: Deed;
  /** Whom the deed concerns. */
  readonly whom: string;
}

export interface ChaosMessages {
  DO(order: Order): string | undefined;
  /** The same on the control lane. */
  URGENT(order: Order): string | undefined;
  TICK(): void;
  ENDED(news: Terminated): void;
}

interface State {
  readonly books: Books;
  readonly life: Life;
  readonly isWanted: boolean;
  readonly deferred: { resolve(value: string): void }[];
  readonly watched: Set<string>;
}

export const startMs = 200;
export const shutdownMs = 100;
const handlerTimeoutMs = 400;
/** Of the one timer that every living incarnation has. */
export const tickMs = 4_000;

export function chaosActor(
  pause: PauseKind,
  overflow: Overflow,
): ActorDefinition<ChaosMessages, Books> {
  return defineActor<ChaosMessages, Books, State>({
    name: `does wrong what it can (${pause}, ${overflow})`,
    pause,
    mailbox: { bound: 12, overflow },
    control: ["URGENT"],
    handlerTimeoutMs,
    async init(ctx, books) {
      const { path } = ctx;
      if (books.isRough && books.chance(path, 0.3)) await books.sleep(books.random(path)() * 30);
      if (books.isRough && books.chance(path, 0.05)) throw new Error("init fails");
      if (books.isRough && books.chance(path, 0.01)) await books.sleep(2 * startMs);
      ctx.every(tickMs, "TICK");
      const isWanted = !ctx.signal.aborted;
      const life = books.begins(path, ctx.incarnation, isWanted);
      const state: State = { books, life, isWanted, deferred: [], watched: new Set() };
      books.states.push(new WeakRef(state));
      return state;
    },
    handle: {
      DO: (state, order, ctx) => handle(state, order, ctx),
      URGENT: (state, order, ctx) => handle(state, order, ctx),
      TICK() {},
      ENDED({ books, watched }, { path }, ctx) {
        books.count("Terminated");
        if (!watched.delete(path)) books.wrongs.push(`${ctx.path}: told twice of ${path}`);
      },
    },
    async stop({ books, life, isWanted }, _reason, { path }) {
      books.ends(life, isWanted);
      if (books.isRough && books.chance(path, 0.2)) await books.sleep(books.random(path)() * 20);
      if (books.isRough && books.chance(path, 0.01)) await books.sleep(3 * shutdownMs);
      if (books.chance(path, 0.02)) throw new Error("stop fails");
    },
  });
}

async function handle(
  state: State,
  order: Order,
  ctx: ActorContext<ChaosMessages>,
): Promise<string | undefined> {
  const { books } = state;
  books.handles(ctx.path, order.number);
  books.enter(ctx.path);
  let isInside = true;
  const leave = () => {
    if (isInside) books.leave(ctx.path);
    isInside = false;
  };
  try {
    // What never settles is fenced, and may then be beside its successor.
    if (order.deed === "hang") {
      leave();
      return await new Promise(() => undefined);
    }
    return (await doIt(state, order, ctx)) as string | undefined;
  } finally {
    leave();
  }
}

async function doIt(
  { books, deferred, watched }: State,
  { deed, whom }: Order,
  ctx: ActorContext<ChaosMessages>,
): Promise<unknown> {
  const other = ctx.ref<ChaosMessages>(whom);
  const note = (): Order => ({ number: books.send(whom), deed: "note", whom });
  switch (deed) {
    case "note":
    case "hang":
      return "noted";
    case "slow":
      await books.sleep(books.random(ctx.path)() * 60);
      return "done slowly";
    case "throw":
      throw new Error("a handler throws");
    case "reject":
      return Promise.reject(new Error("a handler rejects"));
    case "refuse":
      throw new Refusal("not this", { code: "no" });
    case "exit":
      ctx.exit(books.chance(ctx.path, 0.5) ? "normal" : "shutdown");
      return "last words";
    case "settle":
      for (const reply of deferred.splice(0)) reply.resolve("later");
      return "settled";
    case "defer":
      deferred.push(ctx.defer<string>());
      // Not returned: the answer of the handler wins, and what is resolved later must do no harm.
      return "at once";
    case "tell":
      other.tell("DO", note());
      return "told";
    case "ask": {
      const answer = other.ask("DO", note(), { timeoutMs: 40, signal: ctx.signal });
      books.ask(answer);
      return await answer.catch(() => "no answer");
    }
    case "watch":
      ctx.watch(other, "ENDED");
      watched.add(whom);
      return "watching";
    case "unwatch":
      ctx.unwatch(other);
      watched.delete(whom);
      return "not watching";
    case "run":
      ctx.run(async (signal) => {
        await books.sleep(20);
        // Refused when its incarnation has ended meanwhile.
        other.tell("DO", note());
        if (!signal.aborted && books.isRough) throw new Error("background work fails");
      });
      return "running";
    case "timers":
      ctx.after(10, "TICK");
      ctx.every(10, "TICK").cancel();
      return "timers";
  }
}
