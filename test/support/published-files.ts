/**
 * Packages with published files, made in the database by one statement each: for tests and measurements of pages,
 * which do not care how the files came. `release N` is version `N.0`; each has files for as many targets.
 */
import type { Sql } from "../../db/connection.ts";
import { versionSortKey } from "../../protocol/packaging/version.ts";
import { hello, target } from "./queue-fixture.ts";

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
  const targets = Array.from({ length: Math.min(filesPerRelease, 4) }, (_, at) => target(11 + at));
  const { slaveId, targetIds } = await hello(sql, "published", targets);
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
      cross join generate_series(1, ${Math.ceil(filesPerRelease / targets.length)}) as f`;
}
