import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  dynamicSupervisor,
  type Logger,
  silentLogger,
  threadChild,
} from "../../supervisor/index.ts";
import {
  bootThreads,
  eventually,
  sharedGate,
  threaded,
  threads,
  turns,
} from "../support/thread-fixture.ts";
import { compileThreads, type ThreadModules } from "../support/thread-modules.ts";
import type { actor } from "../support/thread-probe.ts";

let modules: ThreadModules;
beforeAll(() => {
  modules = compileThreads("test/support/thread-probe.ts");
}, 60_000);
afterAll(() => modules.dispose());

const patient = { timeout: 30_000 };
const long = { timeoutMs: 60_000 };

describe("start of an actor in a worker thread", patient, () => {
  it("lives at its path in a thread of its own, and shows the role and pause kind of its definition", async () => {
    const t = await bootThreads([threaded(modules, "a"), threaded(modules, "b")]);
    const [a, b] = await Promise.all([t.ref("/a").ask("WHO"), t.ref("/b").ask("WHO")]);
    expect(a).toEqual({ incarnation: t.node().incarnation, path: "/a", threadId: a.threadId });
    expect(a.threadId).toBeGreaterThan(0);
    expect(b.threadId).not.toBe(a.threadId);
    expect(t.node()).toMatchObject({
      state: "running",
      pause: "park",
      role: "does in a thread what it is told",
    });
  });

  it("1, 2: an init that throws in its thread fails the start with that error, after its elders were stopped", async () => {
    const failing = bootThreads([
      threaded(modules, "a"),
      threaded(modules, "b", { init: "throw" }),
      threaded(modules, "c"),
    ]);
    await expect(failing).rejects.toMatchObject({ name: "RangeError", message: "no init today" });
  });

  it.each(["hang", "loop"] as const)(
    "3: an init that would %s for ever is ended with its thread after startMs",
    async (init) => {
      const before = threads();
      const failing = bootThreads([threaded(modules, "a", { init }, { startMs: 300 })]);
      await expect(failing).rejects.toMatchObject({ code: "init-timeout" });
      await eventually(() => expect(threads()).toBe(before));
    },
  );

  it("4: an init that says IGNORE leaves the child stopped and the start goes on", async () => {
    const t = await bootThreads([
      threaded(modules, "a", { init: "ignore" }),
      threaded(modules, "b"),
    ]);
    expect(t.node("/a")).toMatchObject({ state: "stopped" });
    await expect(t.ref("/a").ask("WHO")).rejects.toMatchObject({ code: "dead" });
    await expect(t.ref("/b").ask("ECHO", 1)).resolves.toBe(1);
  });

  it.each([
    ["an export that is no actor", { exportName: "noActor" }, "exports something else"],
    ["an export that is not there", { exportName: "nobody" }, "has no such export"],
  ])("fails with a clear error for %s", async (_what, options, why) => {
    await expect(bootThreads([threaded(modules, "a", {}, options)])).rejects.toThrow(why);
  });

  it("refuses options that cannot be meant, and args that cannot be copied", async () => {
    const module = modules.module("x.ts");
    for (const options of [{ window: 0 }, { unresponsiveMs: 0 }, { maxMemoryMb: -1 }]) {
      expect(() => threadChild<typeof actor>("a", module, {}, options)).toThrow(TypeError);
    }
    expect(() => threadChild<typeof actor>("a", new URL("https://example.com/"), {})).toThrow(
      TypeError,
    );
    const args = { gate: (() => undefined) as never };
    await expect(bootThreads([threaded(modules, "a", args)])).rejects.toThrow(
      "could not be cloned",
    );
  });

  it("runs from the sources too, without a build", async () => {
    const module = new URL("../support/thread-probe.ts", import.meta.url);
    const t = await bootThreads([threadChild<typeof actor>("a", module, {})]);
    expect(await t.ref().ask("ECHO", "hello", long)).toBe("hello");
    t.ref().tell("CRASH", "boom");
    expect(await t.ref().ask("ECHO", "again", long)).toBe("again");
  });
});

