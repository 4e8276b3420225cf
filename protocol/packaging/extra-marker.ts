/**
 * Which extra a requirement belongs to, told from its marker: `python_version < "3.11" and extra == "dev"` is the
 * extra `dev` and the condition `python_version < "3.11"`. Called for pages that group requirements by extra.
 */
import { canonicalName } from "./canonical-name.ts";
import type { Marker } from "./marker.ts";

export interface ExtraMarker {
  /** Canonical; null where it is needed without any extra, or where that cannot be told so simply. */
  readonly extra: string | null;
  /** What else must hold; undefined: nothing. */
  readonly rest: Marker | undefined;
}

/** Only a marker of `extra == "NAME"`, or an `and` with one such term, is taken apart; any other stays whole. */
export function splitExtra(marker: Marker | undefined): ExtraMarker {
  if (marker === undefined) return { extra: null, rest: undefined };
  const alone = extraOf(marker);
  if (alone !== undefined) return { extra: alone, rest: undefined };
  if (marker.kind !== "and") return { extra: null, rest: marker };
  const found = marker.terms.filter((term) => extraOf(term) !== undefined);
  const [term] = found;
  if (term === undefined || found.length > 1) return { extra: null, rest: marker };
  const terms = marker.terms.filter((each) => each !== term);
  const [first] = terms;
  return {
    extra: extraOf(term) ?? null,
    rest: terms.length > 1 ? { kind: "and", terms } : first,
  };
}

function extraOf(marker: Marker): string | undefined {
  if (marker.kind !== "comparison" || marker.operator !== "==") return undefined;
  const { left, right } = marker;
  if ("variable" in left && left.variable === "extra" && "value" in right)
    return canonicalName(right.value);
  if ("variable" in right && right.variable === "extra" && "value" in left)
    return canonicalName(left.value);
  return undefined;
}
