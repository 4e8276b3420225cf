/**
 * The last hour of one subject's figures, in steps of 10 s: what plots show. Filled from the history that the
 * database keeps, and continued by events. As there, the last word within a step counts.
 */
import {
  figureNames,
  type HistoryPoint,
  historySteps,
  type SubjectKind,
} from "../model/statistics.ts";

export interface Subject {
  readonly kind: SubjectKind;
  /** The id of a target or slave; 0 for farm and master. */
  readonly id: number;
}

export interface PastPoint {
  /** The beginning of its step, in ms since 1970. */
  readonly at: number;
  /** In the order of `figureNames`; null: not measured. */
  readonly figures: readonly (number | null)[];
}

const [{ stepS, keepMs }] = historySteps;
const STEP_MS = stepS * 1_000;

export const startOfStep = (at: number): number => Math.floor(at / STEP_MS) * STEP_MS;
export const keyOfSubject = ({ kind, id }: Subject): string => `${kind} ${id}`;

/** By revision of the picture, so that a screen can be given what it lacks. */
export class PastHour {
  readonly subject: Subject;
  /** Oldest first; at most 361. */
  #points: (PastPoint & { readonly revision: number })[] = [];

  constructor(subject: Subject) {
    this.subject = subject;
  }

  get points(): readonly PastPoint[] {
    return this.#points;
  }

  pointsSince(revision: number): PastPoint[] {
    return this.#points.filter((point) => point.revision > revision);
  }

  /** @returns whether anything has changed */
  fill(points: readonly HistoryPoint[], revision: number): boolean {
    let hasChanged = false;
    for (const { at, average } of points)
      hasChanged = this.put(at, average, revision) || hasChanged;
    return hasChanged;
  }

  /** Figures of a moment. The database keeps 4 bytes of each: so do plots, which are then the same however they came. */
  put(at: number, figures: readonly (number | null)[], revision: number): boolean {
    const start = startOfStep(at);
    const names = figureNames[this.subject.kind];
    const kept = names.map((_, place) => rounded(figures[place] ?? null));
    const newest = this.#points.at(-1)?.at ?? start;
    if (start <= newest - keepMs) return false;
    let place = this.#points.length;
    while (place > 0 && (this.#points[place - 1]?.at ?? 0) >= start) place -= 1;
    const known = this.#points[place];
    const isKnown = known?.at === start;
    if (isKnown && known.figures.every((figure, index) => figure === kept[index])) return false;
    this.#points.splice(place, isKnown ? 1 : 0, { at: start, figures: kept, revision });
    if (start > newest) this.#points = this.#points.filter((point) => point.at > start - keepMs);
    return true;
  }
}

const rounded = (figure: number | null): number | null =>
  figure === null || !Number.isFinite(figure) ? null : Math.fround(figure);
