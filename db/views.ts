/**
 * What the pages show, one query each, as the views that `web/` renders. Only placed files are listed:
 * a page never links to a file that is not there.
 */
import { z } from "zod";
import {
  homePageSchema,
  type RecentBuild,
  type SimpleFile,
  searchListSchema,
  simpleProjectPageSchema,
} from "../protocol/model/page.ts";
import { projectNameSchema } from "../protocol/model/scalar.ts";
import { readDownloads } from "./downloads.ts";
import { request } from "./request.ts";
import { readTallies } from "./tallies.ts";

/** A view's row as the driver gives it: an instant is a Date there, and a number in the view. */
type WithDate<Row, Instant extends keyof Row> = Omit<Row, Instant> & {
  readonly [K in Instant]: Date;
};

const nameArgs = z.object({ name: projectNameSchema });

/** Null for a project without a placed file: it has no simple page. */
export const simplePage = request(
  { args: nameArgs, result: simpleProjectPageSchema.nullable() },
  async (sql, args) => {
    const files = await sql<WithDate<SimpleFile, "uploadedAt">[]>`
      select f.filename, v.version, f.sha256, f.size_bytes as "sizeBytes",
        f.requires_python as "requiresPython", f.metadata_sha256 as "metadataSha256", v.yanked,
        f.settled_at as "uploadedAt"
      from package p
      join version v on v.package_id = p.id
      join file f on f.version_id = v.id and f.placed_at is not null and f.removed_at is null
      where p.name = ${args.name}
      order by v.sort_key, f.filename`;
    if (files.length === 0) return null;
    return {
      name: args.name,
      files: files.map((file) => ({ ...file, uploadedAt: file.uploadedAt.getTime() })),
    };
  },
);

/** As many names as a message of them may be long. */
const NAMES_A_REQUEST = 20_000;

/** Names of the projects that have a simple page, a stretch at a time: those after the last one, in the order of the database. */
export const simpleNames = request(
  {
    args: z.object({
      after: z.string().max(200),
      limit: z.int().positive().max(NAMES_A_REQUEST),
    }),
    result: z.array(z.string()),
    slow: true,
  },
  async (sql, args) => {
    const rows = await sql<{ name: string }[]>`
      select p.name from package p
      where p.name > ${args.after} and exists (
        select from version v join file f on f.version_id = v.id
        where v.package_id = p.id and f.placed_at is not null and f.removed_at is null)
      order by p.name limit ${args.limit}`;
    return rows.map((row) => row.name);
  },
);

/**
 * All of them in the order of bytes, in stretches: the database may be in another process, and a message to it
 * has a limit. Whoever asks runs the request.
 */
export async function allSimpleNames(
  ask: (args: { after: string; limit: number }) => Promise<readonly string[]>,
): Promise<string[]> {
  const names: string[] = [];
  for (let after: string | undefined = ""; after !== undefined; ) {
    const found: readonly string[] = await ask({ after, limit: NAMES_A_REQUEST });
    names.push(...found);
    after = found.length === NAMES_A_REQUEST ? found.at(-1) : undefined;
  }
  return names;
}

/** Every package that has a file, with its downloads in 30 days and ever, by what Lumberjack has counted. */
export const searchList = request(
  { args: z.null(), result: searchListSchema, slow: true },
  async (sql) => {
    const rows = await sql<{ name: string; lately: number; ever: number }[]>`
      with recent as (
        select package, sum(downloads)::bigint as n from access_package_day
        where day > (now() at time zone 'UTC')::date - 30 group by package
      )
      select p.name, coalesce(r.n, 0) as lately, coalesce(a.downloads, 0) as ever
      from package p
      left join recent r on r.package = p.name
      left join access_package a on a.package = p.name
      where exists (select from version v join file f on f.version_id = v.id
                    where v.package_id = p.id and f.placed_at is not null and f.removed_at is null)
      order by p.name collate "C"`;
    return rows.map(({ name, lately, ever }) => [name, lately, ever] as [string, number, number]);
  },
);

export const homePage = request(
  { args: z.null(), result: homePageSchema, slow: true },
  async (sql) => {
    const [clock] = await sql<{ as_of: Date }[]>`select now() as as_of`;
    const tallies = await readTallies(sql);
    const total = (name: string): number => tallies(name, 0).total;
    const downloads = await readDownloads(sql);
    const recent = await sql<WithDate<RecentBuild, "endedAt">[]>`
      select p.name as package, v.version, t.name as target, b.cause, b.message,
        b.settled_at as "endedAt", coalesce(b.duration_ms, 0) as "durationMs",
        case when b.log_placed_at is not null then b.token end as "logToken"
      from build b
      join version v on v.id = b.version_id join package p on p.id = v.package_id
      join target t on t.id = b.target_id
      where b.settled_at is not null order by b.settled_at desc limit 20`;
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
      downloads: { last30Days: downloads.downloads30Days, ever: downloads.downloads },
      recentBuilds: recent.map((build) => ({ ...build, endedAt: build.endedAt.getTime() })),
    };
  },
);
