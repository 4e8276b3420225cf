import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import {
  type ChildSpec,
  child,
  defineActor,
  dynamicSupervisor,
  IGNORE,
  type Strategy,
  type SupervisorOptions,
  supervisor,
} from "../../supervisor/index.ts";
import { boot, type Fixture, findNode, gate, type ProbeOptions, probe } from "../support/probe.ts";

const quick = { minMs: 10, maxMs: 10, resetAfterMs: 1_000 };
const slow = { minMs: 1_000, maxMs: 1_000, resetAfterMs: 10_000 };

/** A supervisor "s" with probes a, b and c, under a root that restarts it. */
function abc(
  journal: string[] = [],
  options: SupervisorOptions = {},
  own: { readonly b?: ProbeOptions } = {},
): ChildSpec {
  return supervisor("root", { backoff: quick }, [
    supervisor("s", { backoff: quick, ...options }, [
      child("a", probe({ journal }), undefined),
      child("b", probe({ journal, ...own.b }), undefined),
      child("c", probe({ journal }), undefined),
    ]),
  ]);
}

const childrenOf = ({ system }: Fixture, path: string) =>
  findNode(system, path)?.children.map(({ id, state }) => `${id} ${state}`);

describe("children at run time", () => {
  it("6: a child that runs is already_started, one that is stopped already_present, with its path, until it is deleted", async () => {
    const fixture = await boot(abc());
    const { system, ref } = fixture;
    const spec = child("b", probe(), undefined);
    const path = "/s/b";
    const started = { code: "already_started", ref: { path } };
    await expect(system.startChild("/s", spec)).rejects.toMatchObject(started);
    await system.stopChild(path);
    expect(childrenOf(fixture, "/s")).toEqual(["a running", "b stopped", "c running"]);
    expect(ref(path).tell("NOTE", 1)).toBe("dead");
    const present = { code: "already_present", ref: { path } };
    await expect(system.startChild("/s", spec)).rejects.toMatchObject(present);
    system.deleteChild(path);
    expect(childrenOf(fixture, "/s")).toEqual(["a running", "c running"]);
    await expect(system.startChild("/s", spec)).resolves.toMatchObject({ path });
    expect(childrenOf(fixture, "/s")).toEqual(["a running", "c running", "b running"]);
    await expect(ref(path).ask("ECHO", "new")).resolves.toBe("new");
  });

  it.each([
    ["was stopped", undefined, async ({ system }: Fixture) => await system.stopChild("/s/b")],
    [
      "has ended by itself",
      undefined,
      async ({ ref, clock }: Fixture) => {
        ref("/s/b").tell("EXIT", "normal");
        await clock.settle();
      },
    ],
    ["said IGNORE", (count: number) => (count === 1 ? IGNORE : undefined), async () => undefined],
  ])(
    "6: a child that %s starts again with restartChild, in its old place",
    async (_how, init, end) => {
      const own = init ? { b: { init } } : {};
      const journal: string[] = [];
      const fixture = await boot(
        supervisor("root", {}, [
          supervisor("s", {}, [
            child("a", probe({ journal }), undefined),
            child("b", probe({ journal, ...own.b }), undefined, { restart: "transient" }),
            child("c", probe({ journal }), undefined),
          ]),
        ]),
      );
      const { system, ref } = fixture;
      await end(fixture);
      expect(childrenOf(fixture, "/s")).toEqual(["a running", "b stopped", "c running"]);
      await expect(system.restartChild("/s/b")).resolves.toMatchObject({ path: "/s/b" });
      expect(childrenOf(fixture, "/s")).toEqual(["a running", "b running", "c running"]);
      await expect(ref("/s/b").ask("ECHO", 1)).resolves.toBe(1);
      journal.length = 0;
      await system.stop();
      expect(journal).toEqual(["stop c shutdown", "stop b shutdown", "stop a shutdown"]);
    },
  );

  it("6: neither a running child, nor one that waits for its restart, nor nobody can be restarted or deleted", async () => {
    const { system, clock, ref } = await boot(abc([], { backoff: slow }));
    const refused = async (path: string, code: string) => {
      await expect(system.restartChild(path)).rejects.toMatchObject({ code });
      expect(() => system.deleteChild(path)).toThrow(expect.objectContaining({ code }));
    };
    await refused("/s/b", "running");
    ref("/s/b").tell("CRASH", "boom");
    await clock.settle();
    await refused("/s/b", "restarting");
    await expect(system.startChild("/s", child("b", probe(), undefined))).rejects.toMatchObject({
      code: "already_started",
    });
    await system.stopChild("/s/b");
    system.deleteChild("/s/b");
    await refused("/s/b", "not_found");
    await refused("/nowhere/b", "not_found");
    await refused("/", "not_found");
    await clock.advance(5_000);
    expect(findNode(system, "/s/b")).toBeUndefined();
  });

  it("6: a restartChild whose init fails rejects with its error, and the child stays stopped", async () => {
    const init = (count: number) => {
      if (count === 2) throw new Error("not this time");
    };
    const fixture = await boot(abc([], {}, { b: { init } }));
    const { system, clock } = fixture;
    await system.stopChild("/s/b");
    await expect(system.restartChild("/s/b")).rejects.toThrow("not this time");
    await clock.advance(1_000);
    expect(childrenOf(fixture, "/s")).toEqual(["a running", "b stopped", "c running"]);
    await expect(system.restartChild("/s/b")).resolves.toMatchObject({ path: "/s/b" });
  });

  it("6: a child that is stopped while restartChild waits for its init stays stopped", async () => {
    const ready = gate();
    const init = (count: number) => (count === 2 ? ready.promise : undefined);
    const fixture = await boot(abc([], {}, { b: { init } }));
    const { system, clock } = fixture;
    await system.stopChild("/s/b");
    const restarted = expect(system.restartChild("/s/b")).rejects.toMatchObject({
      code: "stopped",
    });
    await clock.settle();
    await expect(system.restartChild("/s/b")).rejects.toMatchObject({ code: "running" });
    await system.stopChild("/s/b");
    await restarted;
    ready.open();
    await clock.advance(1_000);
    expect(childrenOf(fixture, "/s")).toEqual(["a running", "b stopped", "c running"]);
  });

  it.each<[Strategy, string[]]>([
    ["one_for_all", ["init a", "init b", "init c", "init x"]],
    ["rest_for_one", ["init b", "init c", "init x"]],
  ])(
    "6: a child that was added to a %s supervisor is the last of its order and restarts with its siblings",
    async (strategy, inits) => {
      const journal: string[] = [];
      const { system, clock, ref } = await boot(abc(journal, { strategy }));
      await system.startChild("/s", child("x", probe({ journal }), undefined));
      journal.length = 0;
      ref("/s/b").tell("CRASH", "boom");
      await clock.advance(100);
      expect(journal.filter((line) => line.startsWith("init"))).toEqual(inits);
      journal.length = 0;
      ref("/s/x").tell("CRASH", "boom");
      await clock.advance(100);
      expect(journal).toContain("init x");
      await system.stop();
      const stops = journal.filter((line) => line.endsWith("shutdown")).slice(-4);
      expect(stops.map((line) => line.split(" ")[1])).toEqual(["x", "c", "b", "a"]);
    },
  );

  it("6: when the supervisor itself restarts, added children are gone and its own are back, in their order", async () => {
    const journal: string[] = [];
    const fixture = await boot(abc(journal));
    const { system, clock } = fixture;
    await system.startChild("/s", child("x", probe({ journal }), undefined));
    await system.stopChild("/s/a");
    await system.stopChild("/s/b");
    system.deleteChild("/s/b");
    expect(childrenOf(fixture, "/s")).toEqual(["a stopped", "c running", "x running"]);
    journal.length = 0;
    expect(system.crash("/s", new Error("gives up"))).toBe(true);
    await clock.advance(100);
    expect(childrenOf(fixture, "/s")).toEqual(["a running", "b running", "c running"]);
    journal.length = 0;
    await system.stop();
    expect(journal).toEqual(["stop c shutdown", "stop b shutdown", "stop a shutdown"]);
  });

  it("6: an added child whose init fails is not there; one that says IGNORE is, unless it is temporary", async () => {
    const fixture = await boot(abc());
    const { system } = fixture;
    const failing = probe({ init: () => Promise.reject(new Error("cannot")) });
    const ignoring = probe({ init: () => IGNORE });
    const added = (id: string, options = {}) => child(id, ignoring, undefined, options);
    await expect(system.startChild("/s", child("x", failing, undefined))).rejects.toThrow("cannot");
    await system.startChild("/s", added("y"));
    await system.startChild("/s", added("z", { restart: "temporary" }));
    expect(childrenOf(fixture, "/s")?.slice(3)).toEqual(["y stopped"]);
  });

  it("6: a temporary child, or one of a dynamic supervisor, is gone once it is stopped", async () => {
    const fixture = await boot(
      supervisor("root", {}, [
        child("t", probe(), undefined, { restart: "temporary" }),
        dynamicSupervisor("d"),
      ]),
    );
    const { system } = fixture;
    await system.startChild("/d", child("x", probe(), undefined));
    for (const path of ["/t", "/d/x"]) {
      await system.stopChild(path);
      expect(findNode(system, path)).toBeUndefined();
      await expect(system.restartChild(path)).rejects.toMatchObject({ code: "not_found" });
    }
  });

  it("6: an actor adds, stops, restarts and deletes children; its fenced predecessor cannot", async () => {
    const hold = gate();
    const late: unknown[] = [];
    const spec = child("x", probe(), undefined);
    const manager = defineActor<{ CHANGE(): string[]; LINGER(): void; CRASH(): void }>({
      name: "changes its siblings",
      init() {},
      handle: {
        async CHANGE(_state, _body, ctx) {
          const log: string[] = [(await ctx.startChild("/s", spec)).path];
          await ctx.stopChild("/s/x");
          log.push((await ctx.restartChild("/s/x")).path);
          await ctx.stopChild("/s/x");
          ctx.deleteChild("/s/x");
          return log;
        },
        LINGER: (_state, _body, ctx) =>
          ctx.run(async () => {
            await hold.promise;
            late.push(await ctx.restartChild("/s/b").catch((error: unknown) => error));
            try {
              ctx.deleteChild("/s/b");
            } catch (error) {
              late.push(error);
            }
          }),
        CRASH() {
          throw new Error("boom");
        },
      },
    });
    const { system, clock } = await boot(
      supervisor("root", { backoff: quick }, [
        supervisor("s", {}, [child("b", probe(), undefined)]),
        child("m", manager, undefined),
      ]),
    );
    const ref = system.ref<{ CHANGE(): string[]; LINGER(): void; CRASH(): void }>("/m");
    await expect(ref.ask("CHANGE")).resolves.toEqual(["/s/x", "/s/x"]);
    expect(findNode(system, "/s/x")).toBeUndefined();
    await system.stopChild("/s/b");
    ref.tell("LINGER");
    ref.tell("CRASH");
    await clock.advance(100);
    hold.open();
    await clock.settle();
    expect(late).toMatchObject([{ code: "stopped" }, { code: "stopped" }]);
    expect(findNode(system, "/s/b")?.state).toBe("stopped");
  });
});

