import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import {
  child,
  countChildren,
  defineActor,
  dynamicSupervisor,
  IGNORE,
  silentLogger,
  startSystem,
  supervisor,
} from "../../supervisor/index.ts";
import { boot, gate, probe } from "../support/probe.ts";

const quick = { minMs: 10, maxMs: 10, resetAfterMs: 1_000 };
const slow = { minMs: 1_000, maxMs: 1_000, resetAfterMs: 10_000 };

interface CounterMessages {
  ADD(by: number): number;
  HOLD(until: Promise<unknown>): Promise<number>;
  CRASH(): void;
}

interface CounterOptions {
  readonly snapshot?: (state: { sum: number }) => unknown;
  readonly stopped?: number[];
  readonly init?: (count: number) => unknown;
}

const counter = ({ snapshot, stopped, init }: CounterOptions = {}) => {
  let inits = 0;
  return defineActor<CounterMessages, undefined, { sum: number }>({
    name: "adds up",
    pause: "park",
    async init() {
      inits += 1;
      await init?.(inits);
      return { sum: 0 };
    },
    handle: {
      ADD: (state, by) => {
        state.sum += by;
        return state.sum;
      },
      async HOLD(state, until) {
        await until;
        state.sum += 100;
        return state.sum;
      },
      CRASH() {
        throw new Error("boom");
      },
    },
    ...(snapshot && { snapshot }),
    ...(stopped && { stop: ({ sum }) => void stopped.push(sum) }),
  });
};

async function bootCounter(options: CounterOptions = {}) {
  const fixture = await boot(
    supervisor("root", { backoff: slow }, [
      child("a", counter(options), undefined),
      child("s", probe(), undefined),
    ]),
  );
  return { ...fixture, counter: fixture.system.ref<CounterMessages>("/a") };
}

