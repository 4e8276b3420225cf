/**
 * Lines of an access log as visits: what piw-logger hands on. Pure but for its caches, which are bounded: most lines
 * of a log repeat a target and a User-Agent, and to read those anew would be most of the work.
 */
import { isIP } from "node:net";
import type { AccessClient, AccessKind } from "../model/access.ts";
import { parseAccessTime, parseEpoch } from "./access-time.ts";
import { unescapeField } from "./escaped-text.ts";
import type { Fields, LogFormat } from "./log-format.ts";
import { parseUserAgent, type UserAgent } from "./user-agent.ts";
import { findVisit, type Visit } from "./visit.ts";

export interface AccessRecord {
  readonly kind: AccessKind;
  /** In ms since 1970. */
  readonly at: number;
  readonly address: string | null;
  readonly package: string | null;
  readonly filename: string | null;
  readonly path: string | null;
  /** The same object for the same User-Agent, mostly. */
  readonly client: AccessClient;
}

/** `malformed`: not laid out so, or with a time or request that is none. `other`: read, and nothing that is counted. */
export type ReadLine = AccessRecord | "malformed" | "other";

/** Texts that are remembered, of each sort; then all are forgotten. */
const MAX_REMEMBERED = 20_000;
/** Longer ones are read anew each time, so that the caches stay small. */
const MAX_KEY_CHARS = 1_500;
const EARLIEST_AT = Date.UTC(1995, 0);
/** A server's clock may be ahead of this one's. */
const AHEAD_MS = 2 * 86_400_000;

/** @param now the present, in ms since 1970: lines of the far future are malformed */
export function createLineReader(format: LogFormat, now: () => number): (line: string) => ReadLine {
  const visitOf = remembering(requestVisit);
  const agentOf = remembering((field) => parseUserAgent(unescapeField(field)));
  const addressOf = remembering((field) => findAddress(field) ?? "");
  let latestAt = now() + AHEAD_MS;
  return (line) => {
    const fields = format.split(line);
    if (fields === undefined) return "malformed";
    const { status = "" } = fields;
    if (status !== "200") return /^\d{3}$|^-$/.test(status) ? "other" : "malformed";
    const visit = visitOf(fields.request ?? `${fields.method} ${fields.path} HTTP`);
    if (visit === "malformed" || visit === "other") return visit;
    const at = timeOf(fields);
    if (at !== undefined && at > latestAt) latestAt = now() + AHEAD_MS;
    if (at === undefined || at < EARLIEST_AT || at > latestAt) return "malformed";
    const { isInstaller, client } = agentOf(fields.userAgent ?? "");
    const address = addressOf(fields.address ?? fields.host ?? "");
    const kind = visit.kind === "simple" ? (isInstaller ? "search" : "page") : visit.kind;
    return {
      kind,
      at,
      package: visit.package,
      filename: visit.filename,
      path: kind === "page" ? visit.path : null,
      address: address === "" ? null : address,
      client,
    };
  };
}

type RequestVisit = Visit | "malformed" | "other";

/** Of `GET /simple/six/ HTTP/1.1`, still escaped. Only GET counts: HEAD fetches nothing. */
function requestVisit(request: string): RequestVisit {
  const match = /^([^ ]+) (.+) (HTTP(?:\/\d(?:\.\d)?)?)$/s.exec(request);
  if (match === null) return "malformed";
  const [, method, target = ""] = match;
  return method === "GET" ? (findVisit(unescapeField(target)) ?? "other") : "other";
}

function timeOf(fields: Fields): number | undefined {
  const { time, seconds, milliseconds, microseconds } = fields;
  if (time !== undefined) return parseAccessTime(time);
  if (seconds !== undefined) return parseEpoch(seconds, 1);
  if (milliseconds !== undefined) return parseEpoch(milliseconds, 1_000);
  return parseEpoch(microseconds ?? "", 1_000_000);
}

/** Undefined for a host's name; a zone is of the server's machine only, and an IPv4 address may be written as IPv6. */
function findAddress(field: string): string | undefined {
  const address = field.replace(/%.*$/s, "").replace(/^::ffff:(?=\d+\.)/i, "");
  return isIP(address) === 0 ? undefined : address;
}

/** Keys are copied: as they are, each would hold the piece of the log that it was cut from. */
function remembering<T extends UserAgent | RequestVisit | string>(
  read: (text: string) => T,
): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const copy = Buffer.from(text, "latin1").toString("latin1");
    const value = read(copy);
    if (copy.length > MAX_KEY_CHARS) return value;
    if (known.size >= MAX_REMEMBERED) known.clear();
    known.set(copy, value);
    return value;
  };
}
