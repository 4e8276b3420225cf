/**
 * How much of the processors some processes have used, told apart by what they are: a bench whose parts share two
 * cores is read by it, since each is held up by the others. Linux only; elsewhere nothing is known and nothing said.
 */
import { readdirSync, readFileSync } from "node:fs";

/** The kernel counts in hundredths of a second on every machine that this runs on (USER_HZ). */
const MS_A_TICK = 10;

interface Used {
  readonly parent: number;
  /** Of itself, and of those of its children that have ended. */
  readonly ticks: number;
}

/** Names of processes, each with its pid; those that it has started count as it. */
export type Processes = Readonly<Record<string, number>>;

export type ProcessorTime = ReadonlyMap<string, number>;

/** In ms since each process was started. */
function usedBy(processes: Processes): ProcessorTime {
  const all = new Map<number, Used>();
  for (const entry of safely(() => readdirSync("/proc")) ?? [])
    if (/^\d+$/.test(entry)) {
      const used = readUsed(Number(entry));
      if (used !== undefined) all.set(Number(entry), used);
    }
  const ours = new Map(Object.entries(processes).map(([name, pid]) => [pid, name]));
  const ownerOf = (pid: number): string | undefined => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = all.get(at)?.parent) {
      const name = ours.get(at);
      if (name !== undefined) return name;
    }
    return undefined;
  };
  const sums = new Map(Object.keys(processes).map((name) => [name, 0]));
  for (const [pid, { ticks }] of all) {
    const name = ownerOf(pid);
    if (name !== undefined) sums.set(name, (sums.get(name) ?? 0) + ticks * MS_A_TICK);
  }
  return sums;
}

/** Begins to count; what it returns gives the ms that each has used since. */
export function meterOf(processes: Processes): () => ProcessorTime {
  const before = usedBy(processes);
  return () =>
    new Map([...usedBy(processes)].map(([name, ms]) => [name, ms - (before.get(name) ?? 0)]));
}

function readUsed(pid: number): Used | undefined {
  const text = safely(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  // The name stands in brackets and may hold anything.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields === undefined) return undefined;
  const at = (field: number): number => Number(fields[field - 3]);
  return { parent: at(4), ticks: at(14) + at(15) + at(16) + at(17) };
}

/** A process may end while it is looked at. */
function safely<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
