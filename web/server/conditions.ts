/**
 * Preconditions and ranges of a request for a file (RFC 9110, 13 and 14), as decisions: pure, and
 * apart from the framework. Several ranges in one request are answered with the whole file, as the
 * RFC allows; no installer asks so.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { ByteRange } from "../storage.ts";

export interface Validators {
  /** With its quotes. */
  readonly etag: string;
  readonly modifiedAt: Date;
}

/** `whole`: nothing is asked for, or nothing that has to be granted. */
export type RangeDecision = ByteRange | "whole" | "unsatisfiable";

const conditions = [
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
] as const;

/** 304, 412, or undefined: go on with the file. */
export function findPreconditionStatus(
  headers: IncomingHttpHeaders,
  validators: Validators,
): 304 | 412 | undefined {
  if (conditions.every((name) => headers[name] === undefined)) return undefined;
  const modifiedMs = wholeSeconds(validators.modifiedAt);
  const ifMatch = headers["if-match"];
  const unmodifiedSinceMs = Date.parse(headers["if-unmodified-since"] ?? "");
  if (ifMatch !== undefined) {
    if (!matchesAny(ifMatch, validators.etag)) return 412;
  } else if (modifiedMs > unmodifiedSinceMs) return 412;

  const ifNoneMatch = headers["if-none-match"];
  const modifiedSinceMs = Date.parse(headers["if-modified-since"] ?? "");
  if (ifNoneMatch !== undefined) {
    return matchesAny(ifNoneMatch.replaceAll("W/", ""), validators.etag) ? 304 : undefined;
  }
  return modifiedMs <= modifiedSinceMs ? 304 : undefined;
}

/** Call for GET only: a range means nothing to other methods. */
export function rangeOf(
  headers: IncomingHttpHeaders,
  sizeBytes: number,
  validators: Validators,
): RangeDecision {
  const match = /^bytes=(\d*)-(\d*)$/.exec(headers.range?.replaceAll(" ", "") ?? "");
  if (match === null || !isFresh(headers["if-range"], validators)) return "whole";
  const [first = "", last = ""] = match.slice(1);
  if (first === "" && last === "") return "whole";
  const end = Math.min(last === "" || first === "" ? Infinity : Number(last), sizeBytes - 1);
  const start = first === "" ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  // Read backwards, as in "5-2", it is no range at all; beyond the end, it is one without bytes.
  if (first !== "" && last !== "" && Number(first) > Number(last)) return "whole";
  return start > end ? "unsatisfiable" : { start, end };
}

/** A part may only be added to what the client has if that is of the same contents. */
function isFresh(ifRange: string | string[] | undefined, validators: Validators): boolean {
  if (ifRange === undefined) return true;
  if (typeof ifRange !== "string") return false;
  return ifRange.includes('"')
    ? ifRange.trim() === validators.etag
    : Date.parse(ifRange) === wholeSeconds(validators.modifiedAt);
}

const matchesAny = (list: string, etag: string): boolean =>
  list.split(",").some((each) => each.trim() === "*" || each.trim() === etag);

/** HTTP dates have no fractions. */
const wholeSeconds = (at: Date): number => Math.floor(at.getTime() / 1_000) * 1_000;
