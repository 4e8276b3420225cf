import { describe, expect, it } from "vitest";
import {
  AskError,
  child,
  defineActor,
  dynamicSupervisor,
  Refusal,
  supervisor,
} from "../../supervisor/index.ts";
import { boot, gate, type ProbeMessages, type ProbeOptions, probe } from "../support/probe.ts";

const quick = { minMs: 10, maxMs: 10, resetAfterMs: 1_000 };
const two = (options: ProbeOptions = {}) =>
  supervisor("root", { backoff: quick, intensity: { restarts: 100, withinMs: 1_000 } }, [
    child("a", probe(options), undefined),
    child("b", probe(options), undefined),
    dynamicSupervisor("d"),
  ]);

describe("ask", () => {
  it("35: an ask of nobody is rejected at once, not after its time", async () => {
    const { system, ref } = await boot(two());
    await expect(ref("/nobody").ask("WHO")).rejects.toMatchObject({ code: "dead" });
    await expect(ref("/").ask("WHO")).rejects.toBeInstanceOf(AskError);
    expect(system.deadLetters()).toMatchObject({
      total: 2,
      byReason: { "no-such-actor": 2 },
      recent: [{ path: "/nobody", type: "WHO", reason: "no-such-actor" }, { path: "/" }],
    });
  });

  it.each(["CRASH", "CRASH_LATER"] as const)(
    "36: %s rejects the ask in hand at once with the error as its cause; queued asks are answered by the next incarnation",
    async (how) => {
      const { clock, ref } = await boot(two());
      const before = await ref("/a").ask("WHO");
      const crashed = expect(ref("/a").ask(how, "boom")).rejects.toMatchObject({
        code: "crashed",
        cause: { message: "boom" },
      });
      const queued = ref("/a").ask("WHO");
      await clock.settle();
      await crashed;
      await clock.advance(50);
      expect(await queued).toBeGreaterThan(before);
    },
  );

  it("36: deferred answers are rejected at once when their incarnation crashes or is stopped", async () => {
    const { system, clock, ref } = await boot(two());
    const [first, second] = [ref("/a").ask("DEFER"), ref("/a").ask("DEFER")];
    const crashed = Promise.all([
      expect(first).rejects.toMatchObject({ code: "crashed" }),
      expect(second).rejects.toMatchObject({ code: "crashed" }),
    ]);
    ref("/a").tell("CRASH", "boom");
    await clock.settle();
    await crashed;
    await clock.advance(50);
    const third = expect(ref("/a").ask("DEFER")).rejects.toMatchObject({ code: "dead" });
    await clock.settle();
    await system.stopChild("/a");
    await third;
  });

  it("36: when the callee ends for good, every ask of it is rejected", async () => {
    const { system, clock, ref } = await boot(two());
    const hold = gate();
    const inHand = ref("/a").ask("HOLD", hold.promise, { timeoutMs: 60_000 });
    const refused = expect(inHand).rejects.toMatchObject({ code: "dead" });
    await clock.settle();
    const queued = expect(ref("/a").ask("WHO")).rejects.toMatchObject({ code: "dead" });
    const stopped = system.stopChild("/a");
    await queued;
    await clock.advance(5_000);
    await refused;
    await stopped;
  });

  it("37: an ask that timed out is forgotten; its late answer is a dead letter, a second answer is ignored", async () => {
    const { system, clock, ref } = await boot(two());
    const asked = expect(
      ref("/a").ask("DEFER", undefined, { timeoutMs: 100 }),
    ).rejects.toMatchObject({
      code: "timeout",
    });
    await clock.advance(100);
    await asked;
    ref("/a").tell("SETTLE", "late");
    ref("/a").tell("SETTLE", "later");
    await clock.settle();
    expect(system.deadLetters().byReason).toEqual({ "late-reply": 1 });
    expect(clock.pendingTimers).toBe(0);
  });

  it("37: an ask whose time is over before its turn comes is not handled at all", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(two({ journal }));
    const hold = gate();
    ref("/a").tell("HOLD", hold.promise);
    const asked = ref("/a").ask("HOLD", Promise.resolve(), { timeoutMs: 10 });
    const late = expect(asked).rejects.toMatchObject({ code: "timeout" });
    await clock.advance(10);
    await late;
    hold.open();
    await clock.settle();
    expect(journal.filter((line) => line === "a held")).toHaveLength(1);
    expect(system.deadLetters().byReason).toEqual({ expired: 1 });
  });

  it("38: an aborted ask rejects, and the callee sees it in the handler and in its deferred", async () => {
    const seen: string[] = [];
    const callee = defineActor<{ SLOW(): void; LATER(): void }>({
      name: "listens",
      init() {},
      handle: {
        SLOW: (_state, _body, ctx) =>
          new Promise<void>((resolve) => {
            ctx.askSignal.addEventListener("abort", () => {
              seen.push("handler");
              resolve();
            });
          }),
        LATER(_state, _body, ctx) {
          const deferred = ctx.defer<void>();
          deferred.signal.addEventListener("abort", () => seen.push("deferred"));
          return deferred;
        },
      },
    });
    const { system, clock } = await boot(supervisor("root", {}, [child("c", callee, undefined)]));
    const ref = system.ref<{ SLOW(): void; LATER(): void }>("/c");
    for (const type of ["LATER", "SLOW"] as const) {
      const controller = new AbortController();
      const asked = expect(
        ref.ask(type, undefined, { signal: controller.signal }),
      ).rejects.toMatchObject({ code: "aborted" });
      await clock.settle();
      controller.abort();
      await asked;
    }
    expect(seen).toEqual(["deferred", "handler"]);
    const aborted = AbortSignal.abort();
    await expect(ref.ask("SLOW", undefined, { signal: aborted })).rejects.toMatchObject({
      code: "aborted",
    });
    expect(clock.pendingTimers).toBe(0);
  });

  it("38: asks across a restart of all siblings are answered after it and never wait for each other", async () => {
    const { clock, ref } = await boot(
      supervisor("root", { strategy: "one_for_all", backoff: quick }, [
        child("a", probe(), undefined),
        child("b", probe(), undefined),
      ]),
    );
    const asked = ref("/b").ask("ASK", { to: "/a", what: "through" });
    ref("/a").tell("CRASH", "boom");
    await clock.advance(100);
    await expect(asked).resolves.toBe("through");
  });

  it("39: 300,000 outstanding asks each get their own answer", { timeout: 30_000 }, async () => {
    const { ref } = await boot(two({ bound: 300_000 }), { freezeMessages: false });
    const asked = Array.from({ length: 300_000 }, (_, n) => ref("/a").ask("ECHO", n));
    const answers = await Promise.all(asked);
    expect(answers.every((answer, n) => answer === n)).toBe(true);
  });

  it("a Refusal reaches the asker as it is and costs no incarnation", async () => {
    const refusing = defineActor<{ NO(): void; LATER(): void; ODD(): void }>({
      name: "refuses",
      init() {},
      handle: {
        NO() {
          throw new Refusal("not you", { code: "forbidden", data: { why: 1 } });
        },
        LATER(_state, _body, ctx) {
          const deferred = ctx.defer<void>();
          deferred.reject(new Refusal("not later", { code: "late" }));
          return deferred;
        },
        ODD(_state, _body, ctx) {
          const deferred = ctx.defer<void>();
          deferred.reject(new Error("odd"));
          return deferred;
        },
      },
    });
    const { system, node } = await boot(supervisor("root", {}, [child("r", refusing, undefined)]));
    const ref = system.ref<{ NO(): void; LATER(): void; ODD(): void }>("/r");
    await expect(ref.ask("NO")).rejects.toMatchObject({
      name: "Refusal",
      code: "forbidden",
      data: { why: 1 },
    });
    await expect(ref.ask("LATER")).rejects.toMatchObject({ name: "Refusal", code: "late" });
    await expect(ref.ask("ODD")).rejects.toMatchObject({
      code: "failed",
      cause: { message: "odd" },
    });
    ref.tell("NO");
    expect(node("/r")).toMatchObject({ restarts: 0, state: "running" });
  });

  it("an unknown message is a dead letter, its ask fails, and the actor lives", async () => {
    const { system, clock } = await boot(two());
    const ref = system.ref<{ NONSENSE(): void; constructor(): void }>("/a");
    await expect(ref.ask("NONSENSE")).rejects.toMatchObject({ code: "failed" });
    ref.tell("constructor");
    await clock.settle();
    expect(system.deadLetters().byReason).toEqual({ unhandled: 2 });
    expect(system.tree().children[0]).toMatchObject({ state: "running", restarts: 0 });
  });
});

