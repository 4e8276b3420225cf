/** Task names as `--debug` takes them: plain, or with `*` for any letters. */

/** A matcher of a list of patterns; the empty list matches nothing. Linear in time, whatever the pattern. */
export function taskMatcher(patterns: readonly string[]): (task: string) => boolean {
  return (task) => patterns.some((pattern) => matches(pattern, task));
}

function matches(pattern: string, task: string): boolean {
  const parts = pattern.split("*");
  if (parts.length === 1) {
    return pattern === task;
  }
  const first = parts[0] ?? "";
  const last = parts.at(-1) ?? "";
  if (!task.startsWith(first) || task.length < first.length + last.length) {
    return false;
  }
  let from = first.length;
  const to = task.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = task.indexOf(part, from);
    if (found === -1 || found + part.length > to) {
      return false;
    }
    from = found + part.length;
  }
  return task.endsWith(last);
}
