/** The WHEEL file of a wheel (PEP 427): which version of the format, and which tags. Called by the wheel check. */
import { parseHeaderFields } from "./header-fields.ts";
import { expandTags, MAX_TAGS, type Tag } from "./tags.ts";
import { WheelError } from "./wheel-error.ts";

export interface WheelFile {
  /** All that the Tag lines stand for. */
  readonly tags: ReadonlySet<Tag>;
}

/** @throws WheelError `bad-wheel-file`: a format version other than 1, no tag, or one that is none. */
export function parseWheelFile(source: Uint8Array): WheelFile {
  const { fields } = parseHeaderFields(source);
  const version = fields.get("wheel-version")?.[0] ?? "";
  if (!/^1\.\d+$/.test(version)) {
    throw new WheelError(
      "bad-wheel-file",
      `WHEEL declares Wheel-Version ${JSON.stringify(version)}; only 1.x can be read`,
    );
  }
  const tags = new Set<Tag>();
  for (const line of fields.get("tag") ?? []) {
    const expanded = expandTags(line);
    if (expanded === undefined) {
      throw new WheelError("bad-wheel-file", `WHEEL has a broken Tag: ${JSON.stringify(line)}`);
    }
    for (const tag of expanded) tags.add(tag);
    if (tags.size > MAX_TAGS) {
      throw new WheelError("bad-wheel-file", `WHEEL has more than ${MAX_TAGS} tags`);
    }
  }
  if (tags.size === 0) throw new WheelError("bad-wheel-file", "WHEEL has no Tag line");
  return { tags };
}