describe("restart of an actor in a worker thread", patient, () => {
  it.each([
    ["8", "permanent", "EXIT", 1],
    ["9", "transient", "EXIT", 0],
    ["10", "transient", "CRASH", 1],
    ["11", "temporary", "CRASH", 0],
  ] as const)(
    "%s: a %s one that is told to %s is restarted %i times",
    async (_n, restart, how, restarts) => {
      const t = await bootThreads([threaded(modules, "a", {}, { restart })]);
      const before = await t.ref().ask("WHO");
      if (how === "EXIT") t.ref().tell("EXIT", "normal");
      else t.ref().tell("CRASH", "boom");
      if (restarts === 0) {
        const { system } = t;
        await eventually(() =>
          expect(system.tree().children.find((c) => c.id === "a" && c.state !== "stopped")).toBe(
            undefined,
          ),
        );
        await expect(t.ref().ask("WHO")).rejects.toMatchObject({ code: "dead" });
        return;
      }
      const after = await t.ref().ask("WHO", undefined, long);
      expect(after.threadId).not.toBe(before.threadId);
      expect(after.incarnation).toBeGreaterThan(before.incarnation);
      expect(t.node()).toMatchObject({ restarts, state: "running" });
      expect(t.lines).toEqual([
        "init a",
        `stop a ${how === "EXIT" ? "normal" : "error"}`,
        "init a",
      ]);
    },
  );

  it("12: a crash costs nobody else an incarnation", async () => {
    const t = await bootThreads([threaded(modules, "a"), threaded(modules, "b")]);
    const before = await t.ref("/b").ask("WHO");
    t.ref("/a").tell("CRASH", "boom");
    await t.ref("/a").ask("WHO", undefined, long);
    expect(await t.ref("/b").ask("WHO")).toEqual(before);
    expect([t.node("/a").restarts, t.node("/b").restarts]).toEqual([1, 0]);
  });

  it.each([
    ["an uncaught exception", "STRAY", "throw", "stray exception"],
    ["an unhandled rejection", "STRAY", "reject", "stray rejection"],
    ["background work that rejects", "RUN", "in the background", "in the background"],
  ] as const)(
    "%s in the thread is a crash of its actor with that error",
    async (_what, type, body, error) => {
      const t = await bootThreads([threaded(modules, "a")]);
      t.ref().tell(type as "RUN", body);
      await eventually(() => expect(t.node()).toMatchObject({ restarts: 1, state: "running" }));
      expect(t.node().lastError).toBe(error);
    },
  );

  it("process.exit in the thread is a crash of its actor; what was queued is handled by the next", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    const asked = t.ref().ask("PROCESS_EXIT", 7);
    t.ref().tell("NOTE", "after");
    await expect(asked).rejects.toMatchObject({ code: "crashed", cause: { code: "thread-exit" } });
    await t.said("a: after");
    expect(t.node().lastError).toMatch(/exit code 7/);
  });

  it("a handler that needs more than maxMemoryMb ends its thread, not the process", async () => {
    const t = await bootThreads([threaded(modules, "a", {}, { maxMemoryMb: 24 })]);
    const asked = t.ref().ask("FILL_MEMORY", undefined, long);
    t.ref().tell("NOTE", "after");
    await expect(asked).rejects.toMatchObject({
      code: "crashed",
      cause: { code: "out-of-memory" },
    });
    await t.said("a: after");
    expect(t.node().lastError).toBe("/a: its thread needed more memory than 24 MiB");
  });

  it("an init that fails in a restart is tried again, and its queue is kept", async () => {
    const inits = new SharedArrayBuffer(4);
    const t = await bootThreads([threaded(modules, "a", { inits, failUntil: 4 })]);
    t.ref().tell("CRASH", "boom");
    t.ref().tell("NOTE", "kept");
    await t.said("a: kept");
    expect(t.node()).toMatchObject({ restarts: 3, lastError: "init 3 failed" });
  });
});

