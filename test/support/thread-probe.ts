/**
 * Actors that do in a worker thread what actors can do wrong. Loaded by the thread, never by a test: a test
 * names `typeof prober` and the URL. What they do is told to `/journal`.
 */
import { threadId } from "node:worker_threads";
import {
  type ActorContext,
  type Deferred,
  defineActor,
  IGNORE,
  type Overflow,
  type PauseKind,
  Refusal,
  type Terminated,
} from "../../supervisor/index.ts";

export interface JournalMessages {
  NOTE(line: string): void;
  ECHO(value: unknown): unknown;
  SLOW(): void;
}

export interface ProberMessages {
  NOTE(what: unknown): void;
  URGENT(what: unknown): void;
  ECHO(value: unknown): unknown;
  WHO(): { readonly incarnation: number; readonly threadId: number; readonly path: string };
  CRASH(message: string): void;
  CRASH_LATER(message: string): void;
  /** Beside the message in hand: as an uncaught exception or an unhandled rejection. */
  STRAY(kind: "throw" | "reject"): void;
  REFUSE(data: unknown): void;
  /** Until the word is released on a shared byte; the thread's event loop stays free. */
  HOLD(): void;
  /** Holds the thread itself for so long. */
  SPIN(forMs: number): void;
  LOOP(): void;
  HANG(): void;
  /** Ends when the asker gives up. */
  LISTEN(): void;
  DEFER(): unknown;
  SETTLE(value: unknown): void;
  EXIT(kind: "normal" | "shutdown"): void;
  PROCESS_EXIT(code: number): void;
  FILL_MEMORY(): void;
  ODD_ANSWER(): unknown;
  WATCH(path: string): void;
  UNWATCH(path: string): void;
  ENDED(news: Terminated): void;
  TELL(message: { readonly to: string; readonly type: string; readonly what: unknown }): string;
  SEND(message: { readonly to: string; readonly what: string }): string;
  ASK(message: { readonly to: string; readonly what: unknown }): unknown;
  ASK_BRIEFLY(to: string): string;
  AFTER(ms: number): void;
  EVERY(ms: number): void;
  RUN(message: string): void;
  HEALTH(reason: string | undefined): void;
  LOG(line: string): void;
  COUNT(): void;
  /** Tells the journal so often in one handler. */
  FLOOD(count: number): { readonly queued: number; readonly rejected: number };
  REGISTER(name: string): void;
  FORBIDDEN(call: "pin" | "startChild" | "listing"): string;
}

export interface ProberArgs {
  /** One 32-bit number: 0 holds, 1 lets go. */
  readonly gate?: SharedArrayBuffer;
  /** Counts the inits of all its threads. */
  readonly inits?: SharedArrayBuffer;
  /** The inits between the first and this one fail. */
  readonly failUntil?: number;
  readonly init?: "ignore" | "hang" | "loop" | "throw";
  readonly stop?: "hang" | "loop" | "throw" | "exit" | "ask";
}

interface ProberState {
  readonly args: ProberArgs;
  readonly deferred: Deferred[];
  counted: number;
}

type Context = ActorContext<ProberMessages>;

const note = (ctx: Context, line: string) =>
  void ctx.ref<JournalMessages>("/journal").tell("NOTE", line);

const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function released(gate: SharedArrayBuffer | undefined): Promise<void> {
  if (!gate) throw new Error("no gate was given");
  const cells = new Int32Array(gate);
  while (Atomics.load(cells, 0) === 0) await nextTurn();
}

const forever = (): never => {
  for (;;);
};

