/**
 * What an operator says of packages (piw-add): Mr. Chase asks for it. An operator's word comes before
 * upstream's:
 *
 * - a skip stands until it is taken back; then what upstream says counts again (`binary only`, `deleted`);
 * - a yank stands until it is taken back; an unyank of what upstream yanked stands until upstream takes
 *   its yank back, so that a later one counts again;
 * - a release date stands for ever, a summary until it is emptied;
 * - a package or version recorded by hand (`source` local) is not touched by upstream's having none.
 */
import {
  changedSchema,
  lookUpSchema,
  type PackageChange,
  packageChangeSchema,
  subjectSchema,
} from "../protocol/model/package-change.ts";
import { upstreamReasons } from "../protocol/model/skip-reason.ts";
import { canonicalName } from "../protocol/packaging/canonical-name.ts";
import { canonicalVersion, isPrerelease, versionSortKey } from "../protocol/packaging/version.ts";
import { type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";
import {
  countQueue,
  findPackage,
  type KnownPackage,
  knownVersions,
  lockPackage,
  pickVersions,
  settlePackage,
} from "./subject.ts";

/** Enough to find the nearest among. */
const MAX_CANDIDATES = 1_000;
const MAX_REMAINING = 10;

/** What the farm knows of a package and versions: for prompts, and for what to say where it knows nothing. */
export const lookUp = request(
  { args: subjectSchema, result: lookUpSchema, slow: true },
  async (sql, args) => {
    const known = await findPackage(sql, args.package);
    if (known === undefined)
      return {
        found: null,
        missing: [...args.versions],
        removed: [],
        candidates: await namesLike(sql, canonicalName(args.package)),
      };
    const versions = await knownVersions(sql, known.id);
    const picked = pickVersions(versions, args.versions);
    const ids = args.versions.length === 0 ? versions.map(({ id }) => id) : picked.ids;
    const queue = await countQueue(sql, known.id, ids);
    const [counts] = await sql<{ files: number; requirements: number }[]>`
      select (select count(*)::int from file
              where version_id = any(${ids}) and removed_at is null) as files,
        (select count(*)::int from wanted where name = ${known.name}) as requirements`;
    return {
      found: {
        package: known.name,
        isLocal: known.source === "local",
        skip: known.skip,
        versions: ids.length,
        files: counts?.files ?? 0,
        pending: queue.pending,
        leased: queue.leased,
        requirements: counts?.requirements ?? 0,
      },
      missing: picked.missing,
      removed: picked.removed,
      candidates:
        picked.missing.length === 0
          ? []
          : versions
              .filter(({ skip }) => skip !== "deleted")
              .slice(-MAX_CANDIDATES)
              .map(({ version }) => version),
    };
  },
);

/** By a plain scan: only a person who mistyped a name waits for it. */
async function namesLike(sql: Tx, name: string): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select name from package
    where skip is distinct from 'deleted' and abs(length(name) - ${name.length}) <= 3
    order by left(name, 3) = left(${name}, 3) desc, left(name, 1) = left(${name}, 1) desc, name
    limit ${MAX_CANDIDATES}`;
  return rows.map((row) => row.name);
}

/** Changes a package or some of its versions: all that is said, or nothing. */
export const changePackage = request(
  { args: packageChangeSchema, result: changedSchema },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const isNew = args.isCreation && (await createPackage(tx, args.package));
      const known = await findPackage(tx, args.package);
      if (known === undefined) return { outcome: "unknown", versions: [] };
      const before = await lockPackage(tx, known.id);
      const { missing, removed } = pickVersions(before, args.versions);
      // To skip what was removed is to keep it out, should it come back.
      const absent = args.skip === null ? [...missing, ...removed] : missing;
      if (absent.length > 0 && !args.isCreation) return { outcome: "unknown", versions: absent };
      const taken = await takeAliases(tx, known, args.aliases);
      if (taken !== undefined) return { outcome: "taken", ...taken };
      const queue = await countQueue(tx, known.id);
      if (args.isCreation) await createVersions(tx, known, absent);
      const { ids } = pickVersions(await knownVersions(tx, known.id), args.versions);
      if (args.versions.length === 0) await changeWhole(tx, known, args);
      else await changeVersions(tx, ids, args);
      if (args.skip?.reason === null || args.summary === "") await readAnew(tx, known);
      return {
        outcome: "changed",
        package: known.name,
        versions: args.versions.length === 0 ? before.length : ids.length,
        created: args.isCreation ? absent.length + (isNew ? 1 : 0) : 0,
        remaining: args.skip?.reason === null ? await remaining(tx, known, ids) : [],
        ...(await settlePackage(tx, known, queue)),
      };
    }),
);

/** Records a package that upstream does not have. One that was removed is back. Returns whether it is new. */
async function createPackage(tx: Tx, spelling: string): Promise<boolean> {
  if ((await findPackage(tx, spelling)) === undefined) {
    const name = canonicalName(spelling);
    const made = await tx`
      insert into package (source, name, display_name, read_serial)
      values ('local', ${name}, ${spelling}, 0) on conflict (name) do nothing returning 1`;
    return made.length > 0;
  }
  return false;
}

/**
 * Versions without source: `binary only` until upstream has one. One that was removed is back, without
 * what upstream had of it.
 */
async function createVersions(
  tx: Tx,
  { id, skip }: KnownPackage,
  versions: readonly string[],
): Promise<void> {
  if (skip === "deleted")
    await tx`update package set skip = null, source = 'local' where id = ${id}`;
  for (const spelling of versions) {
    const version = canonicalVersion(spelling) ?? spelling;
    await tx`
      insert into version (package_id, source, version, spelling, sort_key, prerelease, skip, wanted)
      values (${id}, 'local', ${version}, ${spelling}, ${versionSortKey(version)},
        ${isPrerelease(version)}, 'binary only', true)
      on conflict (package_id, sort_key) do update set source = 'local', skip = 'binary only',
        sdist_filename = null, sdist_url = null, sdist_sha256 = null, sdist_size_bytes = null,
        upstream_tags = '{}'`;
  }
}

/** What is another package's name or alias cannot be this one's. */
async function takeAliases(
  tx: Tx,
  { id }: KnownPackage,
  aliases: readonly string[],
): Promise<{ alias: string; package: string } | undefined> {
  for (const alias of aliases) {
    const rival = await findPackage(tx, alias);
    if (rival !== undefined && rival.id !== id) return { alias, package: rival.name };
  }
  for (const alias of aliases)
    await tx`
      insert into package_alias (alias, package_id) values (${alias}, ${id})
      on conflict (alias) do nothing`;
  return undefined;
}

async function changeWhole(tx: Tx, { id, skip }: KnownPackage, args: PackageChange): Promise<void> {
  if (args.skip !== null) {
    const kept = isUpstreams(skip) ? skip : null;
    await tx`update package set skip = ${args.skip.reason ?? kept} where id = ${id}`;
  }
  if (args.summary !== null)
    await tx`
      update package set summary = ${args.summary}, summary_kept = ${args.summary !== ""}
      where id = ${id}`;
  if (args.priority !== null) {
    await tx`update package set priority = ${args.priority} where id = ${id}`;
    await tx`update version set priority = ${args.priority} where package_id = ${id}`;
  }
}

async function changeVersions(tx: Tx, ids: readonly number[], args: PackageChange): Promise<void> {
  const list = [...ids];
  if (args.skip !== null && args.skip.reason !== null)
    await tx`update version set skip = ${args.skip.reason} where id = any(${list})`;
  if (args.skip !== null && args.skip.reason === null)
    await tx`
      update version set skip = case when sdist_sha256 is null then 'binary only' end
      where id = any(${list}) and skip is not null and not skip = any(${[...upstreamReasons]})`;
  if (args.yank !== null && args.yank.reason !== null)
    await tx`
      update version set yank_word = 'yanked', yanked = ${args.yank.reason}
      where id = any(${list})`;
  if (args.yank !== null && args.yank.reason === null)
    await tx`
      update version set yanked = null,
        yank_word = case when upstream_yanked is not null then 'unyanked' end
      where id = any(${list})`;
  if (args.releasedAt !== null)
    await tx`
      update version set released_at = ${new Date(args.releasedAt)}, released_kept = true
      where id = any(${list})`;
  if (args.priority !== null)
    await tx`update version set priority = ${args.priority} where id = any(${list})`;
}

/** Upstream's word counts again: what it is now is not known before it was read. */
async function readAnew(tx: Tx, { id }: KnownPackage): Promise<void> {
  await tx`
    update package set read_serial = -1, read_attempts = 0, read_not_before = '-infinity'
    where id = ${id} and source = 'upstream'`;
}

const isUpstreams = (skip: string | null): boolean =>
  (upstreamReasons as readonly (string | null)[]).includes(skip);

/** What is still not built after a skip was taken back, since upstream says so. */
async function remaining(
  tx: Tx,
  { id }: KnownPackage,
  versionIds: readonly number[],
): Promise<string[]> {
  const rows = await tx<{ line: string }[]>`
    select name || ': ' || skip as line from package where id = ${id} and skip is not null
    union all
    (select version || ': ' || skip from version
     where id = any(${[...versionIds]}) and skip is not null
     order by sort_key desc limit ${MAX_REMAINING})`;
  return rows.map((row) => row.line);
}
