/** What an import leaves in the database, and what becomes of it when upstream speaks. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { withdrawFile } from "../../db/audit.ts";
import { versionSortKey } from "../../protocol/packaging/version.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import {
  hash,
  hello,
  lease,
  release,
  run,
  settle,
  target,
  wheel,
} from "../support/queue-fixture.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, 90_000);
afterAll(() => database.end());

const py3 = (name: string, version: string, sha256 = hash(`${name}${version}`)) => ({
  ...wheel(version, "py3-none-any"),
  filename: `${name}-${version}-py3-none-any.whl`,
  sha256,
});

async function importOne(name: string, version: string, file = py3(name, version)) {
  const { sql } = database;
  const asked = {
    key: createHash("sha256")
      .update(file.filename + file.sha256)
      .digest("hex"),
    package: name,
    version,
    sortKey: versionSortKey(version),
  };
  const opened = await run(sql, "openImport", {
    ...asked,
    target: null,
    files: [{ filename: file.filename, sha256: file.sha256, tags: ["py3-none-any"] }],
    productVersion: "1",
    host: "workshop",
  });
  if (opened.delivery === null) return { opened, settled: null, token: null };
  const { token, slaveId, target: name_ } = opened.delivery;
  const settled = await run(sql, "settleImport", {
    token,
    slaveId,
    package: name,
    displayName: name,
    version,
    sortKey: asked.sortKey,
    isPrerelease: false,
    target: name_,
    message: "imported",
    durationMs: 0,
    files: [file],
    log: null,
  });
  return { opened, settled, token };
}

const standing = async (name: string) =>
  (
    await database.sql<{ filename: string }[]>`
      select filename from file f join version v on v.id = f.version_id
      join package p on p.id = v.package_id
      where p.name = ${name} and f.removed_at is null order by filename`
  ).map((row) => row.filename);

const recorded = (name: string, versions: string[]) =>
  run(database.sql, "recordProject", {
    name,
    displayName: name,
    summary: "",
    serial: 1,
    releases: versions.map((version) => release(version)),
  });

it("an import of what upstream does not know is kept, whatever upstream says later", async () => {
  const { sql } = database;
  await hello(sql, "one", [target(11)]);
  const { settled, opened } = await importOne("inhouse", "1.0");
  expect(settled).toMatchObject({ outcome: "published", target: "cp311-linux_x86_64" });
  expect(opened.delivery?.source).toBe("import");
  expect(await run(sql, "unreadProjects", { limit: 10 })).toEqual([]);

  await recorded("inhouse", ["2.0"]);
  expect(await standing("inhouse")).toEqual(["inhouse-1.0-py3-none-any.whl"]);
  // The same version upstream: the farm's own stays, and is not built.
  await recorded("inhouse", ["1.0", "2.0"]);
  const queued = await sql<{ version: string }[]>`
    select v.version from work w join version v on v.id = w.version_id
    join package p on p.id = v.package_id where p.name = 'inhouse'`;
  expect(queued.map((row) => row.version)).toEqual(["2.0"]);
  await run(sql, "recordRemoval", { name: "inhouse", serial: 5, restMs: 0 });
  expect(await standing("inhouse")).toEqual(["inhouse-1.0-py3-none-any.whl"]);
  expect(
    await sql`select from work w join version v on v.id = w.version_id
    join package p on p.id = v.package_id where p.name = 'inhouse'`,
  ).toEqual([]);
});

it("an import into a release of upstream's goes with it when upstream removes it", async () => {
  await recorded("theirs", ["1.0", "2.0"]);
  await importOne("theirs", "1.0");
  expect(await standing("theirs")).toHaveLength(1);
  await recorded("theirs", ["2.0"]);
  expect(await standing("theirs")).toEqual([]);
});

it("an import of what upstream had removed brings it back as the farm's own", async () => {
  const { sql } = database;
  const facts = async () =>
    (
      await sql<{ package: string | null; version: string; skip: string | null; source: string }[]>`
        select p.skip as package, v.version, v.skip, v.source from version v
        join package p on p.id = v.package_id where p.name = 'gone' order by v.version`
    ).map((row) => ({ ...row }));
  await hello(sql, "finder", [target(11)]);
  await recorded("gone", ["1.0", "2.0"]);
  await run(sql, "recordRemoval", { name: "gone", serial: 5, restMs: 0 });
  const removed = (version: string) => ({
    ...{ package: "deleted", version },
    ...{ skip: "deleted", source: "upstream" },
  });
  expect(await facts()).toEqual([removed("1.0"), removed("2.0")]);

  const { settled } = await importOne("gone", "1.0");
  expect(settled?.outcome).toBe("published");
  expect(await facts()).toEqual([
    { package: null, version: "1.0", skip: "binary only", source: "local" },
    { ...removed("2.0"), package: null },
  ]);
  await run(sql, "recordRemoval", { name: "gone", serial: 6, restMs: 0 });
  expect(await standing("gone")).toEqual(["gone-1.0-py3-none-any.whl"]);
});

it("an import makes good a build that failed, and wins over one under way", async () => {
  const { sql } = database;
  const slave = await hello(sql, "builder", [target(11)]);
  await recorded("hard", ["1.0"]);
  let picked = await lease(sql, slave);
  while (picked !== null && picked.order.package !== "hard") {
    await settle(sql, slave, picked.order.token, { cause: "build-failed" });
    picked = await lease(sql, slave);
  }
  await importOne("hard", "1.0");
  const report = await run(sql, "queueReport", null);
  expect(report.rows.find((row) => row.package === "hard")?.state).toBe("imported");
  const late = await settle(sql, slave, picked?.order.token ?? 0, {}, [
    py3("hard", "1.0", hash("late")),
  ]);
  expect(late.outcome).toBe("superseded");
  expect(await standing("hard")).toHaveLength(1);
});

it("said again it is the same build; with other contents its name stands in the way", async () => {
  const { sql } = database;
  const first = await importOne("same", "1.0");
  const second = await importOne("same", "1.0");
  expect(second.opened.delivery).toMatchObject({ token: first.token, isSettled: true });
  expect(second.settled).toEqual(first.settled);
  const other = await importOne("same", "1.0", py3("same", "1.0", hash("other")));
  expect(other.settled?.outcome).toBe("superseded");
  expect(
    await run(sql, "importedFiles", {
      token: other.token,
      files: [{ filename: "same-1.0-py3-none-any.whl", sha256: hash("other") }],
    }),
  ).toEqual([{ filename: "same-1.0-py3-none-any.whl", state: "superseded" }]);
});

it("a file that an audit withdraws is built again, under a build tag", async () => {
  const { sql } = database;
  const slave = await hello(sql, "rebuilder", [target(11)]);
  await recorded("again", ["1.0"]);
  let picked = await lease(sql, slave);
  while (picked !== null && picked.order.package !== "again") {
    await settle(sql, slave, picked.order.token, { cause: "build-failed" });
    picked = await lease(sql, slave);
  }
  await settle(sql, slave, picked?.order.token ?? 0, {}, [py3("again", "1.0")]);
  const [file] = await sql<{ id: number }[]>`
    select id from file where filename = 'again-1.0-py3-none-any.whl'`;
  expect(await lease(sql, slave)).toBeNull();
  expect(await withdrawFile(sql, file?.id ?? 0)).toBe(true);
  expect(await withdrawFile(sql, file?.id ?? 0)).toBe(false);
  const next = await lease(sql, slave);
  expect(next?.order).toMatchObject({ package: "again", version: "1.0", buildTag: "1" });
});
