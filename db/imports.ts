/**
 * Imports: wheels that were built elsewhere, registered as one build. Opening one gives it a token;
 * settling makes the rows of its build, where need be those of its version too, and settles it as the
 * result of a slave is settled, in one transaction. The import desk calls these.
 *
 * An import is known by its key, the hash of what it brings. What is refused leaves nothing but that key.
 */
import { z } from "zod";
import { plainFilenameSchema, sha256Schema, tokenSchema } from "../protocol/model/build.ts";
import { collectedSchema, deliverySchema, verifiedFileSchema } from "../protocol/model/delivery.ts";
import { hostFactsSchema } from "../protocol/model/host.ts";
import {
  durationSchema,
  projectNameSchema,
  rowIdSchema,
  versionSchema,
} from "../protocol/model/scalar.ts";
import { upstreamReasons } from "../protocol/model/skip-reason.ts";
import { type Sql, type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";
import { settle, settledSchema } from "./settle.ts";
import { TARGETS_LOCK } from "./work.ts";

const filesSchema = z
  .array(
    z.object({
      filename: plainFilenameSchema,
      sha256: sha256Schema,
      tags: z.array(z.string().max(255)).max(10_000),
    }),
  )
  .min(1)
  .max(100);

/** Targets that a refusal names. */
const MAX_NAMED = 10;

/**
 * Gives an import its token, and says what it may bring; or why not. Said again it gives the same.
 * `delivery` is null where all of its files are public already by other builds: nothing is to be done.
 */
export const openImport = request(
  {
    args: z.object({
      key: sha256Schema,
      package: projectNameSchema,
      version: versionSchema,
      sortKey: z.string().max(2_000),
      /** Null: any that admits the wheels. */
      target: z.string().max(200).nullable(),
      files: filesSchema,
      productVersion: z.string().max(50),
      host: hostFactsSchema.shape.hostname,
    }),
    result: z.object({ refusal: z.string().nullable(), delivery: deliverySchema.nullable() }),
  },
  async (sql, args) => {
    const refused = (refusal: string) => ({ refusal, delivery: null });
    const [known] = await sql<{ token: number; settled: boolean }[]>`
      select i.token, exists (select from build b where b.token = i.token) as settled
      from import i where i.key = ${args.key}`;
    const skip = known?.settled ? null : await findSkip(sql, args.package, args.sortKey);
    if (skip !== null) return refused(`${skip}: unskip it first (piw-add --unskip)`);
    const targets = await findTargets(sql, args.files, args.target);
    const [first] = targets;
    const admitted = new Set(targets.flatMap((target) => target.tags));
    const foreign = args.files.find((file) => !file.tags.some((tag) => admitted.has(tag)));
    if (first === undefined || foreign !== undefined)
      return refused(
        await whyForeign(sql, args.target, (foreign ?? args.files[0])?.filename ?? ""),
      );
    if (known === undefined && (await areAllPublic(sql, args.files)))
      return { refusal: null, delivery: null };
    const { token, slaveId } = await transaction(sql, (tx) => admit(tx, args));
    return {
      refusal: null,
      delivery: {
        token,
        source: "import" as const,
        slaveId,
        slaveIdentity: importerIdentity(args.host),
        slaveSlot: "",
        package: args.package,
        version: args.version,
        target: first.name,
        targetTags: [...admitted],
        buildTag: null,
        isSettled: known?.settled ?? false,
      },
    };
  },
);

const importerIdentity = (host: string) => `import:${host}`;

async function admit(
  tx: Tx,
  args: { readonly key: string; readonly host: string; readonly productVersion: string },
): Promise<{ token: number; slaveId: number }> {
  await tx`
    delete from import i where asked_at < now() - interval '1 day'
      and not exists (select from build b where b.token = i.token)`;
  const [row] = await tx<{ token: number }[]>`
    insert into import (key) values (${args.key})
    on conflict (key) do update set asked_at = now() returning token`;
  const [importer] = await tx<{ id: number }[]>`
    insert into slave (identity, slot, label, product_version, hostname, os, board)
    values (${importerIdentity(args.host)}, '', ${`imported from ${args.host}`},
      ${args.productVersion}, ${args.host}, '', '')
    on conflict (identity, slot) do update
      set product_version = excluded.product_version, last_seen_at = now()
    returning id`;
  return { token: row?.token ?? 0, slaveId: importer?.id ?? 0 };
}

/** A person's skip, as `NAME is skipped: REASON`; what upstream lacks is no reason against an import. */
async function findSkip(sql: Tx, name: string, sortKey: string): Promise<string | null> {
  const [row] = await sql<{ version: string | null; whole: string | null; one: string | null }[]>`
    select v.version, p.skip as whole, v.skip as one
    from package p left join version v on v.package_id = p.id and v.sort_key = ${sortKey}
    where p.name = ${name}`;
  const isPersons = (reason: string | null | undefined): reason is string =>
    typeof reason === "string" && !upstreamReasons.some((known) => known === reason);
  if (isPersons(row?.whole)) return `${name} is skipped (${row.whole})`;
  if (isPersons(row?.one)) return `${name} ${row.version ?? ""} is skipped (${row.one})`;
  return null;
}

/** Targets that admit any of the files, those that the farm builds for first, each with the tags it admits. */
function findTargets(
  sql: Tx,
  files: readonly { readonly tags: readonly string[] }[],
  name: string | null,
): Promise<{ name: string; tags: string[] }[]> {
  const tags = [...new Set(files.flatMap((file) => file.tags))];
  return sql<{ name: string; tags: string[] }[]>`
    select t.name, array_agg(c.tag) as tags
    from target t join tag_covers c on c.target_id = t.id and c.tag = any(${tags})
    where ${name}::text is null or t.name = ${name}
    group by t.id order by t.skip is not null, t.rank, t.id`;
}

async function whyForeign(sql: Tx, name: string | null, filename: string): Promise<string> {
  const rows = await sql<{ name: string }[]>`
    select name from target order by rank, id limit ${MAX_NAMED + 1}`;
  const names = rows.slice(0, MAX_NAMED).map((row) => row.name);
  const list = names.join(", ") + (rows.length > MAX_NAMED ? ", …" : "");
  if (rows.length === 0)
    return "the farm has no target yet, so no wheel fits: connect a slave for the machines that they are for";
  if (name === null)
    return `${filename}: none of its tags is one of a target of this farm (targets: ${list})`;
  const [found] = await sql`select from target where name = ${name}`;
  return found === undefined
    ? `the farm has no target ${name} (targets: ${list})`
    : `${filename}: none of its tags is one of ${name}`;
}

async function areAllPublic(
  sql: Tx,
  files: readonly { readonly filename: string; readonly sha256: string }[],
): Promise<boolean> {
  const states = await stateOf(sql, files, null);
  return states.every((file) => file.state === "present");
}

/** Settles an import; said again it returns what it came to. Null: a person's skip came meanwhile. */
export const settleImport = request(
  {
    args: z.object({
      token: tokenSchema,
      slaveId: rowIdSchema,
      package: projectNameSchema,
      displayName: projectNameSchema,
      version: versionSchema,
      sortKey: z.string().max(2_000),
      isPrerelease: z.boolean(),
      target: z.string().max(200),
      message: z.string().max(2_000),
      durationMs: durationSchema,
      files: z.array(verifiedFileSchema).min(1).max(100),
      log: collectedSchema.shape.log,
    }),
    result: settledSchema.nullable(),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      await tx`select pg_advisory_xact_lock_shared(${TARGETS_LOCK}::bigint)`;
      // Nothing says that upstream has it; should it be listed there, its other versions are followed.
      await tx`
        insert into package (name, display_name, read_serial)
        values (${args.package}, ${args.displayName}, 0)
        on conflict (name) do nothing`;
      const [owner] = await tx<{ id: number }[]>`
        select id from package where name = ${args.package} for no key update`;
      await tx`
        insert into package_alias (alias, package_id) values (${args.displayName}, ${owner?.id ?? 0})
        on conflict (alias) do nothing`;
      if ((await findSkip(tx, args.package, args.sortKey)) !== null) return null;
      // Its other versions that upstream has removed are marked one by one, and stay so.
      await tx`update package set skip = null where id = ${owner?.id ?? 0} and skip = 'deleted'`;
      const [before] = await tx<{ skip: string | null }[]>`
        select skip from version
        where package_id = ${owner?.id ?? 0} and sort_key = ${args.sortKey}`;
      // What upstream has removed comes back by the hand of whoever imports it.
      const [version] = await tx<{ id: number }[]>`
        insert into version (package_id, source, version, spelling, sort_key, prerelease, released_at,
          skip, wanted)
        values (${owner?.id ?? 0}, 'local', ${args.version}, ${args.version}, ${args.sortKey},
          ${args.isPrerelease}, now(), 'binary only', true)
        on conflict (package_id, sort_key) do update set
          source = case when version.skip = 'deleted' then 'local' else version.source end,
          skip = case when version.skip = 'deleted' then 'binary only' else version.skip end
        returning id`;
      await tx`
        insert into build (token, version_id, target_id, slave_id)
        select ${args.token}, ${version?.id ?? 0}, t.id, ${args.slaveId}
        from target t where t.name = ${args.target}
        on conflict (token) do nothing`;
      const settled = await settle(tx, {
        token: args.token,
        slaveId: args.slaveId,
        result: {
          cause: "built",
          message: args.message,
          missing: [],
          durationMs: args.durationMs,
        },
        files: [...args.files],
        log: args.log,
        // Only what failed is tried again.
        retry: { baseMs: 0, maxMs: 0, maxAttempts: 1 },
      });
      // Nothing of it stands: the version is as it was.
      if (settled.outcome === "superseded" && (before === undefined || before.skip === "deleted"))
        await tx`
          update version set skip = 'deleted'
          where id = ${version?.id ?? 0} and not exists (
            select from file f where f.version_id = version.id and f.removed_at is null)`;
      return settled;
    }),
);