describe("mailbox of an actor in a worker thread", patient, () => {
  it.each(["CRASH", "CRASH_LATER"] as const)(
    "24: a message that ends in %s is not delivered again; those after it are, in order",
    async (how) => {
      const t = await bootThreads([threaded(modules, "a")]);
      t.ref().tell("NOTE", 1);
      t.ref().tell(how, "boom");
      for (const n of [3, 4, 5]) t.ref().tell("NOTE", n);
      await t.said("a: 5");
      expect(t.lines).toEqual(["init a", "a: 1", "stop a error", "init a", "a: 3", "a: 4", "a: 5"]);
      expect(t.system.deadLetters().total).toBe(0);
    },
  );

  it("24, 31: order is kept over many crashes, whatever was under way", async () => {
    const t = await bootThreads([threaded(modules, "a", {}, { window: 16 })]);
    const sent: string[] = [];
    for (let n = 0; n < 600; n++) {
      t.ref().tell("NOTE", n);
      sent.push(`a: ${n}`);
      if (n % 150 === 75) t.ref().tell(n % 300 === 75 ? "CRASH" : "CRASH_LATER", "boom");
      if (n % 97 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await t.said("a: 599");
    expect(t.notes()).toEqual(sent);
    expect(t.node().restarts).toBe(4);
    expect(t.node().handled).toBe(604);
  });

  it("24: what is under way to a sibling survives a restart for the crashed one's sake", async () => {
    const gate = sharedGate();
    const t = await bootThreads(
      [threaded(modules, "a"), threaded(modules, "b", { gate: gate.buffer })],
      { strategy: "one_for_all" },
    );
    t.ref("/b").tell("HOLD");
    for (const n of [1, 2, 3]) t.ref("/b").tell("NOTE", n);
    await t.said("b holds");
    t.ref("/a").tell("CRASH", "boom");
    await eventually(() => expect(t.node("/a").state).toBe("restarting"));
    gate.open();
    await t.said("b: 3");
    expect(t.lines.filter((line) => /\bb\b/.test(line))).toEqual([
      "init b",
      "b holds",
      "b held",
      "stop b shutdown",
      "init b",
      "b: 1",
      "b: 2",
      "b: 3",
    ]);
  });

  it("25: what is queued or under way when it ends for good becomes dead letters and is not handled", async () => {
    const gate = sharedGate();
    const t = await bootThreads([dynamicSupervisor("d")]);
    await t.system.startChild("/d", threaded(modules, "x", { gate: gate.buffer }, { window: 4 }));
    t.ref("/d/x").tell("HOLD");
    await t.said("x holds");
    for (let n = 0; n < 7; n++) t.ref("/d/x").tell("NOTE", n);
    const asked = expect(t.ref("/d/x").ask("WHO")).rejects.toMatchObject({ code: "dead" });
    await turns();
    const stopped = t.system.stopChild("/d/x");
    await asked;
    gate.open();
    await stopped;
    await t.said("stop x shutdown");
    expect(t.system.deadLetters().byReason).toEqual({ stopped: 8 });
    expect(t.lines).toEqual(["init x", "x holds", "x held", "stop x shutdown"]);
  });

  it.each([1, 3, 64])(
    "26: a full mailbox of 3 refuses exactly what is over it, with a window of %i",
    async (window) => {
      const gate = sharedGate();
      const t = await bootThreads([
        threaded(modules, "a", { gate: gate.buffer }, { exportName: "small", window }),
      ]);
      t.ref().tell("HOLD");
      await t.said("a holds");
      const taken = [1, 2, 3].map((n) => t.ref().tell("NOTE", n));
      await turns();
      const refused = [4, 5].map((n) => t.ref().tell("NOTE", n));
      expect([...taken, ...refused]).toEqual([
        "queued",
        "queued",
        "queued",
        "rejected",
        "rejected",
      ]);
      expect(t.node()).toMatchObject({ mailboxDepth: 3 });
      const sent = [6, 7].map((n) => t.ref().send("NOTE", n));
      await turns();
      gate.open();
      await expect(Promise.all(sent)).resolves.toEqual(["queued", "queued"]);
      await t.said("a: 7");
      expect(t.notes()).toEqual(["a: 1", "a: 2", "a: 3", "a: 6", "a: 7"]);
      expect(t.system.deadLetters().byReason).toEqual({ "mailbox-full": 2 });
    },
  );

  it("26: drop-oldest loses the oldest, also when it is under way already", async () => {
    const gate = sharedGate();
    const t = await bootThreads([
      threaded(modules, "a", { gate: gate.buffer }, { exportName: "forgetful" }),
    ]);
    t.ref().tell("HOLD");
    await t.said("a holds");
    for (const n of [1, 2, 3]) t.ref().tell("NOTE", n);
    await turns();
    expect(t.node().mailboxDepth).toBe(3);
    expect([4, 5].map((n) => t.ref().tell("NOTE", n))).toEqual(["queued", "queued"]);
    gate.open();
    await t.said("a: 5");
    expect(t.notes()).toEqual(["a: 3", "a: 4", "a: 5"]);
    expect(t.system.deadLetters().byReason).toEqual({ "mailbox-full": 2 });
  });

  it("27: a full mailbox loses neither Terminated nor control messages, and they come first", async () => {
    const gate = sharedGate();
    const t = await bootThreads([
      threaded(modules, "a", { gate: gate.buffer }, { exportName: "small" }),
      threaded(modules, "b"),
    ]);
    t.ref("/a").tell("WATCH", "/b");
    t.ref("/a").tell("HOLD");
    await t.said("a holds");
    for (const n of [1, 2, 3]) t.ref("/a").tell("NOTE", n);
    await turns();
    for (let n = 0; n < 5; n++) expect(t.ref("/a").tell("URGENT", n)).toBe("queued");
    await t.system.stopChild("/b");
    await turns();
    gate.open();
    await t.said("a: 3");
    const after = t.lines.slice(t.lines.indexOf("a held") + 1);
    expect(new Set(after.slice(0, 6))).toEqual(
      new Set(["a saw b end: shutdown", ...[0, 1, 2, 3, 4].map((n) => `a! ${n}`)]),
    );
    expect(after.slice(6)).toEqual(["a: 1", "a: 2", "a: 3"]);
  });

  it("28: a control message overtakes all user messages but those of the turn that the thread is in", async () => {
    const t = await bootThreads([threaded(modules, "a", {}, { exportName: "large" })], {
      freezeMessages: false,
    });
    for (let n = 0; n < 50_000; n++) t.ref().tell("COUNT");
    t.ref().tell("URGENT", "QUIT");
    await t.said("a! QUIT");
    const counted = (await t.system.getState("/a")) as { readonly counted: number };
    expect(counted.counted).toBeLessThan(45_000);
    const before = t.node().handled;
    expect(before).toBeLessThan(50_000);
  });

  it("29: PAUSE parks it after the message in hand; RESUME goes on; both may be said twice", async () => {
    const gate = sharedGate();
    const t = await bootThreads([threaded(modules, "a", { gate: gate.buffer })]);
    t.ref().tell("HOLD");
    t.ref().tell("NOTE", 1);
    const asked = t.ref().ask("ECHO", "waits", long);
    await t.said("a holds");
    expect(t.system.pause("a")).toEqual(["a"]);
    expect(t.system.pause("A")).toEqual(["a"]);
    await eventually(() => expect(t.node()).toMatchObject({ state: "paused", mailboxDepth: 2 }));
    gate.open();
    await t.said("a paused");
    t.ref().tell("URGENT", "overtakes");
    await t.said("a! overtakes");
    expect(t.node()).toMatchObject({ state: "paused", mailboxDepth: 2 });
    expect(t.system.resume("a")).toEqual(["a"]);
    expect(t.system.resume("a")).toEqual(["a"]);
    await expect(asked).resolves.toBe("waits");
    await t.said("a: 1");
    expect(t.lines).toEqual([
      "init a",
      "a holds",
      "a held",
      "a paused",
      "a! overtakes",
      "a resumed",
      "a: 1",
    ]);
  });

  it("29: a paused one that crashes is paused in its next thread, its own timers held back, and can be stopped", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    t.ref().tell("AFTER", 30);
    await t.ref().ask("ECHO", 1);
    t.system.pause("a");
    t.ref().tell("NOTE", "kept");
    await t.said("a paused");
    expect(t.system.crash("/a", new Error("from aside"))).toBe(true);
    await eventually(() => expect(t.node()).toMatchObject({ state: "paused", restarts: 1 }));
    await eventually(() => expect(t.lines.filter((line) => line === "a paused")).toHaveLength(2));
    expect(t.node().mailboxDepth).toBe(1);
    expect(t.notes()).toEqual([]);
    await t.system.stop();
    expect(t.lines.at(-1)).toBe("stop a shutdown");
  });

  it("29: a drain actor is told of PAUSE and goes on", async () => {
    const t = await bootThreads([threaded(modules, "a", {}, { exportName: "drains" })]);
    expect(t.system.pause("*")).toEqual(["a"]);
    t.ref().tell("NOTE", 1);
    await t.said("a: 1");
    expect(t.lines).toEqual(["init a", "a paused", "a: 1"]);
  });

  it("33: a handler that never settles ends its incarnation; stop runs, and what is queued is handled", async () => {
    const t = await bootThreads([threaded(modules, "a", {}, { exportName: "watched" })]);
    const asked = t.ref().ask("HANG", undefined, long);
    t.ref().tell("NOTE", "next");
    await expect(asked).rejects.toMatchObject({
      code: "crashed",
      cause: { code: "handler-timeout", message: "/a: HANG not handled within 500 ms" },
    });
    await t.said("a: next");
    expect(t.lines).toEqual(["init a", "stop a error", "init a", "a: next"]);
  });

  it("34: a ref to an incarnation that has ended does not reach its successor", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    const pinned = t.system.pin(t.ref());
    pinned.tell("NOTE", "before");
    t.ref().tell("CRASH", "boom");
    expect(pinned.tell("NOTE", "queued behind the crash")).toBe("queued");
    await t.ref().ask("WHO", undefined, long);
    expect(pinned.tell("NOTE", "after")).toBe("dead");
    await expect(pinned.ask("WHO")).rejects.toMatchObject({ code: "dead" });
    expect(t.notes()).toEqual(["a: before"]);
    expect(t.system.deadLetters().byReason).toEqual({ "stale-incarnation": 3 });
  });

  it("a message that cannot be copied is a dead letter, or an error to its asker; those beside it arrive", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    const odd = () => undefined;
    t.ref().tell("NOTE", 1);
    t.ref().tell("NOTE", odd);
    t.ref().tell("NOTE", 2);
    await expect(t.ref().ask("ECHO", odd)).rejects.toMatchObject({ code: "failed" });
    await expect(t.ref().ask("ODD_ANSWER")).rejects.toThrow("the answer cannot be sent");
    await expect(t.ref().ask("ECHO", 3)).resolves.toBe(3);
    expect(t.notes()).toEqual(["a: 1", "a: 2"]);
    expect(t.system.deadLetters().byReason).toEqual({ unsendable: 2 });
    expect(t.node().restarts).toBe(0);
  });

  it("a message that it does not know is a dead letter", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    const ref = t.system.ref<{ NOBODY(): void }>("/a");
    ref.tell("NOBODY");
    await expect(ref.ask("NOBODY")).rejects.toMatchObject({ code: "failed" });
    expect(t.system.deadLetters().byReason).toEqual({ unhandled: 2 });
  });
});

