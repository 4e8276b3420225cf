/**
 * How often projects are downloaded, for `--order popular`. Whoever counts downloads says so in portions, as
 * often as it likes: a project's place changes only when its number has doubled or halved.
 */
import { z } from "zod";
import { countSchema, projectNameSchema } from "../protocol/model/scalar.ts";
import { transaction } from "./connection.ts";
import { request } from "./request.ts";
import { lockVersions, recompute } from "./work.ts";

const BUCKET_MAX = 60;

/** 0 for none, then a bucket for each doubling. */
const bucketOf = (downloads: number): number =>
  Math.min(BUCKET_MAX, Math.floor(Math.log2(downloads + 1)));

/**
 * Takes the downloads of some projects, named canonically; unknown ones are passed over. Returns how many
 * came into another bucket. Each of these is a transaction of its own, and its builds are moved in the queue
 * where that goes by popularity.
 */
export const setPopularity = request(
  {
    args: z.object({
      projects: z.array(z.object({ name: projectNameSchema, downloads: countSchema })).max(1_000),
    }),
    result: z.object({ changed: countSchema }),
    slow: true,
  },
  async (sql, args) => {
    const names = args.projects.map(({ name }) => name);
    const buckets = args.projects.map(({ downloads }) => bucketOf(downloads));
    const changed = await sql<{ id: number; bucket: number }[]>`
      select p.id, r.bucket
      from unnest(${names}::text[], ${buckets}::int[]) as r(name, bucket)
      join package p on p.name = r.name and p.popularity <> r.bucket
      order by p.id`;
    for (const { id, bucket } of changed)
      await transaction(sql, async (tx) => {
        await tx`update package set popularity = ${bucket} where id = ${id}`;
        // Read under the package's lock: should the rule change now, the requeueing sees the new bucket.
        const [rule] = await tx`select 1 from configuration where build_order = 'popular'`;
        if (rule === undefined) return;
        const versions = await tx<{ id: number }[]>`
          select v.id from version v where v.package_id = ${id} order by v.id`;
        const ids = versions.map((version) => version.id);
        await lockVersions(tx, ids);
        await recompute(tx, ids);
      });
    return { changed: changed.length };
  },
);