describe("state", () => {
  it("54: getState during a handler comes after it, and before everything that is queued", async () => {
    const { system, clock, counter } = await bootCounter({ snapshot: ({ sum }) => ({ sum }) });
    const hold = gate();
    const held = counter.ask("HOLD", hold.promise);
    counter.tell("ADD", 1);
    await clock.settle();
    const state = system.getState("/a");
    let isAnswered = false;
    void state.then(() => {
      isAnswered = true;
    });
    await clock.settle();
    expect(isAnswered).toBe(false);
    hold.open();
    await expect(state).resolves.toEqual({ sum: 100 });
    await expect(held).resolves.toBe(100);
    await expect(counter.ask("ADD", 0)).resolves.toBe(101);
  });

  it("54: getState shows what the definition's snapshot makes of the state, and costs no message", async () => {
    const { system, clock, counter, node } = await bootCounter({
      snapshot: ({ sum }) => ({ shown: sum }),
    });
    counter.tell("ADD", 3);
    await clock.settle();
    await expect(system.getState("/a")).resolves.toEqual({ shown: 3 });
    expect(node("/a")).toMatchObject({ handled: 1, mailboxDepth: 0 });
  });

  it("54: a snapshot that throws rejects whoever asked, and the actor lives on", async () => {
    const { system, counter, node } = await bootCounter({
      snapshot() {
        throw new Error("cannot be shown");
      },
    });
    await expect(system.getState("/a")).rejects.toMatchObject({
      code: "failed",
      cause: { message: "cannot be shown" },
    });
    await expect(counter.ask("ADD", 1)).resolves.toBe(1);
    expect(node("/a")).toMatchObject({ state: "running", restarts: 0 });
  });

  it("54: a paused actor that parks its messages answers getState", async () => {
    const { system, clock, counter, node } = await bootCounter();
    system.pause("a");
    counter.tell("ADD", 1);
    await clock.settle();
    await expect(system.getState("/a")).resolves.toEqual({ sum: 0 });
    expect(node("/a").mailboxDepth).toBe(1);
  });

  it("54: getState while the actor restarts is answered by the next incarnation, or times out before", async () => {
    const { system, clock, counter, node } = await bootCounter();
    counter.tell("ADD", 5);
    counter.tell("CRASH");
    await clock.settle();
    expect(node("/a").state).toBe("restarting");
    const late = expect(system.getState("/a", { timeoutMs: 500 })).rejects.toMatchObject({
      code: "timeout",
    });
    const next = system.getState("/a");
    await clock.advance(500);
    await late;
    await clock.advance(1_000);
    await expect(next).resolves.toEqual({ sum: 0 });
  });

  it("54: getState of nobody, of a supervisor and of one that ends before it answers is dead", async () => {
    const { system, clock, counter } = await bootCounter();
    const dead = { code: "dead" };
    await expect(system.getState("/nobody")).rejects.toMatchObject(dead);
    await expect(system.getState("/")).rejects.toMatchObject(dead);
    const hold = gate();
    counter.tell("HOLD", hold.promise);
    await clock.settle();
    const ended = expect(system.getState("/a")).rejects.toMatchObject(dead);
    const stopped = system.stopChild("/a");
    hold.open();
    await stopped;
    await ended;
    await expect(system.getState("/a")).rejects.toMatchObject(dead);
    expect(system.deadLetters().total).toBe(0);
  });

  it("54: replaceState gives the next message, and stop, the new state", async () => {
    const stopped: number[] = [];
    const { system, counter } = await bootCounter({ stopped });
    await counter.ask("ADD", 1);
    const doubled = system.replaceState<{ sum: number }>("/a", ({ sum }) => ({ sum: sum * 2 }));
    await expect(doubled).resolves.toEqual({ sum: 2 });
    await expect(counter.ask("ADD", 1)).resolves.toBe(3);
    await system.stopChild("/a");
    expect(stopped).toEqual([3]);
  });

  it.each<[string, () => unknown, string]>([
    ["gives undefined", () => undefined, "undefined"],
    [
      "throws",
      () => {
        throw new Error("no idea");
      },
      "no idea",
    ],
    ["is asynchronous", () => Promise.resolve({ sum: 9 }), "promise"],
  ])(
    "54: replaceState with a function that %s is rejected and leaves the state as it was",
    async (_how, change, message) => {
      const { system, counter, node } = await bootCounter();
      await counter.ask("ADD", 1);
      await expect(system.replaceState("/a", change)).rejects.toMatchObject({
        code: "failed",
        message: expect.stringContaining(message) as string,
      });
      await expect(counter.ask("ADD", 1)).resolves.toBe(2);
      expect(node("/a").restarts).toBe(0);
    },
  );
});

describe("counts", () => {
  it("53: a child that restarts is shown as such and counted as a spec that is not active", async () => {
    const { system, clock, ref, node } = await boot(
      supervisor("root", { backoff: slow }, [
        child("a", probe(), undefined),
        child("b", probe(), undefined),
        child("ignores", probe({ init: () => IGNORE }), undefined),
        child("gone", probe({ init: () => IGNORE }), undefined, { restart: "temporary" }),
        supervisor("s", {}, [child("c", probe(), undefined)]),
        dynamicSupervisor("d"),
      ]),
    );
    const counts = { specs: 5, active: 4, supervisors: 2, workers: 3 };
    expect(countChildren(system.tree())).toEqual(counts);
    ref("/b").tell("CRASH", "boom");
    await clock.settle();
    expect(node("/b").state).toBe("restarting");
    expect(countChildren(system.tree())).toEqual({ ...counts, active: 3 });
    await clock.advance(2_000);
    expect(node("/b").state).toBe("running");
    expect(countChildren(system.tree())).toEqual(counts);
    await system.stopChild("/s");
    expect(countChildren(system.tree())).toEqual({ ...counts, active: 3 });
    system.deleteChild("/s");
    expect(countChildren(system.tree())).toEqual({
      specs: 4,
      active: 3,
      supervisors: 1,
      workers: 3,
    });
  });

  it("53: a supervisor that restarts is shown as such, and so are its children", async () => {
    const { system, clock, node } = await boot(
      supervisor("root", { backoff: slow }, [
        supervisor("s", {}, [child("c", probe(), undefined)]),
      ]),
    );
    system.crash("/s", new Error("gives up"));
    await clock.settle();
    expect([node("/s").state, node("/s/c").state]).toEqual(["restarting", "restarting"]);
    await clock.advance(2_000);
    expect([node("/s").state, node("/s/c").state]).toEqual(["running", "running"]);
  });
});

