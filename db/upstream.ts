/**
 * What upstream has, as the Cloud Gazer records it: first which projects changed (the changelog and
 * its serial, in one transaction), then what each of them is now (its releases). The state of a
 * project is taken whole, so events may be repeated, late or out of order without harm.
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
import { requiresPythonAdmits } from "../protocol/packaging/requires-python.ts";
import { type Tx, transaction } from "./connection.ts";
import { requestPages } from "./pages.ts";
import { request } from "./request.ts";
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

const unreadProjectSchema = z.object({
  name: z.string(),
  seenSerial: countSchema,
  attempts: countSchema,
});
export type UnreadProject = Immutable<z.infer<typeof unreadProjectSchema>>;

const changedProjectSchema = z.object({
  name: projectNameSchema,
  spelling: projectNameSchema,
  serial: countSchema,
});
type ChangedProject = Immutable<z.infer<typeof changedProjectSchema>>;
/** More than an index tells of at once; a message has no room for more. */
const changedProjectsSchema = z.array(changedProjectSchema).max(100_000);

/** Skip reasons that come from upstream and go when upstream changes; others are an operator's. */
const UPSTREAM_REASONS = ["binary only", "no hash", "deleted"];

export const upstreamSerial = request({ args: z.null(), result: countSchema }, async (sql) => {
  const [row] = await sql<{ upstream_serial: number }[]>`select upstream_serial from configuration`;
  return row?.upstream_serial ?? 0;
});

/** Begins the following anew from a listing: upstream's serials have gone backwards. */
export const resetSerial = request({ args: z.null(), result: z.null() }, async (sql) => {
  await transaction(sql, async (tx) => {
    await tx`update package set seen_serial = 0, read_serial = -1`;
    await tx`update configuration set upstream_serial = 0`;
  });
  return null;
});

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

/** Selects what is wanted of one project anew and recomputes its versions. */
export async function reselect(tx: Tx, packageId: number): Promise<void> {
  // Waits for whoever records the project, so that its new versions are seen.
  await tx`select id from package where id = ${packageId} for share`;
  const ids = await versionIds(tx, packageId);
  await lockVersions(tx, ids);
  await selectWanted(tx, packageId);
  await recompute(tx, ids);
}

/**
 * Takes up a stretch of the changelog: these projects changed, and the serial moves from `from` to
 * `to`. Where the serial is not `from` any more, nothing happens: the stretch was taken up before.
 * A farm that follows a wanted set takes up only what it knows already.
 */
export const recordChanges = request(
  {
    args: z.object({ from: countSchema, to: countSchema, projects: changedProjectsSchema }),
    result: z.object({ moved: z.boolean() }),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const moved = await tx`
        update configuration set upstream_serial = ${args.to}
        where upstream_serial = ${args.from} returning 1`;
      if (moved.length === 0) return { moved: false };
      await noteChanges(tx, args.projects);
      return { moved: true };
    }),
);

/** Records projects of a whole listing as changed, without moving the serial: the first load. */
export const recordListing = request(
  { args: z.object({ projects: changedProjectsSchema }), result: z.null() },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      await noteChanges(tx, args.projects);
      return null;
    }),
);

/** Marks projects as changed: all of them, or in a farm that follows a wanted set those it knows. */
async function noteChanges(tx: Tx, projects: readonly ChangedProject[]): Promise<void> {
  const [configuration] = await tx<{ follow: string }[]>`select follow from configuration`;
  const rows = tx.json(projects.map((project) => ({ ...project })));
  if (configuration?.follow === "all")
    await tx`
      insert into package (name, display_name, seen_serial)
      select r.name, r.spelling, r.serial
      from jsonb_to_recordset(${rows}) as r(name text, spelling text, serial bigint)
      order by r.name
      on conflict (name) do update
        set seen_serial = greatest(package.seen_serial, excluded.seen_serial),
          read_not_before = '-infinity', read_attempts = 0`;
  else
    await tx`
      update package p set seen_serial = greatest(p.seen_serial, r.serial),
        read_not_before = '-infinity', read_attempts = 0
      from jsonb_to_recordset(${rows}) as r(name text, serial bigint)
      where p.name = r.name`;
}

/** Projects whose recorded state is older than what the changelog said of them, oldest change first. */
export const unreadProjects = request(
  {
    args: z.object({ limit: z.int().positive().max(10_000) }),
    result: z.array(unreadProjectSchema),
  },
  async (sql, args) => [
    ...(await sql<UnreadProject[]>`
      select name, seen_serial as "seenSerial", read_attempts as attempts from package
      where read_serial < seen_serial and read_not_before <= now()
      order by seen_serial, id limit ${args.limit}`),
  ],
);

/** Puts off the next reading of a project: it could not be read, or what was read was too old. */
export const postponeProject = request(
  {
    args: z.object({
      name: projectNameSchema,
      delayMs: durationSchema,
      /** Whether it counts towards believing what is odd: a 404, a page that is too old. */
      isCounted: z.boolean(),
    }),
    result: z.null(),
  },
  async (sql, args) => {
    await sql`
      update package set read_attempts = read_attempts + ${args.isCounted ? 1 : 0},
        read_not_before = now() + ${args.delayMs} * interval '1 millisecond'
      where name = ${args.name}`;
    return null;
  },
);

/**
 * Records what a project is now: its releases, and by their absence what was removed. Locks the
 * package and all its versions, then recomputes the queue for them.
 */
