/**
 * An actor that does on demand what an actor can do wrong, for every kind of reference: it lives in the test's
 * system, in another one, or in a worker thread, and says what happened to `/desk`. A thread loads this file by itself.
 */
import {
  type ActorContext,
  type Deferred,
  defineActor,
  type Overflow,
  type PauseKind,
  Refusal,
  type Terminated,
} from "../../../supervisor/index.ts";
import type { ProbeMessages } from "./probe-protocol.ts";

export interface DeskMessages {
  NOTE(line: string): void;
  /** Answers when the gate of that name is open. */
  PASS(gate: string): string;
}

interface OwnMessages extends ProbeMessages {
  ENDED(news: Terminated): void;
}

interface State {
  readonly deferred: Deferred<string>[];
  counted: number;
}

type Context = ActorContext<OwnMessages>;

const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

const note = (ctx: Context, line: string) =>
  void ctx.ref<DeskMessages>("/desk").tell("NOTE", `${nameOf(ctx.path)}${line}`);

const pass = (ctx: Context, gate: string) =>
  ctx.ref<DeskMessages>("/desk").ask("PASS", gate, { timeoutMs: Number.POSITIVE_INFINITY });

interface Shape {
  readonly pause?: PauseKind;
  readonly bound?: number;
  readonly overflow?: Overflow;
}

const make = ({ pause = "never", bound = 10_000, overflow = "reject" }: Shape) =>
  defineActor<OwnMessages, undefined, State>({
    name: "does what it is told, wherever it lives",
    pause,
    mailbox: { bound, overflow },
    control: ["URGENT"],
    async init(ctx) {
      await pass(ctx, `init ${nameOf(ctx.path)}`);
      return { deferred: [], counted: 0 };
    },
    handle: {
      NOTE: (_state, what, ctx) => note(ctx, `: ${what}`),
      URGENT: (state, what, ctx) => note(ctx, `! ${what} after ${state.counted}`),
      NEWS: (_state, number, ctx) => note(ctx, ` hears ${number}`),
      COUNT: (state) => {
        state.counted += 1;
      },
      COUNTED: (state) => state.counted,
      ECHO: (_state, value) => value,
      WHO: (_state, _body, ctx) => ctx.incarnation,
      CRASH: (_state, message) => {
        throw new Error(message);
      },
      CRASH_LATER: async (_state, message) => {
        await new Promise((resolve) => setImmediate(resolve));
        throw new Error(message);
      },
      REFUSE: (_state, data) => {
        throw new Refusal("not today", { code: "closed", data });
      },
      HOLD: async (_state, gate, ctx) => {
        note(ctx, ` holds ${gate}`);
        await pass(ctx, gate);
        note(ctx, ` held ${gate}`);
        return gate;
      },
      HANG: () => new Promise<void>(() => undefined),
      LISTEN: (_state, _body, ctx) =>
        new Promise<void>((resolve) => {
          note(ctx, " listens");
          ctx.askSignal.addEventListener("abort", () => {
            note(ctx, " was left");
            resolve();
          });
        }),
      DEFER: (state, _body, ctx) => {
        const deferred = ctx.defer<string>();
        state.deferred.push(deferred);
        note(ctx, " puts off");
        return deferred;
      },
      SETTLE: (state, value, ctx) => {
        for (const deferred of state.deferred.splice(0)) {
          deferred.resolve(value);
          deferred.resolve(`${value} again`);
        }
        note(ctx, ` settled ${value}`);
      },
      EXIT: (_state, kind, ctx) => ctx.exit(kind),
      WATCH: (_state, path, ctx) => ctx.watch(ctx.ref(path), "ENDED"),
      ENDED: (_state, { path, reason }, ctx) =>
        note(ctx, ` saw ${nameOf(path)} end: ${reason.kind}`),
      ASK: (_state, { to, what }, ctx) => ctx.ref<ProbeMessages>(to).ask("ECHO", what),
    },
  });

export const plain = make({});
export const parks = make({ pause: "park" });
export const roomy = make({ bound: 300_000 });
export const rejects = make({ bound: 3 });
export const dropsNew = make({ bound: 3, overflow: "drop-new" });
export const dropsOldest = make({ bound: 3, overflow: "drop-oldest" });
export const waits = make({ bound: 3, overflow: "wait" });

/** The definitions above by name, which is also how a thread finds them. */
export const shapes = { plain, parks, roomy, rejects, dropsNew, dropsOldest, waits };
export type ShapeName = keyof typeof shapes;
