/**
 * What one build may use of its machine, and what is said when it used more. Called by the cell that a build
 * runs in, by the watch over it, and by the workshop for the result's cause.
 */
import { readFileSync } from "node:fs";
import type { Cause } from "../../../protocol/model/cause.ts";

/** Each per build; undefined: not limited. */
export interface ResourceLimits {
  /** Of all processes together. */
  readonly memoryBytes: number | undefined;
  /** Processes and their threads together, as the kernel counts them. */
  readonly processes: number | undefined;
  /** Open at once, per process. */
  readonly files: number | undefined;
  /** Of the build's folder; also the length of any file. */
  readonly diskBytes: number | undefined;
  /** Of output, whatever of it the log keeps. */
  readonly logBytes: number | undefined;
}

export const unlimited: ResourceLimits = {
  memoryBytes: undefined,
  processes: undefined,
  files: undefined,
  diskBytes: undefined,
  logBytes: undefined,
};

/** A limit that a build reached. */
export interface LimitHit {
  readonly kind: "memory" | "processes" | "files" | "disk" | "log";
  /** One line for people, with the figure of the limit. */
  readonly message: string;
}

const causeByKind: Record<LimitHit["kind"], Cause> = {
  memory: "out-of-memory",
  disk: "out-of-disk",
  processes: "resource-limit",
  files: "resource-limit",
  log: "resource-limit",
};

export const causeOfLimit = ({ kind }: LimitHit): Cause => causeByKind[kind];

/** The limit in words: `the limit of memory, 2 GB`; undefined where there is none of the kind. */
export function limitText(kind: LimitHit["kind"], limits: ResourceLimits): string | undefined {
  const { memoryBytes, processes, files, diskBytes, logBytes } = limits;
  const texts: Record<LimitHit["kind"], string | undefined> = {
    memory: memoryBytes === undefined ? undefined : `of memory, ${sizeText(memoryBytes)}`,
    disk: diskBytes === undefined ? undefined : `of disk, ${sizeText(diskBytes)}`,
    log: logBytes === undefined ? undefined : `of output, ${sizeText(logBytes)}`,
    processes: processes === undefined ? undefined : `of processes, ${processes}`,
    files: files === undefined ? undefined : `of open files, ${files} per process`,
  };
  const text = texts[kind];
  return text === undefined ? undefined : `the limit ${text}`;
}

/** `1.5 GB`, `200 MB`, `900 kB` */
export function sizeText(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = bytes < 1_000 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
  return `${Number((bytes / 1_000 ** power).toFixed(1))} ${units[power]}`;
}

/**
 * The limits that the kernel holds for each process (getrlimit(2)), as arguments of util-linux's prlimit.
 * RLIMIT_DATA counts what a process may write to and shares with none, so that it ends one large process
 * before a look at all of them could; RLIMIT_AS would also count what is only reserved, which some compilers
 * do by the terabyte. RLIMIT_NPROC counts by user, and in a sandbox by its user namespace (Linux 5.14):
 * it stands a little above the limit, which the watch tells; it is the wall that a fork bomb stops at
 * between two looks.
 *
 * @param otherTasks of the same user, that RLIMIT_NPROC would count too; undefined where other builds are among them: one that
 *   reached the wall would keep the others from starting anything
 * @param hardest what the slave itself may ask for at most: beyond it prlimit would fail, and each build with it
 */
export function prlimitArguments(
  limits: ResourceLimits,
  otherTasks: number | undefined,
  hardest: HardLimits = hardLimits(),
): string[] {
  const { memoryBytes, processes, files, diskBytes } = limits;
  const wall =
    processes === undefined || otherTasks === undefined
      ? undefined
      : processWall(processes) + otherTasks;
  const asked = { nofile: files, data: memoryBytes, fsize: diskBytes, nproc: wall };
  const words = (Object.keys(asked) as (keyof HardLimits)[]).flatMap((name) => {
    const value = asked[name];
    return value === undefined ? [] : [`--${name}=${Math.min(value, hardest[name])}`];
  });
  return ["--core=0", ...words];
}

export type HardLimits = Readonly<Record<"nofile" | "data" | "fsize" | "nproc", number>>;

/** @param text of /proc/self/limits; default: as it is */
export function hardLimits(text = readLimits()): HardLimits {
  const of = (title: string): number => {
    const hard = new RegExp(`^${title} +\\S+ +(\\d+) `, "m").exec(text)?.[1];
    return hard === undefined ? Number.POSITIVE_INFINITY : Number(hard);
  };
  return {
    nofile: of("Max open files"),
    data: of("Max data size"),
    fsize: of("Max file size"),
    nproc: of("Max processes"),
  };
}

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "latin1");
  } catch {
    return "";
  }
}

/** Above the limit, so that it shows which limit it was. */
const processWall = (processes: number): number => processes + Math.ceil(processes / 10) + 16;