export const recordProject = request(
  {
    args: z.object({
      name: projectNameSchema,
      displayName: projectNameSchema,
      summary: z.string().max(2_000),
      /** The serial that the state stands for. */
      serial: countSchema,
      releases: z.array(releaseFactsSchema).max(100_000),
    }),
    result: z.object({ releases: countSchema, removed: countSchema }),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      await tx`select pg_advisory_xact_lock_shared(${TARGETS_LOCK}::bigint)`;
      const [row] = await tx<{ id: number }[]>`
        insert into package (name, display_name) values (${args.name}, ${args.displayName})
        on conflict (name) do update set name = excluded.name returning id`;
      const packageId = row?.id ?? 0;
      // The stronger lock: this may take back or set the package's own skip.
      await tx`select id from package where id = ${packageId} for no key update`;
      await lockVersions(tx, await versionIds(tx, packageId));
      await tx`
        update package set display_name = ${args.displayName}, summary = ${args.summary},
          skip = case when skip = 'deleted' then null else skip end,
          read_serial = greatest(read_serial, ${args.serial}), read_attempts = 0
        where id = ${packageId}`;
      await tx`
        insert into package_alias (alias, package_id) values (${args.displayName}, ${packageId})
        on conflict (alias) do update set seen_at = now()`;
      await upsertReleases(tx, packageId, args.releases);
      const removed = await tx<{ id: number }[]>`
        update version
        set skip = case when skip is null or skip = any(${UPSTREAM_REASONS}) then 'deleted' else skip end
        where package_id = ${packageId} and skip is distinct from 'deleted'
          and not sort_key = any(${args.releases.map((release) => release.sortKey)})
        returning id`;
      await withdraw(
        tx,
        removed.map((version) => version.id),
      );
      await selectWanted(tx, packageId);
      await recompute(tx, await versionIds(tx, packageId));
      await requestPages(tx, [
        { kind: "simple", key: args.name },
        { kind: "project", key: args.name },
        { kind: "home", key: "" },
      ]);
      return { releases: args.releases.length, removed: removed.length };
    }),
);

/** Records that upstream has no such project (any more). Its files are withdrawn, its builds cancelled. */
export const recordRemoval = request(
  { args: z.object({ name: projectNameSchema, serial: countSchema }), result: z.null() },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const [row] = await tx<{ id: number }[]>`
        select id from package where name = ${args.name} for no key update`;
      if (row === undefined) return null;
      const ids = await versionIds(tx, row.id);
      await lockVersions(tx, ids);
      await tx`
        update package set skip = coalesce(skip, 'deleted'),
          read_serial = greatest(read_serial, ${args.serial}), read_attempts = 0
        where id = ${row.id}`;
      await tx`
        update version
        set skip = case when skip is null or skip = any(${UPSTREAM_REASONS}) then 'deleted' else skip end
        where package_id = ${row.id}`;
      await withdraw(tx, ids);
      await recompute(tx, ids);
      await requestPages(tx, [
        { kind: "simple", key: args.name },
        { kind: "project", key: args.name },
        { kind: "root", key: "" },
        { kind: "home", key: "" },
      ]);
      return null;
    }),
);

async function upsertReleases(
  tx: Tx,
  packageId: number,
  releases: readonly ReleaseFacts[],
): Promise<void> {
  if (releases.length === 0) return;
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
  await tx`
    insert into version (package_id, version, spelling, sort_key, prerelease, released_at,
      requires_python_id, yanked, skip, wanted, sdist_filename, sdist_url, sdist_sha256,
      sdist_size_bytes, upstream_tags)
    select ${packageId}, r.version, r.spelling, r.sort_key, r.prerelease, r.released_at,
      q.id, r.yanked, r.skip, false, r.sdist_filename, r.sdist_url, r.sdist_sha256,
      r.sdist_size_bytes, r.upstream_tags
    from jsonb_to_recordset(${tx.json(rows)}) as r(version text, spelling text, sort_key text,
      prerelease boolean, released_at timestamptz, specifier text, yanked text, skip text,
      sdist_filename text, sdist_url text, sdist_sha256 text, sdist_size_bytes bigint,
      upstream_tags text[])
    left join requires_python q on q.specifier = r.specifier
    order by r.sort_key
    on conflict (package_id, sort_key) do update set
      spelling = excluded.spelling, prerelease = excluded.prerelease,
      released_at = coalesce(excluded.released_at, version.released_at),
      requires_python_id = excluded.requires_python_id, yanked = excluded.yanked,
      skip = case when version.skip is null or version.skip = any(${UPSTREAM_REASONS})
                  then excluded.skip else version.skip end,
      sdist_filename = excluded.sdist_filename, sdist_url = excluded.sdist_url,
      sdist_sha256 = excluded.sdist_sha256, sdist_size_bytes = excluded.sdist_size_bytes,
      upstream_tags = excluded.upstream_tags,
      changed_at = case when (version.sdist_sha256, version.upstream_tags)
                          is distinct from (excluded.sdist_sha256, excluded.upstream_tags)
                        then now() else version.changed_at end`;
}

/** Stores specifiers that are new, with the targets that each admits. */
async function admitSpecifiers(tx: Tx, specifiers: readonly string[]): Promise<void> {
  const fresh = await tx<{ id: number; specifier: string }[]>`
    insert into requires_python (specifier)
    select s from unnest(${[...specifiers]}::text[]) as g(s) order by s
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
async function withdraw(tx: Tx, versionIdList: readonly number[]): Promise<void> {
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
