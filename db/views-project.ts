/**
 * What the pages of one project show: its head, its releases a stretch at a time, its last builds. Asked for by the
 * Scribe (actors/master/site/project-pages.ts). Only placed files are told: a page never links to one that is not there.
 */
import { z } from "zod";
import {
  type Need,
  PLACES_COUNTED,
  type ProjectBuild,
  type ProjectFile,
  type ProjectPage,
  type ProjectRelease,
  type ProjectTarget,
  projectBuildsSchema,
  projectPageSchema,
  projectReleasesSchema,
  type QueuePlace,
  RELEASES_A_STRETCH,
  type ReleaseBuild,
} from "../protocol/model/project-page.ts";
import { countSchema, projectNameSchema } from "../protocol/model/scalar.ts";
import { canonicalName } from "../protocol/packaging/canonical-name.ts";
import type { Sql } from "./connection.ts";
import { chosenReleases } from "./project-choice.ts";
import { request } from "./request.ts";
import { upstreamPagesOf } from "./upstream-pages.ts";

const nameArgs = z.object({ name: projectNameSchema });

/** As many projects as are asked about at once. */
const PROJECTS_A_REQUEST = 50;
const namesArgs = z.object({ names: z.array(projectNameSchema).max(PROJECTS_A_REQUEST) });

/** Days that the plot of downloads shows. */
const DOWNLOAD_DAYS = 90;
const BUILDS_IN_FEED = 40;

interface HeadRow {
  id: number;
  name: string;
  display_name: string;
  summary: string;
  skip: string | null;
  source: string;
  upstream_index: string | null;
  has_changelog: boolean;
  releases: number;
  files: number;
  bytes: number;
  is_attempted: boolean;
  last_30_days: number;
  ever: number;
  now: Date;
}

/** One that is not there, any more or yet, is left out: it has no page. What was removed is not shown. */
export const projectPages = request(
  { args: namesArgs, result: z.array(projectPageSchema) },
  async (sql, { names }) => {
    const rows = await sql<HeadRow[]>`
      select p.id, p.name, p.display_name, p.summary, p.skip, p.source, c.upstream_index,
        c.has_changelog,
        (select count(*)::int from version v
         where v.package_id = p.id and v.skip is distinct from 'deleted') as releases,
        f.files, f.bytes,
        exists (select from version v join build b on b.version_id = v.id
                where v.package_id = p.id and b.settled_at is not null) as is_attempted,
        coalesce((select sum(d.downloads) from access_package_day d
          where d.package = p.name and d.day > (now() at time zone 'UTC')::date - 30), 0)::bigint
          as last_30_days,
        coalesce((select a.downloads from access_package a where a.package = p.name), 0) as ever,
        now() as now
      from package p
      cross join configuration c
      cross join lateral (
        select count(*)::int as files, coalesce(sum(f.size_bytes), 0)::bigint as bytes
        from version v join file f on f.version_id = v.id
        where v.package_id = p.id and f.placed_at is not null and f.removed_at is null) f
      where p.name = any(${[...names]}) and p.skip is distinct from 'deleted'
      order by p.id`;
    if (rows.length === 0) return [];
    const targets = await sql<ProjectTarget[]>`
      select name, python_version as "pythonVersion", abi_tag as "abiTag",
        platform_tag as "platformTag", skip as "skipReason"
      from target order by rank, id`;
    const ids = rows.map(({ id }) => id);
    const days = groupBy(await downloadDaysOf(sql, rows));
    const spellings = await spellingsOf(sql, rows);
    const chosen = await chosenReleases(
      sql,
      rows.filter(({ files }) => files > 0).map(({ id }) => id),
    );
    const places = groupBy(await queuePlaces(sql, ids));
    return rows.map((row): ProjectPage => {
      const upstream = upstreamPagesOf(row.upstream_index, row.has_changelog);
      return {
        name: row.name,
        displayName: row.display_name,
        spellings: spellings.get(row.id) ?? [],
        summary: row.summary,
        upstreamUrl: row.source === "local" ? null : upstream && `${upstream}${row.name}/`,
        upstreamBase: upstream,
        skipReason: row.skip,
        targets: [...targets],
        releaseCount: row.releases,
        fileCount: row.files,
        sizeBytes: row.bytes,
        isAttempted: row.is_attempted,
        chosen: chosen.get(row.id) ?? null,
        places: places.get(row.id) ?? [],
        downloads: { last30Days: row.last_30_days, ever: row.ever },
        downloadDays: days.get(row.id) ?? [],
        asOf: row.now.getTime(),
      };
    });
  },
);

