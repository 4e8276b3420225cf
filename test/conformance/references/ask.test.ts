/** Case 64: what is promised of asks, for every kind of reference. */
import { afterAll, beforeAll, describe, expect } from "vitest";
import { AskError, child, defineActor, Refusal } from "../../../supervisor/index.ts";
import {
  allKinds,
  disposeThreads,
  each,
  localKinds,
  prepareThreads,
  remoteKinds,
} from "../../support/reference-kinds.ts";
import type { ProbeMessages } from "./probe-protocol.ts";
import { until } from "./references.ts";

beforeAll(prepareThreads, 60_000);
afterAll(disposeThreads);

/** No test waits so long: what is rejected before it was not rejected by time. */
const long = { timeoutMs: 600_000 };

describe("ask", () => {
  each(
    allKinds,
    "35: an ask of nobody, of one that has ended and of a supervisor is rejected at once, not after its time",
    async ({ start }) => {
      const references = await start();
      const { ref, callee } = references;
      await references.startKid("x", "plain");
      await ref("/kids/x").ask("WHO");
      await callee.stopChild("/kids/x");
      for (const path of ["/b", "/kids/x", "/kids", "/elsewhere"]) {
        const asked = ref(path).ask("WHO", undefined, long);
        await expect(asked).rejects.toMatchObject({ code: "dead" });
        await expect(asked).rejects.toBeInstanceOf(AskError);
      }
      expect(callee.deadLetters().byReason).toEqual({ "no-such-actor": 4 });
    },
  );

  for (const how of ["CRASH", "CRASH_LATER"] as const) {
    each(
      allKinds,
      `36: ${how} rejects the ask in hand at once with the error's text; queued asks are answered by the next incarnation`,
      async ({ start }) => {
        const { ref, desk } = await start();
        const before = await ref("/a").ask("WHO");
        // No next incarnation yet: the rejection waits for nobody.
        desk.shut("init a");
        const inHand = ref("/a").ask(how, "boom", long);
        const queued = [1, 2, 3].map(() => ref("/a").ask("WHO", undefined, long));
        await expect(inHand).rejects.toMatchObject({ code: "crashed", message: /boom/ });
        desk.open("init a");
        expect(await Promise.all(queued)).toEqual([before + 1, before + 1, before + 1]);
      },
    );
  }
  each(localKinds, "36: within a system the error itself is the cause", async ({ start }) => {
    const { ref } = await start();
    await expect(ref("/a").ask("CRASH", "boom")).rejects.toMatchObject({
      cause: { message: "boom" },
    });
  });

  each(
    allKinds,
    "36: deferred answers are rejected at once when their incarnation crashes",
    async ({ start }) => {
      const { ref, desk } = await start();
      const asked = [1, 2].map(() => ref("/a").ask("DEFER", undefined, long));
      const rejected = asked.map((one) => expect(one).rejects.toMatchObject({ code: "crashed" }));
      await until(() => desk.of("a").length === 2, "both are put off");
      ref("/a").tell("CRASH", "boom");
      await Promise.all(rejected);
    },
  );

  each(
    allKinds,
    "36, 51: when the callee ends for good every ask of it is rejected, also one that comes while it stops, and nobody waits for anybody",
    async ({ start }) => {
      const references = await start();
      const { desk, callee, node } = references;
      const ref = await references.startKid("x", "plain", { shutdownMs: 300 });
      const inHand = expect(ref.ask("HOLD", "for ever", long)).rejects.toMatchObject({
        code: "dead",
      });
      await until(() => desk.of("x").length === 1, "one is in hand");
      const queued = expect(ref.ask("WHO", undefined, long)).rejects.toMatchObject({
        code: "dead",
      });
      await until(() => node("/kids/x").mailboxDepth === 1, "one waits");
      const stopped = callee.stopChild("/kids/x");
      await queued;
      await expect(ref.ask("WHO", undefined, long)).rejects.toMatchObject({ code: "dead" });
      await inHand;
      await stopped;
      expect(callee.deadLetters().byReason).toEqual({ stopped: 1, "no-such-actor": 1 });
    },
  );

  each(
    allKinds,
    "37: an ask that timed out is forgotten; its late answer is a dead letter where the callee lives, a second answer is ignored",
    async ({ start }) => {
      const { ref, desk, callee, caller } = await start();
      const asked = ref("/a").ask("DEFER", undefined, { timeoutMs: 100 });
      await expect(asked).rejects.toMatchObject({ code: "timeout" });
      await until(() => desk.of("a").includes(" puts off"), "the callee has it");
      // The callee's node knows the deadline, or is told: an answer after this one comes too late.
      expect(await ref("/a").ask("ECHO", "later")).toBe("later");
      ref("/a").tell("SETTLE", "late");
      const late = () => callee.deadLetters().byReason["late-reply"];
      await until(() => late() === 1, "the late answer is counted");
      const answered = ref("/a").ask("DEFER");
      await until(() => desk.of("a").filter((line) => line === " puts off").length === 2, "again");
      ref("/a").tell("SETTLE", "once");
      expect(await answered).toBe("once");
      expect(await ref("/a").ask("ECHO", "after")).toBe("after");
      expect(callee.deadLetters().byReason).toEqual({ "late-reply": 1 });
      if (caller !== callee) expect(caller.deadLetters().total).toBe(0);
    },
  );
  each(
    remoteKinds,
    "37: an answer that was on its way when its asker gave up is a dead letter where the asker lives",
    async ({ start }) => {
      const { ref, desk, caller, between, node } = await start();
      const asked = ref("/a").ask("HOLD", "gate", { timeoutMs: 300 });
      await until(() => desk.of("a").includes(" holds gate"), "it is in hand");
      await between.cut();
      desk.open("gate");
      await until(() => node("/a").handled === 1, "the answer waits for the connection");
      await expect(asked).rejects.toMatchObject({ code: "timeout" });
      between.heal();
      await until(() => caller.deadLetters().total === 1, "the answer has come");
      expect(caller.deadLetters().byReason).toEqual({ "late-reply": 1 });
    },
  );
  each(
    allKinds,
    "37: an ask whose time is over before its turn comes is not handled at all",
    async ({ start }) => {
      const { ref, desk, callee, node } = await start();
      ref("/a").tell("HOLD", "gate");
      await until(() => desk.of("a").length === 1, "the actor is busy");
      const asked = ref("/a").ask("HOLD", "too late", { timeoutMs: 50 });
      const late = expect(asked).rejects.toMatchObject({ code: "timeout" });
      await until(() => node("/a").mailboxDepth === 1, "it waits");
      await late;
      // The other node is told of it after the clock here has said so.
      const next = ref("/a").ask("ECHO", "next", long);
      await until(() => node("/a").mailboxDepth === 2, "the next one waits");
      desk.open("gate");
      expect(await next).toBe("next");
      expect(desk.of("a")).not.toContain(" holds too late");
      expect(callee.deadLetters().byReason).toEqual({ expired: 1 });
    },
  );

  each(
    allKinds,
    "38: an aborted ask rejects at once, and the callee sees it",
    async ({ start }) => {
      const { ref, desk } = await start();
      const controller = new AbortController();
      const asked = ref("/a").ask("LISTEN", undefined, { ...long, signal: controller.signal });
      const aborted = expect(asked).rejects.toMatchObject({ code: "aborted" });
      await until(() => desk.of("a").includes(" listens"), "it is in hand");
      controller.abort();
      await aborted;
      await until(() => desk.of("a").includes(" was left"), "the callee sees it");
      const signal = AbortSignal.abort();
      await expect(ref("/a").ask("WHO", undefined, { signal })).rejects.toMatchObject({
        code: "aborted",
      });
      expect(await ref("/a").ask("ECHO", "free again")).toBe("free again");
    },
  );
  each(
    allKinds,
    "38: asks across a restart of all siblings are answered after it and never wait for each other",
    async ({ start }) => {
      const { ref } = await start({
        actors: { a: "plain", b: "plain" },
        root: { strategy: "one_for_all" },
      });
      const asked = Array.from({ length: 20 }, (_, n) =>
        ref("/b").ask("ASK", { to: "/a", what: n }, { timeoutMs: 20_000 }).catch(codeOf),
      );
      ref("/a").tell("CRASH", "boom");
      const after = ref("/b").ask("ASK", { to: "/a", what: "through" }, { timeoutMs: 20_000 });
      expect(await after).toBe("through");
      for (const [n, outcome] of (await Promise.all(asked)).entries()) {
        expect([n, "dead", "crashed"]).toContain(outcome);
      }
    },
    30_000,
  );

  const correlate = async (ref: { ask: Echo }, count: number, atOnce: number) => {
    for (let from = 0; from < count; from += atOnce) {
      const asked = Array.from({ length: atOnce }, (_, n) => ref.ask("ECHO", from + n, long));
      const answers = await Promise.all(asked);
      expect(answers.every((answer, n) => answer === from + n)).toBe(true);
    }
  };
  type Echo = (type: "ECHO", value: number, options: { timeoutMs: number }) => Promise<unknown>;
  for (const [kind, count] of [
    ["local", 300_000],
    ["local through the codec", 50_000],
    ["worker thread", 10_000],
  ] as const) {
    each(
      allKinds.filter((one) => one.kind === kind),
      `39: ${count.toLocaleString("en")} outstanding asks each get their own answer`,
      async ({ start }) => {
        const { ref } = await start({ actors: { a: "roomy" } });
        await correlate(ref("/a"), count, count);
      },
      60_000,
    );
  }
  each(
    remoteKinds,
    "39: 20,000 asks, 5,000 of them outstanding at a time, each get their own answer",
    async ({ start }) => {
      const { ref, between } = await start({ actors: { a: "roomy" } });
      await correlate(ref("/a"), 20_000, 5_000);
      await until(() => between.channel.counters()["waiting"] === 0, "all is acknowledged");
    },
    60_000,
  );

  each(
    allKinds,
    "a Refusal keeps its text, code and data, and costs no incarnation",
    async ({ start }) => {
      const { ref, node } = await start();
      const refused: unknown = await ref("/a")
        .ask("REFUSE", { until: [9] })
        .catch((e: unknown) => e);
      expect(refused).toBeInstanceOf(Refusal);
      expect(refused).toMatchObject({ message: "not today", code: "closed", data: { until: [9] } });
      ref("/a").tell("REFUSE", null);
      expect(await ref("/a").ask("ECHO", null)).toBe(null);
      expect(node("/a").restarts).toBe(0);
    },
  );

  /** Asks from within a handler, and while it stops. */
  const asker = defineActor<{ ASK(to: string): string }>({
    name: "asks others",
    init: () => undefined,
    handle: {
      ASK: (_state, to, ctx) => ctx.ref<ProbeMessages>(to).ask("ECHO", "x").then(String, codeOf),
    },
  });
  each(
    allKinds,
    "an actor asks as its system does, and is answered as it is",
    async ({ start }) => {
      const { caller, path } = await start();
      const ref = await caller.startChild("/callers", child("w", asker, undefined));
      expect(await ref.ask("ASK", path("/a"))).toBe("x");
      expect(await ref.ask("ASK", path("/b"))).toBe("dead");
    },
  );
});

const codeOf = (error: unknown): string =>
  error instanceof AskError ? error.code : `not an AskError: ${String(error)}`;
