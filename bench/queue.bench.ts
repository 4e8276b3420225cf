/**
 * Does choosing the next build get slower as the farm grows? Leases, results and new versions on databases of
 * 10,000, 100,000 and 1,000,000 versions, beside the queue computed from scratch by its definition; and
 * leases while somebody holds a transaction open for longer than a minute and 40,000 builds are given out.
 */

import { atMost, below, type Findings, median, runBench } from "./frame.ts";
import { type BenchDatabase, makeBenchDatabase } from "./queue/bench-database.ts";
import { masterMemoryMiB } from "./queue/master-memory.ts";
import {
  additions,
  definition,
  leases,
  oldTransaction,
  Picker,
  settles,
  timed,
} from "./queue/questions.ts";
import { figure, quantile, rounded } from "./rounds.ts";

const SIZES = [10_000, 100_000, 1_000_000];
const SLAVES = 120;
const LEASES = 2_000;
const SETTLES = 400;
const ADDITIONS = 300;
/** While a transaction is open: given out at once, and then measured at least. */
const OLD_LEASES = 40_000;
const OLD_COUNTED = 1_000;
const OLD_MS = 60_000;
const AIM_MS = 5;

interface Answers {
  readonly versions: number;
  readonly lease: readonly number[];
  readonly settle: readonly number[];
  readonly add: readonly number[];
  readonly definitionMs: number;
  readonly masterMiB: number;
  /** Of the largest size only. */
  readonly old: Old | undefined;
}

interface Old {
  readonly lease: readonly number[];
  readonly openMs: number;
  /** The first lease of a master that was just started, which does not know where the last one was. */
  readonly unboundedMs: number;
}

await runBench("queue", async (signal) => {
  const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : SIZES;
  const answers: Answers[] = [];
  for (const versions of sizes) {
    const database = await makeBenchDatabase(versions, SLAVES, signal);
    try {
      answers.push(await ask(database, versions, versions === Math.max(...sizes), signal));
    } finally {
      await database.end();
    }
  }
  return findings(answers);
});

async function ask(
  database: BenchDatabase,
  versions: number,
  isLargest: boolean,
  signal: AbortSignal,
): Promise<Answers> {
  const picker = new Picker(database);
  // Not counted: plans are made and code is compiled.
  await leases(picker, 100, signal);
  const lease = await leases(picker, LEASES, signal);
  await settles(database, picker, 20, signal);
  const settle = await settles(database, picker, SETTLES, signal);
  await additions(database, 5, signal);
  const add = await additions(database, ADDITIONS, signal);
  const definitionMs = await definition(database);
  const old = isLargest ? await whileOld(database, picker, versions, signal) : undefined;
  const masterMiB = await masterMemoryMiB(database, signal);
  return { versions, lease, settle, add, definitionMs, masterMiB, old };
}

async function whileOld(
  database: BenchDatabase,
  picker: Picker,
  versions: number,
  signal: AbortSignal,
): Promise<Old> {
  const transaction = await oldTransaction(database.dsn);
  const startedAt = performance.now();
  const lease: number[] = [];
  try {
    await picker.leaseAtOnce(Math.min(OLD_LEASES, versions / 4));
    const isOver = () => performance.now() - startedAt > OLD_MS || lease.length > versions / 10;
    while (lease.length < OLD_COUNTED || !isOver())
      lease.push(...(await leases(picker, 100, signal)));
    picker.forget();
    const { ms: unboundedMs } = await timed(() => picker.lease());
    return { lease, openMs: performance.now() - startedAt, unboundedMs };
  } finally {
    await transaction.end();
  }
}

function findings(answers: readonly Answers[]): Findings {
  const p99 = (values: readonly number[]) => rounded(quantile(values, 0.99));
  const both = (values: readonly number[]) => `${figure(median(values))}, ${figure(p99(values))}`;
  const smallest = answers[0];
  const largest = answers.at(-1);
  if (smallest === undefined || largest === undefined) throw new Error("no size was asked for");
  const { old } = largest;
  // The last of them, when the transaction has been open for longest.
  const late = old?.lease.slice(-Math.floor(old.lease.length / 4)) ?? [];
  const figures: Record<string, number> = {
    leaseMs: rounded(median(largest.lease)),
    leaseP99Ms: p99(largest.lease),
    leaseToSmallest: rounded(median(largest.lease) / median(smallest.lease)),
    leaseP99ToSmallest: rounded(p99(largest.lease) / p99(smallest.lease)),
    settleMs: rounded(median(largest.settle)),
    addMs: rounded(median(largest.add)),
    definitionMs: rounded(largest.definitionMs),
    masterMiB: rounded(largest.masterMiB),
    oldLeaseMs: rounded(median(late)),
    oldLeaseP99Ms: p99(late),
  };
  return {
    tables: [
      {
        title: "By the number of versions: median and p99 in ms",
        head: ["versions", "lease", "settle", "add a version", "from scratch", "master, MiB"],
        rows: answers.map((answer) => [
          figure(answer.versions),
          both(answer.lease),
          both(answer.settle),
          both(answer.add),
          figure(answer.definitionMs),
          figure(answer.masterMiB),
        ]),
      },
      ...(old === undefined
        ? []
        : [
            {
              title: `${figure(largest.versions)} versions, while a transaction was open for ${figure(old.openMs / 1000)} s and ${figure(OLD_LEASES)} others were leased`,
              head: ["", "leases", "median and p99 in ms"],
              rows: [
                ["all", figure(old.lease.length), both(old.lease)],
                ["the last quarter", figure(late.length), both(late)],
                ["the first of a master just started", "1", figure(old.unboundedMs)],
              ],
            },
          ]),
    ],
    notes: [
      "One connection asks for one thing after another; each is one transaction that is synced to disk.",
      "A lease is the whole request of the Architect: is there one to be given again, the pick, the order.",
      "From scratch: the definition's statement, which the tests compare the queue with.",
    ],
    figures,
    aims: [
      below("leaseP99Ms", figures["leaseP99Ms"] ?? Number.NaN, AIM_MS, "ms"),
      atMost("leaseToSmallest", figures["leaseToSmallest"] ?? Number.NaN, 2, "times"),
      ...(old === undefined
        ? []
        : [below("oldLeaseP99Ms", figures["oldLeaseP99Ms"] ?? Number.NaN, AIM_MS, "ms")]),
    ],
  };
}
