/**
 * Compatibility tags (PEP 425) as plain strings, `cp311-cp311-linux_x86_64`, and the compressed sets of
 * wheel file names. Called by the wheel readers and by whoever asks which targets a wheel covers. It does
 * not know which tags an interpreter supports: the interpreter reports them.
 */

/** Three parts joined by `-`, lower case. */
export type Tag = string;

/** More tags than any honest wheel has (the widest hold some dozens); a name is refused beyond it. */
export const MAX_TAGS = 1_000;

const part = /^[a-z0-9_]+$/;

/**
 * `py2.py3-none-any` to `py2-none-any`, `py3-none-any`: every combination once, in the order written.
 * Undefined where it is no tag set or would have more than `MAX_TAGS` members.
 */
export function expandTags(compressed: string): Tag[] | undefined {
  const parts = compressed.toLowerCase().split("-", 4);
  if (parts.length !== 3) return undefined;
  const [interpreters, abis, platforms] = parts.map((set) => set.split("."));
  if (interpreters === undefined || abis === undefined || platforms === undefined) return undefined;
  if (interpreters.length * abis.length * platforms.length > MAX_TAGS) return undefined;
  if (![...interpreters, ...abis, ...platforms].every((each) => part.test(each))) return undefined;
  const tags = new Set<Tag>();
  for (const interpreter of interpreters)
    for (const abi of abis)
      for (const platform of platforms) tags.add(`${interpreter}-${abi}-${platform}`);
  return [...tags];
}

/** Whether an interpreter that reports `targetTags` installs a wheel with `tags`: they share one. */
export function covers(
  tags: Iterable<Tag>,
  targetTags: ReadonlySet<Tag> | readonly Tag[],
): boolean {
  const reported = targetTags instanceof Set ? targetTags : new Set(targetTags);
  for (const tag of tags) if (reported.has(tag)) return true;
  return false;
}
