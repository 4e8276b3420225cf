/**
 * Finds the limit behind a build that ended by itself: where the kernel refuses a process what lies beyond
 * its limit, the build fails with that error in its log. Called by the workshop after a failure.
 */
import type { Exit } from "../launch.ts";
import { type LimitHit, limitText, type ResourceLimits } from "./limits.ts";

/** What C libraries, compilers, shells and Python say, in the locale that builds run in. */
const signs: readonly (readonly [LimitHit["kind"], RegExp])[] = [
  ["files", /Too many open files|\[Errno 24\]/],
  [
    "processes",
    /can't start new thread|[Cc]annot fork|\bfork: .{0,200}Resource temporarily unavailable|\[Errno 11\] Resource temporarily/,
  ],
  ["disk", /File too large|\[Errno 27\]|File size limit exceeded/],
  [
    "memory",
    /^\s*MemoryError\b|Cannot allocate memory|\[Errno 12\]|virtual memory exhausted|\bstd::bad_alloc\b|(?:^|: )out of memory\b/im,
  ],
];

/** An error that ended a build stands at the end of its log; one far above it did not. */
const LAST_LINES = 60;
/** No such error is longer; what a build prints in one line may be half a megabyte. */
const MAX_LINE_LENGTH = 2_000;

/**
 * @param log the end of the build's log
 * @returns undefined where nothing points to a limit that is set
 */
export function findRefusal(exit: Exit, log: string, limits: ResourceLimits): LimitHit | undefined {
  const disk = limitText("disk", limits);
  if (exit.signal === "SIGXFSZ" && disk !== undefined) {
    return { kind: "disk", message: `failed at ${disk}` };
  }
  const end = log
    .trimEnd()
    .split("\n")
    .slice(-LAST_LINES)
    .map((line) => line.slice(0, MAX_LINE_LENGTH))
    .join("\n");
  for (const [kind, sign] of signs) {
    const limit = limitText(kind, limits);
    if (limit !== undefined && sign.test(end)) return { kind, message: `failed at ${limit}` };
  }
  return undefined;
}
