/**
 * What the farm's own pages show of the whole, and what the search looks through. Figures are those of the
 * counters, so nothing here grows with the farm but the list of names, which is told in stretches.
 */
import { z } from "zod";
import {
  homePageSchema,
  type RecentBuild,
  recentBuildsSchema,
  searchListSchema,
} from "../protocol/model/farm-page.ts";
import type { Sql } from "./connection.ts";
import { readDownloads } from "./downloads.ts";
import { request } from "./request.ts";
import { readDownloadDays, readSeries } from "./series.ts";
import { readTallies } from "./tallies.ts";

/** Of the home page and of the feed. */
const RECENT_BUILDS = 20;
const FEED_ENTRIES = 50;

export const homePage = request(
  { args: z.null(), result: homePageSchema, slow: true },
  async (sql) => {
    const [clock] = await sql<{ as_of: Date }[]>`select now() as as_of`;
    const tallies = await readTallies(sql);
    const total = (name: string): number => tallies(name, 0).total;
    const downloads = await readDownloads(sql);
    const [slaves] = await sql<{ n: number }[]>`
      select count(*)::int as n from slave s
      where s.last_seen_at > now() - interval '1 hour'
        and exists (select from slave_target t where t.slave_id = s.id)`;
    return {
      asOf: clock?.as_of.getTime() ?? 0,
      packages: total("packages"),
      versionsBuilt: total("versions_built"),
      files: total("files"),
      filesSizeBytes: total("bytes"),
      queue: {
        ready: total("ready"),
        leased: total("leased"),
        waiting: total("waiting"),
        blocked: total("blocked"),
      },
      failed: total("failed"),
      buildsLastHour: tallies("builds", 0).lastHour,
      newVersionsLastHour: tallies("versions", 0).lastHour,
      slaves: slaves?.n ?? 0,
      downloads: { last30Days: downloads.downloads30Days, ever: downloads.downloads },
      recentBuilds: await readBuilds(
        sql,
        sql`
        select * from build where settled_at is not null order by settled_at desc limit ${RECENT_BUILDS}`,
      ),
      day: await readSeries(sql, "day"),
      downloadsByDay: await readDownloadDays(sql, 30),
    };
  },
);

/** The last builds whose failure stands, newest first: of the feed. */
export const farmFailures = request(
  { args: z.null(), result: recentBuildsSchema },
  // By token, in which order they were given out: the index of failures has that.
  async (sql) =>
    readBuilds(
      sql,
      sql`
      select * from build where stands and cause <> 'built' order by token desc limit ${FEED_ENTRIES}`,
    ),
);

/** @param chosen a statement that gives rows of `build` that have ended */
async function readBuilds(sql: Sql, chosen: ReturnType<Sql>): Promise<RecentBuild[]> {
  const rows = await sql<(Omit<RecentBuild, "endedAt"> & { readonly endedAt: Date })[]>`
    select b.token, p.name as package, v.version, t.name as target, b.cause, b.message,
      b.settled_at as "endedAt", coalesce(b.duration_ms, 0) as "durationMs",
      case when b.log_placed_at is not null then b.token end as "logToken"
    from (${chosen}) b
    join version v on v.id = b.version_id join package p on p.id = v.package_id
    join target t on t.id = b.target_id
    where b.cause is not null
    order by b.settled_at desc, b.token desc`;
  return rows.map((build) => ({ ...build, endedAt: build.endedAt.getTime() }));
}

/** As many names as a message of them may be long. */
const NAMES_A_REQUEST = 20_000;

/**
 * Packages that have a file, with their downloads in 30 days and ever, by what Lumberjack has counted: those
 * after a name, in the order of bytes.
 */
export const searchList = request(
  {
    args: z.object({
      after: z.string().max(200),
      limit: z.int().positive().max(NAMES_A_REQUEST),
    }),
    result: searchListSchema,
    slow: true,
  },
  async (sql, args) => {
    const rows = await sql<{ name: string; lately: number; ever: number }[]>`
      select p.name,
        coalesce((select sum(d.downloads) from access_package_day d
          where d.package = p.name and d.day > (now() at time zone 'UTC')::date - 30), 0)::bigint as lately,
        coalesce((select a.downloads from access_package a where a.package = p.name), 0) as ever
      from package p
      where p.name collate "C" > ${args.after} and exists (
        select from version v join file f on f.version_id = v.id
        where v.package_id = p.id and f.placed_at is not null and f.removed_at is null)
      order by p.name collate "C" limit ${args.limit}`;
    return rows.map(({ name, lately, ever }) => [name, lately, ever] as [string, number, number]);
  },
);

/** The whole list in stretches. Whoever asks runs the request, which may be in another process. */
export async function* searchStretches(
  ask: (args: {
    after: string;
    limit: number;
  }) => Promise<readonly (readonly [string, number, number])[]>,
): AsyncGenerator<readonly (readonly [string, number, number])[]> {
  for (let after: string | undefined = ""; after !== undefined; ) {
    const rows = await ask({ after, limit: NAMES_A_REQUEST });
    if (rows.length > 0) yield rows;
    after = rows.length === NAMES_A_REQUEST ? rows.at(-1)?.[0] : undefined;
  }
}
