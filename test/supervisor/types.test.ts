import pino from "pino";
import { expect, it } from "vitest";
import {
  type ActorRef,
  child,
  defineActor,
  dynamicSupervisor,
  IGNORE,
  type Logger,
  Refusal,
  type System,
  supervisor,
  type Terminated,
} from "../../supervisor/index.ts";

interface Lease {
  readonly token: number;
}
interface Messages {
  LEASE(body: { target: string }): Lease | undefined;
  COUNT(): number;
  WAKE(): void;
  ENDED(body: Terminated): void;
}

const architect = defineActor<Messages, { first: number }, { next: number }>({
  name: "knows what needs building",
  init: (ctx, args) => {
    ctx.after(10, "WAKE");
    // @ts-expect-error LEASE wants a body
    ctx.after(10, "LEASE");
    ctx.watch(ctx.ref("/other"), "ENDED");
    // @ts-expect-error WAKE cannot carry a Terminated
    ctx.watch(ctx.ref("/other"), "WAKE");
    return { next: args.first };
  },
  handle: {
    LEASE(state, body, ctx) {
      if (body.target === "") throw new Refusal("no target", { code: "empty" });
      if (body.target === "later") return ctx.defer<Lease>();
      return { token: state.next++ };
    },
    COUNT: async (state, _body, ctx) => {
      await ctx.ref<Messages>("/x").ask("COUNT");
      return state.next;
    },
    WAKE() {},
    ENDED: (_state, body) => {
      body.reason.kind satisfies string;
    },
  },
});

const stateless = defineActor<{ PING(): string }>({
  name: "answers",
  init() {},
  handle: { PING: () => "pong" },
});

const stillStateless = defineActor<{ PING(): string }>({
  name: "answers",
  async init(ctx) {
    await Promise.resolve(ctx.path);
  },
  handle: { PING: () => "pong" },
});

const sometimes = defineActor<{ PING(): string }, undefined, { n: number }>({
  name: "answers",
  init: async () => (Math.random() > 2 ? { n: 1 } : IGNORE),
  handle: { PING: async (_s, _b, ctx) => ctx.defer() },
});

function uses(ref: ActorRef<Messages>, system: System): Promise<Lease | undefined> {
  ref.tell("WAKE");
  ref.tell("LEASE", { target: "t" });
  // @ts-expect-error no such message
  ref.tell("LEESE", { target: "t" });
  // @ts-expect-error a wrong body
  ref.tell("LEASE", { target: 1 });
  // @ts-expect-error a body is missing
  ref.tell("LEASE");
  // @ts-expect-error a body too many
  ref.tell("WAKE", {});
  // @ts-expect-error a protocol with a message that the actor lacks
  const wrong: ActorRef<{ STOP(): void }> = ref;
  const narrower: ActorRef<{ WAKE(): void }> = ref;
  // @ts-expect-error the actor wants more than a string
  const body: ActorRef<{ LEASE(body: string): Lease | undefined }> = ref;
  const count: Promise<number> = ref.ask("COUNT", undefined, { timeoutMs: 5 });
  const plain: Promise<number> = ref.ask("COUNT");
  const started: Promise<ActorRef<Messages>> = system.startChild(
    "/dynamic",
    child("a", architect, { first: 1 }, { restart: "temporary" }),
  );
  // @ts-expect-error the arguments of another actor
  child("a", architect, undefined);
  supervisor("s", { strategy: "one_for_all" }, [
    child("a", architect, { first: 1 }),
    child("b", stateless, undefined),
    child("c", sometimes, undefined),
    child("e", stillStateless, undefined),
    dynamicSupervisor("d"),
  ]);
  void [wrong, narrower, body, count, plain, started];
  return ref.ask("LEASE", { target: "t" }, { timeoutMs: 5, signal: AbortSignal.timeout(5) });
}

it("a wrong message, body, argument or protocol does not compile, and a pino logger fits", () => {
  const logger: Logger = pino({ level: "silent" });
  logger.child({ a: 1 }).info({ b: 2 }, "c");
  expect([uses, architect.name]).toHaveLength(2);
});