const importedFilesSchema = z.array(
  z.object({
    filename: plainFilenameSchema,
    /** `absent`: there is no such name; `unplaced`: it stands and is not public yet. */
    state: z.enum(["published", "present", "superseded", "withdrawn", "unplaced", "absent"]),
  }),
);

/** What the names of an import stand for now. */
export const importedFiles = request(
  {
    args: z.object({
      token: tokenSchema.nullable(),
      files: z.array(filesSchema.element.pick({ filename: true, sha256: true })).max(100),
    }),
    result: importedFilesSchema,
  },
  (sql: Sql, args) => stateOf(sql, args.files, args.token),
);

async function stateOf(
  sql: Tx,
  files: readonly { readonly filename: string; readonly sha256: string }[],
  token: number | null,
): Promise<z.infer<typeof importedFilesSchema>> {
  const rows = await sql<
    { filename: string; sha256: string; token: number; placed: boolean; removed: boolean }[]
  >`
    select filename, sha256, token, placed_at is not null as placed,
      removed_at is not null as removed
    from file where filename = any(${files.map((file) => file.filename)})`;
  const byName = new Map(rows.map((row) => [row.filename, row]));
  return files.map(({ filename, sha256 }) => {
    const row = byName.get(filename);
    if (row === undefined) return { filename, state: "absent" };
    if (row.sha256 !== sha256) return { filename, state: "superseded" };
    if (row.removed) return { filename, state: "withdrawn" };
    if (!row.placed) return { filename, state: "unplaced" };
    return { filename, state: row.token === token ? "published" : "present" };
  });
}
