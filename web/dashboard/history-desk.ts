/**
 * The figures of one subject over an hour, a day, a week or a year, as columns for plots. What many readers ask for is
 * asked of the master once.
 */
import { z } from "zod";
import {
  figureNames,
  type HistoryPoint,
  type SubjectKind,
  subjectKindSchema,
} from "../../protocol/model/statistics.ts";
import type { Farm } from "./contract.ts";

const HOUR_MS = 3_600_000;

const spans = {
  hour: { stepS: 10, lengthMs: HOUR_MS, keepMs: 5_000, joins: 1 },
  day: { stepS: 300, lengthMs: 24 * HOUR_MS, keepMs: 30_000, joins: 1 },
  week: { stepS: 300, lengthMs: 7 * 24 * HOUR_MS, keepMs: 60_000, joins: 3 },
  // A point for six hours: some 1,460 of them.
  year: { stepS: 3600, lengthMs: 365 * 24 * HOUR_MS, keepMs: 300_000, joins: 6 },
} as const;

const spanSchema = z.enum(["hour", "day", "week", "year"]);

export const historyAskedSchema = z.object({
  kind: subjectKindSchema,
  subject: z.coerce.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER),
  span: spanSchema,
  /** Points from this instant on, in place of the whole span. */
  from: z.coerce.number().int().nonnegative().default(0),
});
export type HistoryAsked = z.infer<typeof historyAskedSchema>;

export interface HistoryColumns {
  /** How far apart points are. */
  readonly stepMs: number;
  /** What is shown reaches from here to now, by the clock of the master. */
  readonly fromAt: number;
  readonly nowAt: number;
  /** The beginning of each step, in ms since 1970. */
  readonly at: readonly number[];
  readonly figures: Readonly<Record<string, readonly (number | null)[]>>;
}

interface Kept {
  readonly askedAt: number;
  readonly points: Promise<readonly HistoryPoint[]>;
}

const MOST_KEPT = 100;

export class HistoryDesk {
  readonly #farm: Pick<Farm, "readHistory">;
  /** Asked for last, last. */
  readonly #kept = new Map<string, Kept>();

  constructor(farm: Pick<Farm, "readHistory">) {
    this.#farm = farm;
  }

  /** @throws what the farm throws */
  async read({ kind, subject, span, from }: HistoryAsked): Promise<HistoryColumns> {
    const { stepS, lengthMs, joins } = spans[span];
    const stepMs = stepS * 1_000 * joins;
    const nowAt = Date.now();
    // From the beginning of a step, so that joined ones are the same whenever they are asked for.
    const fromAt = Math.floor((nowAt - lengthMs) / stepMs) * stepMs;
    const points = await this.#points(kind, subject, span, fromAt);
    const shown = points.filter(({ at }) => at >= fromAt);
    const steps = joinedSteps(shown, stepMs, figureNames[kind].length).filter(
      ({ at }) => at >= from,
    );
    return {
      stepMs,
      fromAt,
      nowAt,
      at: steps.map(({ at }) => at),
      figures: Object.fromEntries(
        figureNames[kind].map((name, place) => [
          name,
          steps.map(({ values }) => values[place] ?? null),
        ]),
      ),
    };
  }

  #points(
    kind: SubjectKind,
    subject: number,
    span: z.infer<typeof spanSchema>,
    fromAt: number,
  ): Promise<readonly HistoryPoint[]> {
    const { stepS, keepMs } = spans[span];
    const key = `${kind} ${subject} ${span}`;
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    if (kept !== undefined && performance.now() - kept.askedAt < keepMs) {
      this.#kept.set(key, kept);
      return kept.points;
    }
    const points = this.#farm.readHistory({ kind, subject, stepS, fromAt });
    const mine = { askedAt: performance.now(), points };
    this.#kept.set(key, mine);
    points.catch(() => {
      if (this.#kept.get(key) === mine) this.#kept.delete(key);
    });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST_KEPT) break;
      this.#kept.delete(oldest);
    }
    return points;
  }
}

/** Averages of what lies in one step, by how many samples each was made of. */
function joinedSteps(
  points: readonly HistoryPoint[],
  stepMs: number,
  figures: number,
): { readonly at: number; readonly values: readonly (number | null)[] }[] {
  const steps = new Map<number, HistoryPoint[]>();
  for (const point of points) {
    const at = Math.floor(point.at / stepMs) * stepMs;
    const together = steps.get(at);
    if (together === undefined) steps.set(at, [point]);
    else together.push(point);
  }
  return [...steps]
    .sort(([one], [other]) => one - other)
    .map(([at, together]) => ({
      at,
      values: Array.from({ length: figures }, (_, place) => {
        const known = together.flatMap(({ average, samples }) => {
          const value = average[place] ?? null;
          return value === null ? [] : [{ value, samples }];
        });
        if (known.length === 0) return null;
        const weight = known.reduce((sum, { samples }) => sum + samples, 0);
        return known.reduce((sum, { value, samples }) => sum + value * samples, 0) / weight;
      }),
    }));
}
