import { describe, expect, it, onTestFinished } from "vitest";
import {
  type ChildSpec,
  child,
  defineActor,
  dynamicSupervisor,
  IGNORE,
  SupervisionError,
  type SupervisorOptions,
  silentLogger,
  startSystem,
  supervisor,
  VirtualClock,
} from "../../supervisor/index.ts";
import {
  boot,
  findNode,
  gate,
  type ProbeMessages,
  type ProbeOptions,
  probe,
} from "../support/probe.ts";

const silent = { name: "test", logger: silentLogger, seed: 1 };

/** Three probes a, b and c under one supervisor, all writing one journal. */
function abc(
  journal: string[],
  options: SupervisorOptions = {},
  own: { a?: ProbeOptions; b?: ProbeOptions; c?: ProbeOptions } = {},
): ChildSpec {
  return supervisor("root", options, [
    child("a", probe({ journal, ...own.a }), undefined),
    child("b", probe({ journal, ...own.b }), undefined),
    child("c", probe({ journal, ...own.c }), undefined),
  ]);
}

const quick = { minMs: 10, maxMs: 10, resetAfterMs: 1_000 };

describe("start", () => {
  it("1: children start in order, each when the one before is ready, and start waits for all", async () => {
    const journal: string[] = [];
    await boot(abc(journal));
    expect(journal).toEqual(["init a", "ready a", "init b", "ready b", "init c", "ready c"]);
  });

  it("2: an init that throws stops what was started, and start rejects with its error", async () => {
    const journal: string[] = [];
    const root = abc(
      journal,
      {},
      {
        b: {
          init: () => {
            throw new Error("b cannot");
          },
        },
      },
    );
    await expect(startSystem({ ...silent, root })).rejects.toThrow("b cannot");
    expect(journal).toEqual(["init a", "ready a", "init b", "stop a shutdown"]);
  });

  it("2: nested supervisors unwind in reverse, deepest first", async () => {
    const journal: string[] = [];
    const root = supervisor("root", {}, [
      child("x", probe({ journal }), undefined),
      abc(journal),
      child("y", probe({ init: () => Promise.reject(new Error("no y")) }), undefined),
    ]);
    await expect(startSystem({ ...silent, root })).rejects.toThrow("no y");
    expect(journal.filter((line) => line.startsWith("stop"))).toEqual([
      "stop c shutdown",
      "stop b shutdown",
      "stop a shutdown",
      "stop x shutdown",
    ]);
  });

  it("3: an init that exceeds its deadline is fenced, start rejects init-timeout, and a late state is stopped", async () => {
    const journal: string[] = [];
    const clock = new VirtualClock();
    const late = gate();
    const root = supervisor("root", {}, [
      child("a", probe({ journal }), undefined),
      child("b", probe({ journal, init: () => late.promise }), undefined, { startMs: 100 }),
    ]);
    const started = startSystem({ ...silent, root, clock });
    const rejected = expect(started).rejects.toMatchObject({ code: "init-timeout" });
    await clock.advance(101);
    await rejected;
    expect(journal.at(-1)).toBe("stop a shutdown");
    late.open();
    await clock.settle();
    expect(journal.at(-1)).toBe("stop b killed");
  });

  it("4: IGNORE lists the child as stopped and starts the next; a temporary one is not listed", async () => {
    const journal: string[] = [];
    const ignoring = probe({ init: () => IGNORE });
    const { system, ref } = await boot(
      supervisor("root", {}, [
        child("a", ignoring, undefined),
        child("t", ignoring, undefined, { restart: "temporary" }),
        child("c", probe({ journal }), undefined),
      ]),
    );
    expect(system.tree().children.map((c) => [c.id, c.state])).toEqual([
      ["a", "stopped"],
      ["c", "running"],
    ]);
    expect(ref("/a").tell("NOTE", 1)).toBe("dead");
  });

  it("5: a crash between ready and the end of the supervisor's start is not lost", async () => {
    const clock = new VirtualClock();
    const cReady = gate();
    let crashes = 1;
    const root = supervisor("root", { backoff: quick }, [
      child(
        "a",
        defineActor<{ NOW(): void }>({
          name: "crashes once when it is ready",
          init: (ctx) => void ctx.after(5, "NOW"),
          handle: {
            NOW() {
              if (crashes-- > 0) throw new Error("at once");
            },
          },
        }),
        undefined,
      ),
      child("c", probe({ init: () => cReady.promise }), undefined),
    ]);
    const started = startSystem({ ...silent, root, clock });
    await clock.advance(6);
    cReady.open();
    const system = await started;
    await clock.advance(20);
    expect(findNode(system, "/a")).toMatchObject({ state: "running", restarts: 1 });
    await system.stop();
  });

  it("6: a second child of the same id is refused with the ref of the first", async () => {
    const { system } = await boot(supervisor("root", {}, [dynamicSupervisor("d")]));
    const spec = child("x", probe(), undefined);
    await system.startChild("/d", spec);
    await expect(system.startChild("/d", spec)).rejects.toMatchObject({
      code: "already_started",
      ref: { path: "/d/x" },
    });
    await system.stopChild("/d/x");
    await expect(system.startChild("/d", spec)).resolves.toMatchObject({ path: "/d/x" });
    await expect(system.startChild("/nowhere", spec)).rejects.toMatchObject({ code: "not_found" });
  });

  it.each<[string, () => ChildSpec]>([
    ["an empty id", () => child("", probe(), undefined)],
    ["an id with a slash", () => child("a/b", probe(), undefined)],
    ["no definition", () => child("a", undefined as never, undefined)],
    ["a strategy that is none", () => supervisor("s", { strategy: "two" as never }, [])],
    ["a negative deadline", () => child("a", probe(), undefined, { shutdownMs: -1 })],
    ["two of a name", () => supervisor("s", {}, [dynamicSupervisor("x"), dynamicSupervisor("x")])],
    [
      "delays the wrong way round",
      () => supervisor("s", { backoff: { minMs: 2, maxMs: 1, resetAfterMs: 1 } }, []),
    ],
    [
      "a significant child that is permanent",
      () =>
        supervisor("s", { autoShutdown: "any_significant" }, [
          child("a", probe(), undefined, { significant: true }),
        ]),
    ],
  ])("7: a spec with %s is refused before anything starts", async (_what, bad) => {
    const journal: string[] = [];
    const root = supervisor("root", {}, [child("first", probe({ journal }), undefined), bad()]);
    const refused = startSystem({ ...silent, root });
    await expect(refused).rejects.toBeInstanceOf(SupervisionError);
    await expect(refused).rejects.toMatchObject({ code: "malformed" });
    expect(journal).toEqual([]);
  });
});