describe("a thread that does not listen", patient, () => {
  it("33: a synchronous loop is killed after handlerTimeoutMs, and the parent's event loop never stood still", async () => {
    const t = await bootThreads([threaded(modules, "a", {}, { exportName: "watched" })]);
    let longestMs = 0;
    let lastMs = performance.now();
    const looking = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }, 5);
    const asked = t.ref().ask("LOOP", undefined, long);
    t.ref().tell("NOTE", "after");
    await expect(asked).rejects.toMatchObject({
      code: "crashed",
      cause: { code: "handler-timeout" },
    });
    clearInterval(looking);
    expect(longestMs).toBeLessThan(450);
    await t.said("a: after");
    // A killed thread runs no stop.
    expect(t.lines).toEqual(["init a", "init a", "a: after"]);
  });

  it("a loop beyond unresponsiveMs is killed where handlers have all the time in the world", async () => {
    const t = await bootThreads([threaded(modules, "a", {}, { unresponsiveMs: 300 })]);
    const asked = t.ref().ask("LOOP", undefined, long);
    await eventually(() => expect(t.node().busyMs).toBeGreaterThan(20));
    await expect(asked).rejects.toMatchObject({ cause: { code: "unresponsive" } });
    await expect(t.ref().ask("ECHO", "again", long)).resolves.toBe("again");
  });

  it("work that is shorter than its limits is not disturbed, and its length shows in the tree", async () => {
    const t = await bootThreads([threaded(modules, "a", {}, { unresponsiveMs: 5_000 })]);
    const spinning = t.ref().ask("SPIN", 400, long);
    await eventually(() => expect(t.node().busyMs).toBeGreaterThan(50));
    await spinning;
    await eventually(() => expect(t.node().busyMs).toBe(0));
    expect(t.node()).toMatchObject({ restarts: 0, handled: 1 });
  });
});

