/**
 * `npm run chaos`: a chaos as a program of its own, since memory and handles are measured and errors that
 * nobody catches are counted. Prints its seed, what it did and the verdict. Exit code: 0 all held, 1 something did not, 2 wrong options, 130 interrupted.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { type ChaosReport, runChaos } from "./run.ts";
import { megabytes, type Standing } from "./standing.ts";

const USAGE = `usage: npm run chaos -- [--minutes N] [--seed S] [-v]

Starts a farm (PostgreSQL, a master, two slaves that build with pip) and, for N minutes (default 5),
crashes actors and supervisors, terminates database backends, cuts and restarts slaves, pauses tasks
and makes the upstream misbehave, at moments that the seed decides (default: drawn). Then it waits until
nothing is left to do and checks that every version was recorded and published exactly once, and
that trees, handles, connections and memory are what they were.

-v, --verbose: each decision and each line of the log, on standard error.

The same seed makes the same decisions in the same order. What they hit also depends on the moment.

exit code: 0 all held, 1 something did not, 2 wrong options, 130 interrupted
`;

const MAX_SEED = 2 ** 31 - 1;
/** Of the journal of a failing run. */
const SHOWN_EVENTS = 120;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const options = readOptions();
  if (typeof options === "number") return options;
  const { seed, minutes } = options;
  const interrupted = new AbortController();
  for (const event of ["SIGINT", "SIGTERM", "disconnect"])
    process.once(event, () => interrupted.abort());
  // A chore's channel: when it closes, the terminal's side was killed.
  process.channel?.unref();
  say(`chaos: seed ${seed}, ${minutes} min`);
  const repeat = `npm run chaos -- --minutes ${minutes} --seed ${seed}`;
  try {
    const durationMs = minutes * 60_000;
    const { signal } = interrupted;
    const report = await runChaos({ seed, durationMs, say, tell: options.tell, signal });
    describe(report);
    if (report.wrong.length === 0) {
      say(`verdict: all held (seed ${seed})`);
      return 0;
    }
    say(`the last events:\n${report.journal.last(SHOWN_EVENTS).join("\n")}`);
    say(`verdict: FAILED (seed ${seed})`);
    for (const line of report.wrong) say(`  - ${line}`);
  } catch (error) {
    if (interrupted.signal.aborted) return 130;
    say(`verdict: FAILED (seed ${seed}): ${error instanceof Error ? error.stack : String(error)}`);
  }
  say(`the same decisions again: ${repeat}`);
  return 1;
}

interface Options {
  readonly seed: number;
  readonly minutes: number;
  readonly tell: (line: string) => void;
}

function readOptions(): Options | number {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: "string", default: "5" },
        seed: { type: "string" },
        verbose: { type: "boolean", short: "v", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    const minutes = Number(values.minutes);
    const seed = values.seed === undefined ? randomInt(MAX_SEED) : Number(values.seed);
    if (!(minutes > 0 && minutes <= 24 * 60)) throw new Error("--minutes wants a number above 0");
    if (!Number.isInteger(seed) || seed < 0 || seed > MAX_SEED)
      throw new Error(`--seed wants a whole number from 0 to ${MAX_SEED}`);
    const tell = values.verbose
      ? (line: string) => void process.stderr.write(`${line}\n`)
      : () => undefined;
    return { seed, minutes, tell };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return 2;
  }
}

function describe(report: ChaosReport): void {
  const { attempts, before, after, tallies } = report;
  say(`${report.steps} decisions, hits by kind (and those that found nobody):`);
  for (const [kind, { hit, missed }] of [...tallies].sort())
    say(`  ${kind.padEnd(20)} ${String(hit).padStart(4)}${missed > 0 ? ` (${missed})` : ""}`);
  say(`slaves started again: ${report.slaveStarts}`);
  say(
    `versions: ${attempts.versions}; builds leased: ${attempts.leases} (${counts(attempts.byEnd)}), ` +
      `at most ${attempts.mostOfOne} of one version; given up: ${attempts.givenUp}`,
  );
  say(`idle ${(report.quietAfterMs / 1_000).toFixed(1)} s after the last fault`);
  say(`dead letters: ${counts(report.deadLetters) || "none"}`);
  say(
    `an ended actor left an error behind: ${report.journal.count("an ended actor left an error behind")}`,
  );
  const growth = (after.dataBytes / before.dataBytes - 1) * 100;
  const both = (read: (standing: Standing) => number) =>
    `${megabytes(read(before))} before, ${megabytes(read(after))} after`;
  say(
    `memory: ${both((s) => s.dataBytes)} (${growth >= 0 ? "+" : ""}${growth.toFixed(1)} %); ` +
      `whole heap: ${both((s) => s.heapBytes)}; rss: ${both((s) => s.rssBytes)}`,
  );
  say(`handles before: ${counts(before.handles)}`);
  say(`handles after:  ${counts(after.handles)}`);
  say(`database connections: ${counts(after.connections)}`);
}

const counts = (record: Readonly<Record<string, number>>): string =>
  Object.entries(record)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");

const code = await main();
process.exit(code);
