/**
 * Finds out why a build ended as it did, from how its command ended and what its log says last. Called by
 * build.ts. It reads text and asks nobody: whether an index that lacks a requirement was really there is
 * asked afterwards (index-answer.ts), since pip's log does not tell "503" from "no such project".
 */
import type { Cause } from "../../protocol/model/cause.ts";
import type { Exit } from "./launch.ts";
import { tellingLine } from "./telling-line.ts";

export interface Finding {
  readonly cause: Cause;
  /** One line for people. */
  readonly message: string;
  /** The requirements that pip could not find. */
  readonly missing: readonly string[];
}

/** @param log the end of the build's log */
export function findCause(exit: Exit, log: string, timeoutMs: number): Finding {
  if (exit.endedBy === "abort") return finding("killed", "stopped by the master");
  if (exit.endedBy === "timeout") {
    return finding(
      "timeout",
      `stopped after ${duration(timeoutMs)}, the longest that a build may take`,
    );
  }
  if (exit.code === 0) return finding("built", "");
  const last = lastStep(log);
  return (
    ofSignal(exit) ??
    ofDisk(last) ??
    ofMissing(last) ??
    ofIndex(last) ??
    ofMemory(exit, last) ??
    finding(
      "build-failed",
      tellingLine(last) ?? `pip ended with exit code ${exit.code ?? "unknown"}`,
    )
  );
}

const finding = (cause: Cause, message: string, missing: readonly string[] = []): Finding => ({
  cause,
  message: message.slice(0, 2_000),
  missing,
});

/**
 * The log from the last step on. What an earlier step said did not end the build: a project may try to
 * fetch something, fail, and go on. pip before 19 cleans up after a failure, in a step of its own.
 */
function lastStep(log: string): string {
  const steps = [...log.matchAll(/^ *Running command (?!.* clean --all$).*$/gm)];
  return log.slice(steps.at(-1)?.index ?? 0);
}

/** Nobody but the kernel, short of memory, ends a process with SIGKILL, now that the slave did not. */
function ofSignal(exit: Exit): Finding | undefined {
  if (exit.signal === null) return undefined;
  if (exit.signal === "SIGKILL") {
    return finding("out-of-memory", "killed by the system, for lack of memory most likely");
  }
  const isRequest = ["SIGTERM", "SIGINT", "SIGHUP"].includes(exit.signal);
  return isRequest
    ? finding("killed", `ended from outside by ${exit.signal}`)
    : finding("build-failed", `pip ended by ${exit.signal}`);
}

function ofDisk(log: string): Finding | undefined {
  const line = lineWith(log, /No space left on device|Disk quota exceeded|\[Errno (?:28|122)\]/);
  return line === undefined ? undefined : finding("out-of-disk", line);
}

/**
 * pip says the same when an index lacks a project and when it could not be asked; only a connection that
 * broke for the last time it also reports.
 */
function ofMissing(log: string): Finding | undefined {
  const requirement =
    lastMatch(log, /\bNo matching distribution found for (.+)$/gm) ??
    lastMatch(log, /Could not find suitable distribution for Requirement\.parse\('(.+)'\)/gm);
  if (requirement === undefined) return undefined;
  const broken = lineWith(log, /Retrying \(Retry\(total=0,.* after connection broken by /);
  if (broken !== undefined) return finding("index-unreachable", brokenConnection(broken));
  const name = requirement
    .replace(/ \(from .*$/, "")
    .trim()
    .slice(0, 500);
  return finding("dependency-missing", `no release found that satisfies ${name}`, [name]);
}

/** `… after connection broken by 'NewConnectionError('<…>: Failed to …: [Errno 111] Connection refused')': /simple/x/` */
function brokenConnection(line: string): string {
  const why = /(?:>: |: )([^:<>]*(?:\[Errno -?\d+\] [^'")]*|timed out[^'")]*))/.exec(line)?.[1];
  const where = /': (\/\S*)$/.exec(line)?.[1] ?? "";
  return `the index could not be reached${where === "" ? "" : ` for ${where}`}${why === undefined ? "" : ` (${why.trim()})`}`;
}

/** Failures of pip's own requests. Those of a project's code, to hosts of its own, are the project's. */
const indexFailures = [
  /Could not install packages due to an (?:OSError|EnvironmentError): HTTPS?ConnectionPool/,
  /HTTP error \d+ while getting /,
  /^ *pip\._vendor\.(?:requests|urllib3)\.(?:packages\.urllib3\.)?exceptions\./,
  /THESE PACKAGES DO NOT MATCH THE HASHES/,
  /^ *(?:ERROR: )?.*\bincomplete-download\b/,
];

function ofIndex(log: string): Finding | undefined {
  for (const pattern of indexFailures) {
    const line = lineWith(log, pattern);
    if (line !== undefined) return finding("index-unreachable", line);
  }
  return undefined;
}

const memoryFailures = [
  /^ *MemoryError\b/,
  /Cannot allocate memory|virtual memory exhausted/,
  /(?:^|: )out of memory\b/i,
  /[Kk]illed signal terminated program|signal: 9, SIGKILL|\*\*\* .* Killed$/,
  /died with <Signals\.SIGKILL: 9>/,
];

function ofMemory(exit: Exit, log: string): Finding | undefined {
  for (const pattern of memoryFailures) {
    const line = lineWith(log, pattern);
    if (line !== undefined) return finding("out-of-memory", line);
  }
  // 128 + 9: a shell's way to say that what it ran was killed.
  return exit.code === 137 ? ofSignal({ ...exit, signal: "SIGKILL" }) : undefined;
}

/** The last line that fits, without what surrounds it. */
function lineWith(log: string, pattern: RegExp): string | undefined {
  const line = log.split("\n").findLast((each) => pattern.test(each.slice(0, 4_000)));
  return line?.trim().slice(0, 500);
}

const lastMatch = (log: string, pattern: RegExp): string | undefined =>
  [...log.matchAll(pattern)].at(-1)?.[1];

function duration(ms: number): string {
  if (ms >= 3_600_000) return `${Math.round(ms / 360_000) / 10} h`;
  if (ms >= 60_000) return `${Math.round(ms / 6_000) / 10} min`;
  return `${Math.round(ms / 100) / 10} s`;
}
