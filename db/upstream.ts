/**
 * What the projects of the followed index are now: their releases, and by their absence what was removed.
 * The state of a project is taken whole, so events may be repeated, late or out of order without harm.
 * Cloud Gazer calls it with what it has read; which projects are to be read is said in following.ts.
 */
import { z } from "zod";
import { sdistSchema } from "../protocol/model/build.ts";
import type { Immutable } from "../protocol/model/immutable.ts";
import { buildRuleSchema, upstreamWheelsSchema } from "../protocol/model/queue.ts";
import {
  countSchema,
  durationSchema,
  instantSchema,
  projectNameSchema,
  versionSchema,
} from "../protocol/model/scalar.ts";
import { upstreamReasons } from "../protocol/model/skip-reason.ts";
import { requiresPythonAdmits } from "../protocol/packaging/requires-python.ts";
import { type Tx, transaction } from "./connection.ts";
import { validatorsSchema } from "./following.ts";
import { requestPages } from "./pages.ts";
import { request } from "./request.ts";
import { noStanding, recordStanding, standingSchema } from "./upstream-standing.ts";
import { selectWanted } from "./wanted.ts";
import { lockVersions, recompute, TARGETS_LOCK } from "./work.ts";

const releaseFactsSchema = z.object({
  /** Canonical (PEP 440). */
  version: versionSchema,
  spelling: versionSchema,
  sortKey: z.string().max(2_000),
  isPrerelease: z.boolean(),
  /** In ms since 1970; null where upstream does not say. */
  releasedAt: instantSchema.nullable(),
  requiresPython: z.string().max(2_000).nullable(),
  yanked: z.string().max(2_000).nullable(),
  /** Null where there is none, or none that could be checked; `skip` then says why. */
  sdist: sdistSchema.nullable(),
  skip: z.enum(["binary only", "no hash"]).nullable(),
  /** Tags of upstream's own wheels. */
  upstreamTags: z.array(z.string().max(300)).max(100_000),
});
/** One release of a project as upstream shows it now. */
export type ReleaseFacts = Immutable<z.infer<typeof releaseFactsSchema>>;

const UPSTREAM_REASONS = [...upstreamReasons];

/** Whether the database answers. */
export const ping = request({ args: z.null(), result: z.null() }, async (sql) => {
  await sql`select 1`;
  return null;
});

/**
 * Says what the farm follows. On a change every project is selected anew by the Architect, a stretch at
 * a time (`requeueStep`), as for a target that is new.
 */
export const configureFarm = request(
  {
    args: z.object({
      follow: z.enum(["all", "wanted"]),
      order: buildRuleSchema,
      upstreamWheels: upstreamWheelsSchema,
    }),
    result: z.object({ changed: z.boolean() }),
  },
  async (sql, args) => {
    return transaction(sql, async (tx) => {
      await tx`select pg_advisory_xact_lock(${TARGETS_LOCK}::bigint)`;
      const changed = await tx`
        update configuration set follow = ${args.follow}, build_order = ${args.order},
          upstream_wheels = ${args.upstreamWheels}
        where (follow, build_order, upstream_wheels)
          is distinct from (${args.follow}, ${args.order}, ${args.upstreamWheels}) returning 1`;
      if (changed.length > 0) await tx`update target set requeue_from = 0`;
      return { changed: changed.length > 0 };
    });
  },
);

const recordedProjectSchema = z.object({
  name: projectNameSchema,
  /** Null where what was read does not say it: then it stays as the changelog or the listing spells it. */
  displayName: projectNameSchema.nullable(),
  summary: z.string().max(2_000),
  /** The serial that the state stands for. */
  serial: countSchema,
  releases: z.array(releaseFactsSchema).max(100_000),
  /** Of the page that says so; without it the next question is not a conditional one. */
  page: validatorsSchema
    .extend({
      serial: countSchema.nullable(),
      /** Of a project without serials: when its page is to be looked at again. */
      lookAgainMs: durationSchema.nullable(),
    })
    .optional(),
  standing: standingSchema.optional(),
});
type RecordedProject = Immutable<z.infer<typeof recordedProjectSchema>>;

/**
 * Records what a project is now. Locks the package and its versions, and recomputes the queue for those
 * that have changed. What an operator said of them stays (db/packages.ts); a package that is the farm's own
 * is not upstream's, whoever has its name there. A crash of the server may forget the last of these: it is
 * still unread then, and read again, so that a commit need not wait for the disk.
 */