describe("ask of an actor in a worker thread", patient, () => {
  it("36: a crash rejects the ask in hand with its error; queued asks are answered by the next incarnation", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    const before = await t.ref().ask("WHO");
    const crashed = t.ref().ask("CRASH_LATER", "boom");
    const queued = t.ref().ask("WHO", undefined, long);
    await expect(crashed).rejects.toMatchObject({
      name: "AskError",
      code: "crashed",
      cause: { name: "TypeError", message: "boom", code: "E_LATER" },
    });
    expect((await queued).incarnation).toBeGreaterThan(before.incarnation);
  });

  it("36: deferred answers are given later, and rejected at once when their incarnation ends", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    const later = [t.ref().ask("DEFER"), t.ref().ask("DEFER")];
    await t.ref().ask("SETTLE", "here it is");
    await expect(Promise.all(later)).resolves.toEqual(["here it is", "here it is"]);
    const crashed = expect(t.ref().ask("DEFER")).rejects.toMatchObject({ code: "crashed" });
    t.ref().tell("CRASH", "boom");
    await crashed;
    const dead = expect(t.ref().ask("DEFER", undefined, long)).rejects.toMatchObject({
      code: "dead",
    });
    await t.ref().ask("ECHO", 1, long);
    await t.system.stopChild("/a");
    await dead;
  });

  it("35: when it has ended, an ask is rejected at once", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    await t.system.stopChild("/a");
    await expect(t.ref().ask("WHO")).rejects.toMatchObject({ code: "dead" });
  });

  it("37: an ask that timed out is forgotten; its late answer is a dead letter, a second one is ignored", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    await expect(t.ref().ask("DEFER", undefined, { timeoutMs: 50 })).rejects.toMatchObject({
      code: "timeout",
    });
    await t.ref().ask("ECHO", "the thread has heard of it by now");
    await t.ref().ask("SETTLE", "late");
    await t.ref().ask("SETTLE", "later");
    expect(t.system.deadLetters().byReason).toEqual({ "late-reply": 1 });
  });

  it("37: an answer that was on its way when its asker gave up is a dead letter", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    await expect(t.ref().ask("SPIN", 200, { timeoutMs: 30 })).rejects.toMatchObject({
      code: "timeout",
    });
    await t.ref().ask("ECHO", 1, long);
    expect(t.system.deadLetters().byReason).toEqual({ "late-reply": 1 });
  });

  it("37: an ask whose time is over before its turn comes is not handled at all", async () => {
    const gate = sharedGate();
    const t = await bootThreads([threaded(modules, "a", { gate: gate.buffer }, { window: 1 })]);
    t.ref().tell("HOLD");
    await t.said("a holds");
    const asks = [1, 2].map(() => t.ref().ask("LISTEN", undefined, { timeoutMs: 30 }));
    for (const ask of asks) await expect(ask).rejects.toMatchObject({ code: "timeout" });
    gate.open();
    await t.said("a held");
    await t.ref().ask("ECHO", 1);
    expect(t.lines).not.toContain("listens");
    expect(t.system.deadLetters().byReason).toEqual({ expired: 2 });
  });

  it("38: an aborted ask rejects, and the handler in the thread sees it", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    const controller = new AbortController();
    const asked = t.ref().ask("LISTEN", undefined, { signal: controller.signal });
    const aborted = expect(asked).rejects.toMatchObject({ code: "aborted" });
    await t.said("listens");
    controller.abort();
    await aborted;
    await t.said("the asker gave up");
  });

  it("39: 10,000 asks at once each get their own answer, from the same thread and in order", async () => {
    const t = await bootThreads([threaded(modules, "a", {}, { exportName: "large" })], {
      freezeMessages: false,
    });
    const asked = Array.from({ length: 10_000 }, (_, n) => t.ref().ask("ECHO", { n }, long));
    expect(await Promise.all(asked)).toEqual(Array.from({ length: 10_000 }, (_, n) => ({ n })));
    expect(t.node().handled).toBe(10_000);
  });

  it("a Refusal keeps its code and data on the way, and costs no incarnation", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    await expect(t.ref().ask("REFUSE", { why: 1 })).rejects.toMatchObject({
      name: "Refusal",
      message: "not you",
      code: "forbidden",
      data: { why: 1 },
    });
    await expect(t.ref().ask("REFUSE", () => undefined)).rejects.toMatchObject({ code: "failed" });
    expect(t.node().restarts).toBe(0);
  });
});