describe("what is gone leaves nothing", () => {
  const collectGarbage = () => {
    setFlagsFromString("--expose-gc");
    (runInNewContext("gc") as () => void)();
  };
  const keeper = defineActor<{ CRASH(): void }, { readonly bytes: Uint8Array }>({
    name: "keeps its arguments",
    init: () => undefined,
    handle: {
      CRASH() {
        throw new Error("boom");
      },
    },
  });

  it("11: the arguments of a temporary child that has crashed can be collected", async () => {
    const fixture = await boot(supervisor("root", {}, [dynamicSupervisor("d")]));
    const { system, clock } = fixture;
    const start = async (id: string, wrap: (spec: ChildSpec) => ChildSpec) => {
      const args = { bytes: new Uint8Array(1_000_000) };
      await system.startChild("/d", wrap(child(id, keeper, args, { restart: "temporary" })));
      return new WeakRef(args);
    };
    const inner = (spec: ChildSpec) => supervisor("inner", { restart: "temporary" }, [spec]);
    const refs = [await start("x", (spec) => spec), await start("y", inner)];
    system.ref<{ CRASH(): void }>("/d/x").tell("CRASH");
    await clock.settle();
    await system.stopChild("/d/inner");
    const isLeft = () => refs.map((ref) => ref.deref() !== undefined);
    for (let turn = 0; turn < 100 && isLeft().includes(true); turn++) {
      // What was looked at lives until the end of the turn.
      await nextTurn();
      collectGarbage();
    }
    expect(isLeft()).toEqual([false, false]);
    expect(childrenOf(fixture, "/d")).toEqual([]);
  });

  it("16: stopping ten times as many children costs at most fifty times as much", async () => {
    const definition = probe();
    const stopMs = async (count: number) => {
      const { system } = await boot(supervisor("root", {}, [dynamicSupervisor("d")]));
      for (let n = 0; n < count; n++) {
        await system.startChild("/d", child(`c${n}`, definition, undefined));
      }
      const startedAtMs = performance.now();
      await system.stopChild("/d");
      return performance.now() - startedAtMs;
    };
    await stopMs(50);
    const fewMs = Math.max(5, await stopMs(100));
    let manyMs = Number.POSITIVE_INFINITY;
    // The machine may have been busy with something else.
    for (let round = 0; round < 3 && manyMs >= 50 * fewMs; round++) manyMs = await stopMs(1_000);
    expect(manyMs).toBeLessThan(50 * fewMs);
  });
});
