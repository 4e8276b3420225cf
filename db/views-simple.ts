/**
 * What the package index shows, as the views that `web/index/` renders. Only placed files are listed: a
 * page never links to a file that is not there.
 */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { z } from "zod";
import type { Immutable } from "../protocol/model/immutable.ts";
import { countSchema, projectNameSchema } from "../protocol/model/scalar.ts";
import {
  type ListedUpstreamFile,
  locationsSchema,
  type ProjectStatus,
  projectStatusSchema,
  type SimpleFile,
  type SimpleProjectPage,
  simpleFileSchema,
} from "../protocol/model/simple-page.ts";
import { request } from "./request.ts";

const unpack = promisify(gunzip);

/** A row as the driver gives it: an instant is a Date there, and a number in the view. */
type FileRow = Omit<SimpleFile, "uploadedAt"> & {
  readonly uploadedAt: Date;
  readonly packageId: number;
  readonly sortKey: string;
};

interface ProjectRow {
  id: number;
  name: string;
  source: string;
  status: ProjectStatus["status"] | null;
  reason: string;
  tracks: string[];
  alternate_locations: string[];
  upstream_index: string | null;
  is_merged: boolean;
  has_listing: boolean;
}

const projectSchema = z.object({
  id: countSchema,
  name: z.string(),
  /** Of the farm's own, so that nothing of upstream is said. */
  isOwn: z.boolean(),
  /** Upstream's files are listed too. */
  isMerged: z.boolean(),
  hasListing: z.boolean(),
  tracks: locationsSchema,
  alternateLocations: locationsSchema,
  status: projectStatusSchema.nullable(),
});
type Project = Immutable<z.infer<typeof projectSchema>>;

const ownFileSchema = simpleFileSchema.extend({ packageId: countSchema });

/** The file that a stretch ended with. */
const placeSchema = z.object({
  packageId: countSchema,
  sortKey: z.string().max(10_000),
  filename: z.string().max(1_000),
});

/** As many files as a message may hold, whatever upstream writes into their reasons for a yank. */
const FILES_A_MESSAGE = 5_000;
/** As many projects as are asked about at once. */
const PROJECTS_A_REQUEST = 100;

/**
 * Projects of the index and a stretch of their files, those after a place. Only placed files are told. See
 * `readSimplePages`, which puts the stretches together.
 */
export const simplePages = request(
  {
    args: z.object({
      names: z.array(projectNameSchema).max(PROJECTS_A_REQUEST),
      after: placeSchema.nullable(),
      limit: z.int().positive().max(FILES_A_MESSAGE),
    }),
    result: z.object({
      projects: z.array(projectSchema),
      files: z.array(ownFileSchema),
      /** Null: there are no more. */
      after: placeSchema.nullable(),
    }),
  },
  async (sql, { names, after, limit }) => {
    const projects = await sql<ProjectRow[]>`
      select p.id, p.name, p.source, p.project_status as status, p.project_status_reason as reason,
        p.tracks, p.alternate_locations, c.upstream_index, c.merge_upstream as is_merged,
        exists (select from upstream_listing u where u.package_id = p.id) as has_listing
      from package p cross join configuration c where p.name = any(${[...names]})`;
    const from = after ?? { packageId: 0, sortKey: "", filename: "" };
    const rows = await sql<FileRow[]>`
      select v.package_id as "packageId", v.sort_key as "sortKey", f.filename, v.version, f.sha256,
        f.size_bytes as "sizeBytes", f.requires_python as "requiresPython",
        f.metadata_sha256 as "metadataSha256", f.provenance_sha256 as "provenanceSha256", v.yanked,
        f.settled_at as "uploadedAt"
      from version v
      join file f on f.version_id = v.id and f.placed_at is not null and f.removed_at is null
      where v.package_id = any(${projects.map(({ id }) => id)}) and v.package_id >= ${from.packageId}
        and (v.package_id, v.sort_key, f.filename collate "C")
          > (${from.packageId}, ${from.sortKey}, ${from.filename} collate "C")
      order by v.package_id, v.sort_key, f.filename collate "C" limit ${limit}`;
    const last = rows.length === limit ? rows.at(-1) : undefined;
    return {
      projects: projects.map(projectOf),
      files: rows.map(({ sortKey: _, uploadedAt, ...file }) => ({
        ...file,
        uploadedAt: uploadedAt.getTime(),
      })),
      after:
        last === undefined
          ? null
          : { packageId: last.packageId, sortKey: last.sortKey, filename: last.filename },
    };
  },
);