describe("watch with an actor in a worker thread", patient, () => {
  it("40, 42: its watchers are told once when it is stopped, with the reason, and not of restarts", async () => {
    const t = await bootThreads([threaded(modules, "a"), threaded(modules, "b")]);
    await t.ref("/b").ask("WATCH", "/a");
    await t.ref("/b").ask("WATCH", "/a");
    t.ref("/a").tell("CRASH", "boom");
    await t.ref("/a").ask("WHO", undefined, long);
    expect(t.notes("b saw")).toEqual([]);
    await t.system.stopChild("/a");
    await t.said("b saw a end: shutdown");
    await t.ref("/b").ask("ECHO", 1);
    expect(t.lines.filter((line) => line.startsWith("b saw"))).toHaveLength(1);
  });

  it("41, 43: it is told at once that nobody lives there; and after unwatch nothing", async () => {
    const t = await bootThreads([threaded(modules, "a"), threaded(modules, "b")]);
    t.ref("/b").tell("WATCH", "/nobody");
    await t.said("b saw nobody end: noproc");
    await t.ref("/b").ask("WATCH", "/a");
    await t.ref("/b").ask("UNWATCH", "/a");
    await t.system.stopChild("/a");
    await t.ref("/b").ask("ECHO", 1);
    expect(t.lines.filter((line) => line.startsWith("b saw"))).toEqual([
      "b saw nobody end: noproc",
    ]);
  });

  it("40: a temporary one that crashes tells its watchers why", async () => {
    const t = await bootThreads([
      threaded(modules, "a", {}, { restart: "temporary" }),
      threaded(modules, "b"),
    ]);
    await t.ref("/b").ask("WATCH", "/a");
    t.ref("/a").tell("PROCESS_EXIT", 9);
    await t.said("b saw a end: error /a: its thread ended: exit code 9");
  });
});

