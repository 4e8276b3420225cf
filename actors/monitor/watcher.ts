/**
 * The watcher: keeps the connections to the master, tells the screen what is known of the farm, carries its orders out
 * and reads the log that it shows. While the master is away it goes on trying, for ever.
 */
import type { FarmPicture } from "../../protocol/watching/farm-picture.ts";
import type { MasterWatcher, WatchOptions } from "../../protocol/watching/master-watcher.ts";
import type { Subject } from "../../protocol/watching/past-hour.ts";
import {
  type ActorContext,
  type ActorRef,
  defineActor,
  EndpointError,
  toError,
} from "../../supervisor/index.ts";
import { followLog } from "./log-follower.ts";
import type { ScreenMessages } from "./screen.ts";
import type { Interest } from "./state/monitor-state.ts";
import type { Order } from "./state/order.ts";
import { targetOf, viewOf } from "./state/picture-view.ts";

export interface WatcherMessages {
  /** What the screen shows now. */
  INTEREST(interest: Interest): void;
  ORDER(asked: { readonly id: number; readonly order: Order }): void;
  /** The farm is not as it was told last. */
  CHANGED(): void;
}

export interface WatcherArgs {
  /** Connects. @throws EndpointConfigError */
  readonly watch: (options: Pick<WatchOptions, "onChange" | "log" | "paceMs">) => MasterWatcher;
  readonly screen: ActorRef<ScreenMessages>;
  /** Who gives the orders, such as `alice@host piw-monitor`. */
  readonly by: string;
}

interface Watching {
  readonly args: WatcherArgs;
  readonly master: MasterWatcher;
  interest: Interest;
  /** Whose last hour is kept for the screen, beside farm and master. */
  followed: readonly Subject[];
  log: AbortController | undefined;
}

/** The screen is told of changes so often at most. */
const PACE_MS = 250;
/** How often the tree is asked for: while it is looked at, and for the state of the master alone. */
const TREE_MS = 2_000;
const FAR_TREE_MS = 10_000;
/** For an order: slaves may have to be reached. */
const ORDER_MS = 15_000;

type Context = ActorContext<WatcherMessages>;

export const watcher = defineActor<WatcherMessages, WatcherArgs, Watching>({
  name: "watches the master",
  init(ctx, args) {
    const master = args.watch({
      log: ctx.log,
      paceMs: PACE_MS,
      onChange: ctx.bind(() => {
        ctx.self.tell("CHANGED");
      }),
    });
    master.lookAtTree(FAR_TREE_MS);
    // One that was started again does not know what the screen shows.
    args.screen.tell("WATCHED");
    const interest: Interest = { subject: "master", tree: false, log: null };
    return { args, master, interest, followed: [], log: undefined };
  },
  handle: {
    INTEREST(state, interest, ctx) {
      const before = state.interest;
      state.interest = interest;
      state.master.lookAtTree(interest.tree ? TREE_MS : FAR_TREE_MS);
      if (before.log?.token !== interest.log?.token) followThis(state, ctx);
      tellAll(state);
    },
    ORDER(state, { id, order }, ctx) {
      // Beside the mailbox: it may take as long as slaves take to be reached.
      ctx.run(async () => {
        const outcome = await carryOut(state, order);
        state.args.screen.tell("EVENT", { kind: "answered", id, ...outcome });
      });
    },
    CHANGED: tellAll,
  },
  async stop({ master, log }) {
    log?.abort();
    await master.close();
  },
});

function tellAll(state: Watching): void {
  const { picture } = state.master;
  followPasts(state, picture);
  state.args.screen.tell("FARM", viewOf(picture, state.interest.subject));
}

/** The last hour of the selected slave and of its target. */
function followPasts(state: Watching, picture: FarmPicture): void {
  const { subject } = state.interest;
  const target = subject === "master" ? undefined : targetOf(picture, subject);
  const wanted: Subject[] = [
    ...(subject === "master" ? [] : [{ kind: "slave" as const, id: subject }]),
    ...(target === undefined ? [] : [{ kind: "target" as const, id: target.id }]),
  ];
  const isSame = (a: Subject, b: Subject) => a.kind === b.kind && a.id === b.id;
  for (const one of state.followed)
    if (!wanted.some((other) => isSame(one, other))) state.master.unfollow(one);
  for (const one of wanted)
    if (!state.followed.some((other) => isSame(one, other))) state.master.follow(one);
  state.followed = wanted;
}

function followThis(state: Watching, ctx: Context): void {
  state.log?.abort();
  state.log = undefined;
  const { log } = state.interest;
  if (log === null) return;
  const { screen } = state.args;
  const { token, title } = log;
  const controller = new AbortController();
  state.log = controller;
  screen.tell("EVENT", { kind: "log-begins", token, title });
  ctx.run(() =>
    followLog(state.master.ask, token, controller.signal, (news) => {
      if (!controller.signal.aborted) screen.tell("EVENT", { kind: "log-goes-on", token, ...news });
    }),
  );
}

async function carryOut(
  { master, args }: Watching,
  order: Order,
): Promise<{ readonly isDone: boolean | null; readonly text: string }> {
  try {
    const { isDone, outcome } = await askFor(master, order, args.by);
    return { isDone, text: outcome };
  } catch (error) {
    const { message } = toError(error);
    if (!(error instanceof EndpointError)) return { isDone: null, text: message };
    switch (error.code) {
      case "refused":
        return { isDone: false, text: message };
      case "timeout":
        return { isDone: null, text: `within ${ORDER_MS / 1_000} s: it may still be done` };
      case "gone":
      case "closed":
        return { isDone: null, text: "the master went away: it may have been done" };
    }
  }
}

function askFor({ ask }: MasterWatcher, order: Order, by: string) {
  switch (order.type) {
    case "PAUSE":
    case "RESUME":
    case "QUIT_TASK":
      return ask(order.type, { task: order.task, by }, ORDER_MS);
    case "QUIT":
      return ask("QUIT", { by }, ORDER_MS);
    case "LOG_LEVEL":
      return ask("LOG_LEVEL", { task: order.task, level: order.level, by }, ORDER_MS);
    case "STEER": {
      const slaves = order.whom === "all" ? { label: "*" } : { id: order.whom.id };
      return ask("STEER", { slaves, action: order.action, by }, ORDER_MS);
    }
  }
}
