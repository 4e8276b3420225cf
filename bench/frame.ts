/**
 * The frame around every bench: runs one question to its end and shows the answer, a table for people
 * and one JSON object as the last line for programs. Called by each `NAME.bench.ts`, which `npm run bench
 * -- NAME` starts. It measures nothing itself, and its exit code says whether the question could be asked,
 * never whether an aim is met.
 */
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Aim {
  /** Of the figure that it is about. */
  readonly name: string;
  readonly value: number;
  /** `< 1000` */
  readonly aim: string;
  readonly unit: string;
  readonly met: boolean;
}

export interface Findings {
  readonly tables: readonly Table[];
  /** What one has to know to read the tables, a line each. */
  readonly notes: readonly string[];
  /** Medians, with their unit at the end of the name. */
  readonly figures: Readonly<Record<string, number>>;
  readonly aims: readonly Aim[];
}

/** What ran it: nothing that would name the machine or its place. */
interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
  /** Of the last minute, before and after: what else the machine was doing. */
  readonly loadBefore: number;
  readonly loadAfter: number;
}

/**
 * Asks the question and prints what came of it. The signal is aborted by SIGINT, SIGTERM and the end of
 * whoever started this; the question then ends what it has started. Never rejects.
 */
export async function runBench(
  bench: string,
  question: (signal: AbortSignal) => Promise<Findings>,
): Promise<void> {
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort(new Error("interrupted"));
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt).once("disconnect", interrupt);
  const loadBefore = load();
  try {
    const findings = await question(interruption.signal);
    process.stdout.write(report(bench, findings, machine(loadBefore)));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`bench ${bench}: ${reason}\n`);
    process.exitCode = 1;
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt).off("disconnect", interrupt);
    // The channel to `npm run bench` would keep this process for ever.
    if (process.connected) process.disconnect();
  }
}

function report(bench: string, findings: Findings, ran: Machine): string {
  const { tables, notes, figures, aims } = findings;
  const machineLine =
    `${ran.cores} x ${ran.cpu}, ${ran.memoryGiB} GiB, ${ran.platform}, Node ${ran.node}; ` +
    `load average ${ran.loadBefore} before, ${ran.loadAfter} after`;
  const aimTable: Table = {
    title: "Aims",
    head: ["figure", "value", "aim", ""],
    rows: aims.map(({ name, value, aim, unit, met }) => [
      name,
      `${value} ${unit}`,
      `${aim} ${unit}`,
      met ? "met" : "NOT MET",
    ]),
  };
  const shown = [...tables, ...(aims.length > 0 ? [aimTable] : [])].map(tableText);
  const isBusy = Math.max(ran.loadBefore, ran.loadAfter) > ran.cores;
  const busyNotes = isBusy
    ? ["The machine had other work than this: look at medians and ratios, not at single rounds."]
    : [];
  const json = JSON.stringify({ bench, machine: ran, figures, aims });
  const lines = [`${bench}: ${machineLine}`, "", ...shown, ...notes, ...busyNotes, "", json, ""];
  return lines.join("\n");
}

/** The first column is words, the others figures: they stand at the right. */
export function tableText({ title, head, rows }: Table): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? "";
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [title, line(head), rule, ...rows.map(line), ""].join("\n");
}

/** @throws RangeError of no values */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  const lower = sorted.length % 2 === 0 ? sorted[middle - 1] : upper;
  if (upper === undefined || lower === undefined) throw new RangeError("no median of nothing");
  return (lower + upper) / 2;
}

/** An aim that a figure stays under. */
export function below(name: string, value: number, limit: number, unit: string): Aim {
  return { name, value, aim: `< ${limit}`, unit, met: value < limit };
}

/** An aim that a figure reaches or exceeds. */
export function atLeast(name: string, value: number, limit: number, unit: string): Aim {
  return { name, value, aim: `>= ${limit}`, unit, met: value >= limit };
}

/** An aim that a figure does not exceed. */
export function atMost(name: string, value: number, limit: number, unit: string): Aim {
  return { name, value, aim: `<= ${limit}`, unit, met: value <= limit };
}

/** What several questions of one bench found, as one answer. */
export function together(parts: readonly Findings[]): Findings {
  return {
    tables: parts.flatMap(({ tables }) => tables),
    notes: parts.flatMap(({ notes }) => notes),
    figures: Object.fromEntries(parts.flatMap(({ figures }) => Object.entries(figures))),
    aims: parts.flatMap(({ aims }) => aims),
  };
}

function machine(loadBefore: number): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown processor",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
    loadBefore,
    loadAfter: load(),
  };
}

const load = (): number => Math.round((loadavg()[0] ?? 0) * 100) / 100;