export const recordProject = request(
  {
    args: recordedProjectSchema,
    result: z.object({ releases: countSchema, removed: countSchema }),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      await tx`
        select pg_advisory_xact_lock_shared(${TARGETS_LOCK}::bigint),
          set_config('synchronous_commit', 'off', true)`;
      const { id, isNew, isLocal, wasSkipped, isRedescribed } = await lockProject(tx, args);
      if (isLocal) {
        await markRead(tx, id, args.serial);
        return { releases: 0, removed: 0 };
      }
      // With the package locked nobody else changes its versions; they are locked for those who build them.
      const known = isNew
        ? []
        : await tx<{ id: number }[]>`
            select id from version where package_id = ${id} order by id for no key update`;
      await updateProject(tx, id, args);
      const isOtherwise =
        args.standing !== undefined && (await recordStanding(tx, id, args.standing));
      const changed = await upsertReleases(tx, id, args.releases);
      const removed = known.length === 0 ? [] : await removeReleases(tx, id, args.releases);
      const reselected = await selectWanted(tx, id);
      const touched = new Set([...changed, ...removed, ...reselected]);
      // A skip of the whole package may be taken back here, and concerns them all.
      await recompute(tx, wasSkipped ? await versionIds(tx, id) : [...touched]);
      if ((touched.size > 0 || isRedescribed || isOtherwise) && known.length > 0)
        await requestItsPages(tx, id, args.name);
      // They may have been all that it had in the index.
      if (removed.length > 0) await requestPages(tx, [{ kind: "root", key: args.name }]);
      return { releases: args.releases.length, removed: removed.length };
    }),
);

/** Makes the package where it is new. The stronger lock: this may take back the package's own skip. */
async function lockProject(tx: Tx, project: RecordedProject): Promise<LockedProject> {
  const { name, displayName, summary } = project;
  const find = async (): Promise<LockedProject | undefined> => {
    const [row] = await tx<
      {
        id: number;
        source: string;
        display_name: string;
        summary: string;
        summary_kept: boolean;
        skip: string | null;
      }[]
    >`
      select id, source, display_name, summary, summary_kept, skip
      from package where name = ${name} for no key update`;
    if (row === undefined) return undefined;
    const isRenamed = displayName !== null && displayName !== row.display_name;
    const isRedescribed = isRenamed || (summary !== row.summary && !row.summary_kept);
    const isLocal = row.source === "local";
    return { id: row.id, isNew: false, isLocal, wasSkipped: row.skip !== null, isRedescribed };
  };
  const known = await find();
  if (known !== undefined) return known;
  const [made] = await tx<{ id: number }[]>`
    insert into package (name, display_name) values (${name}, ${displayName ?? name})
    on conflict (name) do nothing returning id`;
  if (made !== undefined)
    return { id: made.id, isNew: true, isLocal: false, wasSkipped: false, isRedescribed: true };
  const theirs = await find();
  if (theirs === undefined) throw new Error(`package ${name} went while it was made`);
  return theirs;
}

interface LockedProject {
  readonly id: number;
  readonly isNew: boolean;
  /** The farm's own: not upstream's. */
  readonly isLocal: boolean;
  readonly wasSkipped: boolean;
  /** What its page says beside its versions is another. */
  readonly isRedescribed: boolean;
}

async function updateProject(tx: Tx, id: number, project: RecordedProject): Promise<void> {
  const { displayName, page } = project;
  await tx`
    update package set display_name = coalesce(${displayName}, display_name),
      summary = case when summary_kept then summary else ${project.summary} end,
      skip = nullif(skip, 'deleted'),
      read_serial = greatest(read_serial, ${project.serial}), read_attempts = 0,
      page_etag = ${page?.etag ?? null}, page_modified = ${page?.modified ?? null},
      page_serial = ${page?.serial ?? null},
      look_at = case when look_at is not null
        then now() + ${page?.lookAgainMs ?? null}::float8 * interval '1 millisecond' end
    where id = ${id}`;
  if (displayName !== null && displayName !== project.name)
    await tx`
      insert into package_alias (alias, package_id) values (${displayName}, ${id})
      on conflict (alias) do nothing`;
}

/** Marks versions that are not among these as removed, with their files. Returns which they were. */
async function removeReleases(
  tx: Tx,
  packageId: number,
  releases: readonly ReleaseFacts[],
): Promise<number[]> {
  const removed = await tx<{ id: number }[]>`
    update version
    set skip = case when skip is null or skip = any(${UPSTREAM_REASONS}) then 'deleted' else skip end
    where package_id = ${packageId} and skip is distinct from 'deleted' and source = 'upstream'
      and not sort_key = any(${releases.map((release) => release.sortKey)})
    returning id`;
  const ids = removed.map((version) => version.id);
  await withdraw(tx, ids);
  return ids;
}