describe("stop of an actor in a worker thread", patient, () => {
  it("46: its handler finishes, then stop runs and may still ask others, then the thread ends", async () => {
    const gate = sharedGate();
    const args = { gate: gate.buffer, stop: "ask" as const };
    const t = await bootThreads([threaded(modules, "a", args)]);
    const asked = t.ref().ask("HOLD", undefined, long);
    await t.said("a holds");
    const stopped = t.system.stop();
    gate.open();
    await stopped;
    await asked;
    expect(t.lines).toEqual(["init a", "a holds", "a held", "stop a shutdown", "asked in stop"]);
  });

  it.each(["hang", "loop"] as const)(
    "47: one whose stop would %s for ever is killed at its deadline, and its siblings are stopped in order",
    async (stop) => {
      const t = await bootThreads([
        threaded(modules, "w"),
        dynamicSupervisor("d"),
        threaded(modules, "b"),
      ]);
      await t.system.startChild("/d", threaded(modules, "x", { stop }, { shutdownMs: 200 }));
      await t.ref("/w").ask("WATCH", "/d/x");
      const before = threads();
      await t.system.stopChild("/d/x");
      expect(threads()).toBe(before - 1);
      await t.said("w saw x end: killed");
      await t.system.stop();
      expect(t.lines.slice(-2)).toEqual(["stop b shutdown", "stop w shutdown"]);
    },
  );

  it("47: one whose handler loops is killed at its deadline", async () => {
    const t = await bootThreads([threaded(modules, "a", {}, { shutdownMs: 200 })]);
    const asked = expect(t.ref().ask("LOOP", undefined, long)).rejects.toMatchObject({
      code: "dead",
    });
    await eventually(() => expect(t.node().busyMs).toBeGreaterThan(0));
    await t.system.stop();
    await asked;
  });

  it.each(["throw", "exit"] as const)(
    "48: a stop that would %s is logged and ends nothing else",
    async (stop) => {
      const errors: string[] = [];
      const logger = recorder(errors);
      const t = await bootThreads([threaded(modules, "a", { stop })], { logger });
      await t.system.stop();
      await expect(t.system.terminated).resolves.toEqual({ kind: "shutdown" });
      expect(errors).toEqual([
        stop === "throw" ? "stop failed: stop failed" : expect.stringContaining("exit code 3"),
      ]);
    },
  );

  it("20: a stop during its start ends the thread at once", async () => {
    const controller = new AbortController();
    const starting = bootThreads([threaded(modules, "a", { init: "loop" })], {
      signal: controller.signal,
    });
    const failed = expect(starting).rejects.toMatchObject({ code: "stopped" });
    setTimeout(() => controller.abort(), 50);
    await failed;
  });
});

