/**
 * Parts of the farm's history as plots show them: a row per 5 minutes, hour or day. Read from the primary key of
 * `history`: at most 9,000 rows a year.
 */
import { type DayCounts, plottedFigures, type Series } from "../protocol/model/farm-page.ts";
import { figureNames } from "../protocol/model/statistics.ts";
import type { Sql } from "./connection.ts";

/** How long a time is shown by what steps, and which rows of the history are read for it. */
const spans = {
  // The finest too: a step is coarse only when it is over.
  day: { hours: 24, stepS: 300, from: [10, 300] },
  week: { hours: 7 * 24, stepS: 3_600, from: [300] },
  year: { hours: 365 * 24, stepS: 86_400, from: [3_600] },
} as const;

// Places in the history's arrays, which begin at 1.
const columns = plottedFigures
  .map((name) => `avg(average[${figureNames.farm.indexOf(name) + 1}])::float8`)
  .join(", ");

/** `plottedFigures` of the farm. */
export async function readSeries(sql: Sql, name: keyof typeof spans): Promise<Series> {
  const { hours, stepS, from } = spans[name];
  const rows = await sql.unsafe<{ at: number; values: (number | null)[] }[]>(
    `select (floor(extract(epoch from at) / $1::int) * $1::int * 1000)::bigint as at, array[${columns}] as values
     from history
     where kind = 'farm' and subject = 0 and step_s = any($2::int[])
       and at > now() - $3::int * interval '1 hour'
     group by 1 order by 1`,
    [stepS, [...from], hours],
  );
  return [...rows];
}

export async function readDownloadDays(sql: Sql, days: number): Promise<DayCounts> {
  const rows = await sql<{ at: number; count: number }[]>`
    select (extract(epoch from day) * 1000)::bigint as at, visits as count from access_day
    where aspect = 'kind' and value = 'download' and day > (now() at time zone 'UTC')::date - ${days}::int
    order by day`;
  return [...rows];
}
