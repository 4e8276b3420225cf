import { describe, expect, it } from "vitest";
import {
  child,
  type Logger,
  type SupervisorOptions,
  silentLogger,
  supervisor,
} from "../../supervisor/index.ts";
import { boot, gate, probe } from "../support/probe.ts";

const quick = { minMs: 10, maxMs: 10, resetAfterMs: 1_000 };

/** A supervisor `s` of one probe `a` below a patient root. */
const nested = (options: SupervisorOptions, journal: string[] = []) =>
  supervisor("root", { backoff: quick, intensity: { restarts: 100, withinMs: 1_000 } }, [
    child("other", probe({ journal }), undefined),
    supervisor("s", { backoff: quick, ...options }, [
      child("a", probe({ journal }), undefined),
      child("b", probe({ journal }), undefined),
    ]),
  ]);

describe("intensity", () => {
  it("17: one crash more than the intensity stops all children, and the parent restarts the supervisor", async () => {
    const journal: string[] = [];
    const { clock, ref, node } = await boot(
      nested({ intensity: { restarts: 2, withinMs: 1_000 } }, journal),
    );
    for (let n = 1; n <= 3; n++) {
      ref("/s/a").tell("CRASH", `boom ${n}`);
      await clock.advance(n < 3 ? 15 : 5);
    }
    expect(node("/s")).toMatchObject({ state: "restarting", restarts: 0 });
    expect(node("/s").lastError).toMatch(/more than 2 restarts within 1000 ms; a: error: boom 3/);
    expect(journal.slice(-2)).toEqual(["stop a error", "stop b shutdown"]);
    await clock.advance(20);
    expect(node("/s")).toMatchObject({ state: "running", restarts: 1 });
    expect(journal.slice(-4)).toEqual(["init a", "ready a", "init b", "ready b"]);
    expect(journal.filter((line) => line === "init other")).toHaveLength(1);
  });

  it("17: what was queued survives the restart of the whole supervisor", async () => {
    const journal: string[] = [];
    const { clock, ref } = await boot(
      nested({ intensity: { restarts: 0, withinMs: 1_000 } }, journal),
    );
    ref("/s/a").tell("CRASH", "boom");
    expect(ref("/s/a").tell("NOTE", "later")).toBe("queued");
    expect(ref("/s/b").tell("CRASH", "boom too")).toBe("queued");
    await clock.advance(100);
    expect(journal).toContain("a: later");
  });

  it("17: a root that gives up ends the system with the last error as the cause", async () => {
    const { system, clock, ref, node } = await boot(
      supervisor("root", { intensity: { restarts: 0, withinMs: 1 } }, [
        child("a", probe(), undefined),
      ]),
    );
    ref("/a").tell("CRASH", "boom");
    await clock.settle();
    const reason = await system.terminated;
    expect(reason).toMatchObject({
      kind: "error",
      error: { code: "intensity", cause: { message: "boom" } },
    });
    expect(node("/").state).toBe("stopped");
    expect(ref("/a").tell("NOTE", 1)).toBe("dead");
    await system.stop();
  });

  it("18: crashes further apart than the period never escalate, whatever the wall clock does", async () => {
    const { clock, ref, node } = await boot(
      nested({ intensity: { restarts: 1, withinMs: 1_000 } }),
    );
    for (let n = 0; n < 20; n++) {
      ref("/s/a").tell("CRASH", "boom");
      clock.jumpWallClock(n % 2 === 0 ? -3_600_000 : 3_600_000);
      await clock.advance(1_001);
    }
    expect(node("/s")).toMatchObject({ restarts: 0, state: "running" });
    expect(node("/s/a").restarts).toBe(20);
  });

  it("22: siblings share their supervisor's budget, whichever of them crashes", async () => {
    const five = ["a", "b", "c", "d", "e"];
    const { system, clock, ref } = await boot(
      supervisor("root", { backoff: quick, intensity: { restarts: 4, withinMs: 1_000 } }, [
        ...five.map((id) => child(id, probe(), undefined)),
      ]),
    );
    for (const id of five) ref(`/${id}`).tell("CRASH", "boom");
    await clock.advance(50);
    await expect(system.terminated).resolves.toMatchObject({ kind: "error" });
  });

  it("22: a child with delayed restart has a budget of its own, fails alone and is revived", async () => {
    const alarms: object[] = [];
    const logger: Logger = {
      ...silentLogger,
      error: (fields: object | string) => void alarms.push(Object(fields) as object),
      child: () => logger,
    };
    const journal: string[] = [];
    const { system, clock, ref, node } = await boot(
      supervisor("root", { backoff: quick, intensity: { restarts: 1, withinMs: 10_000 } }, [
        child("a", probe({ journal }), undefined, { revive: { minMs: 1_000, maxMs: 8_000 } }),
        child("b", probe({ journal }), undefined),
      ]),
      { logger },
    );
    for (let n = 0; n < 2; n++) {
      ref("/a").tell("CRASH", "boom");
      ref("/a").tell("NOTE", "queued");
      await clock.advance(15);
    }
    expect(node("/a").state).toBe("failed");
    expect(ref("/a").tell("NOTE", "lost")).toBe("dead");
    await expect(ref("/a").ask("WHO")).rejects.toMatchObject({ code: "dead" });
    expect(alarms).toContainEqual(expect.objectContaining({ alarm: true, child: "a" }));
    ref("/b").tell("CRASH", "with the shared budget untouched");
    await clock.advance(15);
    expect(node("/b")).toMatchObject({ state: "running", restarts: 1 });
    await clock.advance(2_100);
    expect(node("/a").state).toBe("running");
    expect(system.tree().state).toBe("running");
    await expect(ref("/a").ask("ECHO", 1)).resolves.toBe(1);
  });

  it("22: a supervisor with delayed restart is failed when its budget is spent; delays grow while it fails again", async () => {
    const journal: string[] = [];
    let isBroken = false;
    const init = () => {
      if (isBroken) throw new Error("still broken");
    };
    const { clock, ref, node } = await boot(
      supervisor("root", { intensity: { restarts: 0, withinMs: 1 } }, [
        supervisor(
          "corner",
          { intensity: { restarts: 0, withinMs: 1 }, revive: { minMs: 1_000, maxMs: 100_000 } },
          [child("a", probe({ journal, init }), undefined)],
        ),
      ]),
    );
    isBroken = true;
    ref("/corner/a").tell("CRASH", "boom");
    await clock.advance(10);
    expect(node("/corner").state).toBe("failed");
    const attempts = () => journal.filter((line) => line === "init a").length - 1;
    await clock.advance(2_000);
    expect(attempts()).toBe(1);
    await clock.advance(1_900);
    expect(attempts()).toBe(1);
    await clock.advance(100_000);
    expect(attempts()).toBeLessThan(10);
    isBroken = false;
    await clock.advance(100_000);
    expect(node("/corner").state).toBe("running");
    expect(node("/corner/a").state).toBe("running");
  });

  it("22: a broken corner does not keep the supervisor above it from restarting", async () => {
    let isBroken = false;
    const init = () => {
      if (isBroken) throw new Error("broken");
    };
    const { clock, ref, node } = await boot(
      supervisor("root", { strategy: "one_for_all", backoff: quick }, [
        child("core", probe(), undefined),
        supervisor("services", {}, [
          child("corner", probe({ init }), undefined, { revive: { minMs: 1_000, maxMs: 1_000 } }),
          child("fine", probe(), undefined),
        ]),
      ]),
    );
    isBroken = true;
    ref("/core").tell("CRASH", "boom");
    await clock.advance(50);
    expect(node("/services/corner").state).toBe("failed");
    expect(node("/services/fine").state).toBe("running");
    isBroken = false;
    await clock.advance(1_100);
    expect(node("/services/corner").state).toBe("running");
  });
});

