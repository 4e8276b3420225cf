/**
 * What the package index shows, as the views that `web/index/` renders. Only placed files are listed: a
 * page never links to a file that is not there.
 */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { z } from "zod";
import { projectNameSchema } from "../protocol/model/scalar.ts";
import {
  type ListedUpstreamFile,
  type ProjectStatus,
  type SimpleFile,
  type SimpleProjectPage,
  simpleProjectPageSchema,
} from "../protocol/model/simple-page.ts";
import type { Sql } from "./connection.ts";
import { request } from "./request.ts";

const unpack = promisify(gunzip);

/** A row as the driver gives it: an instant is a Date there, and a number in the view. */
type FileRow = Omit<SimpleFile, "uploadedAt"> & { readonly uploadedAt: Date };

interface ProjectRow {
  id: number;
  source: string;
  status: ProjectStatus["status"] | null;
  reason: string;
  tracks: string[];
  alternate_locations: string[];
  upstream_index: string | null;
  is_merged: boolean;
}

/**
 * Null for a project without a placed file: it has no simple page. One of the farm's own has an empty one
 * where upstream's projects are listed too: without it clients would be sent to upstream, where its name may
 * be anybody's.
 */
export const simplePage = request(
  { args: z.object({ name: projectNameSchema }), result: simpleProjectPageSchema.nullable() },
  async (sql, args): Promise<SimpleProjectPage | null> => {
    const [project] = await sql<ProjectRow[]>`
      select p.id, p.source, p.project_status as status, p.project_status_reason as reason, p.tracks,
        p.alternate_locations, c.upstream_index, c.merge_upstream as is_merged
      from package p cross join configuration c where p.name = ${args.name}`;
    if (project === undefined) return null;
    const rows = await sql<FileRow[]>`
      select f.filename, v.version, f.sha256, f.size_bytes as "sizeBytes",
        f.requires_python as "requiresPython", f.metadata_sha256 as "metadataSha256",
        f.provenance_sha256 as "provenanceSha256", v.yanked, f.settled_at as "uploadedAt"
      from version v
      join file f on f.version_id = v.id and f.placed_at is not null and f.removed_at is null
      where v.package_id = ${project.id}
      order by v.sort_key, f.filename collate "C"`;
    const isOwn = project.source === "local";
    if (rows.length === 0 && !(isOwn && project.is_merged)) return null;
    const { name } = args;
    const files = rows.map((file) => ({ ...file, uploadedAt: file.uploadedAt.getTime() }));
    if (isOwn) return { name, files, upstream: null };
    const status =
      project.status === null ? null : { status: project.status, reason: project.reason };
    const upstream = { ...locations(name, project), status };
    // PEP 792: nothing of it may be offered. The page stands, so that clients do not look elsewhere.
    if (status?.status === "quarantined")
      return { name, files: [], upstream: { ...upstream, files: [] } };
    const own = new Set(files.map((file) => file.filename));
    const theirs = project.is_merged ? await upstreamFiles(sql, project.id) : [];
    return {
      name,
      files,
      upstream: { ...upstream, files: theirs.filter((file) => !own.has(file.filename)) },
    };
  },
);

/**
 * PEP 708: what extends a name says which page owns it. That is upstream's page, unless that one extends
 * another itself. A project that is at home in several places is so here as upstream has it, upstream
 * included, since all places must name the same.
 */
function locations(name: string, project: ProjectRow) {
  const upstreamPage =
    project.upstream_index === null
      ? []
      : [`${project.upstream_index.replace(/\/+$/, "")}/${name}/`];
  const { tracks, alternate_locations: alternates } = project;
  return {
    tracks: tracks.length > 0 ? tracks : upstreamPage,
    alternateLocations: alternates.length > 0 ? [...new Set([...alternates, ...upstreamPage])] : [],
  };
}

async function upstreamFiles(sql: Sql, packageId: number): Promise<ListedUpstreamFile[]> {
  const [row] = await sql<{ files: Buffer }[]>`
    select files from upstream_listing where package_id = ${packageId}`;
  if (row === undefined) return [];
  return JSON.parse((await unpack(row.files)).toString("utf8")) as ListedUpstreamFile[];
}

/** As many names as a message of them may be long. */
const NAMES_A_REQUEST = 20_000;

/**
 * Names of the projects that have a placed file, a stretch at a time in the order of bytes: those after the
 * last one. Those whose page is yet to be written are told beside: they may have none so far.
 */
export const simpleNames = request(
  {
    args: z.object({
      after: z.string().max(200),
      limit: z.int().positive().max(NAMES_A_REQUEST),
    }),
    result: z.object({ names: z.array(z.string()), owed: z.array(z.string()) }),
    slow: true,
  },
  async (sql, args) => {
    const rows = await sql<{ name: string; is_owed: boolean }[]>`
      select p.name,
        exists (select from page_request r where r.kind = 'simple' and r.key = p.name) as is_owed
      from package p
      where p.name collate "C" > ${args.after} and exists (
        select from version v join file f on f.version_id = v.id
        where v.package_id = p.id and f.placed_at is not null and f.removed_at is null)
      order by p.name collate "C" limit ${args.limit}`;
    return {
      names: rows.map((row) => row.name),
      owed: rows.filter((row) => row.is_owed).map((row) => row.name),
    };
  },
);
type SimpleNames = { readonly names: readonly string[]; readonly owed: readonly string[] };

/**
 * All of them, in the order of bytes and in stretches: the database may be in another process, and a
 * message to it has a limit. Whoever asks runs the request.
 */
export async function* allSimpleNames(
  ask: (args: { after: string; limit: number }) => Promise<SimpleNames>,
): AsyncGenerator<SimpleNames, void, undefined> {
  for (let after: string | undefined = ""; after !== undefined; ) {
    const found: SimpleNames = await ask({ after, limit: NAMES_A_REQUEST });
    yield found;
    after = found.names.length === NAMES_A_REQUEST ? found.names.at(-1) : undefined;
  }
}
