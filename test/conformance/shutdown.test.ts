import { describe, expect, it } from "vitest";
import {
  child,
  countChildren,
  defineActor,
  dynamicSupervisor,
  silentLogger,
  startSystem,
  supervisor,
  type TraceEvent,
  VirtualClock,
} from "../../supervisor/index.ts";
import { boot, gate, type ProbeMessages, type ProbeOptions, probe } from "../support/probe.ts";

const quick = { minMs: 10, maxMs: 10, resetAfterMs: 1_000 };

describe("stop", () => {
  it("46: a tree stops in reverse order, deepest first, and every stop is awaited", async () => {
    const journal: string[] = [];
    const stop = async (path: string) => {
      await new Promise((resolve) => setImmediate(resolve));
      journal.push(`stopped ${path}`);
    };
    const { system } = await boot(
      supervisor("root", {}, [
        child("a", probe({ journal, stop }), undefined),
        supervisor("s", {}, [
          child("b", probe({ journal, stop }), undefined),
          child("c", probe({ journal, stop }), undefined),
        ]),
        child("e", probe({ journal, stop }), undefined),
      ]),
    );
    journal.length = 0;
    await system.stop();
    expect(journal.filter((line) => line.startsWith("stopped"))).toEqual([
      "stopped /e",
      "stopped /s/c",
      "stopped /s/b",
      "stopped /a",
    ]);
    await expect(system.terminated).resolves.toEqual({ kind: "shutdown" });
  });

  it("46: what comes before the stop is waited for, while all actors work; a root that gives up ends at once", async () => {
    const hold = gate<string>();
    let calls = 0;
    const beforeStop = async () => {
      calls += 1;
      await hold.promise;
      throw new Error("only logged");
    };
    const start = () =>
      startSystem({
        ...{ name: "t", logger: silentLogger, beforeStop },
        root: supervisor("root", {}, [child("a", probe({}), undefined)]),
      });
    const system = await start();
    const stopped = Promise.all([system.stop(), system.stop()]);
    await expect(system.ref<ProbeMessages>("/a").ask("ECHO", "works")).resolves.toBe("works");
    hold.open("");
    await stopped;
    expect(calls).toBe(1);
    await expect(system.terminated).resolves.toEqual({ kind: "shutdown" });

    const other = await startSystem({
      ...{ name: "t", logger: silentLogger, beforeStop: () => new Promise<void>(() => undefined) },
      root: supervisor("root", {}, [child("a", probe({}), undefined)]),
    });
    const ending = other.stop();
    other.crash("/", new Error("gave up"));
    await ending;
    await expect(other.terminated).resolves.toMatchObject({ kind: "error" });
  });

  it("46: the message in hand is finished and answered before its actor stops", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(
      supervisor("root", {}, [child("a", probe({ journal }), undefined)]),
    );
    const hold = gate<string>();
    const asked = ref("/a").ask("HOLD", hold.promise);
    await clock.settle();
    const stopped = system.stop();
    await clock.settle();
    hold.open("answered");
    await expect(asked).resolves.toBe("answered");
    await stopped;
    expect(journal.slice(-2)).toEqual(["a held", "stop a shutdown"]);
  });

  it.each<[string, ProbeOptions, boolean]>([
    ["a stop that never settles", { stop: () => new Promise(() => undefined) }, false],
    ["a handler that never settles", {}, true],
  ])(
    "47: %s is fenced at its deadline; its siblings stop as they should",
    async (_what, options, hangs) => {
      const journal: string[] = [];
      const { system, clock, ref } = await boot(
        supervisor("root", {}, [
          child("first", probe({ journal }), undefined),
          child("stubborn", probe({ journal, ...options }), undefined, { shutdownMs: 500 }),
          child("last", probe({ journal }), undefined),
        ]),
      );
      if (hangs) ref("/stubborn").tell("HANG");
      await clock.settle();
      const stopped = system.stop();
      await clock.advance(499);
      expect(journal).toContain("stop last shutdown");
      expect(journal).not.toContain("stop first shutdown");
      await clock.advance(1);
      await stopped;
      expect(journal.at(-1)).toBe("stop first shutdown");
      expect(journal).toContain("stop stubborn shutdown");
    },
  );

  it("47: the system's own deadline bounds the whole stop", async () => {
    const stubborn = probe({ stop: () => new Promise(() => undefined) });
    const ids = Array.from({ length: 20 }, (_, n) => `s${n}`);
    const { system, clock } = await boot(
      supervisor("root", {}, [
        ...ids.map((id) => child(id, stubborn, undefined, { shutdownMs: 60_000 })),
      ]),
      { stopDeadlineMs: 1_000 },
    );
    let isStopped = false;
    const stopped = system.stop().then(() => {
      isStopped = true;
    });
    await clock.advance(999);
    expect(isStopped).toBe(false);
    await clock.advance(1);
    expect(isStopped).toBe(true);
    await stopped;
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("no");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no"))],
  ])("48: a stop that %s is logged and the rest goes on", async (_how, stop) => {
    const journal: string[] = [];
    const { system } = await boot(
      supervisor("root", {}, [
        child("a", probe({ journal }), undefined),
        child("b", probe({ journal, stop }), undefined),
      ]),
    );
    await system.stop();
    expect(journal.slice(-2)).toEqual(["stop b shutdown", "stop a shutdown"]);
  });

  it("49: stop twice, and from inside a handler that waits for it, stops each actor once", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(
      supervisor("root", {}, [
        child("a", probe({ journal }), undefined),
        child("b", probe({ journal }), undefined),
      ]),
    );
    const quitter = system.stop.bind(system);
    ref("/a").tell("RUN", () => quitter());
    await clock.settle();
    await system.stop();
    await system.stop();
    expect(journal.filter((line) => line.startsWith("stop"))).toEqual([
      "stop b shutdown",
      "stop a shutdown",
    ]);
  });

  it("49: what was told to quit stays ended when its branch restarts, and RESUME brings it back, also said while the branch is down", async () => {
    const journal: string[] = [];
    const branch = supervisor("branch", { revive: { minMs: 1_000, maxMs: 1_000 } }, [
      child("a", probe({ journal }), undefined),
      child("b", probe({ journal }), undefined),
    ]);
    const { system, clock } = await boot(supervisor("root", {}, [branch]));
    const states = () =>
      system.tree().children[0]?.children.map(({ id, state }) => `${id} ${state}`);
    const crashBranch = async () => {
      system.crash("/branch", new Error("its budget is spent"));
      await clock.settle();
    };
    expect(system.quit("a")).toEqual(["a"]);
    await clock.settle();
    await crashBranch();
    await clock.advance(2_000);
    expect(states()).toEqual(["a stopped", "b running"]);

    await crashBranch();
    expect(system.resume("a")).toEqual(["a"]);
    await clock.advance(5_000);
    expect(states()).toEqual(["a running", "b running"]);

    expect(system.quit("a")).toEqual(["a"]);
    await clock.settle();
    expect(system.resume("a")).toEqual(["a"]);
    await clock.settle();
    expect(states()).toEqual(["a running", "b running"]);
    await system.stop();
  });

  it("49: a handler that waits for its own end is released when it is told to stop", async () => {
    const journal: string[] = [];
    const suicidal = defineActor<{ END(): void }>({
      name: "waits for its own end",
      init() {},
      handle: {
        async END(_state, _body, ctx) {
          await ctx.stopChild(ctx.path);
          journal.push("released");
        },
      },
      stop: (_state, reason) => void journal.push(`stop ${reason.kind}`),
    });
    const { system, clock } = await boot(supervisor("root", {}, [dynamicSupervisor("d")]));
    const ref = await system.startChild("/d", child("x", suicidal, undefined));
    ref.tell("END");
    await clock.settle();
    expect(journal).toEqual(["released", "stop shutdown"]);
  });

  it("49: a start that is given up while init hangs rejects, and what had started is stopped", async () => {
    const journal: string[] = [];
    const controller = new AbortController();
    const clock = new VirtualClock();
    const root = supervisor("root", {}, [
      child("a", probe({ journal }), undefined),
      child("b", probe({ journal, init: () => new Promise(() => undefined) }), undefined),
    ]);
    const started = startSystem({
      name: "t",
      logger: silentLogger,
      root,
      clock,
      signal: controller.signal,
    });
    const rejected = expect(started).rejects.toMatchObject({ code: "stopped" });
    await clock.settle();
    controller.abort();
    await rejected;
    expect(journal).toEqual(["init a", "ready a", "init b", "stop a shutdown"]);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    ["any_significant", "the first", 1],
    ["all_significant", "the last", 2],
  ] as const)(
    "50: with %s the supervisor ends with %s significant child",
    async (autoShutdown, _which, ends) => {
      const { system, clock, ref } = await boot(
        supervisor("root", { autoShutdown, backoff: quick }, [
          child("a", probe(), undefined, { restart: "transient", significant: true }),
          child("b", probe(), undefined, { restart: "transient", significant: true }),
          child("c", probe(), undefined),
        ]),
      );
      ref("/a").tell("CRASH", "abnormal: restarted first");
      await clock.advance(50);
      expect(system.tree().state).toBe("running");
      const ending = ["/a", "/b"].slice(0, ends);
      for (const path of ending) {
        expect(system.tree().state).toBe("running");
        ref(path).tell("EXIT", "normal");
        await clock.settle();
      }
      await expect(system.terminated).resolves.toEqual({ kind: "shutdown" });
      expect(system.tree().children.map((c) => c.state)).toEqual(["stopped", "stopped", "stopped"]);
    },
  );

  it("51: an ask of an actor that is stopping is rejected at once", async () => {
    const { system, clock, ref } = await boot(
      supervisor("root", {}, [
        child("early", probe(), undefined),
        child("late", probe({ stop: () => new Promise(() => undefined) }), undefined),
      ]),
    );
    const hold = gate();
    ref("/early").tell("HOLD", hold.promise);
    const stopped = system.stop();
    await clock.settle();
    await expect(ref("/late").ask("WHO")).rejects.toMatchObject({ code: "dead" });
    expect(ref("/early").tell("NOTE", 1)).toBe("queued");
    hold.open();
    await clock.advance(6_000);
    await stopped;
    expect(ref("/early").tell("NOTE", 1)).toBe("dead");
  });
});

