/**
 * Which process this is, in words that another one can check: host, place, process id and its start. A
 * place is one boot of one machine and one namespace of process ids; a container has a place of its own.
 * Within a place a process is known to live or to be gone, beyond it nobody can tell. Used by leader.ts.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

export interface ProcessIdentity {
  /** Random, 16 hexadecimal digits. */
  readonly instance: string;
  readonly host: string;
  readonly place: string;
  readonly pid: number;
  /** Clock ticks after the boot; empty where there is no /proc. */
  readonly processStart: string;
}

/** A new instance each time: two masters in one process are two. */
export const ownProcess = (): ProcessIdentity => ({
  instance: randomBytes(8).toString("hex"),
  host: hostname(),
  place: ownPlace(),
  pid: process.pid,
  processStart: startOf(process.pid) ?? "",
});

/** Whether the process is surely gone. False where nobody can know from here. */
export function isGone(
  other: Pick<ProcessIdentity, "place" | "pid" | "processStart">,
  place = ownPlace(),
): boolean {
  if (other.place !== place) return false;
  if (other.processStart !== "") return startOf(other.pid) !== other.processStart;
  try {
    process.kill(other.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** Where there is no /proc, the host's name has to do. */
function ownPlace(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return `host ${hostname()}`;
  }
}

/** Undefined for a process that is not there, or has ended and was not waited for (a zombie). */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold anything; the state is the 3rd field, the start the 22nd.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? undefined : fields[18];
  } catch {
    return undefined;
  }
}