const make = (
  pause: PauseKind,
  bound: number,
  handlerTimeoutMs: number,
  overflow: Overflow = "reject",
) =>
  defineActor<ProberMessages, ProberArgs, ProberState>({
    name: "does in a thread what it is told",
    pause,
    mailbox: { bound, overflow },
    control: ["URGENT"],
    handlerTimeoutMs,
    async init(ctx, args) {
      const count = args.inits ? Atomics.add(new Int32Array(args.inits), 0, 1) + 1 : 1;
      note(ctx, `init ${nameOf(ctx.path)}`);
      if (count > 1 && count < (args.failUntil ?? 0)) throw new Error(`init ${count} failed`);
      if (args.init === "throw") throw new RangeError("no init today");
      if (args.init === "ignore") return IGNORE;
      if (args.init === "loop") forever();
      if (args.init === "hang") await new Promise(() => undefined);
      return { args, deferred: [], counted: 0 };
    },
    handle: {
      NOTE: (_state, what, ctx) => note(ctx, `${nameOf(ctx.path)}: ${String(what)}`),
      URGENT: (_state, what, ctx) => note(ctx, `${nameOf(ctx.path)}! ${String(what)}`),
      ECHO: (_state, value) => value,
      WHO: (_state, _body, ctx) => ({ incarnation: ctx.incarnation, threadId, path: ctx.path }),
      CRASH: (_state, message) => {
        throw new Error(message);
      },
      CRASH_LATER: async (_state, message) => {
        await nextTurn();
        throw Object.assign(new TypeError(message), { code: "E_LATER" });
      },
      STRAY: (_state, kind) => {
        if (kind === "reject") void Promise.reject(new Error("stray rejection"));
        else
          setImmediate(() => {
            throw new Error("stray exception");
          });
      },
      REFUSE: (_state, data) => {
        throw new Refusal("not you", { code: "forbidden", data });
      },
      HOLD: async (state, _body, ctx) => {
        note(ctx, `${nameOf(ctx.path)} holds`);
        await released(state.args.gate);
        // There and back: what the parent said before it opened the gate has been heard now.
        await ctx.ref<JournalMessages>("/journal").ask("ECHO", "open");
        note(ctx, `${nameOf(ctx.path)} held`);
      },
      SPIN: (_state, forMs) => {
        const untilMs = performance.now() + forMs;
        while (performance.now() < untilMs);
      },
      LOOP: forever,
      HANG: () => new Promise<void>(() => undefined),
      LISTEN: (_state, _body, ctx) =>
        new Promise<void>((resolve) => {
          note(ctx, "listens");
          ctx.askSignal.addEventListener("abort", () => {
            note(ctx, "the asker gave up");
            resolve();
          });
        }),
      DEFER: (state, _body, ctx) => {
        const deferred = ctx.defer();
        state.deferred.push(deferred);
        return deferred;
      },
      SETTLE: (state, value) => {
        for (const deferred of state.deferred.splice(0)) deferred.resolve(value);
      },
      EXIT: (_state, kind, ctx) => ctx.exit(kind),
      PROCESS_EXIT: (_state, code) => process.exit(code),
      FILL_MEMORY: () => {
        const kept: unknown[] = [];
        for (;;) kept.push(new Array(10_000).fill(kept.length));
      },
      ODD_ANSWER: () => () => undefined,
      WATCH: (_state, path, ctx) => ctx.watch(ctx.ref(path), "ENDED"),
      UNWATCH: (_state, path, ctx) => ctx.unwatch(ctx.ref(path)),
      ENDED: (_state, { path, reason }, ctx) => {
        const why = reason.kind === "error" ? `error ${reason.error.message}` : reason.kind;
        note(ctx, `${nameOf(ctx.path)} saw ${nameOf(path)} end: ${why}`);
      },
      TELL: (_state, { to, type, what }, ctx) =>
        ctx.ref<Record<string, (what: unknown) => void>>(to).tell(type, what),
      SEND: (_state, { to, what }, ctx) => ctx.ref<JournalMessages>(to).send("NOTE", what),
      ASK: (_state, { to, what }, ctx) => ctx.ref<JournalMessages>(to).ask("ECHO", what),
      ASK_BRIEFLY: async (_state, to, ctx) => {
        try {
          await ctx.ref<JournalMessages>(to).ask("SLOW", undefined, { timeoutMs: 20 });
          return "answered";
        } catch (error) {
          return (error as { code: string }).code;
        }
      },
      AFTER: (_state, ms, ctx) => void ctx.after(ms, "NOTE", "tick"),
      EVERY: (_state, ms, ctx) => void ctx.every(ms, "NOTE", "tock"),
      RUN: (_state, message, ctx) =>
        ctx.run(async () => {
          await nextTurn();
          throw new Error(message);
        }),
      HEALTH: (_state, reason, ctx) => {
        if (reason === undefined) ctx.healthy();
        else ctx.degraded(reason);
      },
      LOG: (_state, line, ctx) =>
        ctx.log.child({ part: "probe" }).info({ err: new RangeError("logged"), n: 1 }, line),
      COUNT: (state) => {
        state.counted += 1;
      },
      FLOOD: (_state, count, ctx) => {
        const results = Array.from({ length: count }, () =>
          ctx.ref<JournalMessages>("/journal").tell("NOTE", "flood"),
        );
        const queued = results.filter((result) => result === "queued").length;
        return { queued, rejected: results.filter((result) => result === "rejected").length };
      },
      REGISTER: (_state, name, ctx) => ctx.register(name),
      FORBIDDEN: async (_state, call, ctx) => {
        try {
          if (call === "pin") ctx.pin(ctx.self);
          else if (call === "listing") ctx.listing("x");
          else await ctx.startChild("/", {} as never);
          return "allowed";
        } catch (error) {
          return (error as { code: string }).code;
        }
      },
    },
    pauseChanged: (_state, paused, ctx) =>
      note(ctx, `${nameOf(ctx.path)} ${paused ? "paused" : "resumed"}`),
    snapshot: (state) => ({ deferred: state.deferred.length, counted: state.counted }),
    async stop(state, reason, ctx) {
      note(ctx, `stop ${nameOf(ctx.path)} ${reason.kind}`);
      const { stop } = state.args;
      if (stop === "hang") await new Promise(() => undefined);
      if (stop === "loop") forever();
      if (stop === "exit") process.exit(3);
      if (stop === "throw") throw new Error("stop failed");
      if (stop === "ask")
        note(ctx, String(await ctx.ref<JournalMessages>("/journal").ask("ECHO", "asked in stop")));
    },
  });

export const actor = make("park", 10_000, 60_000);
export const drains = make("drain", 10_000, 60_000);
export const small = make("never", 3, 60_000);
/** Half a second, for handlers that never settle. */
export const watched = make("never", 10_000, 500);
export const large = make("never", 100_000, 60_000);
export const forgetful = make("never", 3, 60_000, "drop-oldest");
export const noActor = "this is none";
