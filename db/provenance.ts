/**
 * Provenance of files: what is to be signed, what is known of it, and what was signed. File Juggler asks these
 * (actors/master/signing.ts). A file has a draft first, which the first who signs it stores; it is advertised
 * when `provenance_sha256` says so.
 */
import { z } from "zod";
import { sha256Schema } from "../protocol/model/build.ts";
import { type ProvenanceFacts, provenanceFactsSchema } from "../protocol/model/provenance.ts";
import { countSchema, projectNameSchema, rowIdSchema } from "../protocol/model/scalar.ts";
import { transaction } from "./connection.ts";
import { requestPages } from "./pages.ts";
import { request } from "./request.ts";

const fileIdsSchema = z.array(rowIdSchema).max(1_000);

interface FactsRow extends Omit<ProvenanceFacts, "startedAt" | "finishedAt"> {
  readonly startedAt: Date;
  readonly finishedAt: Date;
}

/** What is known of files that are to be signed. Those that are gone meanwhile are missing. */
export const provenanceFacts = request(
  {
    args: z.object({ fileIds: fileIdsSchema }),
    result: z.array(z.object({ facts: provenanceFactsSchema, draft: sha256Schema.nullable() })),
  },
  async (sql, args) => {
    // The sdist's name and address are the version's, as long as it is the one that was built.
    const rows = await sql<(FactsRow & { readonly draft: string | null })[]>`
      select f.id as "fileId", f.filename, f.sha256, p.name as package, v.version, f.token,
        exists (select from import i where i.token = f.token) as "isImport",
        b.leased_at as "startedAt", coalesce(b.settled_at, f.settled_at) as "finishedAt",
        t.name as target, b.build_tag as "buildTag",
        case when b.sdist_sha256 is not null then jsonb_build_object(
          'sha256', b.sdist_sha256,
          'filename', case when v.sdist_sha256 = b.sdist_sha256 then v.sdist_filename end,
          'url', case when v.sdist_sha256 = b.sdist_sha256 then v.sdist_url end) end as sdist,
        s.identity as "slaveIdentity",
        case when f.placed_at is null then s.product_version end as "productVersion",
        case when b.log_sha256 is not null then
          jsonb_build_object('token', b.token, 'sha256', b.log_sha256) end as log,
        jsonb_build_object('durationMs', b.duration_ms, 'environment', b.environment,
          'resolved', b.resolved) as said,
        f.provenance_draft as draft
      from file f
      join build b on b.token = f.token
      join version v on v.id = f.version_id join package p on p.id = v.package_id
      join target t on t.id = b.target_id
      join slave s on s.id = b.slave_id
      where f.id = any(${[...args.fileIds]}) and f.removed_at is null
        and f.provenance_sha256 is null
      order by f.id`;
    return rows.map(({ draft, ...row }) => ({
      draft,
      facts: {
        ...row,
        startedAt: row.startedAt.getTime(),
        finishedAt: row.finishedAt.getTime(),
      },
    }));
  },
);

/** Stores a draft where there is none, and gives the one that stands. Null: the file is gone, or has its provenance. */
export const draftProvenance = request(
  {
    args: z.object({ fileId: rowIdSchema, sha256: sha256Schema }),
    result: sha256Schema.nullable(),
  },
  async (sql, args) => {
    const [row] = await sql<{ draft: string }[]>`
      update file set provenance_draft = coalesce(provenance_draft, ${args.sha256})
      where id = ${args.fileId} and removed_at is null and provenance_sha256 is null
      returning provenance_draft as draft`;
    return row?.draft ?? null;
  },
);

/** A draft whose blob is lost: it is made anew. */
export const dropDraft = request(
  { args: z.object({ fileId: rowIdSchema, sha256: sha256Schema }), result: z.null() },
  async (sql, args) => {
    await sql`
      update file set provenance_draft = null
      where id = ${args.fileId} and provenance_draft = ${args.sha256}`;
    return null;
  },
);

/** Drafts that stand at their places become what is advertised, and pages of public files are asked for. */
export const markSigned = request(
  {
    args: z.object({
      signed: z.array(z.object({ fileId: rowIdSchema, sha256: sha256Schema })).max(1_000),
    }),
    result: z.null(),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const ids = args.signed.map((each) => each.fileId);
      const drafts = args.signed.map((each) => each.sha256);
      await tx`
        update file f set provenance_sha256 = d.draft, provenance_draft = null
        from unnest(${ids}::bigint[], ${drafts}::text[]) as d(id, draft)
        where f.id = d.id and f.provenance_draft = d.draft`;
      const packages = await tx<{ name: string }[]>`
        select distinct p.name
        from file f join version v on v.id = f.version_id join package p on p.id = v.package_id
        where f.id = any(${ids}) and f.placed_at is not null and f.removed_at is null`;
      await requestPages(
        tx,
        packages.map(({ name }) => ({ kind: "simple" as const, key: name })),
      );
      return null;
    }),
);

/** Public files without provenance, by their numbers, after one: what `piw-rebuild provenance` signs. */
export const unsignedFiles = request(
  {
    args: z.object({
      package: projectNameSchema.nullable(),
      after: countSchema,
      limit: z.int().positive().max(1_000),
    }),
    result: z.array(z.object({ id: rowIdSchema, package: z.string(), filename: z.string() })),
    slow: true,
  },
  async (sql, args) => [
    ...(await sql<{ id: number; package: string; filename: string }[]>`
      select f.id, p.name as package, f.filename
      from file f join version v on v.id = f.version_id join package p on p.id = v.package_id
      where f.placed_at is not null and f.removed_at is null and f.provenance_sha256 is null
        and f.id > ${args.after}
        and (${args.package}::text is null or p.name = ${args.package}::text)
      order by f.id limit ${args.limit}`),
  ],
);

/** Remembers the key that signs now; gives all that ever did. */
export const signWith = request(
  {
    args: z.object({ id: sha256Schema, certificate: z.string().max(64_000) }),
    result: z.array(z.object({ id: z.string(), certificate: z.string(), firstUsedAt: z.number() })),
  },
  async (sql, args) => {
    await sql`
      insert into signing_key (id, certificate) values (${args.id}, ${args.certificate})
      on conflict (id) do update
        set last_used_at = now(), certificate = excluded.certificate`;
    const rows = await sql<{ id: string; certificate: string; first_used_at: Date }[]>`
      select id, certificate, first_used_at from signing_key order by first_used_at, id`;
    return rows.map((row) => ({
      id: row.id,
      certificate: row.certificate,
      firstUsedAt: row.first_used_at.getTime(),
    }));
  },
);
