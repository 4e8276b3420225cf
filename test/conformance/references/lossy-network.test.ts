/** Case 59 for references: what is said to another node over a network that loses, repeats and reorders by seed. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { inMemory } from "../../support/reference-kinds.ts";
import { until } from "./references.ts";

const rows = [0.1, 0.2, 0.3].flatMap((p) => [1, 2, 3, 4].map((seed) => ({ p, seed })));
const most = 400;
const every = Array.from({ length: most }, (_, n) => n);

describe("over a network that loses, repeats and reorders", () => {
  it.each(rows)(
    "59: tells and asks arrive once and in order with p = $p (seed $seed); lossy messages are only lost",
    { timeout: 60_000 },
    async ({ p, seed }) => {
      const { ref, desk, between, caller, callee } = await inMemory.start({
        actors: { a: "plain", b: "plain" },
        faults: { p, seed },
        awayMs: 60_000,
      });
      const asked: Promise<unknown>[] = [];
      for (const n of every) {
        ref("/a").tell("NOTE", n);
        ref("/b").tell("NEWS", n);
        if (n % 4 === 0) asked.push(ref("/a").ask("ECHO", n, { timeoutMs: 60_000 }));
        // Few letters in each frame, so that there are many frames to lose.
        if (n % 2 === 0) await nextTurn();
      }
      expect(await Promise.all(asked)).toEqual(every.filter((n) => n % 4 === 0));
      await until(() => desk.notes("a").length >= most, "all are handled", 40_000);
      await until(() => between.channel.counters()["waiting"] === 0, "all acknowledged", 20_000);
      expect(desk.notes("a").map(Number)).toEqual(every);
      const heard = desk.of("b").map((line) => Number(line.slice(" hears ".length)));
      expect(heard).toEqual([...new Set(heard)].toSorted((a, b) => a - b));
      expect(heard.length).toBeLessThan(most);
      expect(heard.length).toBeGreaterThan(most / 10);
      expect(between.channel.counters()["resent"]).toBeGreaterThan(0);
      expect(between.network?.counts().lost).toBeGreaterThan(0);
      expect([caller.deadLetters().total, callee.deadLetters().total]).toEqual([0, 0]);
    },
  );

  it("59: a crash of the callee in the midst of it loses the message in hand and no other", async () => {
    const { ref, desk } = await inMemory.start({ faults: { p: 0.2, seed: 9 }, awayMs: 60_000 });
    for (const n of every) {
      ref("/a").tell("NOTE", n);
      if (n % 50 === 25) ref("/a").tell("CRASH", "boom");
      if (n % 3 === 0) await nextTurn();
    }
    await until(() => desk.notes("a").length >= most, "all are handled", 40_000);
    expect(desk.notes("a").map(Number)).toEqual(every);
  }, 60_000);
});
