import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openConnection, type Sql } from "../../db/connection.ts";
import {
  checkSchema,
  readSchemaVersion,
  SCHEMA_VERSION,
  type UpgradeOptions,
  upgradeDatabase,
} from "../../db/migrate.ts";
import { checkMasterRights } from "../../db/rights.ts";
import { SchemaError } from "../../db/schema-error.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const lines: string[] = [];
const options: UpgradeOptions = { masterRole: "piwheels", log: (line) => lines.push(line) };
const databases: TestDatabase[] = [];

async function emptyDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase({ schema: false });
  databases.push(database);
  return database;
}

/** A database at the present version. */
async function currentDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  databases.push(database);
  return database;
}

async function as<T>(dsn: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = openConnection(dsn);
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

/** Stays empty: whoever uses it is refused. */
let bare: TestDatabase;
// The first file that asks starts the server.
beforeAll(async () => {
  bare = await emptyDatabase();
}, 60_000);
afterAll(async () => {
  await Promise.all(databases.map((database) => database.end()));
});

describe("piw-initdb's work", { timeout: 10_000 }, () => {
  test("makes an empty database one that the master accepts, and says each step", async () => {
    const database = await emptyDatabase();
    await expect(checkSchema(database.sql)).rejects.toThrow("run piw-initdb");
    lines.length = 0;
    expect(await upgradeDatabase(database.ownerDsn, options)).toBe("created");
    expect(lines.length).toBe(SCHEMA_VERSION);
    expect(await readSchemaVersion(database.sql)).toBe(SCHEMA_VERSION);
    await checkSchema(database.sql);
    await checkMasterRights(database.sql);
    const asOwner = as(database.ownerDsn, (sql) => checkMasterRights(sql));
    await expect(asOwner).rejects.toThrow("the owner of the tables");
  });

  test("done again changes nothing and asks nobody", async () => {
    const database = await currentDatabase();
    const again = await upgradeDatabase(database.ownerDsn, {
      ...options,
      confirm: () => Promise.reject(new Error("asked")),
    });
    expect(again).toBe("current");
  });

  test("gives a second role its rights on a database that is current", async () => {
    const database = await currentDatabase();
    await as(database.adminDsn, (sql) => sql.unsafe("revoke insert on lease from piwheels"));
    await expect(checkMasterRights(database.sql)).rejects.toThrow('lacks rights on "lease"');
    await upgradeDatabase(database.ownerDsn, options);
    await checkMasterRights(database.sql);
  });

  test("changes nothing when the answer is no, and the question says what would be done", async () => {
    const outcome = await upgradeDatabase(bare.ownerDsn, {
      ...options,
      confirm: (plan) => {
        expect(plan).toEqual({
          database: expect.stringContaining('database "test_') as string,
          from: 0,
          to: SCHEMA_VERSION,
        });
        return Promise.resolve(false);
      },
    });
    expect([outcome, await readSchemaVersion(bare.sql)]).toEqual(["refused", 0]);
  });

  test("started twice at once is done once", async () => {
    const database = await emptyDatabase();
    const outcomes = await Promise.all([
      upgradeDatabase(database.ownerDsn, options),
      upgradeDatabase(database.ownerDsn, options),
    ]);
    expect(outcomes.toSorted()).toEqual(["created", "current"]);
  });

  test("that fails in the middle leaves nothing", async () => {
    const database = await emptyDatabase();
    // The name of one of the tables to come is taken.
    await as(database.ownerDsn, (sql) => sql.unsafe("create view lease as select 1"));
    await expect(upgradeDatabase(database.ownerDsn, options)).rejects.toThrow(
      '"lease" already exists',
    );
    expect(await readSchemaVersion(database.sql)).toBe(0);
  });

  test("refuses to go back", async () => {
    const database = await currentDatabase();
    await as(
      database.ownerDsn,
      (sql) => sql`update configuration set schema_version = schema_version + 1`,
    );
    const newer = `newer than this program's ${SCHEMA_VERSION}`;
    await expect(upgradeDatabase(database.ownerDsn, options)).rejects.toThrow(newer);
    await expect(checkSchema(database.sql)).rejects.toThrow(newer);
  });

  test("tells the master of an older version to have it upgraded", async () => {
    const database = await currentDatabase();
    await as(database.ownerDsn, (sql) => sql`update configuration set schema_version = -1`);
    await expect(checkSchema(database.sql)).rejects.toThrow("run piw-initdb");
  });

  test.each([
    ["no such role", { masterRole: "nobody_here" }, "create it (createuser nobody_here)"],
    ["a superuser as the master's role", { masterRole: "postgres" }, "superuser"],
    ["the owner as the master's role", { masterRole: "piwheels_owner" }, "another role"],
    ["a name that wants to be SQL", { masterRole: 'x"; drop table lease; --' }, "no role"],
  ])("refuses %s in one line", async (_title, change, words) => {
    const failure = upgradeDatabase(bare.ownerDsn, { ...options, ...change });
    await expect(failure).rejects.toThrow(words);
    await expect(failure).rejects.toBeInstanceOf(SchemaError);
  });

  test.each([
    [
      "a role that may not create tables",
      (d: TestDatabase) => d.dsn,
      { masterRole: "piwheels_owner" },
      "as the role that owns it",
    ],
    [
      "a database that does not exist",
      (d: TestDatabase) => d.ownerDsn.replace(/\/test_\w+/, "/none_here"),
      {},
      "createdb none_here",
    ],
    [
      "a server that is not there",
      () => "postgres:///x?host=/nonexistent",
      {},
      "no database answers at /nonexistent",
    ],
  ])("refuses %s in one line", async (_title, dsn, change, words) => {
    await expect(upgradeDatabase(dsn(bare), { ...options, ...change })).rejects.toThrow(words);
  });
});

test("the master does not run as a superuser", { timeout: 5_000 }, async () => {
  const database = await currentDatabase();
  await as(database.adminDsn, async (sql) => {
    await expect(checkMasterRights(sql)).rejects.toThrow("superuser");
  });
});