describe("restart types", () => {
  const ends = {
    normal: { type: "EXIT", body: "normal" },
    shutdown: { type: "EXIT", body: "shutdown" },
    abnormal: { type: "CRASH", body: "boom" },
  } as const;
  it.each([
    ["8", "permanent", "normal", "running"],
    ["8", "permanent", "shutdown", "running"],
    ["8", "permanent", "abnormal", "running"],
    ["9", "transient", "normal", "stopped"],
    ["9", "transient", "shutdown", "stopped"],
    ["10", "transient", "abnormal", "running"],
    ["11", "temporary", "normal", undefined],
    ["11", "temporary", "shutdown", undefined],
    ["11", "temporary", "abnormal", undefined],
  ] as const)("%s: a %s child that ends %s is then %s", async (_case, restart, end, state) => {
    const { system, clock, ref } = await boot(
      supervisor("root", { backoff: quick }, [child("a", probe(), undefined, { restart })]),
    );
    const { type, body } = ends[end];
    ref("/a").tell(type as "CRASH", body);
    await clock.advance(50);
    expect(findNode(system, "/a")?.state).toBe(state);
    expect(findNode(system, "/a")?.restarts).toBe(
      state === undefined ? undefined : state === "running" ? 1 : 0,
    );
  });
});

describe("strategies", () => {
  it("12: one_for_one restarts the crashed child only", async () => {
    const journal: string[] = [];
    const { clock, ref } = await boot(abc(journal, { backoff: quick }));
    journal.length = 0;
    ref("/b").tell("CRASH", "boom");
    await clock.advance(50);
    expect(journal).toEqual(["stop b error", "init b", "ready b"]);
  });

  it("13: one_for_all stops the others in reverse and starts all in order", async () => {
    const journal: string[] = [];
    const { clock, ref } = await boot(abc(journal, { strategy: "one_for_all", backoff: quick }));
    journal.length = 0;
    ref("/a").tell("CRASH", "boom");
    await clock.advance(50);
    expect(journal).toEqual([
      "stop a error",
      "stop c shutdown",
      "stop b shutdown",
      ...["init a", "ready a", "init b", "ready b", "init c", "ready c"],
    ]);
  });

  it.each([
    ["/a", ["stop a error", "stop c shutdown", "stop b shutdown", "init a", "init b", "init c"]],
    ["/b", ["stop b error", "stop c shutdown", "init b", "init c"]],
    ["/c", ["stop c error", "init c"]],
  ])("14: rest_for_one with a crash of %s does %j", async (path, expected) => {
    const journal: string[] = [];
    const { clock, ref } = await boot(abc(journal, { strategy: "rest_for_one", backoff: quick }));
    journal.length = 0;
    ref(path).tell("CRASH", "boom");
    await clock.advance(50);
    expect(journal.filter((line) => !line.startsWith("ready"))).toEqual(expected);
  });

  it("15: a restart in which a sibling's init fails is undone, counted and tried again", async () => {
    const journal: string[] = [];
    const init = (count: number) => {
      if (count === 2) throw new Error("not yet");
    };
    const { clock, ref, node } = await boot(
      abc(journal, { strategy: "one_for_all", backoff: quick }, { c: { init } }),
    );
    journal.length = 0;
    ref("/a").tell("CRASH", "boom");
    await clock.advance(100);
    expect(journal.filter((line) => !line.startsWith("ready"))).toEqual([
      "stop a error",
      "stop c shutdown",
      "stop b shutdown",
      ...["init a", "init b", "init c"],
      "stop b shutdown",
      "stop a shutdown",
      ...["init a", "init b", "init c"],
    ]);
    expect(node("/c").state).toBe("running");
  });

  it("15: an always failing sibling spends the budget and the supervisor gives up", async () => {
    const init = (count: number) => {
      if (count > 1) throw new Error("never again");
    };
    const { system, clock, ref } = await boot(
      abc([], { strategy: "one_for_all", backoff: quick }, { c: { init } }),
    );
    ref("/a").tell("CRASH", "boom");
    await clock.advance(200);
    await expect(system.terminated).resolves.toMatchObject({ kind: "error" });
  });

  it("15: a child that crashes while the group waits widens the restart", async () => {
    const journal: string[] = [];
    const { clock, ref } = await boot(abc(journal, { strategy: "rest_for_one", backoff: quick }));
    journal.length = 0;
    ref("/b").tell("CRASH", "boom");
    await clock.advance(5);
    ref("/a").tell("CRASH", "boom too");
    await clock.advance(50);
    expect(journal.filter((line) => line.startsWith("init"))).toEqual([
      "init a",
      "init b",
      "init c",
    ]);
  });

  it("15: a child that crashes while others are being stopped for another's sake is restarted once", async () => {
    const journal: string[] = [];
    const slow = gate();
    const stop = () => slow.promise;
    const { clock, ref, node } = await boot(
      abc(journal, { strategy: "rest_for_one", backoff: quick }, { c: { stop } }),
    );
    journal.length = 0;
    ref("/b").tell("CRASH", "boom");
    await clock.settle();
    ref("/a").tell("CRASH", "boom too");
    await clock.settle();
    slow.open();
    await clock.advance(100);
    expect(journal.filter((line) => line.startsWith("init"))).toEqual([
      "init a",
      "init b",
      "init c",
    ]);
    expect(node("/c").restarts).toBe(1);
  });

  it("15: two that crash at once are one restart of the group and two of its budget", async () => {
    const journal: string[] = [];
    const slow = gate();
    const intensity = { restarts: 2, withinMs: 1_000 };
    const { clock, ref, node } = await boot(
      abc(
        journal,
        { strategy: "one_for_all", backoff: quick, intensity },
        { b: { stop: () => slow.promise } },
      ),
    );
    await clock.settle();
    journal.length = 0;
    ref("/b").tell("CRASH", "takes long to stop");
    ref("/a").tell("CRASH", "boom");
    await clock.settle();
    slow.open();
    await clock.advance(100);
    expect(journal.filter((line) => line.startsWith("init"))).toEqual([
      "init a",
      "init b",
      "init c",
    ]);
    expect(node("/").state).toBe("running");
  });

  it("19: an init that fails again and again leaves the event loop to others", async () => {
    let inits = 0;
    const init = (count: number) => {
      inits = count;
      if (count > 1) throw new Error("never again");
    };
    const system = await startSystem({
      ...silent,
      root: supervisor(
        "root",
        {
          backoff: { minMs: 1, maxMs: 2, resetAfterMs: 1_000 },
          intensity: { restarts: 1_000_000, withinMs: 1 },
        },
        [child("a", probe({ init }), undefined), child("b", probe(), undefined)],
      ),
    });
    onTestFinished(() => system.stop());
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
    }, 1);
    onTestFinished(() => clearInterval(timer));
    system.crash("/a", new Error("boom"));
    while (inits < 30) await system.ref<ProbeMessages>("/b").ask("WHO");
    // A start that loops without giving way would let no timer through.
    expect(ticks).toBeGreaterThanOrEqual(5);
  });

  it("20: a child that is stopped by name while it recovers from a crash does not come back", async () => {
    const journal: string[] = [];
    const slow = gate();
    const { system, clock, ref, node } = await boot(
      abc(journal, { backoff: quick }, { b: { stop: () => slow.promise } }),
    );
    ref("/b").tell("CRASH", "boom");
    await clock.settle();
    const stopped = system.stopChild("/b");
    slow.open();
    await stopped;
    await clock.advance(1_000);
    expect(node("/b")).toMatchObject({ state: "stopped", restarts: 0 });
    ref("/a").tell("CRASH", "boom");
    await clock.advance(5);
    await system.stopChild("/a");
    await clock.advance(1_000);
    expect(node("/a")).toMatchObject({ state: "stopped", restarts: 0 });
  });

  it("16: a thousand temporary children end at once and leave nothing", async () => {
    const { system, clock, ref, node } = await boot(
      supervisor("root", {}, [dynamicSupervisor("d")]),
    );
    const definition = probe();
    for (let n = 0; n < 1_000; n++) {
      await system.startChild(
        "/d",
        child(`c${n}`, definition, undefined, { restart: "temporary" }),
      );
    }
    expect(node("/d").children).toHaveLength(1_000);
    for (let n = 0; n < 500; n++) ref(`/d/c${n}`).tell("CRASH", "boom");
    await clock.settle(20);
    expect(node("/d").children).toHaveLength(500);
    await system.stop();
    expect(node("/d").children).toHaveLength(0);
    expect(node("/d").restarts).toBe(0);
  });
});
