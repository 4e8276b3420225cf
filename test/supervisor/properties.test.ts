import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Backoff } from "../../supervisor/backoff.ts";
import { Fifo } from "../../supervisor/fifo.ts";
import { child, silentLogger, startSystem, supervisor } from "../../supervisor/index.ts";
import { IntensityWindow } from "../../supervisor/intensity.ts";
import { namePattern } from "../../supervisor/name-pattern.ts";
import { seededRandom } from "../../supervisor/random.ts";
import { type ProbeMessages, probe } from "../support/probe.ts";

describe("31: order", () => {
  it("messages of one sender arrive in their order under any interleaving of senders, pauses and crashes", async () => {
    const step = fc.oneof(
      { weight: 10, arbitrary: fc.record({ sender: fc.nat(3) }) },
      { weight: 2, arbitrary: fc.constant("turn" as const) },
      { weight: 1, arbitrary: fc.constantFrom("crash", "pause", "resume", "slow") },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const journal: string[] = [];
        const system = await startSystem({
          name: "order",
          logger: silentLogger,
          root: supervisor(
            "root",
            {
              backoff: { minMs: 0.1, maxMs: 0.1, resetAfterMs: 1 },
              intensity: { restarts: 1_000, withinMs: 1 },
            },
            [child("a", probe({ journal, pause: "park" }), undefined)],
          ),
        });
        const ref = system.ref<ProbeMessages>("/a");
        const sent: number[] = [0, 0, 0, 0];
        for (const next of steps) {
          if (typeof next === "object") {
            const number = (sent[next.sender] ?? 0) + 1;
            sent[next.sender] = number;
            ref.tell("NOTE", `${next.sender} ${number}`);
          } else if (next === "turn") await new Promise((resolve) => setImmediate(resolve));
          else if (next === "crash") ref.tell("CRASH", "boom");
          else if (next === "slow") ref.tell("HOLD", Promise.resolve());
          else system[next]("a");
        }
        system.resume("a");
        await ref.ask("WHO");
        await system.stop();
        const received = journal.filter((line) => line.startsWith("a: "));
        for (let sender = 0; sender < 4; sender++) {
          const own = received.filter((line) => line.startsWith(`a: ${sender} `));
          const expected = Array.from(
            { length: sent[sender] ?? 0 },
            (_, n) => `a: ${sender} ${n + 1}`,
          );
          expect(own).toEqual(expected);
        }
      }),
      { numRuns: 40 },
    );
  }, 20_000);

  it("a lane gives back what was put in, in order, however pushes and shifts alternate", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -40, max: 60 }), { maxLength: 200 }), (amounts) => {
        const lane = new Fifo<number>();
        const model: number[] = [];
        let next = 0;
        for (const amount of amounts) {
          for (let n = 0; n < amount * 40; n++) {
            lane.push(next);
            model.push(next++);
          }
          for (let n = 0; n > amount * 40; n--) {
            if (lane.shift() !== model.shift()) return false;
          }
          if (lane.size !== model.length) return false;
        }
        return true;
      }),
      { numRuns: 30 },
    );
  });
});

describe("intensity", () => {
  it("the window says what a naive list of all restarts says", () => {
    fc.assert(
      fc.property(
        fc.record({ restarts: fc.nat(5), withinMs: fc.integer({ min: 1, max: 100 }) }),
        fc.array(fc.nat(60), { maxLength: 60 }),
        (options, gaps) => {
          const window = new IntensityWindow(options);
          const all: number[] = [];
          let nowMs = 0;
          for (const gap of gaps) {
            nowMs += gap;
            all.push(nowMs);
            const recent = all.filter((atMs) => nowMs - atMs <= options.withinMs).length;
            if (window.spend(nowMs) !== recent <= options.restarts) return false;
          }
          return true;
        },
      ),
    );
  });
});

describe("intensity at its edges", () => {
  it.each([
    [0, 100, [0], [false]],
    [1, 100, [0, 100], [true, false]],
    [1, 100, [0, 101], [true, true]],
    [2, 100, [0, 0, 0], [true, true, false]],
    // What was refused counts as well: only quiet for the whole period helps.
    [1, 100, [0, 60, 120, 180], [true, false, false, false]],
    [1, 100, [0, 60, 161], [true, false, true]],
  ])("%i within %i ms: restarts at %j are allowed: %j", (restarts, withinMs, atMs, allowed) => {
    const window = new IntensityWindow({ restarts, withinMs });
    expect(atMs.map((nowMs) => window.spend(nowMs))).toEqual(allowed);
  });
});

