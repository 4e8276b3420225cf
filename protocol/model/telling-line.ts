/**
 * Picks, from the log of a build that failed, the line that tells a person most. The slave does it for the message of a
 * build; the site's log viewer is given the patterns, to find the same line where it stands.
 */

/** A compiler's first error; those after it mostly follow from it. */
const compilerError =
  /(?::\d+|^ *[\w./+-]{0,200}(?:cc1\w*|cc|ld|gcc|g\+\+|clang\S*|rustc|collect2)): (?:fatal )?error: |^ *error\[E\d+\]: |^ *CMake Error\b|: undefined reference to /;

/** What an uncaught exception ends with: `OSError: mysql_config not found`. */
const exception =
  /^ *(?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt|NotFound|Unavailable|Missing\w*)(?:: .*)?$/;

const anyError = /\b(?:error|fatal|failed|not found|cannot|invalid)\b/i;

/** What pip says of every failure alike, and what only points at something said before. */
const saysNothing = [
  /^ *$/,
  /^ *(?:note|hint|full command|cwd): /,
  /^ *(?:×|│|╰─>|\[end of output\])/,
  /^ *(?:error|ERROR): (?:subprocess-exited-with-error|metadata-generation-failed|Failed (?:to build|building) )/,
  /^ *Failed (?:to build|building) /,
  /^ *(?:Building|Getting|Preparing|Installing) .*: finished with status 'error'$/,
  /^ *Running setup\.py .*: finished with status 'error'$/,
  /^ *error: command '.*' failed with exit (?:code|status) \d+$/,
  /^ *Rolling back uninstall/,
  // It says why in the line `Cannot install … because …` before it.
  /^ *ERROR: ResolutionImpossible: /,
  /^ *ERROR: Failed to build '.*' when /,
  /^(?:Cleaning up\.\.\.|Removed build tracker|Exception information:)/,
  /^ *Removing source in /,
  /^pip\._internal\.exceptions\./,
  // ast.parse of pip's own hook caller, at the top of every traceback
  /_in_process\.py", line \d+/,
];

/** In the order in which a line of their kind is taken: the first compiler's error, the last exception, the last error. */
export const tellingPatterns = { compilerError, exception, anyError, saysNothing } as const;

const MAX_LINE_LENGTH = 500;

/** Undefined only for a log that says nothing at all. */
export function tellingLine(log: string): string | undefined {
  const lines = log
    .split("\n")
    .map((line) => line.slice(0, 2_000).trimEnd())
    .filter((line) => !saysNothing.some((pattern) => pattern.test(line)));
  const line =
    lines.find((each) => compilerError.test(each)) ??
    lines.findLast((each) => exception.test(each)) ??
    lines.findLast((each) => anyError.test(each)) ??
    lines.at(-1);
  return line?.trim().slice(0, MAX_LINE_LENGTH);
}
