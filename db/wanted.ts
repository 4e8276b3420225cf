/**
 * The wanted set: requirements that a limited farm builds. For each requirement and each target whose
 * environment its marker admits, the newest release that satisfies it, admits the target's Python and
 * has an sdist is wanted; a yanked one only where it is pinned, a pre-release by the rule of PEP 440.
 */
import { z } from "zod";
import { countSchema, projectNameSchema } from "../protocol/model/scalar.ts";
import { evaluateMarker } from "../protocol/packaging/marker.ts";
import { markerEnvironment } from "../protocol/packaging/marker-environment.ts";
import { parseRequirement, type Requirement } from "../protocol/packaging/requirement.ts";
import { requiresPythonAdmits } from "../protocol/packaging/requires-python.ts";
import { findVersion, selectVersions } from "../protocol/packaging/specifier.ts";
import { type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";
import { lockVersions, recompute } from "./work.ts";

/** A release that can be chosen. */
export interface Candidate {
  id: number;
  version: string;
  yanked: string | null;
  specifier: string | null;
}
export interface TargetRow {
  id: number;
  implementation: string;
  python_version: string;
  python_full_version: string;
  platform_tag: string;
}

/** Of one statement: it ends well before PostgreSQL ends it, also on a small machine. */
const WANTED_A_STATEMENT = 10_000;

/** Adds requirements, all or none of them, and has their projects read. Those that are there already count as `known`. */
export const addWanted = request(
  {
    args: z.object({
      requirements: z
        .array(z.object({ name: projectNameSchema, text: z.string().max(2_000) }))
        .max(100_000),
      /** What their releases need at run time, or to be built, is wanted too: see wanted-closure.ts. */
      withDeps: z.boolean(),
      withBuildDeps: z.boolean(),
    }),
    result: z.object({ added: countSchema, known: countSchema }),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      let added = 0;
      for (let at = 0; at < args.requirements.length; at += WANTED_A_STATEMENT)
        added += await addSome(tx, args.requirements.slice(at, at + WANTED_A_STATEMENT), args);
      return { added, known: args.requirements.length - added };
    }),
);

/**
 * In the order of their texts and names, so that two at once do not wait for each other in a circle. Returns how many
 * were not there.
 */
async function addSome(
  tx: Tx,
  requirements: readonly { readonly name: string; readonly text: string }[],
  { withDeps, withBuildDeps }: { readonly withDeps: boolean; readonly withBuildDeps: boolean },
): Promise<number> {
  const texts = requirements.map(({ text }) => text);
  const names = requirements.map(({ name }) => name);
  // Asked for again it may become more, not less: piw-remove takes away.
  await tx`
    update wanted set with_deps = with_deps or ${withDeps},
      with_build_deps = with_build_deps or ${withBuildDeps}
    where requirement in (
      select requirement from wanted
      where requirement = any(${texts})
        and ((${withDeps} and not with_deps) or (${withBuildDeps} and not with_build_deps))
      order by requirement for update)`;
  const added = await tx`
    insert into wanted (requirement, name, with_deps, with_build_deps)
    select distinct on (text) text, name, ${withDeps}::boolean, ${withBuildDeps}::boolean
    from unnest(${texts}::text[], ${names}::text[]) as r(text, name) order by text
    on conflict (requirement) do nothing returning 1`;
  await tx`
    insert into package (name, display_name)
    select distinct name, name from unnest(${names}::text[]) as r(name) order by name
    on conflict (name) do update set read_serial = -1, read_not_before = '-infinity'`;
  return added.length;
}

/**
 * Takes requirements back, each by its text as it was added or, with a name, all of that project. What
 * follows from them goes with the next `deriveWants`. Returns how many went.
 */
