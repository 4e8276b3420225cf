import { describe, expect, it } from "vitest";
import {
  type ActorRef,
  defineActor,
  type PoolOptions,
  pool,
  Refusal,
  supervisor,
} from "../../supervisor/index.ts";
import { boot, gate } from "../support/probe.ts";

interface WorkMessages {
  /** Waits for a promise and gives what it gives. */
  WORK(job: { readonly name: string; readonly until?: Promise<unknown> }): unknown;
  /** Crashes as often as `times` says, over all workers. */
  BREAK(fault: { times: number }): string;
  REFUSE(): void;
  /** Defers its answer. */
  LATER(answer: string | Error): unknown;
  HANG(): void;
}

const quick = { minMs: 10, maxMs: 10, resetAfterMs: 1_000 };

async function bootPool(options: Partial<PoolOptions> = {}, handlerTimeoutMs = 60_000) {
  const journal: string[] = [];
  const note = (path: string, what: string) => journal.push(`${path.split("/").at(-1)} ${what}`);
  const worker = defineActor<WorkMessages, { readonly greeting: string }>({
    name: "does jobs",
    handlerTimeoutMs,
    init: (_ctx, { greeting }) => void journal.push(greeting),
    handle: {
      async WORK(_state, { name, until }, ctx) {
        note(ctx.path, `begins ${name}`);
        const { askSignal } = ctx;
        const value = await until;
        note(ctx.path, `ends ${name}${askSignal.aborted ? " unwanted" : ""}`);
        return value;
      },
      BREAK(_state, fault, ctx) {
        note(ctx.path, "tries");
        fault.times -= 1;
        if (fault.times >= 0) throw new Error("broken");
        return "mended";
      },
      REFUSE() {
        throw new Refusal("not today", { code: "tired" });
      },
      LATER(_state, answer, ctx) {
        const reply = ctx.defer();
        ctx.run(async () => {
          await Promise.resolve();
          if (answer instanceof Error) reply.reject(answer);
          else reply.resolve(answer);
        });
        return reply;
      },
      HANG: () => new Promise<void>(() => undefined),
    },
  });
  const fixture = await boot(
    supervisor("root", {}, [
      pool("p", worker, { greeting: "hello" }, { size: 2, backoff: quick, ...options }),
    ]),
    { freezeMessages: false },
  );
  await fixture.clock.settle();
  const ref: ActorRef<WorkMessages> = fixture.system.ref("/p/router");
  return { ...fixture, journal, pool: ref };
}