interface Named {
  readonly id: number;
  readonly name: string;
}

async function downloadDaysOf(
  sql: Sql,
  packages: readonly Named[],
): Promise<OfOne<{ at: number; downloads: number }>[]> {
  const ids = new Map(packages.map(({ id, name }) => [name, id]));
  const rows = await sql<{ package: string; at: Date; downloads: number }[]>`
    select package, day::timestamp at time zone 'UTC' as at, downloads from access_package_day
    where package = any(${packages.map(({ name }) => name)}) and downloads > 0
      and day > (now() at time zone 'UTC')::date - ${DOWNLOAD_DAYS}::int
    order by day`;
  return rows.map(({ package: name, at, downloads }) => ({
    id: ids.get(name) ?? 0,
    row: { at: at.getTime(), downloads },
  }));
}

/** Other spellings of a project's name, also of one that was removed. */
export const projectSpellings = request(
  { args: nameArgs, result: z.array(z.string()) },
  async (sql, { name }) => {
    const [row] = await sql<Named[]>`select id, name from package where name = ${name}`;
    return row === undefined ? [] : ((await spellingsOf(sql, [row])).get(row.id) ?? []);
  },
);

const SPELLINGS_TOLD = 100;

/** By package. None that is another project's name by now. */
async function spellingsOf(
  sql: Sql,
  packages: readonly Named[],
): Promise<ReadonlyMap<number, string[]>> {
  const rows = await sql<{ id: number; name: string; alias: string }[]>`
    select p.id, p.name, a.alias
    from unnest(${packages.map(({ id }) => id)}::int[], ${packages.map(({ name }) => name)}::text[])
      as p(id, name)
    cross join lateral (
      select alias from package_alias where package_id = p.id and alias <> p.name
      order by alias limit ${SPELLINGS_TOLD}) a`;
  const foreign = rows.filter(({ name, alias }) => canonicalName(alias) !== name);
  const isTaken = await namesTaken(
    sql,
    foreign.flatMap(({ alias }) => [alias, canonicalName(alias)]),
  );
  const spellings = new Map<number, string[]>();
  for (const { id, name, alias } of rows) {
    const canonical = canonicalName(alias);
    if (canonical !== name && (isTaken.has(alias) || isTaken.has(canonical))) continue;
    spellings.set(id, [...(spellings.get(id) ?? []), alias]);
  }
  return spellings;
}

async function namesTaken(sql: Sql, names: readonly string[]): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const taken = await sql<{ name: string }[]>`
    select name from package where name = any(${[...names]})`;
  return new Set(taken.map((row) => row.name));
}

/**
 * Of the newest release that is queued: a walk over the head of each of its targets' queues. Nothing is counted for
 * a project of which nothing is queued.
 */
async function queuePlaces(sql: Sql, ids: readonly number[]): Promise<OfOne<QueuePlace>[]> {
  const rows = await sql<(QueuePlace & { id: number; before: number })[]>`
    select g.id, r.spelling as version, t.name as target,
      (select count(*)::int from (
        select from work a where a.target_id = w.target_id and a.state = 'ready'
          and (a.ord, a.version_id) > (w.ord, w.version_id) limit ${PLACES_COUNTED + 1}) ahead
      ) as before,
      (select coalesce(sum(y.n), 0)::int from tally y
       where y.name = 'builds' and y.target_id = w.target_id and y.at > now() - interval '1 hour'
      ) as hourly
    from unnest(${[...ids]}::int[]) as g(id)
    cross join lateral (
      select v.id, v.spelling from version v
      where v.package_id = g.id
        and exists (select from work w where w.version_id = v.id and w.state = 'ready')
      order by v.sort_key desc limit 1
    ) r
    join work w on w.version_id = r.id and w.state = 'ready'
    join target t on t.id = w.target_id
    order by t.rank, t.id`;
  return rows.map(({ id, before, ...row }) => ({
    id,
    row: { ...row, before: before > PLACES_COUNTED ? null : before },
  }));
}

interface ReleaseRow {
  id: number;
  /** Which stretch asked for it. */
  place: number;
  version: string;
  released_at: Date | null;
  prerelease: boolean;
  yanked: string | null;
  skip: string | null;
  wanted: boolean;
  requires_python: string | null;
}

const stretchSchema = z.object({
  name: projectNameSchema,
  from: countSchema,
  limit: z.int().positive().max(RELEASES_A_STRETCH),
});

/**
 * Stretches of releases, by their place in their project, the oldest being 0: a stretch that is full stays what it is
 * when newer ones come. The newest of a stretch is first. Empty beyond the last one, and for a project that is not
 * there.
 */