describe("what an actor in a worker thread can do", patient, () => {
  it("tells, sends to and asks actors of the parent, with deadlines, and tells itself", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    expect(await t.ref().ask("TELL", { to: "/a", type: "NOTE", what: "self" })).toBe("queued");
    expect(await t.ref().ask("SEND", { to: "/journal", what: "sent" })).toBe("queued");
    expect(await t.ref().ask("ASK", { to: "/journal", what: { x: 1 } })).toEqual({ x: 1 });
    expect(await t.ref().ask("ASK_BRIEFLY", "/journal")).toBe("timeout");
    await t.said("journal: the asker gave up");
    expect(await t.ref().ask("ASK_BRIEFLY", "/nobody")).toBe("dead");
    expect(await t.ref().ask("SEND", { to: "/nobody", what: "x" })).toBe("dead");
    await t.said("a: self");
    expect(t.lines).toContain("sent");
  });

  it("has timers, which end with its incarnation", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    t.ref().tell("AFTER", 5);
    t.ref().tell("EVERY", 5);
    await t.said("a: tick");
    await t.said("a: tock");
    t.ref().tell("CRASH", "boom");
    await t.ref().ask("WHO", undefined, long);
    const count = t.notes().length;
    await t.ref().ask("SPIN", 30);
    await t.ref().ask("ECHO", 1);
    expect(t.notes()).toHaveLength(count);
  });

  it("shows outages, its log and its state in the parent, and can have a name", async () => {
    const lines: string[] = [];
    const t = await bootThreads([threaded(modules, "a")], { logger: recorder(lines, "info") });
    await t.ref().ask("HEALTH", "no disk");
    expect(t.node().degraded).toMatchObject({ reason: "no disk" });
    await t.ref().ask("HEALTH", undefined);
    expect(t.node().degraded).toBe(undefined);
    await t.ref().ask("LOG", "hello");
    expect(lines).toContain("hello: logged");
    void t
      .ref()
      .ask("DEFER")
      .catch(() => undefined);
    await t.ref().ask("ECHO", 1);
    expect(await t.system.getState("/a")).toMatchObject({ deferred: 1 });
    await expect(t.system.replaceState("/a", (state) => state)).rejects.toMatchObject({
      cause: { code: "in-thread" },
    });
    await t.ref().ask("REGISTER", "probe");
    expect(t.system.listing("probe").refs.map((ref) => ref.path)).toEqual(["/a"]);
  });

  it("54: a look at its state waits for the message in hand", async () => {
    const gate = sharedGate();
    const t = await bootThreads([threaded(modules, "a", { gate: gate.buffer })]);
    t.ref().tell("HOLD");
    await t.said("a holds");
    let isShown = false;
    const shown = t.system.getState("/a").then(() => {
      isShown = true;
    });
    await eventually(() => expect(t.node().busyMs).toBeGreaterThan(100));
    expect(isShown).toBe(false);
    gate.open();
    await shown;
    await t.said("a held");
  });

  it("may not flood the parent: beyond 10,000 on their way its tells are rejected and counted", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    const { queued, rejected } = await t.ref().ask("FLOOD", 25_000, long);
    expect(queued + rejected).toBe(25_000);
    expect(queued).toBeGreaterThan(9_900);
    expect(queued).toBeLessThanOrEqual(10_000);
    expect(t.system.deadLetters().byReason).toEqual({ "mailbox-full": rejected });
    await eventually(() => expect(t.node("/journal").mailboxDepth).toBe(0));
    expect(await t.ref().ask("TELL", { to: "/journal", type: "NOTE", what: "last" })).toBe(
      "queued",
    );
    await t.said("last");
  });

  it("is told clearly what only the tree's own thread can do", async () => {
    const t = await bootThreads([threaded(modules, "a")]);
    for (const call of ["pin", "startChild", "listing"] as const) {
      expect(await t.ref().ask("FORBIDDEN", call)).toBe("in-thread");
    }
    expect(t.node().restarts).toBe(0);
  });

  it("33: a fenced one can no longer say anything", async () => {
    const gate = sharedGate();
    const t = await bootThreads([
      threaded(modules, "a", { gate: gate.buffer }, { shutdownMs: 60_000 }),
    ]);
    t.ref().tell("HOLD");
    await t.said("a holds");
    t.system.crash("/a", new Error("from aside"));
    gate.open();
    await t.ref().ask("ECHO", 1, long);
    expect(t.lines).toEqual(["init a", "a holds", "stop a error", "init a"]);
    expect(t.system.deadLetters().byReason).toEqual({ fenced: 1 });
  });
});

/** Notes what is logged at one level, with its error. */
function recorder(lines: string[], level: "error" | "info" = "error"): Logger {
  const note = (fields: object | string, message = "") => {
    if (typeof fields === "string") lines.push(fields);
    else {
      const { err } = fields as { readonly err?: Error };
      lines.push(err ? `${message}: ${err.message}` : message);
    }
  };
  return { ...silentLogger, [level]: note, child: () => recorder(lines, level) };
}
