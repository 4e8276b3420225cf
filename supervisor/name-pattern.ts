/** `*` patterns over actor names and paths, as `--debug TASK`, `piw pause TASK` and tracing take them. */

/** Whether a cell is meant by a pattern: its id or its whole path, `*` standing for anything. */
export type NamePattern = (id: string, path: string) => boolean;

/** Upper and lower case are one; a pattern is not a regular expression. */
export function namePattern(pattern: string): NamePattern {
  const source = pattern
    .split("*")
    .map((literal) => literal.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"))
    .join(".*");
  const expression = new RegExp(`^${source}$`, "is");
  return (id, path) => expression.test(id) || expression.test(path);
}
