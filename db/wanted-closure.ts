/**
 * The closure of the wanted set: what a wanted release needs at run time, by Requires-Dist of its wheel once
 * that is built, and to be built, as its slave reported it; and what that needs in turn. Each requirement
 * is followed for the targets that its marker admits, with the extras that were asked for. The Architect
 * has it derived anew at each sweep; `derived_want` is changed where it differs, and nowhere else.
 *
 * It is computed from nothing each time: what came from a release goes when that is not chosen any more,
 * and cycles end, since a requirement is followed once for each target.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { z } from "zod";
import { countSchema } from "../protocol/model/scalar.ts";
import { evaluateMarker } from "../protocol/packaging/marker.ts";
import { parseRequirement, type Requirement } from "../protocol/packaging/requirement.ts";
import { formatSpecifiers } from "../protocol/packaging/specifier.ts";
import { type Sql, type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";
import {
  type Candidate,
  environmentOf,
  findTargets,
  newest,
  reselect,
  type TargetRow,
} from "./wanted.ts";

/** Steps from what was asked for; real ones have about ten. */
const MAX_DEPTH = 40;
/** Of all; what goes beyond is not followed. */
const MAX_DERIVED = 100_000;
const MAX_REQUIREMENT_CHARS = 1_000;
const MAX_ORIGINS = 10;
/** Thousands of requirements take a while: others on this event loop are let in so often. */
const SLICE_MS = 8;

/** A requirement that is followed, for some targets. */
interface Want {
  readonly requirement: Requirement;
  readonly targets: readonly TargetRow[];
  readonly withDeps: boolean;
  readonly withBuildDeps: boolean;
  readonly depth: number;
}

interface Derived {
  readonly name: string;
  readonly targetIds: Set<number>;
  readonly origins: Set<string>;
  readonly depth: number;
}

/** What a release that was chosen says of what it needs. */
interface Needs {
  id: number;
  package: string;
  version: string;
  build_requires: string[] | null;
  files: { targets: number[]; requires: string[] }[];
}

/** Makes `derived_want` and what it selects what the facts say. A farm that follows everything derives nothing. */
export const deriveWants = request(
  {
    args: z.null(),
    result: z.object({
      /** Projects for which something changed. */
      changed: countSchema,
      derived: countSchema,
    }),
    slow: true,
  },
  async (sql) => {
    const derived = await closure(sql);
    const before = await sql<{ name: string; rows: string; origins: string }[]>`
      select name, jsonb_object_agg(requirement, to_jsonb(target_ids))::text as rows,
        jsonb_object_agg(requirement, to_jsonb(origins))::text as origins
      from derived_want group by name`;
    const held = new Map(
      before.map(({ name, rows, origins }) => [
        name,
        {
          rows: canonical(JSON.parse(rows) as Record<string, number[]>),
          origins: canonical(JSON.parse(origins) as Record<string, string[]>),
        },
      ]),
    );
    const byName = grouped(derived, ([, { name }]) => name);
    let changed = 0;
    for (const name of new Set([...held.keys(), ...byName.keys()].sort())) {
      const rows = byName.get(name) ?? [];
      const targets = canonical(
        Object.fromEntries(rows.map(([text, { targetIds }]) => [text, sorted(targetIds)])),
      );
      const origins = canonical(
        Object.fromEntries(rows.map(([text, each]) => [text, [...each.origins].sort()])),
      );
      const known = held.get(name);
      if (known?.rows !== targets) {
        await replace(sql, name, rows);
        changed += 1;
      } else if (known.origins !== origins) await retell(sql, rows);
    }
    return { changed, derived: derived.size };
  },
);

/** One project in one transaction: what is derived for it, and the choice that follows from that. */
async function replace(
  sql: Sql,
  name: string,
  rows: readonly (readonly [string, Derived])[],
): Promise<void> {
  await transaction(sql, async (tx) => {
    const [known] = await tx<{ id: number }[]>`
      insert into package (name, display_name) values (${name}, ${name})
      on conflict (name) do update set name = excluded.name returning id`;
    await tx`delete from derived_want where name = ${name}`;
    for (const [text, { targetIds, origins, depth }] of rows)
      await tx`
        insert into derived_want (requirement, name, target_ids, origins, depth)
        values (${text}, ${name}, ${sorted(targetIds)}, ${[...origins].sort()}, ${depth})
        on conflict (requirement) do nothing`;
    if (known !== undefined) await reselect(tx, known.id);
  });
}

