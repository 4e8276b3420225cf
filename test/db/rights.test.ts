/** Who may do what: the owner makes tables, the master reads and writes rows, a reader reads. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { codeOf, openConnection, type Sql } from "../../db/connection.ts";
import { upgradeDatabase } from "../../db/migrate.ts";
import { checkMasterRights } from "../../db/rights.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let owner: Sql;
let admin: Sql;
let reader: Sql;
const READER = `reader_${process.pid}`;
const WRITER = `writer_${process.pid}`;

const initdb = (readers: readonly string[]) =>
  upgradeDatabase(database.ownerDsn, { masterRole: "piwheels", readers, log: () => undefined });

const tablesOf = (sql: Sql) =>
  sql<{ name: string }[]>`
    select relname as name from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by 1`;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = openConnection(database.adminDsn);
  owner = openConnection(database.ownerDsn);
  for (const role of [READER, WRITER])
    await admin.unsafe(`create role ${role} login nosuperuser password 'secret'`);
  reader = openConnection(database.dsn.replace(/\/\/[^@/]*@/, `//${READER}:secret@`));
  await initdb([READER]);
}, 60_000);
afterAll(async () => {
  await reader.end();
  await owner.end();
  for (const role of [READER, WRITER])
    await admin.unsafe(`drop owned by ${role}; drop role ${role}`);
  await admin.end();
  await database.end();
});

/** With PostgreSQL's "insufficient privilege". */
const refused = async (work: Promise<unknown>) => expect(await work.catch(codeOf)).toBe("42501");

describe("a reader", () => {
  test("reads every table and sequence, and changes none", async () => {
    const tables = await tablesOf(admin);
    expect(tables.length).toBeGreaterThan(15);
    for (const { name } of tables) {
      await reader.unsafe(`select * from ${name} limit 1`);
      await refused(reader.unsafe(`insert into ${name} default values`));
      await refused(reader.unsafe(`delete from ${name}`));
      await refused(reader.unsafe(`truncate ${name}`));
      await refused(reader.unsafe(`alter table ${name} add column mine int`));
    }
    await refused(reader`update configuration set follow = 'wanted'`);
    await reader`select last_value from build_token`;
    await refused(reader`select nextval('build_token')`);
    await refused(reader`create table mine (id int)`);
  });

  test("also reads what the owner makes later, and changes it as little", async () => {
    await owner`create table later (id int)`;
    await reader`select * from later`;
    await refused(reader`insert into later values (1)`);
    await database.sql`insert into later values (1)`;
    await owner`drop table later`;
  });

  test("may not call what acts with the owner's rights, and the master may", async () => {
    await owner`create function act() returns int language sql security definer as 'select 1'`;
    await refused(reader`select act()`);
    await database.sql`select act()`;
    await initdb([READER]);
    await refused(reader`select act()`);
    await database.sql`select act()`;
    await owner`drop function act()`;
  });

  test("loses what was granted to it by hand", async () => {
    await owner.unsafe(`grant insert, truncate on lease to ${READER}`);
    await initdb([READER]);
    await refused(reader`truncate lease`);
  });

  test.each([
    ["nobody_here", 'there is no role "nobody_here"'],
    ["postgres", "a superuser"],
    ["piwheels", "the master's role"],
    ["piwheels_owner", "the owner of the tables"],
  ])("cannot be %s", async (role, words) => {
    await expect(initdb([role])).rejects.toThrow(words);
  });

  test("cannot be a role that may change things through another", async () => {
    await admin.unsafe(`grant insert on lease to ${WRITER}; grant ${WRITER} to ${READER}`);
    await expect(initdb([READER])).rejects.toThrow('can change "lease" through another role');
    await admin.unsafe(`revoke ${WRITER} from ${READER}`);
    await initdb([READER]);
  });
});

describe("the master", () => {
  test("writes rows and makes no tables, changes none and empties none", async () => {
    const { sql } = database;
    await sql`insert into wanted (requirement, name) values ('a', 'a')`;
    await refused(sql`create table mine (id int)`);
    await refused(sql`alter table wanted add column mine int`);
    await refused(sql`drop table wanted`);
    await refused(sql`truncate wanted`);
    await refused(sql`create index mine on wanted (name)`);
  });

  test.each([
    ["a table", "revoke update on work from piwheels", 'lacks rights on "work"'],
    [
      "a sequence",
      "revoke update on sequence build_token from piwheels",
      'lacks rights on "build_token"',
    ],
    [
      "a partitioned table",
      "create table parts (id int) partition by range (id); revoke insert on parts from piwheels",
      'lacks rights on "parts"',
    ],
    [
      "a function",
      "create function act() returns int language sql as 'select 1'; revoke execute on function act() from piwheels",
      'lacks rights on "act"',
    ],
  ])(
    "is told at its start which rights on %s it lacks, and piw-initdb mends that",
    async (_what, change, words) => {
      await owner.unsafe(change);
      await expect(checkMasterRights(database.sql)).rejects.toThrow(words);
      await initdb([]);
      await checkMasterRights(database.sql);
    },
  );

  test("lacks nothing of an extension that a superuser has added, and piw-initdb leaves that alone", async () => {
    const { sql } = database;
    await admin`create extension pg_buffercache schema public`;
    try {
      await refused(sql`select from pg_buffercache limit 1`);
      await checkMasterRights(sql);
      await initdb([READER]);
      await checkMasterRights(sql);
      await refused(sql`select from pg_buffercache limit 1`);
      await refused(reader`select from pg_buffercache_pages() as (a int) limit 1`);
    } finally {
      await admin`drop extension pg_buffercache`;
    }
  });

  test("is refused when it may make tables", async () => {
    await admin`grant create on schema public to piwheels`;
    await expect(checkMasterRights(database.sql)).rejects.toThrow("may create tables");
    await admin`revoke create on schema public from piwheels`;
    await checkMasterRights(database.sql);
  });
});
