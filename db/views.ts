/**
 * What the pages of the site show, one query each, as the views that `web/pages/` renders; the package
 * index has views-simple.ts. Only placed files are listed: a page never links to a file that is not there.
 */
import { z } from "zod";
import {
  type Downloads,
  type ProjectFile,
  type ProjectRelease,
  projectPageSchema,
  type ReleaseBuild,
} from "../protocol/model/page.ts";
import { projectNameSchema } from "../protocol/model/scalar.ts";
import { request } from "./request.ts";

/** A view's row as the driver gives it: an instant is a Date there, and a number in the view. */
type WithDate<Row, Instant extends keyof Row> = Omit<Row, Instant> & {
  readonly [K in Instant]: Date;
};

const nameArgs = z.object({ name: projectNameSchema });

interface BuildStateRow {
  version: string;
  target: string;
  state: ReleaseBuild["state"];
  reason: string;
  log_token: number | null;
}

/** Null for a project that is not there, any more or yet: it has no page. What was removed is not shown. */
export const projectPage = request(
  { args: nameArgs, result: projectPageSchema.nullable() },
  async (sql, args) => {
    const [row] = await sql<
      { id: number; display_name: string; summary: string; skip: string | null }[]
    >`
      select id, display_name, summary, skip from package where name = ${args.name}`;
    if (row === undefined || row.skip === "deleted") return null;
    const targets = await sql<{ name: string }[]>`select name from target order by rank, id`;
    const releases = await sql<
      (Omit<ProjectRelease, "builds" | "releasedAt"> & { readonly releasedAt: Date | null })[]
    >`
      select spelling as version, released_at as "releasedAt", prerelease as "isPrerelease",
        yanked, case when source = 'upstream' then skip end as "skipReason"
      from version where package_id = ${row.id} and skip is distinct from 'deleted'
      order by sort_key desc`;
    const builds = await sql<BuildStateRow[]>`
      select v.spelling as version, t.name as target,
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
        end as state,
        case when w.state = 'blocked' then
               coalesce((select string_agg(k.requirement, ', ') from blocked k
                where k.version_id = v.id and k.target_id = t.id), '')
             else coalesce(b.message, '') end as reason,
        case when b.log_placed_at is not null then b.token end as log_token
      from version v
      cross join target t
      left join work w on w.version_id = v.id and w.target_id = t.id
      left join lateral (
        select * from build b
        where b.version_id = v.id and b.target_id = t.id and b.settled_at is not null
        order by b.stands desc, b.token desc limit 1) b on true
      where v.package_id = ${row.id}
      order by t.rank, t.id`;
    const files = await sql<WithDate<ProjectFile, "uploadedAt">[]>`
      select f.filename, v.version, f.sha256, f.size_bytes as "sizeBytes",
        f.requires_python as "requiresPython", v.yanked, v.prerelease as "isPrerelease",
        f.settled_at as "uploadedAt", f.apt_dependencies as "aptDependencies",
        f.suspicious
      from version v join file f on f.version_id = v.id
      where v.package_id = ${row.id} and f.placed_at is not null and f.removed_at is null
      order by v.sort_key desc, f.filename`;
    const [downloads] = await sql<Downloads[]>`
      select coalesce((select sum(d.downloads) from access_package_day d
          where d.package = ${args.name} and d.day > (now() at time zone 'UTC')::date - 30), 0)::bigint as "last30Days",
        coalesce((select a.downloads from access_package a where a.package = ${args.name}), 0) as ever`;
    const byVersion = new Map<string, ReleaseBuild[]>();
    for (const build of builds) {
      if ((build.state as string | null) === null) continue;
      const list = byVersion.get(build.version) ?? [];
      list.push({
        target: build.target,
        state: build.state,
        reason: build.reason,
        logToken: build.log_token,
      });
      byVersion.set(build.version, list);
    }
    return {
      name: args.name,
      displayName: row.display_name,
      summary: row.summary,
      upstreamUrl: null,
      skipReason: row.skip,
      targets: targets.map((target) => target.name),
      releases: releases.map((release) => ({
        ...release,
        releasedAt: release.releasedAt?.getTime() ?? null,
        builds: byVersion.get(release.version) ?? [],
      })),
      files: files.map((file) => ({ ...file, uploadedAt: file.uploadedAt.getTime() })),
      downloads: downloads ?? noDownloads,
    };
  },
);

const noDownloads: Downloads = { last30Days: 0, ever: 0 };