/** Where the requirements of one project come from now; nothing else follows from that. */
async function retell(sql: Sql, rows: readonly (readonly [string, Derived])[]): Promise<void> {
  for (const [text, { origins, depth }] of rows)
    await sql`
      update derived_want set origins = ${[...origins].sort()}, depth = ${depth}
      where requirement = ${text}`;
}

/** By requirement, without markers. */
async function closure(sql: Sql): Promise<Map<string, Derived>> {
  const derived = new Map<string, Derived>();
  let sliceBeganAt = performance.now();
  const breathe = async (): Promise<void> => {
    if (performance.now() - sliceBeganAt < SLICE_MS) return;
    await nextTurn();
    sliceBeganAt = performance.now();
  };
  const roots = await sql<{ requirement: string; deps: boolean; build: boolean }[]>`
    select requirement, with_deps as deps, with_build_deps as build from wanted
    where (with_deps or with_build_deps) and (select follow from configuration) = 'wanted'
    order by requirement`;
  if (roots.length === 0) return derived;
  const allTargets = await findTargets(sql);
  const candidates = new Map<string, readonly Candidate[]>();
  /** Targets for which a requirement was followed, by its text and what is followed from it. */
  const followed = new Map<string, Set<number>>();
  let level: Want[] = roots.map(({ requirement, deps, build }) => ({
    requirement: parseRequirement(requirement),
    targets: allTargets,
    withDeps: deps,
    withBuildDeps: build,
    depth: 0,
  }));
  while (level.length > 0) {
    await findAllCandidates(sql, level, candidates);
    const chosen: { want: Want; releases: Map<number, TargetRow[]> }[] = [];
    for (const want of level) {
      const known = candidates.get(want.requirement.name) ?? [];
      chosen.push({ want, releases: chooseEach(want, known) });
      await breathe();
    }
    const ids = chosen.flatMap(({ releases }) => [...releases.keys()]);
    const needs = await findNeeds(sql, [...new Set(ids)]);
    const next: Want[] = [];
    for (const { want, releases } of chosen) {
      await breathe();
      for (const [id, targets] of releases) {
        const release = needs.get(id);
        if (release === undefined) continue;
        for (const need of needsOf(want, release, targets)) {
          const text = textOf(need.requirement);
          if (text.length > MAX_REQUIREMENT_CHARS) continue;
          const known = derived.get(text);
          if (known === undefined && derived.size >= MAX_DERIVED) continue;
          const entry = known ?? {
            name: need.requirement.name,
            targetIds: new Set(),
            origins: new Set(),
            depth: need.depth,
          };
          derived.set(text, entry);
          for (const target of need.targets) entry.targetIds.add(target.id);
          if (entry.origins.size < MAX_ORIGINS) entry.origins.add(need.origin);
          const key = `${text} ${need.withDeps} ${need.withBuildDeps}`;
          const seen = followed.get(key) ?? new Set();
          followed.set(key, seen);
          const fresh = need.targets.filter((target) => !seen.has(target.id));
          for (const target of fresh) seen.add(target.id);
          if (fresh.length > 0 && need.depth < MAX_DEPTH) next.push({ ...need, targets: fresh });
        }
      }
    }
    level = next;
  }
  return derived;
}

/** Which release each target gets. */
function chooseEach(
  { requirement, targets }: Want,
  candidates: readonly Candidate[],
): Map<number, TargetRow[]> {
  const releases = new Map<number, TargetRow[]>();
  for (const target of targets) {
    const id = newest(requirement, candidates, target);
    if (id !== undefined) releases.set(id, [...(releases.get(id) ?? []), target]);
  }
  return releases;
}

