/**
 * What piw-audit asks of the database: what should be public, in pages by key, whose what is there is, and the
 * repairs, each a transaction with the locks that the master takes. It runs these on a connection of its own,
 * beside a master that works.
 */
import { type Sql, type Tx, transaction } from "./connection.ts";
import { requestPages } from "./pages.ts";
import type { Admission } from "./session.ts";
import { lockVersions, recompute } from "./work.ts";

/** What was settled or withdrawn longer ago than this should be in its place, or gone from it. */
const LATE = "10 minutes";

/** Any number that nobody else uses as an advisory lock. */
const REPAIR_LOCK = "8603657889541616239";

/** Lets every session of a connection only read, also one that is opened after a loss. */
export const readOnly: Admission = {
  query: "select set_config('default_transaction_read_only', 'on', false)",
  refusalOf: () => undefined,
};

export interface AuditedFile {
  readonly id: number;
  readonly package: string;
  readonly filename: string;
  readonly sha256: string;
  readonly metadataSha256: string;
  /** Null: it has no provenance. */
  readonly provenanceSha256: string | null;
  readonly sizeBytes: number;
  readonly isPlaced: boolean;
  /** Not placed, and settled long ago. */
  readonly isLate: boolean;
}

/** Files that stand, in the order of their numbers, after one; or (with ids) those of them that still do. */
export async function auditedFiles(
  sql: Sql,
  range: { readonly afterId: number; readonly limit: number } | { readonly ids: readonly number[] },
): Promise<AuditedFile[]> {
  const some = "ids" in range;
  return [
    ...(await sql<AuditedFile[]>`
      select f.id, p.name as package, f.filename, f.sha256, f.metadata_sha256 as "metadataSha256",
        f.provenance_sha256 as "provenanceSha256", f.size_bytes as "sizeBytes", f.placed_at is not null as "isPlaced",
        f.placed_at is null and f.settled_at < now() - ${LATE}::interval as "isLate"
      from file f join version v on v.id = f.version_id join package p on p.id = v.package_id
      where f.removed_at is null
        and ${some ? sql`f.id = any(${[...range.ids]})` : sql`f.id > ${range.afterId}`}
      order by f.id limit ${some ? range.ids.length : range.limit}`),
  ];
}

export interface AuditedLog {
  readonly token: number;
  readonly sha256: string;
  readonly isPlaced: boolean;
  readonly isLate: boolean;
}

export async function auditedLogs(
  sql: Sql,
  range:
    | { readonly afterToken: number; readonly limit: number }
    | { readonly tokens: readonly number[] },
): Promise<AuditedLog[]> {
  const some = "tokens" in range;
  return [
    ...(await sql<AuditedLog[]>`
      select token, log_sha256 as sha256, log_placed_at is not null as "isPlaced",
        log_placed_at is null and settled_at < now() - ${LATE}::interval as "isLate"
      from build
      where log_sha256 is not null
        and ${some ? sql`token = any(${[...range.tokens]})` : sql`token > ${range.afterToken}`}
      order by token limit ${some ? range.tokens.length : range.limit}`),
  ];
}

export interface AuditedPackage {
  readonly id: number;
  readonly name: string;
  /** Kinds of its pages that are still to be written. */
  readonly requested: readonly string[];
  /** Something of it was built, or tried: it has a badge and a feed. */
  readonly isAttempted: boolean;
}

/** Packages with a public file: they have pages. */
export async function auditedPackages(
  sql: Sql,
  range: { readonly afterId: number; readonly limit: number } | { readonly ids: readonly number[] },
): Promise<AuditedPackage[]> {
  const some = "ids" in range;
  return [
    ...(await sql<AuditedPackage[]>`
      select p.id, p.name,
        array(select r.kind from page_request r where r.kind in ('simple', 'project') and r.key = p.name) as requested,
        exists (select from version v join build b on b.version_id = v.id
                where v.package_id = p.id and b.settled_at is not null) as "isAttempted"
      from package p
      where ${some ? sql`p.id = any(${[...range.ids]})` : sql`p.id > ${range.afterId}`}
        and exists (select from version v join file f on f.version_id = v.id
                    where v.package_id = p.id and f.placed_at is not null and f.removed_at is null)
      order by p.id limit ${some ? range.ids.length : range.limit}`),
  ];
}

/** Kinds of pages without a name that are still to be written. */
export async function requestedPages(sql: Sql): Promise<ReadonlySet<string>> {
  const rows = await sql<{ kind: string }[]>`select kind from page_request where key = ''`;
  return new Set(rows.map((row) => row.kind));
}

/** Whose a file name is: `stands`, `leaving` (withdrawn a moment ago), `withdrawn`. Absent: nobody's. */
export async function fileStates(
  sql: Sql,
  filenames: readonly string[],
): Promise<ReadonlyMap<string, { package: string; state: "stands" | "leaving" | "withdrawn" }>> {
  const rows = await sql<
    { filename: string; package: string; state: "stands" | "leaving" | "withdrawn" }[]
  >`
    select f.filename, p.name as package,
      case when f.removed_at is null then 'stands'
           when f.cleared_at is null and f.removed_at > now() - ${LATE}::interval then 'leaving'
           else 'withdrawn' end as state
    from file f join version v on v.id = f.version_id join package p on p.id = v.package_id
    where f.filename = any(${[...filenames]})`;
  return new Map(rows.map((row) => [row.filename, row]));
}

