/** The real runtime beside the model: the same tree of small actors, and what can be seen of it. */
import {
  AskError,
  child,
  defineActor,
  type ExitReason,
  eachNode,
  IGNORE,
  SupervisionError,
  type System,
  silentLogger,
  startSystem,
  supervisor,
  type TellResult,
  type Terminated,
  VirtualClock,
} from "../../../supervisor/index.ts";
import type { Shown } from "./model-node.ts";
import { mailboxBound } from "./model-worker.ts";
import type { InitOutcome, Message } from "./model-world.ts";
import { type Plan, type SupervisorPlan, specOf } from "./plan.ts";

interface WorkerMessages {
  MESSAGE(message: Message): string | Promise<string>;
}

interface WatcherMessages {
  WATCH(path: string): void;
  ENDED(news: Terminated): void;
}

const endOf = (reason: ExitReason) =>
  reason.kind === "shutdown" && reason.cause ? "gave up" : reason.kind;

/** What the actors write down. */
class Records {
  readonly journal: string[] = [];
  readonly saw: string[] = [];
  readonly handled = new Map<string, number[]>();
  readonly answers = new Map<number, string>();
  readonly inits = new Map<string, InitOutcome[]>();
}

const worker = defineActor<WorkerMessages, Records, Records>({
  name: "ends in every way",
  pause: "park",
  mailbox: { bound: mailboxBound, overflow: "reject" },
  init(ctx, real) {
    real.journal.push(`init ${ctx.path}`);
    const outcome = real.inits.get(ctx.path)?.shift();
    if (outcome === "throw") throw new Error("as told");
    return outcome === "ignore" ? IGNORE : real;
  },
  handle: {
    MESSAGE(real, { number, what }, ctx) {
      real.handled.set(ctx.path, [...(real.handled.get(ctx.path) ?? []), number]);
      if (what === "throw") throw new Error("as told");
      if (what === "reject") return Promise.reject(new Error("as told"));
      if (what !== "note") ctx.exit(what);
      return `answer ${number}`;
    },
  },
  stop: (real, reason, ctx) => void real.journal.push(`stop ${ctx.path} ${endOf(reason)}`),
});

const watcher = defineActor<WatcherMessages, Records, Records>({
  name: "writes down whose end it is told",
  init: (_ctx, real) => real,
  handle: {
    WATCH: (_real, path, ctx) => ctx.watch(ctx.ref(path), "ENDED"),
    ENDED: (real, { path, incarnation, reason }) =>
      void real.saw.push(`${path} #${incarnation} ${endOf(reason)}`),
  },
});

/** The real system with its clock. The same verbs as the model's, so that a command reads alike for both. */
export class RealSystem {
  readonly records: Records;
  readonly clock: VirtualClock;
  readonly system: System;
  /** What was done so far, for the counterexample. */
  readonly steps: string[] = [];

  private constructor(system: System, clock: VirtualClock, records: Records) {
    this.system = system;
    this.clock = clock;
    this.records = records;
  }

  /** The watcher lives beside the tree, below a root that never gives up. */
  static async start(plan: SupervisorPlan): Promise<RealSystem> {
    const records = new Records();
    const clock = new VirtualClock();
    const { restarts, withinMs, delayMs, children } = plan;
    const root = supervisor(
      "root",
      {
        intensity: { restarts, withinMs },
        backoff: { minMs: delayMs, maxMs: delayMs, resetAfterMs: 1 },
      },
      [
        child("watcher", watcher, records),
        ...children.map((below) => specOf(below, worker, records)),
      ],
    );
    const system = await startSystem({ name: "model", logger: silentLogger, root, clock, seed: 1 });
    return new RealSystem(system, clock, records);
  }

  tell(path: string, message: Message): TellResult | "asked" {
    const ref = this.system.ref<WorkerMessages>(path);
    if (!message.isAsked) return ref.tell("MESSAGE", message);
    const { answers } = this.records;
    ref.ask("MESSAGE", message, { timeoutMs: Number.POSITIVE_INFINITY }).then(
      (answer) => answers.set(message.number, answer),
      (error: unknown) =>
        answers.set(message.number, error instanceof AskError ? error.code : String(error)),
    );
    return "asked";
  }

  watch(path: string): void {
    this.system.ref<WatcherMessages>("/watcher").tell("WATCH", path);
  }

  startNew(supervisorPath: string, plan: Plan): Promise<string> {
    const spec = specOf(plan, worker, this.records);
    return outcomeOf(() => this.system.startChild(supervisorPath, spec));
  }

  stopChild(path: string): Promise<string> {
    return outcomeOf(() => this.system.stopChild(path));
  }

  restartChild(path: string): Promise<string> {
    return outcomeOf(() => this.system.restartChild(path));
  }

  deleteChild(path: string): Promise<string> {
    return outcomeOf(() => this.system.deleteChild(path));
  }

  show(): Shown[] {
    return [...eachNode(this.system.tree())]
      .filter(({ path }) => path !== "/watcher")
      .map(({ path, state, incarnation, restarts, handled, mailboxDepth }) => ({
        path,
        state,
        incarnation,
        restarts,
        handled,
        mailboxDepth,
      }));
  }
}

/** "ok", or the code or message of the error, as the model says it. */
async function outcomeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return "ok";
  } catch (error) {
    if (error instanceof SupervisionError) return error.code;
    return error instanceof Error ? error.message : String(error);
  }
}
