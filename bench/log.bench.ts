/**
 * How many lines of an access log a second come from piw-logger to committed rows, beside a bare COPY of the same rows
 * into a table of the same columns, by turns in the same run? The real piw-logger reads a file and hands it over ipc
 * to a real master. With an argument: that many lines in place of the default.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { openConnection } from "../db/connection.ts";
import { connectionOptions } from "../db/dsn.ts";
import { createLineReader } from "../protocol/accesslog/line-reader.ts";
import { parseLogFormat } from "../protocol/accesslog/log-format.ts";
import { startSampleUpstream } from "../samples/index.ts";
import { accessLogLines } from "./access-log-lines.ts";
import { type BenchFarm, startBenchFarm } from "./bench-farm.ts";
import { atLeast, type Findings, median, runBench } from "./frame.ts";

const ROUNDS = 5;
const LINES = Number(process.argv[2] ?? 300_000);
const FORMAT = "combined";

interface Round {
  readonly copySeconds: number;
  readonly loggerSeconds: number;
  readonly rows: number;
}

await runBench("log", async (signal) => {
  const upstream = await startSampleUpstream({ files: [] });
  try {
    const farm = await startBenchFarm({ upstream }, signal);
    try {
      return await measure(farm, signal);
    } finally {
      await farm.end();
    }
  } finally {
    await upstream.close();
  }
});

async function measure(farm: BenchFarm, signal: AbortSignal): Promise<Findings> {
  const log = join(farm.folder, "access.log");
  writeFileSync(log, accessLogLines(LINES, 7));
  const parseSeconds = parseAlone(log);
  // The first round makes the month's partition and warms what is warm in a master that runs.
  await feed(farm, log, signal);
  const copy = await prepareCopy(farm);
  try {
    const rounds: Round[] = [];
    for (let number = 0; number < ROUNDS; number += 1) {
      const before = await copy.run();
      const { seconds, rows } = await feed(farm, log, signal);
      const after = await copy.run();
      if (rows !== copy.rows) throw new Error(`${rows} rows came of ${copy.rows}`);
      rounds.push({ copySeconds: (before + after) / 2, loggerSeconds: seconds, rows });
    }
    return findings(rounds, parseSeconds);
  } finally {
    await copy.end();
  }
}

/** What reading the lines costs without anybody to hand them to: it bounds the rest. */
function parseAlone(log: string): number {
  const lines = readFileSync(log, "latin1").split("\n");
  const read = createLineReader(parseLogFormat(FORMAT), Date.now);
  const startedAt = performance.now();
  for (const line of lines) read(line);
  return (performance.now() - startedAt) / 1_000;
}

async function feed(
  farm: BenchFarm,
  log: string,
  signal: AbortSignal,
): Promise<{ seconds: number; rows: number }> {
  const owner = openConnection(farm.ownerDsn, { applicationName: "bench" });
  await owner.unsafe("truncate access_log, access_day, access_package, access_package_day");
  await owner.end();
  const program = fileURLToPath(new URL("../bin/piw-logger.js", import.meta.url));
  const queue = `ipc://${join(farm.folder, "log")}`;
  const startedAt = performance.now();
  const child = spawn(
    process.execPath,
    [program, "-c", "/dev/null", "--format", FORMAT, "--log-queue", queue, log],
    { stdio: ["ignore", "ignore", "inherit"], signal },
  );
  const [code] = (await once(child, "exit")) as [number | null];
  const seconds = (performance.now() - startedAt) / 1_000;
  if (code !== 0) throw new Error(`piw-logger ended with ${code}`);
  const [row] = await farm.sql<{ rows: number }[]>`select count(*)::int as rows from access_log`;
  return { seconds, rows: row?.rows ?? 0 };
}

/** The rows that the first round stored, as text that COPY takes, and a table without index or partition for them. */
async function prepareCopy(farm: BenchFarm) {
  // The driver alone: ours does without its COPY streams.
  const { hosts, user, password, database } = connectionOptions(farm.ownerDsn);
  const [host] = hosts;
  const sql = postgres({
    ...(host !== undefined && "path" in host ? { path: host.path } : { ...host }),
    user,
    password: password ?? "",
    database,
    max: 1,
    onnotice: () => undefined,
  });
  await sql.unsafe("create table bench_copy (like access_log)");
  const found = await sql.unsafe("select * from access_log").values();
  const stored = found.map((row) => `${row.map(copyField).join("\t")}\n`);
  const [rows, text] = [stored.length, Buffer.from(stored.join(""))];
  return {
    rows,
    run: async (): Promise<number> => {
      await sql.unsafe("truncate bench_copy");
      const startedAt = performance.now();
      const sink = await sql.unsafe("copy bench_copy from stdin").writable();
      await pipeline(piecesOf(text), sink);
      return (performance.now() - startedAt) / 1_000;
    },
    end: () => sql.end({ timeout: 1 }),
  };
}

/** As COPY takes it. */
function copyField(value: unknown): string {
  if (value === null) return "\\N";
  const text = value instanceof Date ? value.toISOString() : String(value);
  return text.replaceAll("\\", "\\\\");
}

function* piecesOf(text: Buffer): Generator<Buffer> {
  for (let at = 0; at < text.length; at += 65_536) yield text.subarray(at, at + 65_536);
}

function findings(rounds: readonly Round[], parseSeconds: number): Findings {
  const rate = (value: (round: Round) => number) =>
    Math.round(median(rounds.map((round) => value(round))));
  const linesPerSecond = rate(({ loggerSeconds }) => LINES / loggerSeconds);
  const rowsPerSecond = rate(({ loggerSeconds, rows }) => rows / loggerSeconds);
  const copyRowsPerSecond = rate(({ copySeconds, rows }) => rows / copySeconds);
  const shareOfCopy =
    Math.round(
      median(rounds.map(({ copySeconds, loggerSeconds }) => copySeconds / loggerSeconds)) * 1_000,
    ) / 1_000;
  const figures = {
    linesPerSecond,
    rowsPerSecond,
    copyRowsPerSecond,
    shareOfCopy,
    parsedLinesPerSecond: Math.round(LINES / parseSeconds),
    lines: LINES,
    rows: rounds[0]?.rows ?? 0,
    rounds: rounds.length,
  };
  return {
    tables: [
      {
        title: "Each round, a second",
        head: ["round", "lines", "rows", "rows of a bare COPY", "share"],
        rows: rounds.map(({ copySeconds, loggerSeconds, rows }, index) => [
          `${index + 1}`,
          `${Math.round(LINES / loggerSeconds)}`,
          `${Math.round(rows / loggerSeconds)}`,
          `${Math.round(rows / copySeconds)}`,
          (copySeconds / loggerSeconds).toFixed(2),
        ]),
      },
    ],
    notes: [
      "The time of piw-logger is that of the whole process, from its start to its exit.",
      "Rows are those of the lines that are counted; they are also rolled up by day, which COPY does not do.",
      `Reading alone, in this process: ${figures.parsedLinesPerSecond} lines a second.`,
    ],
    figures,
    aims: [
      atLeast("shareOfCopy", shareOfCopy, 0.2, "of COPY's rate"),
      atLeast("linesPerSecond", linesPerSecond, 30_000, "lines/s"),
      atLeast("rowsPerSecond", rowsPerSecond, 30_000, "rows/s"),
    ],
  };
}
