/**
 * The statistics page. Counters, sums by day, and the heads of indexes: what it costs does not grow with the
 * farm, but for the builds of the last day or two, which are counted one by one.
 */
import { z } from "zod";
import {
  type DownloadAspect,
  downloadAspects,
  type StatisticsPage,
  statisticsPageSchema,
  type TargetStatistics,
} from "../protocol/model/farm-page.ts";
import { figureNames } from "../protocol/model/statistics.ts";
import { type Sql, transaction } from "./connection.ts";
import { request } from "./request.ts";
import { readDownloadDays, readSeries } from "./series.ts";
import { readTallies } from "./tallies.ts";

const SHOWN = 20;
/** Of the values of one aspect of downloads. */
const VALUES_SHOWN = 10;
const DAYS = 30;

export const statisticsPage = request(
  { args: z.null(), result: statisticsPageSchema, slow: true },
  async (sql) => {
    await countDays(sql);
    const [clock] = await sql<{ as_of: Date; slaves: number }[]>`
      select now() as as_of, (
        select count(*)::int from slave s where s.last_seen_at > now() - interval '1 hour'
          and exists (select from slave_target t where t.slave_id = s.id)) as slaves`;
    return {
      asOf: clock?.as_of.getTime() ?? 0,
      slaves: clock?.slaves ?? 0,
      targets: await readTargets(sql),
      causes: await readCauses(sql),
      slowest: await readSlowest(sql),
      largest: await readLargest(sql),
      downloads: await readDownloadsBy(sql),
      disk: await readDisk(sql),
      day: await readSeries(sql, "day"),
      week: await readSeries(sql, "week"),
      year: await readSeries(sql, "year"),
      downloadsByDay: await readDownloadDays(sql, 365),
    };
  },
);

/**
 * Counts the days that are over and have not been counted. A quarter of an hour after its end, so that
 * nobody's transaction that began in it is still open. Two at once take turns by the key of the day.
 */
async function countDays(sql: Sql): Promise<void> {
  await transaction(sql, async (tx) => {
    const days = await tx<{ day: string }[]>`
      insert into build_day_counted (day)
      select d::date from generate_series(
        (now() at time zone 'UTC')::date - ${DAYS - 1}::int,
        ((now() - interval '15 minutes') at time zone 'UTC')::date - 1, interval '1 day') d
      where not exists (select from build_day_counted c where c.day = d::date)
      on conflict do nothing
      returning day::text`;
    for (const { day } of days)
      await tx`
        insert into build_day (day, target_id, cause, builds)
        select ${day}::date, target_id, cause, count(*) from build
        where settled_at >= ${day}::timestamp at time zone 'UTC'
          and settled_at < (${day}::timestamp + interval '1 day') at time zone 'UTC' and cause is not null
        group by target_id, cause`;
  });
}

async function readTargets(sql: Sql): Promise<TargetStatistics[]> {
  const tallies = await readTallies(sql);
  const rows = await sql<
    (Pick<TargetStatistics, "name" | "skip" | "slaves"> & {
      id: number;
    })[]
  >`
    select t.id, t.name, t.skip,
      (select count(*)::int from slave_target st join slave s on s.id = st.slave_id
       where st.target_id = t.id and s.last_seen_at > now() - interval '1 hour') as slaves
    from target t order by t.rank, t.id`;
  return rows.map(({ id, ...target }) => {
    const total = (name: string): number => tallies(name, id).total;
    const builds = total("builds");
    return {
      ...target,
      packages: total("packages"),
      versionsBuilt: total("versions_built"),
      files: total("files"),
      sizeBytes: total("bytes"),
      failed: total("failed"),
      ready: total("ready"),
      meanBuildMs: builds > 0 ? total("build_ms") / builds : null,
    };
  });
}

async function readCauses(sql: Sql): Promise<StatisticsPage["causes"]> {
  const rows = await sql<StatisticsPage["causes"][number][]>`
    select cause, sum(day_n)::bigint as "last24Hours", sum(month_n)::bigint as "last30Days" from (
      select cause, count(*) filter (where settled_at > now() - interval '1 day') as day_n,
        count(*) filter (where not exists (
          select from build_day_counted c where c.day = (b.settled_at at time zone 'UTC')::date)) as month_n
      from build b
      where settled_at > date_trunc('day', now() - interval '1 day', 'UTC') and cause is not null
      group by cause
      union all
      select cause, 0, sum(builds) from build_day
      where day > (now() at time zone 'UTC')::date - ${DAYS}::int group by cause) counted
    group by cause having sum(day_n) + sum(month_n) > 0
    order by sum(month_n) desc, cause`;
  return [...rows];
}

async function readSlowest(sql: Sql): Promise<StatisticsPage["slowest"]> {
  const rows = await sql<StatisticsPage["slowest"][number][]>`
    select p.name as package, v.version, t.name as target, b.duration_ms as "durationMs"
    from (select * from build where stands and cause = 'built' and duration_ms is not null
          order by duration_ms desc nulls first limit ${SHOWN}) b
    join version v on v.id = b.version_id join package p on p.id = v.package_id
    join target t on t.id = b.target_id
    order by b.duration_ms desc, b.token`;
  return [...rows];
}

async function readLargest(sql: Sql): Promise<StatisticsPage["largest"]> {
  const rows = await sql<StatisticsPage["largest"][number][]>`
    select p.name as package, f.filename, f.size_bytes as "sizeBytes"
    from (select * from file where placed_at is not null and removed_at is null
          order by size_bytes desc limit ${SHOWN}) f
    join version v on v.id = f.version_id join package p on p.id = v.package_id
    order by f.size_bytes desc, f.filename`;
  return [...rows];
}

async function readDownloadsBy(sql: Sql): Promise<StatisticsPage["downloads"]> {
  const rows = await sql<
    { aspect: DownloadAspect; value: string; count: number; others: number }[]
  >`
    select aspect, value, n::bigint as count, (total - shown)::bigint as others from (
      select *, sum(n) filter (where place <= ${VALUES_SHOWN}) over (partition by aspect) as shown from (
        select aspect, value, sum(visits) as n, sum(sum(visits)) over (partition by aspect) as total,
          row_number() over (partition by aspect order by sum(visits) desc, value) as place
        from access_day
        where aspect = any(${[...downloadAspects]}) and day > (now() at time zone 'UTC')::date - ${DAYS}::int
        group by aspect, value) by_value) ranked
    where place <= ${VALUES_SHOWN}
    order by aspect, n desc, value`;
  return downloadAspects.flatMap((aspect) => {
    const values = rows.filter((row) => row.aspect === aspect);
    if (values.length === 0) return [];
    return {
      aspect,
      values: values.map(({ value, count }) => ({ value, count })),
      others: values[0]?.others ?? 0,
    };
  });
}

const [free, size] = (["diskFreeBytes", "diskSizeBytes"] as const).map(
  (name) => figureNames.master.indexOf(name) + 1,
);

/** What Big Brother saw last, within the last hour. */
async function readDisk(sql: Sql): Promise<StatisticsPage["disk"]> {
  const [row] = await sql.unsafe<{ free: number | null; size: number | null }[]>(
    `select average[${free}]::float8 as free, average[${size}]::float8 as size from history
     where step_s = 10 and kind = 'master' and subject = 0 and at > now() - interval '1 hour'
     order by at desc limit 1`,
  );
  if (row?.free == null || row.size === null) return null;
  return { freeBytes: row.free, sizeBytes: row.size };
}
