/**
 * Finds out why a build ended as it did, from how its command ended and what its log says last. Called by
 * build.ts. It reads text and asks nobody: whether an index that lacks a requirement was really there is
 * asked afterwards (index-answer.ts), since pip's log does not tell "503" from "no such project".
 */
import type { Cause } from "../../protocol/model/cause.ts";
import { tellingLine } from "../../protocol/model/telling-line.ts";
import type { Exit } from "./launch.ts";

export interface Finding {
  readonly cause: Cause;
  /** One line for people. */
  readonly message: string;
  /** The requirements that pip could not find. */
  readonly missing: readonly string[];
  /** Only with `deferred`: not to be tried before so long. */
  readonly retryAfterMs?: number;
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
    ofMachine(exit, log) ??
    ofDisk(last) ??
    ofMissing(last) ??
    ofIndex(last) ??
    ofMemory(exit, last) ??
    finding(
      "build-failed",
      tellingLine(last) ?? `it ended with exit code ${exit.code ?? "unknown"}`,
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
    : finding("build-failed", `it was ended by ${exit.signal}`);
}

/** The interpreter or its pip went away since the slave started: not the doing of any package. */
function ofMachine(exit: Exit, log: string): Finding | undefined {
  if (exit.code === null || ![1, 126, 127].includes(exit.code)) return undefined;
  const start = log.slice(0, 2_000);
  const line = lineWith(
    start,
    exit.code === 1
      ? /^\/[^:]*: No module named pip\b/
      : /^(?:\/bin\/)?sh: .*\bexec: .*(?:not found|Permission denied|No such file)/,
  );
  return line === undefined
    ? undefined
    : finding("slave-lost", `the slave could not build: ${line}`);
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
    lastMatch(log, /Could not find suitable distribution for Requirement\.parse\('(.+)'\)/gm) ??
    // Of a release whose index does not tell: pip finds out when it has it.
    (installStep.test(log.slice(0, 1_000))
      ? (lastMatch(log, /^ *ERROR: Package '([^']+)' requires a different Python: /gm) ??
        lastMatch(log, /^ *([\w.-]+) requires Python '[^']*' but the running Python is /gm))
      : undefined);
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

/** The steps in which pip installs what a build needs; a step's first line. */
const installStep =
  /^ *Running command .*(?:install(?:ing)? (?:build|backend) dependencies| -m pip install )/;

/** Failures of pip's own requests. Those of a project's code, to hosts of its own, are the project's. */
const indexFailures = [
  /Could not install packages due to an (?:OSError|EnvironmentError): HTTPS?ConnectionPool/,
  /HTTP error \d+ while getting /,
  /^ *pip\._vendor\.(?:requests|urllib3)\.(?:packages\.urllib3\.)?exceptions\./,
  /THESE PACKAGES DO NOT MATCH THE HASHES/,
];

/** pip names its failures of the network so, from 25 on; what happened is in the line that begins with a cross. */
const namedFailure =
  /^ *(?:ERROR: |error: )(?:connection-failed|connection-timeout|incomplete-download|proxy-connection-failed|ssl-missing|ssl-verification-failed)$/;

function ofIndex(log: string): Finding | undefined {
  const lines = log.split("\n");
  const named = lines.findLastIndex((line) => namedFailure.test(line.slice(0, 200)));
  if (named >= 0) {
    const said = lines.slice(named + 1, named + 4).find((line) => /^ *× /.test(line));
    const why = said?.replace(/^ *× /, "") ?? lines[named] ?? "";
    return finding("index-unreachable", why.trim().slice(0, 500));
  }
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