describe("pool", () => {
  it("57: jobs go to free workers at once and wait in order where there is none", async () => {
    const { clock, pool, journal, node } = await bootPool();
    expect(journal.splice(0)).toEqual(["hello", "hello"]);
    const gates = [gate<string>(), gate<string>(), gate<string>(), gate<string>()];
    const asked = gates.map(({ promise: until }, n) => pool.ask("WORK", { name: `${n}`, until }));
    await clock.settle();
    expect(journal).toEqual(["1 begins 0", "2 begins 1"]);
    expect(node("/p/router").mailboxDepth).toBe(2);
    gates[1]?.open("one");
    await expect(asked[1]).resolves.toBe("one");
    await clock.settle();
    expect(journal.slice(2)).toEqual(["2 ends 1", "2 begins 2"]);
    gates[0]?.open("zero");
    gates[2]?.open("two");
    gates[3]?.open("three");
    await expect(Promise.all(asked)).resolves.toEqual(["zero", "one", "two", "three"]);
    expect(journal.filter((line) => line.includes("begins")).map((line) => line.at(-1))).toEqual([
      ..."0123",
    ]);
    expect(pool.tell("WORK", { name: "told" })).toBe("queued");
    await clock.settle();
    expect(journal.at(-1)).toMatch(/ends told$/);
  });

  it("57: more jobs than the bound are rejected, told or asked; those that wait are handled", async () => {
    const { system, clock, pool } = await bootPool({ size: 1, bound: 2 });
    const hold = gate();
    const first = pool.ask("WORK", { name: "first", until: hold.promise });
    await clock.settle();
    expect([1, 2, 3].map((n) => pool.tell("WORK", { name: `${n}` }))).toEqual([
      "queued",
      "queued",
      "rejected",
    ]);
    await expect(pool.ask("WORK", { name: "4" })).rejects.toMatchObject({ code: "rejected" });
    hold.open();
    await first;
    await clock.settle();
    expect(pool.tell("WORK", { name: "5" })).toBe("queued");
    expect(system.deadLetters().byReason).toEqual({ "mailbox-full": 2 });
  });

  it("57: with requeue, the job of a worker that crashes is tried again by another; the jobs of others are untouched", async () => {
    const { clock, pool, journal, node } = await bootPool({ onCrash: "requeue", attempts: 3 });
    const hold = gate<string>();
    const other = pool.ask("WORK", { name: "other", until: hold.promise });
    const again = pool.ask("BREAK", { times: 2 });
    await clock.advance(100);
    await expect(again).resolves.toBe("mended");
    hold.open("unharmed");
    await expect(other).resolves.toBe("unharmed");
    expect(journal.filter((line) => line.endsWith("tries"))).toHaveLength(3);
    expect(journal.filter((line) => line.includes("other"))).toHaveLength(2);
    expect(node("/p/workers/1").restarts).toBe(0);
    expect(node("/p/workers/2").restarts).toBe(2);
  });

  it.each([
    ["requeue, after its last attempt,", { onCrash: "requeue", attempts: 3 }, 3],
    ["fail, at once and", { onCrash: "fail" }, 1],
  ] as const)(
    "57: with %s a job whose worker crashes fails exactly once",
    async (_how, options, tries) => {
      const { system, clock, pool, journal } = await bootPool(options);
      const failed = expect(pool.ask("BREAK", { times: 100 })).rejects.toMatchObject({
        code: "failed",
        cause: { code: "crashed", cause: { message: "broken" } },
      });
      pool.tell("BREAK", { times: 100 });
      await clock.advance(1_000);
      await failed;
      expect(journal.filter((line) => line.endsWith("tries"))).toHaveLength(2 * tries);
      await expect(pool.ask("WORK", { name: "next", until: Promise.resolve(1) })).resolves.toBe(1);
      expect(system.deadLetters().total).toBe(0);
    },
  );

  it("57: a requeued job goes before those that wait", async () => {
    const { clock, pool, journal } = await bootPool({ size: 1, onCrash: "requeue" });
    const broken = pool.ask("BREAK", { times: 1 });
    const waiting = pool.ask("WORK", { name: "waits" });
    await clock.advance(100);
    await Promise.all([broken, waiting]);
    expect(journal.slice(1)).toEqual([
      "1 tries",
      "hello",
      "1 tries",
      "1 begins waits",
      "1 ends waits",
    ]);
  });

  it("57: a worker beyond its budget is failed alone, its job goes to another, and it has jobs again once it is revived", async () => {
    const { clock, pool, node, journal } = await bootPool({
      onCrash: "requeue",
      attempts: 2,
      intensity: { restarts: 0, withinMs: 1_000 },
      revive: { minMs: 5_000, maxMs: 5_000 },
    });
    await expect(pool.ask("BREAK", { times: 1 })).resolves.toBe("mended");
    expect(node("/p/workers/1").state).toBe("failed");
    const holds = [gate(), gate()];
    const asked = holds.map(({ promise: until }, n) =>
      pool.ask("WORK", { name: `${n}`, until }, { timeoutMs: 60_000 }),
    );
    await clock.advance(1_000);
    expect(journal.slice(-1)).toEqual(["2 begins 0"]);
    await clock.advance(5_000);
    expect(journal.slice(-1)).toEqual(["1 begins 1"]);
    for (const hold of holds) hold.open();
    await Promise.all(asked);
  });

  it("57: a worker that crashes while it is idle gets no job until it is back", async () => {
    const { system, clock, pool, journal } = await bootPool({
      backoff: { minMs: 1_000, maxMs: 1_000, resetAfterMs: 1 },
    });
    expect(system.crash("/p/workers/1", new Error("from aside"))).toBe(true);
    await clock.settle();
    journal.length = 0;
    for (const name of ["x", "y"]) await pool.ask("WORK", { name });
    expect(journal.filter((line) => line.includes("begins"))).toEqual(["2 begins x", "2 begins y"]);
    await clock.advance(2_000);
    await Promise.all(["z", "w"].map((name) => pool.ask("WORK", { name })));
    expect(journal.slice(-4)).toContain("1 begins w");
  });

  it("57: a worker that crashes with a job gets none, not even that one, until it is back", async () => {
    const { clock, pool, journal } = await bootPool({
      onCrash: "requeue",
      backoff: { minMs: 1_000, maxMs: 1_000, resetAfterMs: 1 },
    });
    const other = gate();
    const broken = pool.ask("BREAK", { times: 1 });
    pool.tell("WORK", { name: "other", until: other.promise });
    await clock.settle();
    journal.length = 0;
    other.open();
    await expect(broken).resolves.toBe("mended");
    expect(journal).toEqual(["2 ends other", "2 tries"]);
  });

  it("57: the asker's deadline reaches the worker, which has no other job until it has finished", async () => {
    const { clock, pool, journal } = await bootPool({ size: 2 });
    const late = gate();
    const other = gate();
    const timedOut = expect(
      pool.ask("WORK", { name: "late", until: late.promise }, { timeoutMs: 100 }),
    ).rejects.toMatchObject({ code: "timeout" });
    pool.tell("WORK", { name: "other", until: other.promise });
    await clock.settle();
    const next = pool.ask("WORK", { name: "next" }, { timeoutMs: 60_000 });
    await clock.advance(1_000);
    await timedOut;
    expect(journal.splice(0).slice(2)).toEqual(["1 begins late", "2 begins other"]);
    other.open();
    await next;
    expect(journal.splice(0)).toEqual(["2 ends other", "2 begins next", "2 ends next"]);
    late.open();
    await clock.settle();
    expect(journal.splice(0)).toEqual(["1 ends late unwanted"]);
    await Promise.all(["x", "y"].map((name) => pool.ask("WORK", { name })));
    expect(journal).toContain("1 begins y");
  });

  it("57: a job whose asker gives up while it waits is not begun", async () => {
    const { system, clock, pool, journal } = await bootPool({ size: 1 });
    const hold = gate();
    const controller = new AbortController();
    const first = pool.ask("WORK", { name: "first", until: hold.promise });
    const aborted = expect(
      pool.ask("WORK", { name: "unwanted" }, { signal: controller.signal }),
    ).rejects.toMatchObject({ code: "aborted" });
    await clock.settle();
    controller.abort();
    await aborted;
    hold.open();
    await first;
    await clock.settle();
    expect(journal.slice(1)).toEqual(["1 begins first", "1 ends first"]);
    expect(system.deadLetters().byReason).toEqual({ expired: 1 });
  });

  it("57: a worker that hangs is fenced by its watchdog, and its job is tried again or failed as after a crash", async () => {
    const { clock, pool, node } = await bootPool({ size: 1, onCrash: "fail" }, 1_000);
    const hung = expect(pool.ask("HANG", undefined, { timeoutMs: 60_000 })).rejects.toMatchObject({
      code: "failed",
      cause: { code: "crashed" },
    });
    await clock.advance(1_100);
    await hung;
    expect(node("/p/workers/1").restarts).toBe(1);
    await expect(pool.ask("WORK", { name: "next" })).resolves.toBeUndefined();
  });

  it("57: refusals, deferred answers and deferred errors reach the asker", async () => {
    const { pool } = await bootPool();
    await expect(pool.ask("REFUSE")).rejects.toMatchObject({ name: "Refusal", code: "tired" });
    await expect(pool.ask("LATER", "late")).resolves.toBe("late");
    await expect(pool.ask("LATER", new Error("no answer"))).rejects.toMatchObject({
      code: "failed",
      cause: { message: "no answer" },
    });
  });

  it("57: PAUSE parks a pool whose workers park: what is in hand ends, nothing else begins", async () => {
    const journal: string[] = [];
    const hold = gate();
    const parking = defineActor<{ NOTE(what: string): Promise<void> }>({
      name: "parks",
      pause: "park",
      init() {},
      handle: {
        async NOTE(_state, what) {
          await hold.promise;
          journal.push(what);
        },
      },
    });
    const { system, clock, node } = await boot(
      supervisor("root", {}, [pool("p", parking, undefined, { size: 1 })]),
    );
    const ref = system.ref<{ NOTE(what: string): void }>("/p/router");
    await clock.settle();
    ref.tell("NOTE", "in hand");
    await clock.settle();
    expect(system.pause("*")).toEqual(["router", "1"]);
    ref.tell("NOTE", "waits");
    hold.open();
    await clock.settle();
    expect(journal).toEqual(["in hand"]);
    expect(node("/p/router")).toMatchObject({ state: "paused", mailboxDepth: 1 });
    system.resume("*");
    await clock.settle();
    expect(journal).toEqual(["in hand", "waits"]);
  });

  it("57: when the router itself crashes, its asks are rejected and the pool works again", async () => {
    const { system, clock, pool } = await bootPool();
    const hold = gate();
    const crashed = expect(
      pool.ask("WORK", { name: "lost", until: hold.promise }),
    ).rejects.toMatchObject({ code: "crashed" });
    await clock.settle();
    system.crash("/p/router", new Error("from aside"));
    hold.open();
    await clock.advance(1_000);
    await crashed;
    await expect(pool.ask("WORK", { name: "next", until: Promise.resolve(2) })).resolves.toBe(2);
  });

  it.each<[string, Partial<PoolOptions>]>([
    ["no workers", { size: 0 }],
    ["no attempts", { size: 1, attempts: 0 }],
  ])("57: a pool with %s is a TypeError", (_what, options) => {
    const definition = defineActor<{ WORK(): void }>({
      name: "works",
      init() {},
      handle: { WORK() {} },
    });
    expect(() => pool("p", definition, undefined, { size: 1, ...options })).toThrow(TypeError);
  });
});
