import { describe, expect, it } from "vitest";
import { child, defineActor, startSystem, supervisor } from "../../supervisor/index.ts";
import { silentLogger } from "../../supervisor/logger.ts";

interface EchoMessages {
  ECHO(n: number): number;
  LATER(n: number): number;
}

/** Runs with the system's own clock: what is looked at here are turns of the event loop. */
async function withEcho<T>(use: (ask: Ask, seen: number[]) => Promise<T>): Promise<T> {
  const seen: number[] = [];
  const echo = defineActor<EchoMessages>({
    name: "answers with what it was asked",
    init: () => undefined,
    handle: {
      ECHO: (_state, n) => {
        seen.push(n);
        return n;
      },
      LATER: async (_state, n) => {
        await Promise.resolve();
        return n;
      },
    },
  });
  const system = await startSystem({
    name: "turns",
    logger: silentLogger,
    root: supervisor("root", {}, [child("echo", echo, undefined)]),
  });
  try {
    const ref = system.ref<EchoMessages>("/echo");
    return await use((type, n) => ref.ask(type, n), seen);
  } finally {
    await system.stop();
  }
}
type Ask = (type: "ECHO" | "LATER", n: number) => Promise<number>;

/** How often the event loop comes round until the work is done. */
async function roundsOf(work: Promise<void>): Promise<number> {
  let rounds = 0;
  let isDone = false;
  const count = (): void => {
    rounds += 1;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await work;
  isDone = true;
  return rounds;
}

describe("a turn", () => {
  it.each(["ECHO", "LATER"] as const)(
    "takes in the next question of whoever was answered: 60 times %s in a few rounds of the event loop",
    async (type) => {
      const rounds = await withEcho(
        async (ask) =>
          await roundsOf(
            (async () => {
              for (let n = 0; n < 60; n += 1) expect(await ask(type, n)).toBe(n);
            })(),
          ),
      );
      // More than two only on a machine so busy that turns end by time.
      expect(rounds).toBeLessThan(30);
    },
  );

  it("also where his next question comes a few promises later", async () => {
    const rounds = await withEcho(async (ask) => {
      const wrapped = async (n: number): Promise<number> => {
        const inner = async () => {
          const answer = await ask("ECHO", n);
          await Promise.resolve();
          return answer;
        };
        return await inner();
      };
      return await roundsOf(
        (async () => {
          for (let n = 0; n < 60; n += 1) await wrapped(n);
        })(),
      );
    });
    expect(rounds).toBeLessThan(30);
  });

  it("ends all the same: one who asks for ever holds up neither timers nor immediates", async () => {
    await withEcho(async (ask) => {
      const over = new AbortController();
      setTimeout(() => {
        over.abort();
      }, 5);
      // Without an end of the turn the timer never fires; a bound, so that this fails instead of hanging.
      for (let n = 0; !over.signal.aborted && n < 2_000_000; n += 1) await ask("ECHO", n);
      expect(over.signal.aborted).toBe(true);
    });
  });

  it("takes at most 64 questions, however fast the next one comes", async () => {
    await withEcho(async (ask, seen) => {
      const seenAtRounds: number[] = [];
      let isDone = false;
      const look = (): void => {
        seenAtRounds.push(seen.length);
        if (!isDone) setImmediate(look);
      };
      setImmediate(look);
      for (let n = 0; n < 1_000; n += 1) await ask("ECHO", n);
      isDone = true;
      const steps = seenAtRounds.map((count, at) => count - (seenAtRounds[at - 1] ?? 0));
      expect(steps.length).toBeGreaterThan(10);
      expect(Math.max(...steps)).toBeLessThanOrEqual(64);
      expect(seen).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
    });
  });

  it("loses no message that comes while it waits for the askers, or just after", async () => {
    await withEcho(async (ask, seen) => {
      // Each comes at another moment of the turn that answers the one before.
      for (let delay = 0; delay < 12; delay += 1) {
        await ask("ECHO", 1);
        for (let hop = 0; hop < delay; hop += 1) await Promise.resolve();
        await ask("ECHO", 2);
        await new Promise<void>((resolve) => {
          process.nextTick(resolve);
        });
        await ask("ECHO", 3);
        for (let tick = 0; tick < delay; tick += 1) {
          await new Promise<void>((resolve) => {
            process.nextTick(resolve);
          });
        }
        await ask("ECHO", 4);
      }
      expect(seen).toHaveLength(48);
    });
  });
});