export const removeWanted = request(
  {
    args: z.object({ requirements: z.array(z.string().max(2_000)).max(200_000) }),
    result: z.object({ removed: countSchema }),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const texts = [...args.requirements];
      const gone = await tx<{ name: string }[]>`
        delete from wanted where requirement = any(${texts}) or name = any(${texts})
        returning name`;
      const packages = await tx<{ id: number }[]>`
        select id from package where name = any(${gone.map((row) => row.name)}) order by id`;
      for (const { id } of packages) await reselect(tx, id);
      return { removed: gone.length };
    }),
);

/** Selects what is wanted of one project anew and recomputes its versions. */
export async function reselect(tx: Tx, packageId: number): Promise<void> {
  // Waits for whoever records the project, so that its new versions are seen.
  await tx`select id from package where id = ${packageId} for share`;
  const rows = await tx<{ id: number }[]>`
    select id from version where package_id = ${packageId} order by id`;
  const ids = rows.map((row) => row.id);
  await lockVersions(tx, ids);
  await selectWanted(tx, packageId);
  await recompute(tx, ids);
}

/**
 * Marks the versions of a package that are wanted now. The caller holds their locks and recomputes.
 * Returns those for which that has changed.
 */
export async function selectWanted(tx: Tx, packageId: number): Promise<number[]> {
  const [configuration] = await tx<{ follow: string }[]>`select follow from configuration`;
  if (configuration?.follow !== "wanted") {
    const all = await tx<{ id: number }[]>`
      update version set wanted = true where package_id = ${packageId} and not wanted returning id`;
    return all.map(({ id }) => id);
  }
  const wanted = await tx<{ requirement: string; target_ids: number[] | null }[]>`
    select w.requirement, null as target_ids from wanted w join package p on p.name = w.name
    where p.id = ${packageId}
    union all
    select d.requirement, d.target_ids from derived_want d join package p on p.name = d.name
    where p.id = ${packageId}
    order by 1`;
  const candidates = await findCandidates(tx, packageId);
  const targets = await findTargets(tx);
  const chosen = new Set<number>();
  for (const { requirement, target_ids: only } of wanted) {
    const parsed = parseRequirement(requirement);
    for (const target of targets) {
      if (only !== null && !only.includes(target.id)) continue;
      const id = newest(parsed, candidates, target);
      if (id !== undefined) chosen.add(id);
    }
  }
  const ids = [...chosen];
  const changed = await tx<{ id: number }[]>`
    update version set wanted = id = any(${ids})
    where package_id = ${packageId} and wanted <> (id = any(${ids})) returning id`;
  return changed.map(({ id }) => id);
}

/**
 * Requirements that no release satisfies, for any target that their markers admit. Looks only at those
 * for which that is not plain: no version of the project is wanted, or it has several requirements.
 */
export async function unsatisfiedRequirements(sql: Tx): Promise<string[]> {
  const rows = await sql<{ requirement: string; package_id: number | null }[]>`
    select w.requirement, p.id as package_id
    from wanted w left join package p on p.name = w.name
    where (select follow from configuration) = 'wanted' and (
      not exists (select from version v where v.package_id = p.id and v.wanted)
      or exists (select from wanted o where o.name = w.name and o.requirement <> w.requirement))
    order by w.requirement`;
  const targets = rows.length === 0 ? [] : await findTargets(sql);
  const candidatesOf = new Map<number, readonly Candidate[]>();
  const unsatisfied: string[] = [];
  for (const { requirement, package_id: id } of rows) {
    if (id !== null && !candidatesOf.has(id)) candidatesOf.set(id, await findCandidates(sql, id));
    const candidates = id === null ? [] : (candidatesOf.get(id) ?? []);
    const parsed = parseRequirement(requirement);
    const meant = targets.filter((target) => evaluateMarker(parsed.marker, environmentOf(target)));
    if (meant.length > 0 && meant.every((one) => newest(parsed, candidates, one) === undefined))
      unsatisfied.push(requirement);
  }
  return unsatisfied;
}

