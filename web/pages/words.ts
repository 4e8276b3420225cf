/** Numbers, sizes, times and states as people read them: the same words on every page. */
import { type Cause, type Verdict, verdictOf } from "../../protocol/model/cause.ts";
import type { ReleaseBuildState } from "../../protocol/model/project-page.ts";

const integers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** `12,345`. */
export const countText = (count: number): string => integers.format(count);

const shortIntegers = new Intl.NumberFormat("en", { notation: "compact" });

/** `12K`: where there is little room. */
export const shortCountText = (count: number): string => shortIntegers.format(count);

/** `1.5 MB`: decimal units, as disks are sold and PyPI shows sizes. */
export function sizeText(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
  let [value, unit] = [bytes, 0];
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[unit] ?? ""}`;
}

/** `850 ms`, `12 s`, `4 min 10 s`, `2 h 5 min`. */
export function durationText(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
  const seconds = Math.round(durationMs / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${countText(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** `2024-03-09 14:05 UTC`: pages are files, so there is no reader's time zone to show. */
export const instantText = (atMs: number): string =>
  `${new Date(atMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;

export const dateText = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10);

/** The colour and the sign of a state. The sign tells it to those who see no colours. */
export interface Tone {
  readonly name: "good" | "bad" | "busy" | "calm";
  readonly sign: string;
}

const good: Tone = { name: "good", sign: "✓" };
const bad: Tone = { name: "bad", sign: "✗" };
const busy: Tone = { name: "busy", sign: "…" };
const held: Tone = { name: "busy", sign: "○" };
const calm: Tone = { name: "calm", sign: "–" };
const none: Tone = { name: "calm", sign: "·" };

export const stateWords: Record<ReleaseBuildState, { readonly text: string; readonly tone: Tone }> =
  {
    built: { text: "built", tone: good },
    imported: { text: "imported", tone: good },
    covered: { text: "covered", tone: good },
    upstream: { text: "upstream", tone: good },
    failed: { text: "failed", tone: bad },
    blocked: { text: "blocked", tone: held },
    ready: { text: "queued", tone: busy },
    leased: { text: "building", tone: busy },
    waiting: { text: "will be retried", tone: held },
    behind: { text: "later", tone: calm },
    excluded: { text: "other Python", tone: none },
    skipped: { text: "skipped", tone: calm },
  };

const verdictTones: Record<Verdict, Tone> = {
  success: good,
  failure: bad,
  blocked: held,
  transient: held,
};

export const toneOf = (cause: Cause): Tone => verdictTones[verdictOf(cause)];

/** `now`, `in about 3 h`, `in about 5 days`: as exact as an estimate is. */
export function estimateText(inMs: number): string {
  const minutes = inMs / 60_000;
  if (minutes < 2) return "now";
  if (minutes < 90) return `in about ${Math.ceil(minutes / 5) * 5} min`;
  if (minutes < 48 * 60) return `in about ${Math.round(minutes / 60)} h`;
  return `in about ${countText(Math.round(minutes / 1_440))} days`;
}