describe("asks during a stop", () => {
  it("51: an actor that asks, from its own stop, one that has stopped or its supervisor is rejected at once", async () => {
    const outcomes: unknown[] = [];
    const asking = defineActor<{ GO(): void }>({
      name: "asks at its end",
      init() {},
      handle: { GO() {} },
      async stop(_state, _reason, ctx) {
        for (const path of ["/s/late", "/s"]) {
          const asked = ctx.ref<ProbeMessages>(path).ask("WHO", undefined, { timeoutMs: 60_000 });
          outcomes.push(await asked.catch((error: unknown) => error));
        }
      },
    });
    const { system, clock } = await boot(
      supervisor("root", {}, [
        supervisor("s", {}, [child("asks", asking, undefined), child("late", probe(), undefined)]),
      ]),
    );
    await system.stop();
    expect(outcomes).toMatchObject([{ code: "dead" }, { code: "dead" }]);
    expect(clock.monotonicMs()).toBe(0);
  });
});

describe("introspection", () => {
  it("53: the tree shows who restarts, who is degraded and what went wrong, and counts children", async () => {
    const degrading = defineActor<{ DOWN(): void; UP(): void }>({
      name: "follows something",
      init() {},
      handle: {
        DOWN: (_state, _body, ctx) => ctx.degraded("no upstream"),
        UP: (_state, _body, ctx) => ctx.healthy(),
      },
    });
    const { system, clock, ref, node } = await boot(
      supervisor("root", { backoff: quick }, [
        child("b", probe(), undefined),
        child("f", degrading, undefined),
        dynamicSupervisor("d"),
      ]),
    );
    ref("/b").tell("CRASH", "boom");
    const follower = system.ref<{ DOWN(): void; UP(): void }>("/f");
    follower.tell("DOWN");
    follower.tell("DOWN");
    await clock.settle();
    ref("/b").tell("NOTE", 1);
    expect(node("/b")).toMatchObject({
      state: "restarting",
      lastError: "boom",
      mailboxDepth: 1,
      handled: 1,
    });
    expect(node("/f")).toMatchObject({
      degraded: { reason: "no upstream", sinceAt: clock.epochMs() },
      handled: 2,
    });
    expect(countChildren(system.tree())).toEqual({
      specs: 3,
      active: 2,
      supervisors: 1,
      workers: 2,
    });
    await clock.advance(20);
    follower.tell("UP");
    await clock.settle();
    expect(node("/b")).toMatchObject({ state: "running", restarts: 1, mailboxDepth: 0 });
    expect(node("/f").degraded).toBeUndefined();
    expect(countChildren(system.tree()).active).toBe(3);
    expect(JSON.parse(JSON.stringify(system.tree()))).toEqual(system.tree());
  });

  it("55: a hook installed twice sees each message once, one that throws is removed, and removal works", async () => {
    const { system, clock, ref } = await boot(
      supervisor("root", {}, [child("a", probe(), undefined), child("b", probe(), undefined)]),
    );
    const seen: TraceEvent[] = [];
    const hook = (event: TraceEvent) => void seen.push(event);
    let throws = 0;
    system.trace("a", hook);
    const remove = system.trace("a", hook);
    system.trace("*", () => {
      throws += 1;
      throw new Error("bad hook");
    });
    ref("/a").tell("TELL", { to: "/b", what: "hello" });
    await clock.settle();
    expect(seen.map(({ direction, type, to }) => [direction, type, to])).toEqual([
      ["in", "TELL", undefined],
      ["tell", "NOTE", "/b"],
      ["out", "TELL", undefined],
    ]);
    expect(throws).toBe(1);
    remove();
    ref("/a").tell("NOTE", 1);
    await clock.settle();
    expect(seen).toHaveLength(3);
  });

  it("55: --debug patterns log the messages of the tasks that match", async () => {
    const logged: unknown[] = [];
    const logger = {
      ...silentLogger,
      debug: (fields: object | string) => void logged.push(fields),
      child: () => logger,
    };
    const { clock, ref } = await boot(
      supervisor("root", {}, [
        child("seraph", probe(), undefined),
        child("oracle", probe(), undefined),
      ]),
      { logger, debug: ["SER*"] },
    );
    ref("/oracle").tell("NOTE", 1);
    ref("/seraph").tell("NOTE", "hello");
    await clock.settle();
    expect(logged).toMatchObject([
      { actor: "/seraph", direction: "in", type: "NOTE", body: "'hello'" },
      { actor: "/seraph", direction: "out", type: "NOTE" },
    ]);
  });
});

