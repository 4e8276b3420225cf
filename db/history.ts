/**
 * The history of the farm's figures: written by Big Brother every 10 s, thinned by it step by step, read by
 * monitors. Each step is made from the one before it (averages and maxima), and a row goes only when the
 * coarser one stands, so that a crash anywhere loses nothing and repeats to the same end. An outage is a gap.
 *
 * All instants are of the database's clock: `farmFigures` gave them.
 */
import { z } from "zod";
import type { Immutable } from "../protocol/model/immutable.ts";
import { instantSchema } from "../protocol/model/scalar.ts";
import {
  figureNames,
  type HistoryPoint,
  historyQuestionSchema,
  historySchema,
  historySteps,
  MAX_POINTS,
  subjectKindSchema,
  subjectKinds,
} from "../protocol/model/statistics.ts";
import { type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";

const [finest] = historySteps;
/** Figures come at most this late; a coarse row is made when its time has been over for so long. */
const LATEST_MS = 60_000;

const sampleSchema = z.object({
  kind: subjectKindSchema,
  /** The id of a target or slave; 0 for farm and master. */
  subject: z.int().nonnegative(),
  /** In the order of `figureNames`. */
  figures: z.array(z.number().nullable()).min(1).max(100),
});
export type Sample = Immutable<z.infer<typeof sampleSchema>>;

/** Stores the figures of one moment. Said again, or within the same 10 s, the last word counts. */
export const recordFigures = request(
  {
    args: z.object({ at: instantSchema, samples: z.array(sampleSchema).max(10_000) }),
    result: z.null(),
    slow: true,
  },
  async (sql, args) => {
    const rows = args.samples.map(({ kind, subject, figures }) => ({ kind, subject, figures }));
    await sql`
      insert into history (step_s, kind, subject, at, samples, average)
      select ${finest.stepS}::int, s.kind, s.subject, ${instant(sql, startOf(args.at, finest.stepS))},
        1, s.figures
      from json_to_recordset(${JSON.stringify(rows)}::text::json)
        as s(kind text, subject int, figures real[])
      on conflict (step_s, kind, subject, at) do update set average = excluded.average`;
    return null;
  },
);

/**
 * Makes coarse rows for what is over, oldest first, and removes fine ones whose time is up: at most `steps`
 * coarse steps and `rows` removed rows of each. Returns whether more is left.
 */
export const thinHistory = request(
  {
    args: z.object({
      /** Now, by the database's clock. */
      at: instantSchema,
      steps: z.int().positive().max(10_000),
      rows: z.int().positive().max(10_000_000),
    }),
    result: z.boolean(),
    slow: true,
  },
  async (sql, args) => {
    let isMore = false;
    // Up to when the finer rows are all there.
    let whole = args.at - LATEST_MS;
    for (const [index, fine] of historySteps.entries()) {
      const coarse = historySteps[index + 1];
      if (coarse === undefined) break;
      const end = startOf(whole, coarse.stepS);
      const done = await transaction(sql, async (tx) => {
        const made = await makeCoarse(tx, fine.stepS, coarse.stepS, end, args.steps);
        const until = Math.min(made.until, startOf(args.at - fine.keepMs, fine.stepS));
        const removed = await removeOld(tx, fine.stepS, until, args.rows);
        return { until: made.until, isMore: made.isMore || removed === args.rows };
      });
      whole = done.until;
      isMore ||= done.isMore;
    }
    return isMore;
  },
);

/** Rows of a kind in order of time and subject, a page at a time. */
export const historyOf = request(
  { args: historyQuestionSchema, result: historySchema, slow: true },
  async (sql, args) => {
    const { kind, subject, stepS, after } = args;
    const rows = await sql<(Omit<HistoryPoint, "at"> & { readonly at: Date })[]>`
      select subject, at, samples, average, maximum from history
      where step_s = ${stepS}::int and kind = ${kind}
        and (${subject}::int is null or subject = ${subject}::int)
        and at >= ${after === null ? sql`'-infinity'` : instant(sql, after.at)}
        and (at, subject) > (${after === null ? sql`'-infinity'` : instant(sql, after.at)},
          ${after?.subject ?? -1}::int)
      order by at, subject limit ${MAX_POINTS + 1}`;
    const points = rows.slice(0, MAX_POINTS).map((row) => ({ ...row, at: row.at.getTime() }));
    return { points, isMore: rows.length > MAX_POINTS };
  },
);

interface Made {
  /** Everything before has its coarse rows. In ms since 1970. */
  readonly until: number;
  readonly isMore: boolean;
}

/**
 * Goes from one coarse step that has fine rows to the next one, and remembers how far it came. Two at once
 * take turns by the row of `history_made`.
 */
async function makeCoarse(
  tx: Tx,
  fineS: number,
  coarseS: number,
  end: number,
  limit: number,
): Promise<Made> {
  const [row] = await tx<{ until: number | null }[]>`
    select extract(epoch from nullif(until, '-infinity')) * 1000 as until
    from history_made where step_s = ${coarseS} for update`;
  let until = row?.until ?? Number.NEGATIVE_INFINITY;
  // Far beyond the end the clock was set back: from the oldest on. What is made again comes out the same.
  if (until > end + coarseS * 1_000) until = Number.NEGATIVE_INFINITY;
  if (until >= end) return { until, isMore: false };
  let isMore = false;
  for (let made = 0; ; made += 1) {
    const [next] = await tx<{ at: number | null }[]>`
      select extract(epoch from min(at)) * 1000 as at from history
      where step_s = ${fineS}::int and at < ${instant(tx, end)}
        and at >= ${until === Number.NEGATIVE_INFINITY ? tx`'-infinity'` : instant(tx, until)}`;
    if (next?.at == null) {
      until = end;
      break;
    }
    isMore = made === limit;
    if (isMore) break;
    const start = startOf(next.at, coarseS);
    until = start + coarseS * 1_000;
    for (const kind of subjectKinds) await tx.unsafe(COARSEN[kind], [fineS, coarseS, start, until]);
  }
  if (until > Number.NEGATIVE_INFINITY)
    await tx`update history_made set until = ${instant(tx, until)} where step_s = ${coarseS}`;
  return { until, isMore };
}

async function removeOld(tx: Tx, stepS: number, until: number, limit: number): Promise<number> {
  if (until === Number.NEGATIVE_INFINITY) return 0;
  const gone = await tx`
    delete from history h using (
      select kind, subject, at from history
      where step_s = ${stepS}::int and at < ${instant(tx, until)} order by at limit ${limit}) o
    where h.step_s = ${stepS}::int and h.kind = o.kind and h.subject = o.subject and h.at = o.at`;
  return gone.count;
}

/**
 * Per kind: the rows of one coarse step from the fine ones. An average weighs each row by its samples; a
 * figure that a row lacks counts nowhere. Made again it changes nothing that was made from more.
 */
const COARSEN = Object.fromEntries(
  subjectKinds.map((kind) => [kind, coarsenStatement(kind, figureNames[kind].length)]),
) as Record<(typeof subjectKinds)[number], string>;

function coarsenStatement(kind: string, figures: number): string {
  const places = Array.from({ length: figures }, (_, index) => index + 1);
  const averages = places.map(
    (n) =>
      `sum(average[${n}]::float8 * samples) / sum(samples) filter (where average[${n}] is not null)`,
  );
  const maxima = places.map((n) => `max(coalesce(maximum[${n}], average[${n}]))`);
  return `
    insert into history (step_s, kind, subject, at, samples, average, maximum)
    select $2::int, kind, subject, to_timestamp($3::float8 / 1000), sum(samples),
      array[${averages.join(", ")}]::real[], array[${maxima.join(", ")}]::real[]
    from history
    where step_s = $1::int and kind = '${kind}'
      and at >= to_timestamp($3::float8 / 1000) and at < to_timestamp($4::float8 / 1000)
    group by kind, subject
    on conflict (step_s, kind, subject, at) do update set samples = excluded.samples,
      average = excluded.average, maximum = excluded.maximum
      where excluded.samples >= history.samples`;
}

const startOf = (at: number, stepS: number): number =>
  Math.floor(at / (stepS * 1_000)) * stepS * 1_000;

const instant = (tx: Tx, ms: number) => tx`to_timestamp(${ms}::float8 / 1000)`;
