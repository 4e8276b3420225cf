/** Small cases that the model of the supervisor (`supervisor-model.test.ts`) and the chaos test found broken. */
import { describe, expect, it } from "vitest";
import {
  child,
  defineActor,
  dynamicSupervisor,
  type ExitReason,
  IGNORE,
  type SupervisorOptions,
  supervisor,
  type Terminated,
} from "../../supervisor/index.ts";
import { boot, findNode, gate, probe } from "../support/probe.ts";

const slow = { minMs: 100, maxMs: 100, resetAfterMs: 1 };
const patient = { restarts: 100, withinMs: 1 };

describe("a restart of a group", () => {
  it("brings back the one that crashed, also when a temporary sibling before it ends during the delay", async () => {
    const { clock, ref, node } = await boot(
      supervisor("root", { strategy: "rest_for_one", backoff: slow }, [
        child("t", probe(), undefined, { restart: "temporary" }),
        child("b", probe(), undefined),
        child("c", probe(), undefined),
      ]),
    );
    ref("/b").tell("CRASH", "boom");
    await clock.advance(10);
    ref("/t").tell("EXIT", "normal");
    await clock.advance(300);
    expect([node("/b").state, node("/c").state]).toEqual(["running", "running"]);
    expect(node("/c").restarts).toBe(1);
  });

  it("does not show a child as restarting that was stopped by name while the group came down", async () => {
    const stopping = gate();
    const { system, clock, ref, node } = await boot(
      supervisor("root", { strategy: "one_for_all", backoff: slow }, [
        child("a", probe(), undefined),
        supervisor("s", {}, [child("b", probe({ stop: () => stopping.promise }), undefined)]),
      ]),
    );
    ref("/a").tell("CRASH", "boom");
    await clock.settle();
    const stopped = system.stopChild("/s");
    stopping.open();
    await stopped;
    await clock.advance(300);
    expect(node("/a").state).toBe("running");
    expect(node("/s").state).toBe("stopped");
  });
});

describe("a child that is stopped and started again by name while it waits for a restart", () => {
  it.each<[string, SupervisorOptions]>([
    ["after a crash", { intensity: patient }],
    ["after it failed", { intensity: { restarts: 0, withinMs: 1 } }],
  ])("%s is started once, and not again when its delay has passed", async (_when, options) => {
    const journal: string[] = [];
    const { system, clock, ref, node } = await boot(
      supervisor("root", { ...options, backoff: slow }, [
        child("a", probe({ journal }), undefined, { revive: { minMs: 100, maxMs: 100 } }),
      ]),
    );
    ref("/a").tell("CRASH", "boom");
    await clock.advance(10);
    await system.stopChild("/a");
    await system.restartChild("/a");
    await clock.advance(1_000);
    expect(journal.filter((line) => line === "init a")).toHaveLength(2);
    expect(node("/a")).toMatchObject({ state: "running", restarts: 0 });
  });
});

describe("what the tree shows", () => {
  it("a supervisor that was stopped by name stays stopped when the one above it gives up and waits", async () => {
    const { system, clock, node } = await boot(
      supervisor("root", { backoff: slow }, [
        supervisor("t", {}, [supervisor("s", {}, [child("a", probe(), undefined)])]),
      ]),
    );
    await system.stopChild("/t/s");
    system.crash("/t", new Error("gives up"));
    await clock.advance(10);
    expect(node("/t").state).toBe("restarting");
    expect(node("/t/s").state).toBe("stopped");
  });

  it("a child whose init failed in the restart of its supervisor is restarting, not starting, until it is tried again", async () => {
    const init = (count: number) => {
      if (count === 2) throw new Error("not yet");
    };
    const { clock, ref, system, node } = await boot(
      supervisor("root", { backoff: slow, intensity: patient }, [
        supervisor("s", {}, [
          child("a", probe({ init }), undefined, { restart: "transient" }),
          child("b", probe(), undefined),
        ]),
      ]),
    );
    ref("/s/a").tell("EXIT", "normal");
    await clock.settle();
    system.crash("/s", new Error("gives up"));
    await clock.advance(110);
    expect(node("/s").state).toBe("restarting");
    expect(node("/s/a").state).toBe("restarting");
    await clock.advance(100);
    expect(node("/s/a").state).toBe("running");
  });

  it("a child of a dynamic supervisor that says IGNORE when it is restarted is gone, and its name is free", async () => {
    const { system, clock, ref } = await boot(
      supervisor("root", {}, [dynamicSupervisor("d", { backoff: slow })]),
    );
    const init = (count: number) => (count === 2 ? IGNORE : undefined);
    await system.startChild("/d", child("x", probe({ init }), undefined));
    ref("/d/x").tell("CRASH", "boom");
    await clock.advance(200);
    expect(findNode(system, "/d/x")).toBeUndefined();
    await expect(system.startChild("/d", child("x", probe(), undefined))).resolves.toBeDefined();
  });
});

describe("what watchers and the dead letters are told", () => {
  it("a supervisor that once gave up and lives again ends with a plain shutdown when it is stopped", async () => {
    const reasons: ExitReason[] = [];
    const watcher = defineActor<{ ENDED(news: Terminated): void }>({
      name: "writes down why the other ended",
      init: (ctx) => void ctx.watch(ctx.ref("/s"), "ENDED"),
      handle: { ENDED: (_state, { reason }) => void reasons.push(reason) },
    });
    const { system, clock } = await boot(
      supervisor("root", { backoff: slow }, [
        supervisor("s", {}, [child("a", probe(), undefined)]),
        child("watcher", watcher, undefined),
      ]),
    );
    system.crash("/s", new Error("gives up"));
    await clock.advance(200);
    await system.stopChild("/s");
    await clock.settle();
    expect(reasons).toEqual([{ kind: "shutdown" }]);
  });

  it("a queued question whose asker has gone is a dead letter too when the actor ends", async () => {
    const { system, clock, ref } = await boot(
      supervisor("root", {}, [child("a", probe({ pause: "park" }), undefined)]),
    );
    system.pause("a");
    const asked = ref("/a").ask("WHO", undefined, { timeoutMs: 10 });
    const timedOut = expect(asked).rejects.toMatchObject({ code: "timeout" });
    ref("/a").tell("NOTE", 1);
    await clock.advance(20);
    await timedOut;
    await system.stopChild("/a");
    expect(system.deadLetters().byReason).toEqual({ expired: 1, stopped: 1 });
  });
});