/** What follows from one release for these targets, a requirement for each text. */
function* needsOf(
  want: Want,
  release: Needs,
  targets: readonly TargetRow[],
): Generator<Want & { origin: string }> {
  const origin = `${release.package} ${release.version}`;
  const depth = want.depth + 1;
  if (want.withDeps)
    for (const [text, meant] of requiresOf(release, targets)) {
      const requirement = readRequirement(text);
      const admitted = requirement && meant.filter((one) => admits(requirement, one, want));
      if (requirement === undefined || admitted === undefined || admitted.length === 0) continue;
      const { withDeps, withBuildDeps } = want;
      yield {
        requirement: plain(requirement),
        targets: admitted,
        withDeps,
        withBuildDeps,
        depth,
        origin,
      };
    }
  if (want.withBuildDeps)
    for (const text of release.build_requires ?? []) {
      const requirement = readRequirement(text);
      const admitted = requirement && targets.filter((one) => admits(requirement, one));
      if (requirement === undefined || admitted === undefined || admitted.length === 0) continue;
      const build = {
        requirement: plain(requirement),
        targets: admitted,
        depth,
        origin: `${origin} (build)`,
      };
      // A build environment is an installation: it takes what its packages need at run time.
      yield { ...build, withDeps: true, withBuildDeps: true };
    }
}

/** The requirements of the first wheel that fits each target. */
function requiresOf(release: Needs, targets: readonly TargetRow[]): Map<string, TargetRow[]> {
  const meant = new Map<string, TargetRow[]>();
  for (const target of targets) {
    const file = release.files.find((each) => each.targets.includes(target.id));
    for (const text of new Set(file?.requires))
      meant.set(text, [...(meant.get(text) ?? []), target]);
  }
  return meant;
}

/** A marker may ask for one of the extras that were asked for. */
function admits(requirement: Requirement, target: TargetRow, want?: Want): boolean {
  const environment = environmentOf(target);
  return ["", ...(want?.requirement.extras ?? [])].some((extra) =>
    evaluateMarker(requirement.marker, { ...environment, extra }),
  );
}

/** Undefined for what is none, and for what names a place: only projects can be followed. */
function readRequirement(text: string): Requirement | undefined {
  try {
    const requirement = parseRequirement(text);
    return requirement.url === undefined ? requirement : undefined;
  } catch {
    return undefined;
  }
}

/** What its marker says is in the targets by now; whoever chooses a release knows no extras. */
const plain = ({ marker: _marker, ...requirement }: Requirement): Requirement => requirement;

const textOf = ({ name, extras, specifiers }: Requirement): string =>
  `${name}${extras.length === 0 ? "" : `[${extras.join(",")}]`}${formatSpecifiers(specifiers)}`;

async function findAllCandidates(
  sql: Tx,
  level: readonly Want[],
  known: Map<string, readonly Candidate[]>,
): Promise<void> {
  const names = [...new Set(level.map((want) => want.requirement.name))].filter(
    (name) => !known.has(name),
  );
  for (const name of names) known.set(name, []);
  const rows = await sql<(Candidate & { name: string })[]>`
    select p.name, v.id, v.version, v.yanked, q.specifier
    from version v join package p on p.id = v.package_id
    left join requires_python q on q.id = v.requires_python_id
    where p.name = any(${names}) and v.skip is null and v.sdist_sha256 is not null
    order by p.name, v.sort_key desc`;
  for (const [name, each] of grouped(rows, (row) => row.name)) known.set(name, each);
}

async function findNeeds(sql: Tx, ids: readonly number[]): Promise<Map<number, Needs>> {
  const rows = await sql<Needs[]>`
    select v.id, p.name as package, v.version, v.build_requires,
      coalesce((
        select jsonb_agg(jsonb_build_object('requires', to_jsonb(f.requires_dist), 'targets',
          (select coalesce(jsonb_agg(distinct c.target_id), '[]') from tag_covers c
           where c.tag = any(f.tags))) order by f.id)
        from file f where f.version_id = v.id and f.removed_at is null), '[]') as files
    from version v join package p on p.id = v.package_id
    where v.id = any(${[...ids]})`;
  return new Map(rows.map((row) => [row.id, row]));
}

function grouped<K, V>(values: Iterable<V>, keyOf: (value: V) => K): Map<K, V[]> {
  const groups = new Map<K, V[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}

const sorted = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b);

const canonical = (rows: Readonly<Record<string, readonly (number | string)[]>>): string =>
  JSON.stringify(Object.entries(rows).sort(([a], [b]) => (a < b ? -1 : 1)));
