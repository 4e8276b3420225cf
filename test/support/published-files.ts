/**
 * Packages with published files, made in the database by one statement each: for tests and measurements of pages,
 * which do not care how the files came. `release N` is version `N.0`; each has files for as many targets.
 */
import type { Sql } from "../../db/connection.ts";
import { requests } from "../../db/requests.ts";
import { versionSortKey } from "../../protocol/packaging/version.ts";

export interface PublishedFarm {
  /** Of names `PREFIX-000001` and on. */
  readonly packages: number;
  readonly releases: number;
  readonly filesPerRelease: number;
  readonly prefix?: string;
}

export const publishedName = (at: number, prefix = "pkg"): string =>
  `${prefix}-${String(at).padStart(6, "0")}`;

export async function publishFiles(
  sql: Sql,
  { packages, releases, filesPerRelease, prefix = "pkg" }: PublishedFarm,
): Promise<void> {
  const targetCount = Math.min(filesPerRelease, 4);
  const { slaveId, targetIds } = await requests.helloSlave.run(sql, {
    identity: "published",
    slot: "main",
    label: "published",
    productVersion: "1",
    host: { os: "Linux", board: "", hostname: "published", cores: 1 },
    targets: Array.from({ length: targetCount }, (_, at) => ({
      name: `cp3${11 + at}-linux_x86_64`,
      implementation: "CPython",
      pythonVersion: `3.${11 + at}`,
      pythonFullVersion: `3.${11 + at}.1`,
      abiTag: `cp3${11 + at}`,
      platformTag: "linux_x86_64",
      tags: [`cp3${11 + at}-cp3${11 + at}-linux_x86_64`, "py3-none-any"],
    })),
    running: [],
    finished: [],
    leaseMs: 60_000,
    retry: { baseMs: 1_000, maxMs: 60_000, maxAttempts: 3 },
  });
  const name = sql`${prefix} || '-' || lpad(p::text, 6, '0')`;
  await sql`
    insert into package (name, display_name, summary)
    select ${name}, ${name}, 'A package of which there are many, with a line on what it is'
    from generate_series(1, ${packages}) as p`;
  const versions = Array.from({ length: releases }, (_, at) => `${at + 1}.0`);
  await sql`
    insert into version (package_id, version, spelling, sort_key, prerelease, wanted, released_at,
      sdist_filename, sdist_url, sdist_sha256, sdist_size_bytes)
    select p.id, v.version, v.version, v.sort_key, false, true, now(),
      'x.tar.gz', 'http://127.0.0.1/x.tar.gz', '', 1
    from package p, unnest(${versions}::text[], ${versions.map(versionSortKey)}::text[]) as v(version, sort_key)
    where p.name like ${`${prefix}-%`}
    order by p.id, v.sort_key`;
  await sql`
    with made as (
      insert into build (token, version_id, target_id, slave_id, settled_at, cause, outcome, stands, duration_ms)
      select nextval('build_token'), v.id, t.id, ${slaveId}, now(), 'built', 'published', true, 1000
      from version v join package p on p.id = v.package_id
        cross join unnest(${[...targetIds]}::int[]) as t(id)
      where p.name like ${`${prefix}-%`}
      returning token, version_id, target_id
    )
    insert into file (version_id, token, filename, sha256, size_bytes, tags, requires_python,
      metadata_sha256, settled_at, placed_at)
    select v.id, m.token,
      replace(p.name, '-', '_') || '-' || v.version || '-cp3' || m.target_id || f || '-cp3' || m.target_id || f || '-linux_x86_64.whl',
      md5(m.token::text || f) || md5(f || m.token::text), 123456, array['cp311-cp311-linux_x86_64'], '>=3.8',
      md5(f || m.token::text) || md5(m.token::text || f), now(), now()
    from made m join version v on v.id = m.version_id join package p on p.id = v.package_id
      cross join generate_series(1, ${Math.ceil(filesPerRelease / targetCount)}) as f`;
}
