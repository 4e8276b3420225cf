/** A database of the first version, with a farm's data in it, upgraded to the newest. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openConnection } from "../../db/connection.ts";
import { SCHEMA_VERSION, upgradeDatabase } from "../../db/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import {
  compared,
  hash,
  hello,
  lease,
  recordProject,
  release,
  run,
  settle,
  simplePageOf,
  target,
  wheel,
} from "../support/queue-fixture.ts";

/** What a farm of that version left: one built, one failed, one leased, one yanked, one wanted. */
const DATA = `
  update configuration set schema_version = 1, upstream_serial = 77;
  insert into target (name, implementation, python_version, python_full_version, abi_tag,
      platform_tag, rank, requeue_from)
    values ('cp311-linux_x86_64', 'CPython', '3.11', '3.11.2', 'cp311', 'linux_x86_64', 3011, null);
  insert into tag_covers select t, 1 from unnest(array['py3-none-any', 'cp311-cp311-linux_x86_64']) as g(t);
  insert into package (name, display_name, summary, seen_serial, read_serial)
    values ('pkg', 'Pkg', 'as it was', 70, 70);
  insert into package_alias (alias, package_id) values ('Pkg', 1);
  insert into slave (identity, slot, label, product_version, hostname, os, board)
    values ('a', 'main', 'a', '1', 'a', 'Linux', '');
  insert into slave_target values (1, 1);
  insert into wanted values ('pkg>=1', 'pkg');
  insert into page_request (kind, key) values ('home', '')`;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ schema: false });
}, 60_000);
afterAll(() => database.end());

it("keeps what was built, failed, leased and yanked, and the farm goes on with it", {
  timeout: 30_000,
}, async () => {
  const { sql, ownerDsn } = database;
  const owner = openConnection(ownerDsn, { onNotice: () => undefined });
  try {
    await owner.unsafe(
      readFileSync(new URL("../../db/schema/0001-farm.sql", import.meta.url), "utf8"),
    );
    await owner.unsafe(DATA);
    for (const [at, version] of ["1.0", "2.0", "3.0", "4.0"].entries()) {
      const { sortKey } = release(version);
      await owner`
        insert into version (package_id, version, spelling, sort_key, prerelease, yanked, wanted,
          sdist_filename, sdist_url, sdist_sha256, sdist_size_bytes)
        values (1, ${version}, ${version}, ${sortKey}, false,
          ${version === "2.0" ? "broken" : null}, true, ${`pkg-${version}.tar.gz`},
          ${`http://upstream/pkg-${version}.tar.gz`}, ${hash(version)}, 100)`;
      const token = at + 1;
      await owner`
        insert into build (token, version_id, target_id, slave_id, settled_at, outcome, cause, stands)
        select ${token}, ${token}, 1, 1, case when s then now() end, o, c, s
        from (values (1, true, 'published', 'built'), (2, true, 'failed', 'build-failed'),
          (3, false, null, null)) as b(t, s, o, c) where t = ${token}`;
    }
    await owner.unsafe(`
      insert into file (version_id, token, filename, sha256, size_bytes, tags, metadata_sha256, placed_at)
        values (1, 1, 'pkg-1.0-py3-none-any.whl', '${hash("file")}', 20, '{py3-none-any}',
          '${hash("metadata")}', now());
      insert into lease values (3, 3, 1, 1, now() + interval '1 hour');
      insert into work (version_id, target_id, state, ord) values (3, 1, 'leased', 0), (4, 1, 'ready', 0);
      select setval('build_token', 3)`);
  } finally {
    await owner.end();
  }

  const steps: string[] = [];
  const options = { masterRole: "piwheels", log: (line: string) => void steps.push(line) };
  expect(await upgradeDatabase(ownerDsn, options)).toBe("upgraded");
  expect(steps).toHaveLength(SCHEMA_VERSION - 1);

  const { is, mustBe } = await compared(sql);
  expect(is).toEqual(mustBe);
  expect(is.map((row) => String(row).split(" ").slice(0, 3).join(" "))).toEqual([
    "3.0 cp311-linux_x86_64 leased",
    "4.0 cp311-linux_x86_64 ready",
  ]);
  expect((await simplePageOf(sql, "pkg"))?.files).toHaveLength(1);
  expect(await run(sql, "upstreamSerial", null)).toBe(77);
  expect(await sql`select yanked, upstream_yanked from version where version = '2.0'`).toEqual([
    { yanked: "broken", upstream_yanked: "broken" },
  ]);

  // What is under way is delivered, what is left is built, and upstream's yank is still upstream's.
  const slave = await hello(sql, "a", [target(11)], { running: [3] });
  expect(slave.drop).toEqual([]);
  const done = await settle(sql, slave, 3, {}, [wheel("3.0", "py3-none-any")]);
  expect(done.outcome).toBe("published");
  expect((await lease(sql, slave))?.order.version).toBe("4.0");
  await recordProject(
    sql,
    "pkg",
    ["1.0", "2.0", "3.0", "4.0"].map((version) => release(version)),
    80,
  );
  expect(await sql`select yanked from version where version = '2.0'`).toEqual([{ yanked: null }]);
});
