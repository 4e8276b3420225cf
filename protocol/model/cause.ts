/** Why a build ended as it did, and what follows from that for the queue. */
import { z } from "zod";

export const causes = [
  "built",
  "build-failed",
  "dependency-missing",
  "index-unreachable",
  "hash-mismatch",
  "timeout",
  "out-of-memory",
  "out-of-disk",
  "resource-limit",
  "deferred",
  "killed",
  "bad-wheel",
  "no-sdist",
  "slave-lost",
  "poison",
] as const;
export const causeSchema = z.enum(causes);
export type Cause = z.infer<typeof causeSchema>;

/**
 * - `success`: files came of it.
 * - `failure`: stands; the (version, target) is not tried again by itself.
 * - `blocked`: waits for the requirements that it names.
 * - `transient`: not the package's doing; tried again after a growing delay.
 */
export type Verdict = "success" | "failure" | "blocked" | "transient";

const verdicts: Record<Cause, Verdict> = {
  built: "success",
  "build-failed": "failure",
  "dependency-missing": "blocked",
  "index-unreachable": "transient",
  "hash-mismatch": "failure",
  timeout: "failure",
  "out-of-memory": "transient",
  "out-of-disk": "transient",
  "resource-limit": "failure",
  deferred: "transient",
  killed: "transient",
  "bad-wheel": "failure",
  "no-sdist": "failure",
  "slave-lost": "transient",
  poison: "failure",
};

export const verdictOf = (cause: Cause): Verdict => verdicts[cause];

/** The cause in words, for pages and tables. */
export const causeText: Record<Cause, string> = {
  built: "built",
  "build-failed": "the build failed",
  "dependency-missing": "a build dependency is missing",
  "index-unreachable": "the index could not be reached",
  "hash-mismatch": "the sdist is not the one that the index declares",
  timeout: "the build took too long",
  "out-of-memory": "the slave ran out of memory",
  "out-of-disk": "the slave ran out of disk",
  "resource-limit": "the build went beyond a limit of the slave",
  deferred: "the runner put it off",
  killed: "stopped by the master",
  "bad-wheel": "the wheel did not pass the checks",
  "no-sdist": "the sdist could not be fetched",
  "slave-lost": "the slave was lost",
  poison: "it took several slaves down",
};
