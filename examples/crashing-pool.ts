/**
 * A pool of workers, one in ten of whose jobs crashes its worker: the others never notice, a job that was in
 * hand is given to another worker, and every asker gets an answer. Run it with
 * `node dist/examples/crashing-pool.js` after `npm run build`.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  AskError,
  defineActor,
  eachNode,
  pool,
  silentLogger,
  startSystem,
  supervisor,
} from "../supervisor/index.ts";

interface WorkerMessages {
  SQUARE(n: number): number;
}

const attempts = new Map<number, number>();

const worker = defineActor<WorkerMessages>({
  name: "squares numbers, badly",
  init: () => undefined,
  handle: {
    async SQUARE(_state, n) {
      await delay(1);
      const attempt = (attempts.get(n) ?? 0) + 1;
      attempts.set(n, attempt);
      // 13 crashes whoever tries it; other multiples of ten only the first time.
      if (n === 13 || (n % 10 === 0 && attempt === 1)) throw new Error(`${n} is too much`);
      return n * n;
    },
  },
});

const system = await startSystem({
  name: "crashing-pool",
  logger: silentLogger,
  root: supervisor("root", {}, [
    pool("squares", worker, undefined, {
      size: 4,
      onCrash: "requeue",
      attempts: 3,
      intensity: { restarts: 100, withinMs: 1_000 },
      backoff: { minMs: 1, maxMs: 10, resetAfterMs: 1_000 },
    }),
  ]),
});

const squares = system.ref<WorkerMessages>("/squares/router");
const numbers = Array.from({ length: 100 }, (_, n) => n);
const answers = await Promise.allSettled(numbers.map((n) => squares.ask("SQUARE", n)));

const right = answers.filter(
  (answer, n) => answer.status === "fulfilled" && answer.value === n * n,
);
const failed = answers.flatMap((answer, n) =>
  answer.status === "rejected" && answer.reason instanceof AskError
    ? [`${n}: ${answer.reason.code}`]
    : [],
);
let restarts = 0;
for (const node of eachNode(system.tree())) restarts += node.restarts;
process.stdout.write(`${right.length} right, failed after 3 attempts: ${failed.join(", ")}\n`);
process.stdout.write(`${restarts} restarts, ${system.deadLetters().total} dead letters\n`);
await system.stop();