describe("backoff", () => {
  it("23: delays are those of a naive list: doubled for each attempt, the first again after health, the same for the same seed", () => {
    const options = fc
      .record({ minMs: fc.integer({ min: 1, max: 100 }), factor: fc.integer({ min: 1, max: 50 }) })
      .map(({ minMs, factor }) => ({ minMs, maxMs: minMs * factor, resetAfterMs: 1_000 }));
    /** How long the child was healthy before each crash; undefined: its start failed. */
    const healthy = fc.option(fc.constantFrom(0, 999, 1_000, 5_000), { nil: undefined });
    fc.assert(
      fc.property(options, fc.integer(), fc.array(healthy, { maxLength: 20 }), (o, seed, all) => {
        const delaysOf = (backoff: Backoff) => {
          let nowMs = 0;
          return all.map((healthyMs) => {
            if (healthyMs !== undefined) backoff.ready(nowMs);
            nowMs += healthyMs ?? 0;
            return backoff.nextDelayMs(nowMs);
          });
        };
        const delays = delaysOf(new Backoff(o, seededRandom(seed, "/a")));
        expect(delaysOf(new Backoff(o, seededRandom(seed, "/a")))).toEqual(delays);
        const random = seededRandom(seed, "/a");
        let attempt = 0;
        for (const [at, healthyMs] of all.entries()) {
          attempt = healthyMs !== undefined && healthyMs >= o.resetAfterMs ? 1 : attempt + 1;
          const ceilingMs = Math.min(o.maxMs, o.minMs * 2 ** attempt);
          const expected = Math.max(o.minMs, ceilingMs / 2 + (ceilingMs / 2) * random());
          expect(delays[at]).toBeCloseTo(expected, 6);
        }
      }),
    );
  });

  it("a delay is never outside min and max, and its floor doubles until it is half of max", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer(),
        (minMs, factor, seed) => {
          const maxMs = minMs * factor;
          const backoff = new Backoff({ minMs, maxMs, resetAfterMs: 1 }, seededRandom(seed, "x"));
          for (let attempt = 0; attempt < 40; attempt++) {
            const delayMs = backoff.nextDelayMs(0);
            if (delayMs < minMs || delayMs > maxMs) return false;
            if (delayMs < Math.min(maxMs / 2, minMs * 2 ** attempt)) return false;
          }
          return true;
        },
      ),
    );
  });

  it("random streams depend on seed and name, and stay within 0 and 1", () => {
    const draw = (seed: number, name: string) => {
      const random = seededRandom(seed, name);
      return Array.from({ length: 100 }, random);
    };
    expect(draw(1, "/a")).toEqual(draw(1, "/a"));
    expect(draw(1, "/a")).not.toEqual(draw(1, "/b"));
    expect(draw(1, "/a")).not.toEqual(draw(2, "/a"));
    expect(draw(1, "/a").every((n) => n >= 0 && n < 1)).toBe(true);
  });
});

describe("name patterns", () => {
  it.each([
    ["seraph", "seraph", "/database/seraph", true],
    ["SERAPH", "seraph", "/database/seraph", true],
    ["oracle*", "oracle-2", "/database/oracles/oracle-2", true],
    ["*", "anything", "/anything", true],
    ["/database/*", "seraph", "/database/seraph", true],
    ["sera", "seraph", "/database/seraph", false],
    ["s.raph", "seraph", "/database/seraph", false],
    ["(", "seraph", "/database/seraph", false],
    ["", "seraph", "/database/seraph", false],
    ["*e*r*", "seraph", "/database/seraph", true],
    ["*a*s*", "seraph", "/x/seraph", false],
    ["sera*aph", "seraph", "/database/seraph", false],
    // Of a pattern that a matcher with a memory would think about for ever.
    [`${"*a".repeat(90)}*b`, "a".repeat(180), "/", false],
  ])("%j against %s (%s) is %s", (pattern, id, path, matches) => {
    expect(namePattern(pattern)(id, path)).toBe(matches);
  });
});