const projectOf = (row: ProjectRow): Project => ({
  id: row.id,
  name: row.name,
  isOwn: row.source === "local",
  isMerged: row.is_merged,
  hasListing: row.has_listing,
  ...locations(row.name, row),
  status: row.status === null ? null : { status: row.status, reason: row.reason },
});

/**
 * Upstream's own files of a project, packed as they are stored: unpacked, those of the largest projects would fill
 * several messages. Null where none are stored.
 */
export const upstreamListing = request(
  {
    args: z.object({ packageId: countSchema }),
    result: z.instanceof(Uint8Array).nullable(),
  },
  async (sql, { packageId }) => {
    const [row] = await sql<{ files: Buffer<ArrayBuffer> }[]>`
      select files from upstream_listing where package_id = ${packageId}`;
    return row?.files ?? null;
  },
);

type SimplePages = Awaited<ReturnType<typeof simplePages.run>>;

/** How the requests are put to the database. */
export interface SimpleQuestions {
  simplePages(args: Parameters<typeof simplePages.run>[1]): Promise<SimplePages>;
  upstreamListing(args: Parameters<typeof upstreamListing.run>[1]): Promise<Uint8Array | null>;
}

/**
 * The pages of these projects, whatever their size: the database may be in another process, and a message to it has
 * a limit. A project without a placed file has none, but for one of the farm's own where upstream's projects are
 * listed too: without its empty page clients would be sent to upstream, where its name may be anybody's. Whoever asks
 * runs the requests.
 */
export async function readSimplePages(
  database: SimpleQuestions,
  names: readonly string[],
  limit = FILES_A_MESSAGE,
): Promise<SimpleProjectPage[]> {
  const projects = new Map<number, Project>();
  const files = new Map<number, SimpleFile[]>();
  for (let after: z.infer<typeof placeSchema> | null | undefined; after !== null; ) {
    const found: SimplePages = await database.simplePages({ names, after: after ?? null, limit });
    for (const project of found.projects) projects.set(project.id, project);
    for (const { packageId, ...file } of found.files) {
      const list = files.get(packageId);
      if (list === undefined) files.set(packageId, [file]);
      else list.push(file);
    }
    after = found.after;
  }
  const pages: SimpleProjectPage[] = [];
  for (const project of projects.values()) {
    const own = files.get(project.id) ?? [];
    if (own.length === 0 && !(project.isOwn && project.isMerged)) continue;
    pages.push(await pageOf(database, project, own));
  }
  return pages;
}

async function pageOf(
  database: SimpleQuestions,
  project: Project,
  files: readonly SimpleFile[],
): Promise<SimpleProjectPage> {
  const { name, isOwn, isMerged, hasListing, tracks, alternateLocations, status } = project;
  if (isOwn) return { name, files, upstream: null };
  const upstream = { tracks, alternateLocations, status };
  // PEP 792: nothing of it may be offered. The page stands, so that clients do not look elsewhere.
  if (status?.status === "quarantined")
    return { name, files: [], upstream: { ...upstream, files: [] } };
  const packed =
    isMerged && hasListing ? await database.upstreamListing({ packageId: project.id }) : null;
  const own = new Set(files.map((file) => file.filename));
  const theirs = packed === null ? [] : await unpackListing(packed);
  return {
    name,
    files,
    upstream: { ...upstream, files: theirs.filter((file) => !own.has(file.filename)) },
  };
}

const unpackListing = async (packed: Uint8Array): Promise<ListedUpstreamFile[]> =>
  JSON.parse((await unpack(packed)).toString("utf8")) as ListedUpstreamFile[];

/**
 * PEP 708: what extends a name says which page owns it. That is upstream's page, unless that one extends
 * another itself. A project that is at home in several places is so here as upstream has it, upstream
 * included, since all places must name the same.
 */
function locations(
  name: string,
  project: ProjectRow,
): Pick<Project, "tracks" | "alternateLocations"> {
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
