import fc from "fast-check";
import { expect, it } from "vitest";
import {
  type ChildSpec,
  child,
  defineActor,
  dynamicSupervisor,
  eachNode,
  type Strategy,
  silentLogger,
  startSystem,
  supervisor,
  VirtualClock,
} from "../../supervisor/index.ts";

/** How many incarnations of each path have a state that no `stop` has given back, and how many handle at once. */
interface Books {
  readonly alive: Map<string, number>;
  readonly inside: Map<string, number>;
  mostAlive: number;
  mostInside: number;
}

interface Messages {
  WORK(): void;
  CRASH(): void;
}

const worker = defineActor<Messages, Books, Books>({
  name: "keeps books about itself",
  pause: "park",
  async init(ctx, books) {
    const alive = (books.alive.get(ctx.path) ?? 0) + 1;
    books.alive.set(ctx.path, alive);
    books.mostAlive = Math.max(books.mostAlive, alive);
    await Promise.resolve();
    return books;
  },
  handle: {
    async WORK(books, _body, ctx) {
      const inside = (books.inside.get(ctx.path) ?? 0) + 1;
      books.inside.set(ctx.path, inside);
      books.mostInside = Math.max(books.mostInside, inside);
      await new Promise((resolve) => setImmediate(resolve));
      books.inside.set(ctx.path, inside - 1);
    },
    CRASH() {
      throw new Error("as told");
    },
  },
  stop(books, _reason, ctx) {
    books.alive.set(ctx.path, (books.alive.get(ctx.path) ?? 0) - 1);
  },
});

const strategies: readonly Strategy[] = ["one_for_one", "one_for_all", "rest_for_one"];

function treeOf(books: Books): ChildSpec {
  const patient = { intensity: { restarts: 4, withinMs: 1_000 } };
  const branches = strategies.map((strategy) =>
    supervisor(strategy, { ...patient, strategy, revive: { minMs: 50, maxMs: 500 } }, [
      child("a", worker, books),
      child("b", worker, books, { restart: "transient" }),
      supervisor("inner", { ...patient, strategy }, [
        child("c", worker, books),
        child("d", worker, books),
      ]),
    ]),
  );
  return supervisor("root", { intensity: { restarts: 1_000, withinMs: 1 } }, [
    ...branches,
    dynamicSupervisor("dynamic", { intensity: { restarts: 1_000, withinMs: 1 } }),
  ]);
}

const leaves = strategies.flatMap((s) => [`/${s}/a`, `/${s}/b`, `/${s}/inner/c`, `/${s}/inner/d`]);
const anyone = fc.constantFrom(...leaves, "/dynamic/x0", "/dynamic/x1", "/dynamic/x2");
const action = fc.oneof(
  fc.tuple(fc.constantFrom("work", "crash", "crash from aside"), anyone),
  fc.tuple(fc.constantFrom("start", "stop"), fc.constantFrom("x0", "x1", "x2")),
  fc.tuple(fc.constantFrom("pause", "resume"), fc.constantFrom("a", "c", "*")),
  fc.tuple(fc.constantFrom("wait"), fc.constantFrom("1", "20", "200")),
);

it("65: after any mixture of work, crashes, starts, stops and pauses the tree is what its spec says, and nothing leaks or overlaps", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: 80 }), async (actions) => {
      const books: Books = { alive: new Map(), inside: new Map(), mostAlive: 0, mostInside: 0 };
      const clock = new VirtualClock();
      const system = await startSystem({
        name: "chaos",
        logger: silentLogger,
        root: treeOf(books),
        clock,
        seed: 3,
      });
      const pending: Promise<unknown>[] = [];
      for (const [what, whom] of actions) {
        if (what === "work")
          pending.push(
            system
              .ref<Messages>(whom)
              .ask("WORK")
              .catch(() => 0),
          );
        else if (what === "crash") system.ref<Messages>(whom).tell("CRASH");
        else if (what === "crash from aside") system.crash(whom, new Error("from aside"));
        else if (what === "start") {
          pending.push(system.startChild("/dynamic", child(whom, worker, books)).catch(() => 0));
        } else if (what === "stop") pending.push(system.stopChild(`/dynamic/${whom}`));
        else if (what === "pause" || what === "resume") system[what](whom);
        else await clock.advance(Number(whom));
        await clock.settle(2);
      }
      system.resume("*");
      // Long enough for every delay to pass and every ask to be answered or to time out.
      await clock.advance(20_000);
      await Promise.all(pending);
      for (const node of eachNode(system.tree()))
        expect([node.path, node.state]).toEqual([node.path, "running"]);
      expect(system.tree().children.map((node) => node.id)).toEqual([...strategies, "dynamic"]);
      await system.stop();
      expect(books.mostAlive).toBe(1);
      expect(books.mostInside).toBeLessThanOrEqual(1);
      expect([...books.alive.values()].every((count) => count === 0)).toBe(true);
      expect(clock.pendingTimers).toBe(0);
    }),
    { numRuns: 25 },
  );
}, 60_000);