/**
 * The pages of a project that something was tried of. Others have nothing to show: a first load of an
 * index would ask for hundreds of thousands of them, before those that are waited for.
 */
async function requestItsPages(tx: Tx, packageId: number, name: string): Promise<boolean> {
  const [row] = await tx<{ is_shown: boolean }[]>`
    select exists (select from version v join build b on b.version_id = v.id
      where v.package_id = ${packageId}) as is_shown`;
  if (row?.is_shown !== true) return false;
  await requestPages(tx, [
    { kind: "simple", key: name },
    { kind: "project", key: name },
  ]);
  return true;
}

/** Records that upstream has no such project (any more). Its files are withdrawn, its builds cancelled. */
export const recordRemoval = request(
  {
    args: z.object({
      name: projectNameSchema,
      serial: countSchema,
      /** Should it be listed all the same, it is not asked for again before that. */
      restMs: durationSchema,
    }),
    result: z.null(),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const [row] = await tx<{ id: number; source: string }[]>`
        select id, source from package where name = ${args.name} for no key update`;
      if (row === undefined) return null;
      await markRead(tx, row.id, args.serial);
      if (row.source === "local") return null;
      const ids = await versionIds(tx, row.id);
      await lockVersions(tx, ids);
      // With versions of the farm's own it stays, with those.
      await tx`
        update package set look_at = null, page_etag = null, page_modified = null, page_serial = null,
          read_not_before = now() + ${args.restMs} * interval '1 millisecond',
          skip = case when exists (
              select from version v where v.package_id = ${row.id} and v.source = 'local'
                and v.skip is distinct from 'deleted')
            then skip else coalesce(skip, 'deleted') end
        where id = ${row.id}`;
      const removed = await tx<{ id: number }[]>`
        update version
        set skip = case when skip is null or skip = any(${UPSTREAM_REASONS}) then 'deleted' else skip end
        where package_id = ${row.id} and source = 'upstream' returning id`;
      await withdraw(
        tx,
        removed.map((version) => version.id),
      );
      await recordStanding(tx, row.id, noStanding);
      await recompute(tx, ids);
      if (await requestItsPages(tx, row.id, args.name))
        await requestPages(tx, [{ kind: "root", key: args.name }]);
      return null;
    }),
);

/** There is nothing to look for: a package that is the farm's own, or one that upstream does not have. */
async function markRead(tx: Tx, packageId: number, serial: number): Promise<void> {
  await tx`
    update package set read_serial = greatest(read_serial, ${serial}), read_attempts = 0,
      look_at = null
    where id = ${packageId}`;
}

/**
 * Returns the versions that are new or have changed: of a project with thousands these are a few. A version
 * of the farm's own that has files stays as it is: its name may be somebody else's upstream.
 */
