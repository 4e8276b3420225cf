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
  version: string;
  version_id: number;
  requires_python: string | null;
  requires_dist: string[];
  resolved: ResolvedRequirement[] | null;
}

/** The newest that is neither yanked nor a pre-release, else the newest not yanked, else the newest. */
export async function chosenRelease(sql: Sql, packageId: number): Promise<ChosenRelease | null> {
  const [row] = await sql<ChosenRow[]>`
    select v.spelling as version, v.id as version_id, f.requires_python,
      f.requires_dist[1:${MAX_DEPENDENCIES + 1}] as requires_dist, b.resolved
    from version v
    join lateral (
      select * from file f
      where f.version_id = v.id and f.placed_at is not null and f.removed_at is null
      order by f.id desc limit 1) f on true
    join build b on b.token = f.token
    where v.package_id = ${packageId}
    order by v.yanked is not null, v.prerelease, v.sort_key desc limit 1`;
  if (row === undefined) return null;
  const read = row.requires_dist.slice(0, MAX_DEPENDENCIES).map(findDependency);
  const known = read.filter((each) => each !== undefined);
  const here = await sql<{ name: string }[]>`
    select name from package
    where name = any(${known.map(({ name }) => name)}) and skip is distinct from 'deleted'`;
  const names = new Set(here.map(({ name }) => name));
  return {
    version: row.version,
    requiresPython: row.requires_python,
    systemPackages: await systemPackagesOf(sql, row.version_id),
    dependencies: known.map((each) => ({ ...each, isHere: names.has(each.name) })),
    unreadDependencies: row.requires_dist.length - known.length,
    builtWith: row.resolved ?? [],
  };
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

/** By the system that the wheels were built on: a package is called otherwise on another one. */
async function systemPackagesOf(
  sql: Sql,
  versionId: number,
): Promise<ChosenRelease["systemPackages"]> {
  const rows = await sql<{ os: string; names: string[] }[]>`
    select s.os, array_agg(distinct d.name order by d.name) as names
    from file f join build b on b.token = f.token join slave s on s.id = b.slave_id
    cross join unnest(f.apt_dependencies) as d(name)
    where f.version_id = ${versionId} and f.placed_at is not null and f.removed_at is null
    group by s.os order by s.os`;
  return rows.map(({ os, names }) => ({
    manager: packageManagerOf(os),
    os,
    names: names.slice(0, MAX_SYSTEM_PACKAGES),
  }));
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