/** Those of the names that are a package's, a spelling of one, or the canonical form of a spelling. */
export async function knownNames(sql: Sql, names: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await sql<{ name: string }[]>`
    select name from package where name = any(${[...names]})
    union select alias from package_alias where alias = any(${[...names]})`;
  const known = new Set(rows.map((row) => row.name));
  const left = names.filter((name) => !known.has(name));
  if (left.length === 0) return known;
  // No index serves this: it is asked only of what is known by no name as it stands, which is next to nothing.
  const forms = await sql<{ name: string }[]>`
    select distinct a.name from (
      select lower(regexp_replace(alias, '[-_.]+', '-', 'g')) as name from package_alias) a
    where a.name = any(${left})`;
  for (const { name } of forms) known.add(name);
  return known;
}

/** Of these packages, those that have a public file, an empty page (see views-simple.ts) or one that is still to be written. */
export async function namesWithSimplePage(
  sql: Sql,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await sql<{ name: string }[]>`
    select p.name from package p
    where p.name = any(${[...names]}) and (
      exists (select from version v join file f on f.version_id = v.id
              where v.package_id = p.id and f.placed_at is not null and f.removed_at is null)
      or exists (select from page_request r where r.kind = 'simple' and r.key = p.name)
      or (p.source = 'local' and exists (select from configuration where merge_upstream)))`;
  return new Set(rows.map((row) => row.name));
}

/** Those of the tokens whose build has a log. */
export async function tokensWithLog(
  sql: Sql,
  tokens: readonly number[],
): Promise<ReadonlySet<number>> {
  const rows = await sql<{ token: number }[]>`
    select token from build where token = any(${[...tokens]}) and log_sha256 is not null`;
  return new Set(rows.map((row) => row.token));
}

/** About how many files and logs there are; a guess of the planner's, for progress. */
export async function expectedCounts(sql: Sql): Promise<{ files: number; logs: number }> {
  const [row] = await sql<{ files: number; logs: number }[]>`
    select greatest(0, max(reltuples) filter (where relname = 'file'))::bigint as files,
      greatest(0, max(reltuples) filter (where relname = 'build'))::bigint as logs
    from pg_class where relnamespace = 'public'::regnamespace and relname in ('file', 'build')`;
  return row ?? { files: 0, logs: 0 };
}

/** What the session's role may not do that a repair needs; undefined where it may. */
export async function whyNoRepair(sql: Sql): Promise<string | undefined> {
  const [row] = await sql<{ role: string; may: boolean; locked: boolean }[]>`
    select current_user as role,
      has_table_privilege('file', 'update') and has_table_privilege('build', 'update')
        and has_table_privilege('version', 'update') and has_table_privilege('work', 'insert')
        and has_table_privilege('page_request', 'insert') as may,
      pg_try_advisory_lock(${REPAIR_LOCK}::bigint) as locked`;
  if (row?.may !== true)
    return `the role "${row?.role ?? ""}" may only read: a repair needs the master's (--dsn)`;
  return row.locked ? undefined : "another piw-audit repairs this farm: wait for it";
}

/**
 * Withdraws a file that cannot be made good: its name stays taken. What it covered is needed again, so that
 * its version is built anew, under a build tag. False where it was withdrawn already.
 */
export function withdrawFile(sql: Sql, id: number): Promise<boolean> {
  return transaction(sql, async (tx) => {
    const [row] = await tx<{ version_id: number; package: string }[]>`
      select v.id as version_id, p.name as package
      from file f join version v on v.id = f.version_id join package p on p.id = v.package_id
      where f.id = ${id}`;
    if (row === undefined) return false;
    await lockVersions(tx, [row.version_id]);
    const gone = await tx`
      update file set removed_at = now() where id = ${id} and removed_at is null returning 1`;
    if (gone.length === 0) return false;
    await tx`
      update build b set stands = false
      where b.version_id = ${row.version_id} and b.stands and b.cause = 'built' and not exists (
        select from file f cross join unnest(f.tags) as g(tag)
          join tag_covers c on c.tag = g.tag and c.target_id = b.target_id
        where f.version_id = b.version_id and f.removed_at is null)`;
    await recompute(tx, [row.version_id]);
    await requestPages(tx, [
      { kind: "simple", key: row.package },
      { kind: "project", key: row.package },
      { kind: "root", key: row.package },
      { kind: "home", key: "" },
    ]);
    return true;
  });
}

/** A file's provenance is lost: no page is to name it, and it may be signed anew. */
export function forgetProvenance(sql: Sql, id: number, sha256: string): Promise<void> {
  return transaction(sql, async (tx) => {
    const [row] = await tx<{ package: string }[]>`
      update file f set provenance_sha256 = null, provenance_draft = null
      from version v join package p on p.id = v.package_id
      where f.id = ${id} and f.provenance_sha256 = ${sha256} and v.id = f.version_id
      returning p.name as package`;
    if (row !== undefined) await requestPages(tx, [{ kind: "simple", key: row.package }]);
  });
}

/** The log of a build is lost: no page is to link to it. */
export function forgetLog(sql: Sql, token: number): Promise<void> {
  return transaction(sql, async (tx: Tx) => {
    const [row] = await tx<{ package: string }[]>`
      update build b set log_sha256 = null, log_size_bytes = null, log_placed_at = null
      from version v join package p on p.id = v.package_id
      where b.token = ${token} and v.id = b.version_id returning p.name as package`;
    if (row === undefined) return;
    await requestPages(tx, [
      { kind: "project", key: row.package },
      { kind: "home", key: "" },
    ]);
  });
}