describe("what an actor starts", () => {
  it("timers are messages, end with their incarnation, and never pile up", async () => {
    const seen: string[] = [];
    const hold = gate();
    const ticking = defineActor<{ TICK(n: number): void; HOLD(): Promise<void>; CRASH(): void }>({
      name: "ticks",
      init(ctx) {
        ctx.every(10, "TICK", ctx.incarnation);
        ctx.after(1_000_000, "TICK", 99).cancel();
      },
      handle: {
        TICK: (_state, n) => void seen.push(`tick of ${n}`),
        HOLD: () => hold.promise,
        CRASH() {
          throw new Error("boom");
        },
      },
    });
    const { system, clock } = await boot(
      supervisor("root", { backoff: quick }, [child("t", ticking, undefined)]),
    );
    await clock.advance(30);
    expect(seen).toEqual(["tick of 1", "tick of 1", "tick of 1"]);
    const ref = system.ref<{ HOLD(): Promise<void>; CRASH(): void }>("/t");
    ref.tell("HOLD");
    await clock.advance(100);
    hold.open();
    await clock.settle();
    expect(seen).toHaveLength(4);
    ref.tell("CRASH");
    await clock.advance(30);
    expect(seen.slice(4).every((line) => line === "tick of 2")).toBe(true);
    await system.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it.each<[string, (ctx: { run: unknown; bind: unknown }) => void]>([
    ["background work that rejects", () => undefined],
  ])("%s is its actor's crash, and is ignored once it has ended", async () => {
    const { system, clock, ref, node } = await boot(
      supervisor("root", { backoff: quick }, [child("a", probe(), undefined)]),
    );
    ref("/a").tell("RUN", () => Promise.reject(new Error("in the background")));
    await clock.advance(50);
    expect(node("/a")).toMatchObject({ restarts: 1, lastError: "in the background" });
    ref("/a").tell(
      "RUN",
      (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(new Error("aborted, as expected")));
        }),
    );
    await clock.settle();
    await system.stop();
    expect(node("/a")).toMatchObject({ restarts: 1, lastError: "in the background" });
  });

  it("a bound callback that throws is its actor's crash; once fenced it does nothing", async () => {
    let callback: (what: string) => void = () => undefined;
    const calls: string[] = [];
    const listening = defineActor<{ NOTHING(): void }>({
      name: "listens",
      init(ctx) {
        callback = ctx.bind((what: string) => {
          calls.push(what);
          if (what === "throw") throw new Error("in the callback");
        });
      },
      handle: { NOTHING() {} },
    });
    const { clock, node } = await boot(
      supervisor("root", { backoff: quick }, [child("l", listening, undefined)]),
    );
    const old = callback;
    old("fine");
    old("throw");
    await clock.advance(50);
    old("ignored");
    callback("new one");
    expect(calls).toEqual(["fine", "throw", "new one"]);
    expect(node("/l")).toMatchObject({ restarts: 1, lastError: "in the callback" });
  });

  it("messages are frozen where that is asked for; Buffers and other objects are left alone", async () => {
    const { ref } = await boot(supervisor("root", {}, [child("a", probe(), undefined)]));
    const plain = { list: [1] };
    const buffer = Buffer.from("x");
    const map = new Map();
    for (const body of [plain, buffer, map]) await ref("/a").ask("ECHO", body);
    expect([plain, buffer, map].map((body) => Object.isFrozen(body))).toEqual([true, false, false]);
    const system = await startSystem({
      name: "t",
      logger: silentLogger,
      freezeMessages: false,
      root: supervisor("root", {}, [child("a", probe(), undefined)]),
    });
    const free = {};
    await system.ref<ProbeMessages>("/a").ask("ECHO", free);
    expect(Object.isFrozen(free)).toBe(false);
    await system.stop();
  });
});