export const projectReleases = request(
  {
    args: z.object({ stretches: z.array(stretchSchema).max(PROJECTS_A_REQUEST) }),
    result: z.array(projectReleasesSchema),
  },
  async (sql, { stretches }) => {
    const releases = await sql<ReleaseRow[]>`
      select s.place::int as place, v.id, v.spelling as version, v.released_at, v.prerelease,
        v.yanked, v.wanted,
        case when v.source = 'upstream' or v.skip <> 'binary only' then v.skip end as skip,
        q.specifier as requires_python
      from unnest(${stretches.map(({ name }) => name)}::text[],
          ${stretches.map(({ from }) => from)}::int[], ${stretches.map(({ limit }) => limit)}::int[])
        with ordinality as s(name, first, count, place)
      join package p on p.name = s.name and p.skip is distinct from 'deleted'
      cross join lateral (
        select * from version
        where package_id = p.id and skip is distinct from 'deleted'
        order by sort_key offset s.first limit s.count) v
      left join requires_python q on q.id = v.requires_python_id
      order by s.place, v.sort_key desc`;
    const ids = releases.map(({ id }) => id);
    const builds = groupBy(await cellsOf(sql, ids));
    const files = groupBy(await filesOf(sql, ids));
    const told = stretches.map((): ProjectRelease[] => []);
    for (const row of releases)
      told[row.place - 1]?.push({
        version: row.version,
        releasedAt: row.released_at?.getTime() ?? null,
        isPrerelease: row.prerelease,
        yanked: row.yanked,
        skipReason: row.skip,
        isWanted: row.wanted,
        requiresPython: row.requires_python,
        builds: builds.get(row.id) ?? [],
        files: files.get(row.id) ?? [],
      });
    return told;
  },
);

/** A row of one of several packages, or of one of several versions. */
interface OfOne<Row> {
  readonly id: number;
  readonly row: Row;
}

function groupBy<Row>(rows: readonly OfOne<Row>[]): Map<number, Row[]> {
  const groups = new Map<number, Row[]>();
  for (const { id, row } of rows) {
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [row]);
    else group.push(row);
  }
  return groups;
}

interface CellRow {
  version_id: number;
  target: string;
  state: ReleaseBuild["state"];
  cause: ReleaseBuild["cause"];
  message: string;
  needs: Need[];
  attempts: number;
  ended_at: Date | null;
  duration_ms: number | null;
  not_before: Date | null;
  log_token: number | null;
  resolved: ReleaseBuild["resolved"];
}

/** Requirements of builds that a message holds; those of further builds are left out of it. */
const RESOLVED_A_STRETCH = 20_000;

async function cellsOf(sql: Sql, ids: readonly number[]): Promise<OfOne<ReleaseBuild>[]> {
  const rows = await sql<CellRow[]>`
    with cell as (
      select v.id as version_id, v.sort_key, t.id as target_id, t.rank, t.name as target, w.not_before,
        b.cause, b.message, b.settled_at, b.duration_ms, b.resolved, b.token,
        case when b.stands and b.cause = 'built' then
               case when exists (select from import i where i.token = b.token) then 'imported'
                    else 'built' end
             when w.state = 'cancelled' then 'skipped'
             when w.state is not null then w.state
             when b.stands then 'failed'
             when exists (
               select from file f cross join unnest(f.tags) as g(tag)
                 join tag_covers c on c.tag = g.tag and c.target_id = t.id
               where f.version_id = v.id and f.removed_at is null) then 'covered'
             when cardinality(v.upstream_tags) > 0
               and (select upstream_wheels from configuration) = 'count' and exists (
                 select from unnest(v.upstream_tags) as g(tag)
                   join tag_covers c on c.tag = g.tag and c.target_id = t.id) then 'upstream'
             when v.requires_python_id is not null and not exists (
               select from requires_admits a
               where a.requires_id = v.requires_python_id and a.target_id = t.id) then 'excluded'
             when p.skip is null and v.skip is null and t.skip is null and v.wanted
               and v.sdist_sha256 is not null then 'behind'
        end as state
      from version v
      join package p on p.id = v.package_id
      cross join target t
      left join work w on w.version_id = v.id and w.target_id = t.id
      left join lateral (
        select * from build b
        where b.version_id = v.id and b.target_id = t.id and b.settled_at is not null
          and not b.is_trial
        order by b.stands desc, b.token desc limit 1) b on true
      where v.id = any(${[...ids]})
    )
    select c.version_id, c.target, c.state, c.cause, coalesce(c.message, '') as message,
      case when c.state = 'blocked' then coalesce((
        select json_agg(json_build_object('requirement', k.requirement, 'name', k.name,
          'isHere', exists (select from package h
            where h.name = k.name and h.skip is distinct from 'deleted')) order by k.requirement)
        from blocked k where k.version_id = c.version_id and k.target_id = c.target_id), '[]')
        else '[]' end as needs,
      (select count(*)::int from build a
       where a.version_id = c.version_id and a.target_id = c.target_id
         and a.settled_at is not null and not a.is_trial) as attempts,
      c.settled_at as ended_at, c.duration_ms,
      case when c.state = 'waiting' then c.not_before end as not_before,
      (select a.token from build a
       where a.version_id = c.version_id and a.target_id = c.target_id
         and a.log_placed_at is not null and not a.is_trial
       order by a.stands desc, a.token desc limit 1) as log_token,
      c.resolved
    from cell c where c.state is not null
    order by c.sort_key desc, c.rank, c.target_id`;
  let resolvedLeft = RESOLVED_A_STRETCH;
  return rows.map((row) => {
    const resolved = row.resolved;
    if (resolved !== null) resolvedLeft -= resolved.length;
    return {
      id: row.version_id,
      row: {
        target: row.target,
        state: row.state,
        cause: row.cause,
        message: row.message,
        needs: row.needs,
        attempts: row.attempts,
        endedAt: row.ended_at?.getTime() ?? null,
        durationMs: row.duration_ms,
        notBefore: row.not_before?.getTime() ?? null,
        logToken: row.log_token,
        resolved: resolvedLeft < 0 ? null : resolved,
      },
    };
  });
}

