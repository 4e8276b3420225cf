/**
 * The release of a project that an installer would choose of those that have files here, and what it needs: for
 * the head of the project's page (views-project.ts).
 */
import type { ResolvedRequirement } from "../protocol/model/build.ts";
import type { ChosenRelease, Dependency, PackageManager } from "../protocol/model/project-page.ts";
import { splitExtra } from "../protocol/packaging/extra-marker.ts";
import { formatMarker } from "../protocol/packaging/marker.ts";
import { formatRequirement, parseRequirement } from "../protocol/packaging/requirement.ts";
import type { Sql } from "./connection.ts";

/** More than anybody reads. */
const MAX_DEPENDENCIES = 300;
const MAX_SYSTEM_PACKAGES = 200;

interface ChosenRow {
  package_id: number;
  version: string;
  version_id: number;
  requires_python: string | null;
  requires_dist: string[];
  resolved: ResolvedRequirement[] | null;
}

/**
 * By package: the newest that is neither yanked nor a pre-release, else the newest not yanked, else the newest. None
 * for a package without a file.
 */
export async function chosenReleases(
  sql: Sql,
  packageIds: readonly number[],
): Promise<ReadonlyMap<number, ChosenRelease>> {
  if (packageIds.length === 0) return new Map();
  const rows = await sql<ChosenRow[]>`
    select g.id as package_id, r.*
    from unnest(${[...packageIds]}::int[]) as g(id)
    cross join lateral (
      select v.spelling as version, v.id as version_id, f.requires_python,
        f.requires_dist[1:${MAX_DEPENDENCIES + 1}] as requires_dist, b.resolved
      from version v
      join lateral (
        select * from file f
        where f.version_id = v.id and f.placed_at is not null and f.removed_at is null
        order by f.id desc limit 1) f on true
      join build b on b.token = f.token
      where v.package_id = g.id
      order by v.yanked is not null, v.prerelease, v.sort_key desc limit 1) r`;
  const read = rows.map((row) => ({
    row,
    known: row.requires_dist
      .slice(0, MAX_DEPENDENCIES)
      .map(findDependency)
      .filter((each) => each !== undefined),
  }));
  const here = await namesHere(
    sql,
    read.flatMap(({ known }) => known.map(({ name }) => name)),
  );
  const systemPackages = await systemPackagesOf(
    sql,
    rows.map((row) => row.version_id),
  );
  return new Map(
    read.map(({ row, known }) => [
      row.package_id,
      {
        version: row.version,
        requiresPython: row.requires_python,
        systemPackages: systemPackages.get(row.version_id) ?? [],
        dependencies: known.map((each) => ({ ...each, isHere: here.has(each.name) })),
        unreadDependencies: row.requires_dist.length - known.length,
        builtWith: row.resolved ?? [],
      },
    ]),
  );
}

async function namesHere(sql: Sql, names: readonly string[]): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const rows = await sql<{ name: string }[]>`
    select name from package
    where name = any(${[...new Set(names)]}) and skip is distinct from 'deleted'`;
  return new Set(rows.map(({ name }) => name));
}

function findDependency(text: string): Omit<Dependency, "isHere"> | undefined {
  try {
    const { marker, ...requirement } = parseRequirement(text);
    const { extra, rest } = splitExtra(marker);
    return {
      name: requirement.name,
      text: formatRequirement(requirement),
      marker: rest === undefined ? "" : formatMarker(rest),
      extra,
    };
  } catch {
    // Metadata says what it will; that there is more is counted.
    return undefined;
  }
}

/** By version, and by the system that the wheels were built on: a package is called otherwise on another one. */
async function systemPackagesOf(
  sql: Sql,
  versionIds: readonly number[],
): Promise<ReadonlyMap<number, ChosenRelease["systemPackages"]>> {
  const rows = await sql<{ version_id: number; os: string; names: string[] }[]>`
    select f.version_id, s.os, array_agg(distinct d.name order by d.name) as names
    from file f join build b on b.token = f.token join slave s on s.id = b.slave_id
    cross join unnest(f.apt_dependencies) as d(name)
    where f.version_id = any(${[...versionIds]}) and f.placed_at is not null and f.removed_at is null
    group by f.version_id, s.os order by f.version_id, s.os`;
  const packages = new Map<number, ChosenRelease["systemPackages"][number][]>();
  for (const { version_id: id, os, names } of rows)
    packages.set(id, [
      ...(packages.get(id) ?? []),
      { manager: packageManagerOf(os), os, names: names.slice(0, MAX_SYSTEM_PACKAGES) },
    ]);
  return packages;
}

/** By the name of the system, as its os-release gives it. */
export function packageManagerOf(os: string): PackageManager {
  if (/alpine|postmarket|wolfi|chimera/i.test(os)) return "apk";
  if (/suse/i.test(os)) return "zypper";
  if (/fedora|red hat|rhel|centos|rocky|alma|oracle linux|amazon linux/i.test(os)) return "dnf";
  if (/debian|ubuntu|raspbian|raspberry pi|mint|armbian|devuan|kali|pop!_os/i.test(os))
    return "apt";
  return "other";
}
