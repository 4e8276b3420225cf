/** `*` patterns over actor names and paths, as `--debug TASK`, `piw pause TASK` and tracing take them. */

/** Whether a cell is meant by a pattern: its id or its whole path, `*` standing for anything. */
export type NamePattern = (id: string, path: string) => boolean;

/** Upper and lower case are one. Linear in time, whatever the pattern: it may come from another machine. */
export function namePattern(pattern: string): NamePattern {
  const pieces = pattern.toLowerCase().split("*");
  return (id, path) => fits(pieces, id.toLowerCase()) || fits(pieces, path.toLowerCase());
}

/** The first place where a piece fits is as good as any later one. */
function fits([first = "", ...rest]: readonly string[], name: string): boolean {
  const last = rest.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first)) return false;
  let from = first.length;
  for (const piece of rest) {
    const at = name.indexOf(piece, from);
    if (at < 0) return false;
    from = at + piece.length;
  }
  return name.length - last.length >= from && name.endsWith(last);
}
