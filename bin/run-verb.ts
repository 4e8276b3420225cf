/** The second word of `piw slaves list` and its like: which command it is, or what there is. */
import { harmless } from "../config/log-line.ts";
import { findNearest } from "../config/nearest.ts";

type Run = (argv: readonly string[]) => Promise<void>;

export interface Verbs {
  /** As typed before the verb: `piw slaves`. */
  readonly name: string;
  /** What follows the name in the usage. */
  readonly usage: string;
  readonly about: string;
  readonly verbs: Readonly<Record<string, Run>>;
}

/** With no verb, prints what there is. */
export async function runVerb(
  { name, usage, about, verbs }: Verbs,
  [verb, ...argv]: readonly string[],
): Promise<void> {
  if (verb === undefined || verb === "--help" || verb === "-h") {
    process.stdout.write(
      `Usage: ${name} ${usage}\n\n${about} ${name} VERB --help shows the options.\n`,
    );
    return;
  }
  const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (run === undefined) {
    const nearest = findNearest(verb, Object.keys(verbs)) ?? "";
    const asked = harmless(verb.slice(0, 60));
    process.stderr.write(
      `piw: there is no "${name} ${asked}"; the nearest is "${name} ${nearest}"\n`,
    );
    process.exitCode = 2;
    return;
  }
  await run(argv);
}