describe("watch", () => {
  it.each([
    ["a stop", "shutdown"],
    ["a normal end", "normal"],
    ["a crash of a temporary child", "error"],
  ] as const)("40: %s is told once, with the reason %s", async (how, reason) => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(two({ journal }));
    await system.startChild("/d", child("x", probe(), undefined, { restart: "temporary" }));
    ref("/a").tell("WATCH", "/d/x");
    await clock.settle();
    if (how === "a stop") await system.stopChild("/d/x");
    else if (reason === "normal") ref("/d/x").tell("EXIT", "normal");
    else ref("/d/x").tell("CRASH", "boom");
    await clock.settle();
    await system.stopChild("/d/x");
    await clock.settle();
    expect(journal.filter((line) => line.includes("saw"))).toEqual([`a saw x end: ${reason}`]);
  });

  it("40: one that is fenced at its deadline is told as killed", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(two({ journal }));
    await system.startChild("/d", child("x", probe(), undefined, { shutdownMs: 100 }));
    ref("/a").tell("WATCH", "/d/x");
    ref("/d/x").tell("HANG");
    await clock.settle();
    const stopped = system.stopChild("/d/x");
    await clock.advance(100);
    await stopped;
    await clock.settle();
    expect(journal).toContain("a saw x end: killed");
  });

  it("41: a watch of nobody is told at once, once, as noproc", async () => {
    const journal: string[] = [];
    const { clock, ref } = await boot(two({ journal }));
    ref("/a").tell("WATCH", "/nobody");
    await clock.settle();
    expect(journal.filter((line) => line.includes("saw"))).toEqual(["a saw nobody end: noproc"]);
  });

  it("42: a restart is no end; giving up on a failed child is", async () => {
    const journal: string[] = [];
    const { clock, ref } = await boot(
      supervisor("root", { backoff: quick, intensity: { restarts: 1, withinMs: 10_000 } }, [
        child("a", probe({ journal }), undefined),
        child("x", probe(), undefined, { revive: { minMs: 1_000, maxMs: 1_000 } }),
      ]),
    );
    ref("/a").tell("WATCH", "/x");
    ref("/x").tell("CRASH", "boom");
    await clock.advance(50);
    expect(journal.filter((line) => line.includes("saw"))).toEqual([]);
    ref("/x").tell("CRASH", "boom");
    await clock.advance(50);
    expect(journal.filter((line) => line.includes("saw"))).toEqual(["a saw x end: error"]);
  });

  it("43: unwatch between the end and its delivery means that nothing is delivered", async () => {
    const journal: string[] = [];
    const watcher = defineActor<{ GO(): void; ENDED(news: unknown): void }>({
      name: "changes its mind",
      init(ctx) {
        ctx.watch(ctx.ref("/d/x"), "ENDED");
      },
      handle: {
        async GO(_state, _body, ctx) {
          await ctx.stopChild("/d/x");
          ctx.unwatch(ctx.ref("/d/x"));
        },
        ENDED: () => void journal.push("told"),
      },
    });
    const { system, clock } = await boot(two());
    await system.startChild("/d", child("x", probe(), undefined));
    await system.startChild("/d", child("w", watcher, undefined));
    system.ref<{ GO(): void }>("/d/w").tell("GO");
    await clock.settle();
    expect(system.ref<ProbeMessages>("/d/x").tell("NOTE", 1)).toBe("dead");
    expect(journal).toEqual([]);
  });

  it("44: watching twice tells once; a watch ends with the incarnation that made it", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(two({ journal }));
    for (const id of ["x", "y"]) await system.startChild("/d", child(id, probe(), undefined));
    ref("/a").tell("WATCH", "/d/x");
    ref("/a").tell("WATCH", "/d/x");
    ref("/b").tell("WATCH", "/d/y");
    await clock.settle();
    await system.stopChild("/d/x");
    ref("/b").tell("CRASH", "boom");
    await clock.advance(50);
    await system.stopChild("/d/y");
    ref("/b").tell("NOTE", "gives it a turn");
    await clock.settle();
    expect(journal.at(-1)).toBe("b: gives it a turn");
    expect(journal.filter((line) => line.includes("saw"))).toEqual(["a saw x end: shutdown"]);
  });
});
