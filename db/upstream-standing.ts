/**
 * What upstream says of a project as a whole, for its page of the index: a status (PEP 792), where its name
 * belongs (PEP 708) and, where the farm lists them too, its own files. `recordProject` stores it with the
 * releases; views-simple.ts shows it.
 */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { z } from "zod";
import type { Immutable } from "../protocol/model/immutable.ts";
import {
  locationsSchema,
  projectStatusSchema,
  upstreamFileSchema,
} from "../protocol/model/simple-page.ts";
import { type Tx, transaction } from "./connection.ts";
import { requestPages } from "./pages.ts";
import { request } from "./request.ts";

const pack = promisify(gzip);

export const standingSchema = z.object({
  status: projectStatusSchema.nullable(),
  tracks: locationsSchema,
  alternateLocations: locationsSchema,
  /** Null where they are not listed. */
  files: z.array(upstreamFileSchema).max(100_000).nullable(),
});
type Standing = Immutable<z.infer<typeof standingSchema>>;

/** Of a project that upstream does not have. */
export const noStanding: Standing = { status: null, tracks: [], alternateLocations: [], files: [] };

/** Of a locked package. Returns whether it is another than before: then its page says so. */
export async function recordStanding(
  tx: Tx,
  packageId: number,
  { status, tracks, alternateLocations, files }: Standing,
): Promise<boolean> {
  const is = [status?.status ?? null, status?.reason ?? ""] as const;
  const changed = await tx`
    update package set project_status = ${is[0]}, project_status_reason = ${is[1]},
      tracks = ${[...tracks]}::text[], alternate_locations = ${[...alternateLocations]}::text[]
    where id = ${packageId}
      and (project_status, project_status_reason, tracks, alternate_locations)
        is distinct from (${is[0]}::text, ${is[1]}::text, ${[...tracks]}::text[], ${[...alternateLocations]}::text[])
    returning 1`;
  if (files === null) return changed.length > 0;
  if (files.length === 0) {
    const gone = await tx`delete from upstream_listing where package_id = ${packageId} returning 1`;
    return changed.length + gone.length > 0;
  }
  const packed = await pack(JSON.stringify(files));
  const listed = await tx`
    insert into upstream_listing (package_id, files) values (${packageId}, ${packed})
    on conflict (package_id) do update set files = excluded.files
      where upstream_listing.files is distinct from excluded.files
    returning 1`;
  return changed.length + listed.length > 0;
}

/**
 * Says whether pages list upstream's own files. When they come to do so, the projects that have a page are
 * read anew, whatever their serials say: lists from an earlier time are too old.
 */
export const configureIndex = request(
  {
    args: z.object({ mergeUpstream: z.boolean() }),
    result: z.object({ isChanged: z.boolean() }),
    slow: true,
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const changed = await tx`
        update configuration set merge_upstream = ${args.mergeUpstream}
        where merge_upstream is distinct from ${args.mergeUpstream} returning 1`;
      if (changed.length > 0 && args.mergeUpstream) {
        await tx`delete from upstream_listing`;
        await tx`
          update package p set look_at = now(), page_etag = null, page_modified = null
          where source = 'upstream' and exists (
            select from version v join file f on f.version_id = v.id
            where v.package_id = p.id and f.removed_at is null)`;
      }
      // One of the farm's own that has no file has an empty page while upstream's are listed, so that nobody is
      // sent to a stranger's project of its name.
      if (changed.length > 0) {
        const own = await tx<{ name: string }[]>`select name from package where source = 'local'`;
        await requestPages(
          tx,
          own.map(({ name }) => ({ kind: "simple" as const, key: name })),
        );
      }
      return { isChanged: changed.length > 0 };
    }),
);