interface FileRow extends Omit<ProjectFile, "uploadedAt"> {
  version_id: number;
  uploaded_at: Date;
}

/** Of one file; no honest wheel has more, and a message has a limit. */
const NAMES_A_FILE = 200;
const LONGEST_NAME = 300;

async function filesOf(sql: Sql, ids: readonly number[]): Promise<OfOne<ProjectFile>[]> {
  const rows = await sql<FileRow[]>`
    select f.version_id, f.filename, f.sha256, f.size_bytes as "sizeBytes",
      t.abi_tag as "builderAbi", f.requires_python as "requiresPython",
      f.settled_at as uploaded_at, f.apt_dependencies[1:${NAMES_A_FILE}] as "systemPackages",
      case when f.requires_dist = '{}' then f.requires_dist else array(
        select left(r, ${LONGEST_NAME}) from unnest(f.requires_dist[1:${NAMES_A_FILE}]) as r
      ) end as "requiresDist",
      f.suspicious, f.provenance_sha256 is not null as "isSigned"
    from file f join build b on b.token = f.token join target t on t.id = b.target_id
    where f.version_id = any(${[...ids]}) and f.placed_at is not null and f.removed_at is null
    order by f.version_id, f.filename`;
  return rows.map(({ version_id: id, uploaded_at: uploadedAt, ...row }) => ({
    id,
    row: { ...row, uploadedAt: uploadedAt.getTime() },
  }));
}

/** The last ones of each project that ended, newest first. None for a project that is not there. */
export const projectBuilds = request(
  {
    args: namesArgs,
    result: z.array(z.object({ name: z.string(), builds: projectBuildsSchema })),
  },
  async (sql, { names }) => {
    const rows = await sql<(Omit<ProjectBuild, "endedAt"> & { name: string; ended_at: Date })[]>`
      select p.name, l.*, t.name as target
      from package p
      cross join lateral (
        select b.token, v.spelling as version, b.target_id, b.cause, b.message,
          b.settled_at as ended_at, b.duration_ms as "durationMs",
          b.log_placed_at is not null as "hasLog"
        from version v join build b on b.version_id = v.id
        where v.package_id = p.id and b.settled_at is not null and b.cause is not null
          and not b.is_trial
        order by b.settled_at desc, b.token desc limit ${BUILDS_IN_FEED}) l
      join target t on t.id = l.target_id
      where p.name = any(${[...names]}) and p.skip is distinct from 'deleted'
      order by p.name, l.ended_at desc, l.token desc`;
    const builds = new Map(names.map((name): [string, ProjectBuild[]] => [name, []]));
    for (const { name, ended_at: endedAt, token, version, target, ...row } of rows)
      builds.get(name)?.push({
        token,
        version,
        target,
        cause: row.cause,
        message: row.message,
        endedAt: endedAt.getTime(),
        durationMs: row.durationMs,
        hasLog: row.hasLog,
      });
    return [...builds].map(([name, list]) => ({ name, builds: list }));
  },
);