describe("delayed restart in a group", () => {
  it("a failed child is not revived while those before it are down", async () => {
    const journal: string[] = [];
    const { clock, ref, node } = await boot(
      supervisor(
        "root",
        {
          strategy: "rest_for_one",
          backoff: { minMs: 5_000, maxMs: 5_000, resetAfterMs: 1 },
          intensity: { restarts: 1, withinMs: 1_000 },
        },
        [
          child("a", probe({ journal }), undefined),
          supervisor(
            "c",
            { intensity: { restarts: 0, withinMs: 1 }, revive: { minMs: 1_000, maxMs: 1_000 } },
            [child("inner", probe({ journal }), undefined)],
          ),
        ],
      ),
    );
    ref("/c/inner").tell("CRASH", "boom");
    await clock.advance(1);
    expect(node("/c").state).toBe("failed");
    ref("/a").tell("CRASH", "boom");
    journal.length = 0;
    await clock.advance(4_900);
    expect(journal.filter((line) => line.startsWith("init"))).toEqual([]);
    await clock.advance(2_000);
    expect(journal.filter((line) => line.startsWith("init"))).toEqual(["init a", "init inner"]);
    expect(node("/c").state).toBe("running");
  });
});

describe("backoff", () => {
  it("19: an always failing init is tried again after delays between min and max, and the loop stays responsive", async () => {
    const inits: number[] = [];
    const { clock, ref } = await boot(
      supervisor(
        "root",
        {
          backoff: { minMs: 100, maxMs: 1_000, resetAfterMs: 5_000 },
          intensity: { restarts: 1_000, withinMs: 1 },
        },
        [
          child(
            "a",
            probe({
              init: (count) => {
                inits.push(clockNow());
                if (count > 1) throw new Error("never");
              },
            }),
            undefined,
          ),
        ],
      ),
    );
    function clockNow() {
      return inits.length === 0 ? 0 : clock.monotonicMs();
    }
    ref("/a").tell("CRASH", "boom");
    await clock.advance(30_000);
    const delays = inits.slice(2).map((at, index) => at - (inits[index + 1] ?? 0));
    expect(delays.length).toBeGreaterThan(25);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...delays)).toBeLessThanOrEqual(1_000);
    expect(new Set(delays.slice(-5)).size).toBeGreaterThan(1);
  });

  it("20: a stop during a delay is obeyed at once, and nothing restarts later", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(
      supervisor("root", { backoff: { minMs: 60_000, maxMs: 60_000, resetAfterMs: 1 } }, [
        child("a", probe({ journal }), undefined),
      ]),
    );
    ref("/a").tell("CRASH", "boom");
    await clock.advance(10);
    await system.stop();
    expect(clock.pendingTimers).toBe(0);
    journal.length = 0;
    await clock.advance(200_000);
    expect(journal).toEqual([]);
  });

  it("20: a stop during a restart that hangs in init is obeyed at once, and a late state is stopped", async () => {
    const journal: string[] = [];
    const late = gate();
    const aborted: boolean[] = [];
    const init = (count: number, signal: AbortSignal) => {
      signal.addEventListener("abort", () => aborted.push(true));
      return count === 1 ? undefined : late.promise;
    };
    const { system, clock, ref } = await boot(
      supervisor("root", { backoff: quick }, [child("a", probe({ journal, init }), undefined)]),
    );
    ref("/a").tell("CRASH", "boom");
    await clock.advance(20);
    expect(journal.at(-1)).toBe("init a");
    await system.stop();
    expect(aborted).toEqual([true, true]);
    late.open();
    await clock.settle();
    expect(journal.slice(-2)).toEqual(["ready a", "stop a killed"]);
  });

  it("21: after a healthy while the delay is the first one again", async () => {
    const restarts: number[] = [];
    const clockRef: { now: () => number } = { now: () => 0 };
    const { clock, ref } = await boot(
      supervisor(
        "root",
        {
          backoff: { minMs: 100, maxMs: 100_000, resetAfterMs: 2_000 },
          intensity: { restarts: 1_000, withinMs: 1 },
        },
        [child("a", probe({ init: () => restarts.push(clockRef.now()) }), undefined)],
      ),
    );
    clockRef.now = () => clock.monotonicMs();
    const crashAndMeasure = async () => {
      const crashedAt = clock.monotonicMs();
      const before = restarts.length;
      ref("/a").tell("CRASH", "boom");
      while (restarts.length === before) await clock.advance(10);
      return (restarts.at(-1) ?? 0) - crashedAt;
    };
    const delays = [];
    for (let n = 0; n < 5; n++) delays.push(await crashAndMeasure());
    expect(delays[4]).toBeGreaterThanOrEqual(1_600);
    await clock.advance(2_000);
    expect(await crashAndMeasure()).toBeLessThanOrEqual(200);
  });

  it("23: the same seed gives the same delays, another seed others", async () => {
    const delaysOf = async (seed: number) => {
      const startedAt: number[] = [];
      const clockRef: { now: () => number } = { now: () => 0 };
      const { clock, ref } = await boot(
        supervisor("root", { intensity: { restarts: 100, withinMs: 1 } }, [
          child("a", probe({ init: () => startedAt.push(clockRef.now()) }), undefined),
        ]),
        { seed },
      );
      clockRef.now = () => clock.monotonicMs();
      for (let n = 0; n < 5; n++) {
        ref("/a").tell("CRASH", "boom");
        await clock.advance(6_000);
      }
      return startedAt;
    };
    const first = await delaysOf(7);
    expect(await delaysOf(7)).toEqual(first);
    expect(await delaysOf(8)).not.toEqual(first);
  });
});
