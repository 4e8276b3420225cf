/**
 * Published files and logs: what is settled but not yet in its place, what is withdrawn but still
 * there. File Juggler works these lists off after each settling and again at every start.
 */
import { z } from "zod";
import { sha256Schema, tokenSchema } from "../protocol/model/build.ts";
import type { Immutable } from "../protocol/model/immutable.ts";
import { rowIdSchema } from "../protocol/model/scalar.ts";
import { transaction } from "./connection.ts";
import { requestPages } from "./pages.ts";
import { request } from "./request.ts";
import { lockVersions, recompute } from "./work.ts";

const unplacedFileSchema = z.object({
  id: rowIdSchema,
  package: z.string(),
  filename: z.string(),
  sha256: z.string(),
  metadataSha256: z.string(),
});
export type UnplacedFile = Immutable<z.infer<typeof unplacedFileSchema>>;

const unplacedLogSchema = z.object({ token: tokenSchema, sha256: z.string() });
export type UnplacedLog = Immutable<z.infer<typeof unplacedLogSchema>>;

const withdrawnFileSchema = z.object({
  id: rowIdSchema,
  package: z.string(),
  filename: z.string(),
});

const limitSchema = z.int().positive().max(10_000);
const fileIdsSchema = z.array(rowIdSchema).max(10_000);

/** Files and logs that are settled and not placed: of one build, or (token null) the oldest of all. */
export const unplaced = request(
  {
    args: z.object({ token: tokenSchema.nullable(), limit: limitSchema }),
    result: z.object({ files: z.array(unplacedFileSchema), logs: z.array(unplacedLogSchema) }),
  },
  async (sql, args) => {
    const files = await sql<UnplacedFile[]>`
      select f.id, p.name as package, f.filename, f.sha256, f.metadata_sha256 as "metadataSha256"
      from file f join version v on v.id = f.version_id join package p on p.id = v.package_id
      where f.placed_at is null and f.removed_at is null
        and (${args.token}::bigint is null or f.token = ${args.token}::bigint)
      order by f.id limit ${args.limit}`;
    const logs = await sql<UnplacedLog[]>`
      select token, log_sha256 as sha256 from build
      where log_sha256 is not null and log_placed_at is null
        and (${args.token}::bigint is null or token = ${args.token}::bigint)
      order by token limit ${args.limit}`;
    return { files: [...files], logs: [...logs] };
  },
);

/** Records that files and logs are in their places, and asks for the pages that show them. */
export const markPlaced = request(
  {
    args: z.object({ fileIds: fileIdsSchema, logTokens: z.array(tokenSchema).max(10_000) }),
    result: z.object({ packages: z.array(z.string()) }),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      // Versions before files, as everybody else.
      await tx`
        select v.id from version v
        where v.id in (select f.version_id from file f where f.id = any(${[...args.fileIds]}))
        order by v.id for no key update`;
      const placed = await tx<{ version_id: number }[]>`
        update file set placed_at = now()
        where id = any(${[...args.fileIds]}) and placed_at is null returning version_id`;
      const versionIds = placed.map((row) => row.version_id);
      // A build that waits for this package may now find it.
      await tx`update version set changed_at = now() where id = any(${versionIds})`;
      const logged = await tx<{ version_id: number }[]>`
        update build set log_placed_at = now()
        where token = any(${[...args.logTokens]}) and log_placed_at is null returning version_id`;
      const packages = await tx<{ name: string; has_file: boolean }[]>`
        select distinct p.name, v.id = any(${versionIds}) as has_file
        from version v join package p on p.id = v.package_id
        where v.id = any(${[...versionIds, ...logged.map((row) => row.version_id)]})
        order by p.name`;
      const names = [...new Set(packages.map((row) => row.name))];
      const withFiles = packages.filter((row) => row.has_file).map((row) => row.name);
      await requestPages(tx, [
        ...withFiles.map((key) => ({ kind: "simple" as const, key })),
        ...withFiles.map((key) => ({ kind: "root" as const, key })),
        ...names.map((key) => ({ kind: "project" as const, key })),
        { kind: "home", key: "" },
      ]);
      return { packages: names };
    }),
);