describe("mailbox and statistics", () => {
  it("the tree shows how long the oldest message has waited, and 0 once none waits", async () => {
    const { clock, ref, node } = await boot(
      supervisor("root", {}, [child("a", probe(), undefined), child("b", probe(), undefined)]),
    );
    const age = () => node("/a").mailboxAgeMs;
    const hold = gate();
    ref("/a").tell("HOLD", hold.promise);
    await clock.settle();
    expect(age()).toBe(0);
    const quietSinceMs = performance.now();
    while (performance.now() - quietSinceMs < 30) await nextTurn();
    const toldAtMs = performance.now();
    ref("/a").tell("NOTE", 1);
    expect(age()).toBeLessThanOrEqual(performance.now() - toldAtMs + 2);
    while (age() < 30) await nextTurn();
    expect(performance.now() - toldAtMs).toBeGreaterThanOrEqual(29);
    // Another actor has a turn: the clock has been looked at when the second message comes.
    await ref("/b").ask("WHO");
    const secondAtMs = performance.now();
    const second = gate();
    ref("/a").tell("HOLD", second.promise);
    ref("/a").tell("NOTE", 2);
    hold.open();
    await clock.settle();
    expect(node("/a").mailboxDepth).toBe(1);
    expect(age()).toBeLessThanOrEqual(performance.now() - secondAtMs + 10);
    second.open();
    await ref("/a").ask("WHO");
    expect(age()).toBe(0);
  });

  it("the tree and the statistics count what full mailboxes dropped and rejected", async () => {
    const full = (overflow: "reject" | "drop-oldest") => probe({ bound: 1, overflow });
    const { system, clock, ref, node } = await boot(
      supervisor("root", {}, [
        child("a", full("reject"), undefined),
        child("b", full("drop-oldest"), undefined),
      ]),
    );
    const hold = gate();
    for (const path of ["/a", "/b"]) {
      ref(path).tell("HOLD", hold.promise);
      await clock.settle();
      for (let n = 0; n < 4; n++) ref(path).tell("NOTE", n);
    }
    expect(node("/a")).toMatchObject({ dropped: 0, rejected: 3 });
    expect(node("/b")).toMatchObject({ dropped: 3, rejected: 0 });
    hold.open();
    await system.stopChild("/a");
    system.deleteChild("/a");
    expect(system.statistics().lost).toEqual({ dropped: 3, rejected: 3 });
  });

  it("statistics count uptime, actors, messages, incarnations, restarts and dead letters, also of those that are gone", async () => {
    const { system, clock, ref } = await boot(
      supervisor("root", { backoff: quick }, [
        child("a", probe(), undefined),
        dynamicSupervisor("d"),
      ]),
    );
    await system.startChild("/d", child("x", probe(), undefined, { restart: "temporary" }));
    expect(system.statistics()).toMatchObject({ actors: 2, incarnations: 2, handled: 0 });
    ref("/a").tell("NOTE", 1);
    ref("/a").tell("CRASH", "boom");
    ref("/d/x").tell("NOTE", 1);
    ref("/nobody").tell("NOTE", 1);
    await clock.advance(100);
    await system.stopChild("/d/x");
    ref("/d/x").tell("NOTE", 2);
    expect(system.statistics()).toEqual({
      uptimeMs: 100,
      actors: 1,
      incarnations: 3,
      handled: 3,
      restarts: 1,
      deadLetters: { total: 2, byReason: { "no-such-actor": 2 } },
      lost: { dropped: 0, rejected: 0 },
    });
  });

  it("the event loop's delay is measured only once asked for, sees a block, and ends with the system", async () => {
    const system = await startSystem({
      name: "delay",
      logger: silentLogger,
      root: supervisor("root", {}, [child("a", probe(), undefined)]),
    });
    expect(system.statistics().eventLoopDelay).toBeUndefined();
    system.measureEventLoop();
    system.measureEventLoop();
    const samples = () => system.statistics().eventLoopDelay?.samples ?? 0;
    while (samples() < 3) await nextTurn();
    const untilMs = performance.now() + 80;
    while (performance.now() < untilMs);
    const before = samples();
    while (samples() === before) await nextTurn();
    expect(system.statistics().eventLoopDelay?.maxMs).toBeGreaterThan(50);
    await system.stop();
    expect(system.statistics().eventLoopDelay).toBeUndefined();
  });
});