const findCandidates = (tx: Tx, packageId: number) =>
  tx<Candidate[]>`
    select v.id, v.version, v.yanked, q.specifier
    from version v left join requires_python q on q.id = v.requires_python_id
    where v.package_id = ${packageId} and v.skip is null and v.sdist_sha256 is not null
    order by v.sort_key desc`;

export const findTargets = (tx: Tx) =>
  tx<TargetRow[]>`
    select id, implementation, python_version, python_full_version, platform_tag
    from target where skip is null`;

/** The release that a target gets; `candidates` are newest first. */
export function newest(
  requirement: Requirement,
  candidates: readonly Candidate[],
  target: TargetRow,
): number | undefined {
  if (!evaluateMarker(requirement.marker, environmentOf(target))) return undefined;
  const isPinned = requirement.specifiers.some(
    ({ operator, isPrefix }) => operator === "===" || (operator === "==" && !isPrefix),
  );
  const isEligible = ({ yanked, specifier }: Candidate): boolean =>
    (yanked === null || isPinned) && requiresPythonAdmits(specifier, target.python_full_version);
  return findVersion(candidates, requirement.specifiers, isEligible)?.id;
}

export const environmentOf = (target: TargetRow) =>
  markerEnvironment({
    implementation: target.implementation,
    pythonVersion: target.python_version,
    pythonFullVersion: target.python_full_version,
    platformTag: target.platform_tag,
  });

/**
 * Puts builds back on the queue whose missing requirement can be met by something that came after the
 * build was leased: an upstream release or wheel, or a file of the farm's own. Returns how many.
 */
export const releaseBlocked = request({ args: z.null(), result: countSchema }, async (sql) => {
  const rows = await sql<
    {
      version_id: number;
      target_id: number;
      requirement: string;
      versions: string[];
      /** As text: a Date would lose its microseconds, and the same would be looked at for ever. */
      changed_at: string;
    }[]
  >`
    -- What is new of each name first: thousands of builds may wait for one that has hundreds of versions.
    with names as materialized (
      select name, min(since) as since from blocked group by name
    ),
    news as materialized (
      select n.name, v.version, v.changed_at
      from names n
      join package p on p.name = n.name and p.skip is null
      join version v on v.package_id = p.id and v.changed_at > n.since
        and v.skip is distinct from 'deleted'
    )
    select b.version_id, b.target_id, b.requirement, array_agg(n.version) as versions,
      max(n.changed_at)::text as changed_at
    from (
      select b.* from blocked b
      where exists (select from news n where n.name = b.name and n.changed_at > b.since)
      order by b.version_id, b.target_id limit 1000
    ) b
    join news n on n.name = b.name and n.changed_at > b.since
    group by b.version_id, b.target_id, b.requirement
    order by b.version_id`;
  let released = 0;
  for (const row of rows) {
    if (!isMet(row.requirement, row.versions)) {
      // Looked at: it is not to stand in the way of others.
      await sql`
        update blocked set since = greatest(since, ${row.changed_at}::text::timestamptz)
        where version_id = ${row.version_id} and target_id = ${row.target_id}
          and requirement = ${row.requirement}`;
      continue;
    }
    released += await transaction(sql, async (tx) => {
      await lockVersions(tx, [row.version_id]);
      // One requirement that can be met is enough: a build names no more than it got to ask for.
      const gone = await tx`
        delete from blocked
        where version_id = ${row.version_id} and target_id = ${row.target_id} returning 1`;
      await recompute(tx, [row.version_id]);
      return gone.length > 0 ? 1 : 0;
    });
  }
  return released;
});

/** A requirement that cannot be read is released by anything of its name. */
function isMet(requirement: string, versions: readonly string[]): boolean {
  let parsed: Requirement;
  try {
    parsed = parseRequirement(requirement);
  } catch {
    return true;
  }
  return selectVersions(versions, parsed.specifiers).length > 0;
}