/**
 * Names that turn out to be taken by files that the database knows nothing of, as after an older backup of
 * it was restored: those stay as they are, for who has installed them. Ours give way, and what they stood
 * for is built again under a build tag. The names stay taken.
 */
export const yieldNames = request(
  { args: z.object({ fileIds: fileIdsSchema }), result: z.null() },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const ids = [...args.fileIds];
      const concerned = await tx<{ version_id: number }[]>`
        select distinct version_id from file where id = any(${ids})`;
      const versionIds = concerned.map((row) => row.version_id);
      await lockVersions(tx, versionIds);
      const yielded = await tx<{ token: number }[]>`
        update file set removed_at = now(), cleared_at = now()
        where id = any(${ids}) and placed_at is null and removed_at is null returning token`;
      await tx`
        update build b set stands = false, outcome = 'superseded',
          message = 'another file of that name was there: it is built again under a build tag'
        where token = any(${yielded.map((row) => row.token)})
          and not exists (select from file f where f.token = b.token and f.removed_at is null)`;
      await recompute(tx, versionIds);
      const packages = await tx<{ name: string }[]>`
        select distinct p.name from version v join package p on p.id = v.package_id
        where v.id = any(${versionIds})`;
      await requestPages(tx, [
        ...packages.map(({ name }) => ({ kind: "project" as const, key: name })),
        { kind: "home", key: "" },
      ]);
      return null;
    }),
);

/** Files that were withdrawn and may still be in their places, and whose pages do not name them any more. */
export const withdrawnFiles = request(
  { args: z.object({ limit: limitSchema }), result: z.array(withdrawnFileSchema) },
  async (sql, args) => [
    ...(await sql<z.infer<typeof withdrawnFileSchema>[]>`
      select f.id, p.name as package, f.filename
      from file f join version v on v.id = f.version_id join package p on p.id = v.package_id
      where f.removed_at is not null and f.cleared_at is null
        and not exists (select from page_request r where r.kind = 'simple' and r.key = p.name)
      order by f.id limit ${args.limit}`),
  ],
);

export const markRemoved = request(
  { args: z.object({ fileIds: fileIdsSchema }), result: z.null() },
  async (sql, args) => {
    await sql`update file set placed_at = null, cleared_at = now() where id = any(${[...args.fileIds]})`;
    return null;
  },
);

/** Those of the hashes that something still refers to. The sweep of the blobs asks this. */
export const referencedBlobs = request(
  {
    args: z.object({ sha256s: z.array(sha256Schema).max(10_000) }),
    result: z.array(z.string()),
  },
  async (sql, args) => {
    const hashes = [...args.sha256s];
    const rows = await sql<{ sha256: string }[]>`
      select sha256 from file where removed_at is null and sha256 = any(${hashes})
      union select metadata_sha256 from file
        where removed_at is null and metadata_sha256 = any(${hashes})
      union select provenance_sha256 from file
        where removed_at is null and provenance_sha256 = any(${hashes})
      union select provenance_draft from file
        where removed_at is null and provenance_draft = any(${hashes})
      union select log_sha256 from build
        where log_placed_at is null and log_sha256 = any(${hashes})`;
    return rows.map((row) => row.sha256);
  },
);

/** Those of the tokens that hold a lease; the staging of others is left over when it has been idle for long. */
export const openTokens = request(
  { args: z.object({ tokens: z.array(tokenSchema).max(1_000_000) }), result: z.array(tokenSchema) },
  async (sql, args) => {
    const rows = await sql<{ token: number }[]>`
      select token from lease where token = any(${[...args.tokens]})`;
    return rows.map((row) => row.token);
  },
);