describe("trace ring", () => {
  const talk = async (ref: (path: string) => { tell(type: "NOTE", what: unknown): unknown }) => {
    for (let n = 1; n <= 3; n++) ref("/a").tell("NOTE", n);
    ref("/b").tell("NOTE", "not traced");
    await nextTurn();
  };
  const pair = () =>
    supervisor("root", { backoff: quick }, [
      child("a", probe(), undefined),
      child("b", probe(), undefined),
    ]);

  it("55: nothing is kept until it is asked for; then the last events, without bodies, oldest first", async () => {
    const { system, clock, ref } = await boot(pair());
    await talk(ref);
    expect(system.recentTrace()).toEqual([]);
    system.keepTrace(3, "a");
    ref("/a").tell("TELL", { to: "/b", what: "secret" });
    await clock.settle();
    const event = { path: "/a", incarnation: 1, type: "TELL", occurredAt: clock.epochMs() };
    expect(system.recentTrace()).toEqual([
      { ...event, direction: "in" },
      { ...event, direction: "tell", to: "/b", type: "NOTE" },
      { ...event, direction: "out" },
    ]);
    ref("/a").tell("CRASH", "boom");
    await clock.settle();
    expect(system.recentTrace().map(({ direction, type }) => [direction, type])).toEqual([
      ["out", "TELL"],
      ["in", "CRASH"],
      ["crash", "CRASH"],
    ]);
  });

  it("55: turned off, the ring is empty and sees nothing more", async () => {
    const { system, clock, ref } = await boot(pair());
    system.keepTrace(10);
    await talk(ref);
    await clock.settle();
    expect(system.recentTrace()).toHaveLength(8);
    system.keepTrace(0);
    await talk(ref);
    await clock.settle();
    expect(system.recentTrace()).toEqual([]);
    for (const count of [-1, 1.5, Number.NaN, 1e9]) {
      expect(() => system.keepTrace(count)).toThrow(RangeError);
    }
  });
});

describe("hold", () => {
  it("user messages wait while an actor holds them, control messages do not, and a new incarnation begins without", async () => {
    interface HolderMessages {
      NOTE(what: string): void;
      GO(isHeld: boolean): void;
      RELEASE(when: Promise<void>): void;
      CRASH(): void;
    }
    const journal: string[] = [];
    const holder = defineActor<HolderMessages>({
      name: "chooses what it receives",
      control: ["GO", "RELEASE", "CRASH"],
      init() {},
      handle: {
        NOTE: (_state, what) => void journal.push(what),
        GO: (_state, isHeld, ctx) => ctx.hold(isHeld),
        RELEASE: (_state, when, ctx) => ctx.run(() => when.then(() => ctx.hold(false))),
        CRASH() {
          throw new Error("boom");
        },
      },
    });
    const { system, clock } = await boot(
      supervisor("root", { backoff: quick }, [child("h", holder, undefined)]),
    );
    const ref = system.ref<HolderMessages>("/h");
    const later = gate();
    ref.tell("GO", true);
    ref.tell("RELEASE", later.promise);
    ref.tell("NOTE", "1");
    ref.tell("NOTE", "2");
    await clock.settle();
    expect(journal).toEqual([]);
    later.open();
    await clock.settle();
    expect(journal).toEqual(["1", "2"]);
    ref.tell("GO", true);
    ref.tell("NOTE", "3");
    ref.tell("CRASH");
    await clock.settle();
    expect(journal).toEqual(["1", "2"]);
    await clock.advance(50);
    expect(journal).toEqual(["1", "2", "3"]);
  });
});
