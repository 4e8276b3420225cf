/**
 * Stores what web servers logged, and counts it by day: rows, counts and the piw-logger's place in one
 * transaction, so that a batch that is said again is neither stored nor counted again. Lumberjack asks for
 * this. The tables, and why they are as they are: schema/0002-access-log.sql.
 */
import { z } from "zod";
import {
  type AccessBatch,
  accessBatchSchema,
  accessPlaceSchema,
} from "../protocol/model/access.ts";
import { countSchema, projectNameSchema } from "../protocol/model/scalar.ts";
import { countAccess } from "./access-counts.ts";
import { type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";

/** Values of one aspect that a day counts apart. */
const MAX_VALUES_A_DAY = 1_000;
/** A piw-logger that was silent for so long begins anew. */
const SOURCE_DAYS = 90;

/**
 * `known`: it is stored already. `gap`: batches before it are missing, nothing was done. Whoever gets another
 * answer than `gap` may forget the batch.
 */
export const recordAccess = request(
  {
    args: accessPlaceSchema.extend({ batch: accessBatchSchema }),
    result: z.enum(["stored", "known", "gap"]),
    slow: true,
  },
  async (sql, { source, sequence, acknowledged, batch }) =>
    transaction(sql, async (tx) => {
      // Before any lock on rows: it may have to wait for another who makes the same month.
      await tx`
        select access_log_make_months(array(
          select distinct date_trunc('month', to_timestamp(at / 1000), 'UTC')
          from unnest(${batch.ats as number[]}::float8[]) as a(at)))`;
      await tx`
        insert into access_source (id, sequence) values (${source}, 0) on conflict (id) do nothing`;
      const [row] = await tx<{ sequence: number }[]>`
        select sequence from access_source where id = ${source} for update`;
      const last = Math.max(row?.sequence ?? 0, acknowledged);
      if (sequence <= (row?.sequence ?? 0)) return "known";
      if (sequence !== last + 1) return "gap";
      await tx`
        update access_source set sequence = ${sequence}, seen_at = now() where id = ${source}`;
      await store(tx, batch);
      return "stored";
    }),
);

/**
 * One statement: the rows, and what is counted of them. Counts are inserted in the order of their keys, so that
 * two at once cannot wait for each other in a circle.
 */
async function store(tx: Tx, batch: AccessBatch): Promise<void> {
  const { clients } = batch;
  const counts = countAccess(batch);
  await tx`
    with c as materialized (
      select * from unnest(
        ${clients.map((_, index) => index)}::int[],
        ${clients.map((client) => client.arch)}::text[],
        ${clients.map((client) => client.distroName)}::text[],
        ${clients.map((client) => client.distroVersion)}::text[],
        ${clients.map((client) => client.osName)}::text[],
        ${clients.map((client) => client.osVersion)}::text[],
        ${clients.map((client) => client.implementationName)}::text[],
        ${clients.map((client) => client.implementationVersion)}::text[],
        ${clients.map((client) => client.pythonVersion)}::text[],
        ${clients.map((client) => client.installerName)}::text[],
        ${clients.map((client) => client.installerVersion)}::text[],
        ${clients.map((client) => client.setuptoolsVersion)}::text[]
      ) as c(id, arch, distro_name, distro_version, os_name, os_version, implementation_name,
        implementation_version, python_version, installer_name, installer_version, setuptools_version)
    ), stored as (
      insert into access_log
      select v.kind, to_timestamp(v.at / 1000), v.address::inet, v.package, v.filename, v.path,
        c.arch, c.distro_name, c.distro_version, c.os_name, c.os_version, c.implementation_name,
        c.implementation_version, c.python_version, c.installer_name, c.installer_version, c.setuptools_version
      from unnest(
        ${batch.kinds as string[]}::text[], ${batch.ats as number[]}::float8[],
        ${batch.addresses as (string | null)[]}::text[], ${batch.packages as (string | null)[]}::text[],
        ${batch.filenames as (string | null)[]}::text[], ${batch.paths as (string | null)[]}::text[],
        ${batch.clientOf as number[]}::int[]
      ) as v(kind, at, address, package, filename, path, client)
      join c on c.id = v.client
    ), by_package as materialized (
      select * from unnest(
        ${counts.packages.map((count) => count.package)}::text[], ${counts.packages.map((count) => count.day)}::date[],
        ${counts.packages.map((count) => count.downloads)}::bigint[],
        ${counts.packages.map((count) => count.searches)}::bigint[]
      ) as p(package, day, downloads, searches)
    ), package_day as (
      insert into access_package_day as t (package, day, downloads, searches)
      select * from by_package order by package, day
      on conflict (package, day) do update
        set downloads = t.downloads + excluded.downloads, searches = t.searches + excluded.searches
    ), package as (
      insert into access_package as t (package, downloads, searches)
      select package, sum(downloads), sum(searches) from by_package group by package order by package
      on conflict (package) do update
        set downloads = t.downloads + excluded.downloads, searches = t.searches + excluded.searches
    ), counted as (
      select day, 'kind' as aspect, kind as value, visits from unnest(
        ${counts.kinds.map((count) => count.day)}::date[], ${counts.kinds.map((count) => count.of)}::text[],
        ${counts.kinds.map((count) => count.visits)}::bigint[]
      ) as k(day, kind, visits)
      union all
      select day, aspect, value, sum(visits)
      from unnest(
        ${counts.clients.map((count) => count.day)}::date[], ${counts.clients.map((count) => count.of)}::int[],
        ${counts.clients.map((count) => count.visits)}::bigint[]
      ) as d(day, client, visits)
      join c on c.id = d.client
      cross join lateral (values
        ('arch', arch), ('python', substring(python_version from '^[0-9]+[.][0-9]+')),
        ('implementation', implementation_name), ('os', os_name),
        ('distro', concat_ws(' ', distro_name, distro_version)),
        ('installer', installer_name)) as said(aspect, value)
      where value <> '' group by day, aspect, value
    ), named as (
      -- New values find room in the order of their counts; those that are there already stay.
      select c.*, t.value is not null as is_known,
        row_number() over (partition by c.day, c.aspect, t.value is not null order by c.visits desc, c.value) as place,
        (select count(*) from access_day a where a.day = c.day and a.aspect = c.aspect) as there
      from counted c left join access_day t on t.day = c.day and t.aspect = c.aspect and t.value = c.value
    ), kept as (
      select day, aspect,
        case when is_known or there + place <= ${MAX_VALUES_A_DAY} then value else 'other' end as value,
        sum(visits) as visits
      from named group by 1, 2, 3
    )
    insert into access_day as t (day, aspect, value, visits)
    select * from kept order by day, aspect, value
    on conflict (day, aspect, value) do update set visits = t.visits + excluded.visits`;
}

/**
 * What has to be done now and then: the partition of the coming days is there before the first line needs it,
 * months beyond the expiry are dropped, and piw-loggers that are gone are forgotten. Gives the number of months
 * dropped.
 */
export const tendAccessLog = request({ args: z.null(), result: countSchema }, async (sql) => {
  await sql`select access_log_make_months(array[now(), now() + interval '7 days'])`;
  await sql`delete from access_source where seen_at < now() - ${SOURCE_DAYS} * interval '1 day'`;
  const [row] = await sql<{ dropped: number }[]>`select access_log_expire() as dropped`;
  return row?.dropped ?? 0;
});

const POPULARITY_STEP = 1_000;

/**
 * Downloads in 30 days of some projects, by name, for `setPopularity`: those that were downloaded, and those
 * that once were and are not any more. `next` is where the next stretch begins; null after the last.
 */
export const countedDownloads = request(
  {
    args: z.object({ after: z.string().max(200) }),
    result: z.object({
      projects: z.array(z.object({ name: projectNameSchema, downloads: countSchema })),
      next: z.string().nullable(),
    }),
    slow: true,
  },
  async (sql, { after }) => {
    const since = sql`(now() at time zone 'UTC')::date - 30`;
    const projects = await sql<{ name: string; downloads: number }[]>`
      with named as (
        (select distinct package as name from access_package_day
          where package > ${after} and day > ${since} and downloads > 0
          order by package limit ${POPULARITY_STEP})
        union
        (select name from package where popularity > 0 and name > ${after}
          order by name limit ${POPULARITY_STEP})
      )
      select n.name, coalesce((select sum(d.downloads) from access_package_day d
        where d.package = n.name and d.day > ${since}), 0)::bigint as downloads
      from named n order by n.name limit ${POPULARITY_STEP}`;
    return {
      projects: [...projects],
      next: projects.length === POPULARITY_STEP ? (projects.at(-1)?.name ?? null) : null,
    };
  },
);