async function upsertReleases(
  tx: Tx,
  packageId: number,
  releases: readonly ReleaseFacts[],
): Promise<number[]> {
  if (releases.length === 0) return [];
  const specifiers = [...new Set(releases.map((release) => release.requiresPython))].filter(
    (specifier) => specifier !== null,
  );
  await admitSpecifiers(tx, specifiers);
  const rows = releases.map((release) => ({
    version: release.version,
    spelling: release.spelling,
    sort_key: release.sortKey,
    prerelease: release.isPrerelease,
    released_at: release.releasedAt === null ? null : new Date(release.releasedAt).toISOString(),
    specifier: release.requiresPython,
    yanked: release.yanked,
    skip: release.skip,
    sdist_filename: release.sdist?.filename ?? null,
    sdist_url: release.sdist?.url ?? null,
    sdist_sha256: release.sdist?.sha256 ?? null,
    sdist_size_bytes: release.sdist?.sizeBytes ?? null,
    upstream_tags: [...release.upstreamTags],
  }));
  const changed = await tx<{ id: number }[]>`
    insert into version (package_id, version, spelling, sort_key, prerelease, released_at,
      requires_python_id, yanked, upstream_yanked, priority, skip, wanted, sdist_filename, sdist_url,
      sdist_sha256, sdist_size_bytes, upstream_tags)
    select ${packageId}, r.version, r.spelling, r.sort_key, r.prerelease, r.released_at,
      q.id, r.yanked, r.yanked, (select priority from package where id = ${packageId}), r.skip,
      c.follow = 'all', r.sdist_filename, r.sdist_url, r.sdist_sha256,
      r.sdist_size_bytes, r.upstream_tags
    from configuration c, jsonb_to_recordset(${tx.json(rows)}) as r(version text, spelling text,
      sort_key text, prerelease boolean, released_at timestamptz, specifier text, yanked text,
      skip text, sdist_filename text, sdist_url text, sdist_sha256 text, sdist_size_bytes bigint,
      upstream_tags text[])
    left join requires_python q on q.specifier = r.specifier
    order by r.sort_key
    on conflict (package_id, sort_key) do update set
      source = 'upstream', spelling = excluded.spelling, prerelease = excluded.prerelease,
      released_at = case when version.released_kept then version.released_at
                         else coalesce(excluded.released_at, version.released_at) end,
      requires_python_id = excluded.requires_python_id,
      upstream_yanked = excluded.upstream_yanked,
      yanked = case version.yank_word when 'yanked' then version.yanked
                                      when 'unyanked' then null
                                      else excluded.upstream_yanked end,
      yank_word = case when version.yank_word = 'unyanked' and excluded.upstream_yanked is null
                       then null else version.yank_word end,
      skip = case when version.skip is null or version.skip = any(${UPSTREAM_REASONS})
                  then excluded.skip else version.skip end,
      sdist_filename = excluded.sdist_filename, sdist_url = excluded.sdist_url,
      sdist_sha256 = excluded.sdist_sha256, sdist_size_bytes = excluded.sdist_size_bytes,
      upstream_tags = excluded.upstream_tags,
      changed_at = case when version.skip = 'deleted'
                          or (version.sdist_sha256, version.upstream_tags)
                            is distinct from (excluded.sdist_sha256, excluded.upstream_tags)
                        then now() else version.changed_at end
      where (version.source = 'upstream' or not exists (
          select from file f where f.version_id = version.id and f.removed_at is null))
        and (version.source, version.spelling, version.prerelease, version.requires_python_id,
            version.upstream_yanked, version.sdist_filename, version.sdist_url,
            version.sdist_sha256, version.sdist_size_bytes, version.upstream_tags,
            version.released_at, version.skip)
          is distinct from ('upstream', excluded.spelling, excluded.prerelease,
            excluded.requires_python_id, excluded.upstream_yanked, excluded.sdist_filename,
            excluded.sdist_url, excluded.sdist_sha256, excluded.sdist_size_bytes,
            excluded.upstream_tags,
            case when version.released_kept then version.released_at
                 else coalesce(excluded.released_at, version.released_at) end,
            case when version.skip is null or version.skip = any(${UPSTREAM_REASONS})
                 then excluded.skip else version.skip end)
    returning id`;
  return changed.map((version) => version.id);
}

/** Stores specifiers that are new, with the targets that each admits. */
async function admitSpecifiers(tx: Tx, specifiers: readonly string[]): Promise<void> {
  if (specifiers.length === 0) return;
  const fresh = await tx<{ id: number; specifier: string }[]>`
    insert into requires_python (specifier)
    select s from unnest(${[...specifiers]}::text[]) as g(s)
    where not exists (select from requires_python where specifier = s) order by s
    on conflict (specifier) do nothing returning id, specifier`;
  if (fresh.length === 0) return;
  const targets = await tx<{ id: number; python: string }[]>`
    select id, python_full_version as python from target`;

  const rows = fresh.flatMap((specifier) =>
    targets
      .filter((target) => requiresPythonAdmits(specifier.specifier, target.python))
      .map((target) => ({ requires_id: specifier.id, target_id: target.id })),
  );
  if (rows.length > 0) await tx`insert into requires_admits ${tx(rows)} on conflict do nothing`;
}

/** Files of versions that are gone are no longer published; the File Juggler removes them from the site. */
export async function withdraw(tx: Tx, versionIdList: readonly number[]): Promise<void> {
  if (versionIdList.length === 0) return;
  await tx`
    update file set removed_at = now()
    where version_id = any(${[...versionIdList]}) and removed_at is null`;
  // Should upstream bring them back they are built again, under a build tag.
  await tx`
    update build set stands = false where version_id = any(${[...versionIdList]}) and stands`;
}

async function versionIds(tx: Tx, packageId: number): Promise<number[]> {
  const rows = await tx<{ id: number }[]>`
    select id from version where package_id = ${packageId} order by id`;
  return rows.map((row) => row.id);
}
