/** One master at a time on a database: who holds it, who may take it, and what becomes of the other. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { hostname } from "node:os";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isUnavailable, openConnection, type Sql } from "../../db/connection.ts";
import { Superseded } from "../../db/database-error.ts";
import {
  admission,
  releaseLeadership,
  renewLeadership,
  sessionName,
  takeLeadership,
} from "../../db/leader.ts";
import { SCHEMA_VERSION, upgradeDatabase } from "../../db/migrate.ts";
import { isGone, ownProcess, type ProcessIdentity } from "../../db/own-process.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let sql: Sql;
beforeEach(async () => {
  database = await createTestDatabase();
  sql = database.sql;
}, 60_000);
afterEach(() => database.end());

const options = { leaderMs: 60_000, takeOver: false, log: () => undefined };
const elsewhere = (): ProcessIdentity => ({ ...ownProcess(), host: "elsewhere", place: "another" });

const epoch = async () => (await sql<{ epoch: number }[]>`select epoch from leader`)[0]?.epoch;
const expire = () => sql`update leader set expires_at = now() - interval '1 second'`;

describe("a database that a master holds", () => {
  test("refuses a second one, naming host, process and since when", async () => {
    const first = elsewhere();
    await takeLeadership(sql, first, options);
    const failure = takeLeadership(sql, ownProcess(), options);
    await expect(failure).rejects.toThrow(
      new RegExp(
        `^the master on elsewhere \\(process ${process.pid}, since 20\\d\\d-.*Z\\) works on this database already: stop it first; .* in \\d+ s, or at once with --take-over$`,
      ),
    );
    await renewLeadership(sql, first, options.leaderMs);
  });

  test("is taken by one of several that begin at once", async () => {
    const connections = Array.from({ length: 5 }, () => openConnection(database.dsn));
    const taken = await Promise.allSettled(
      connections.map((each) => takeLeadership(each, ownProcess(), options)),
    );
    expect(taken.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await epoch()).toBe(1);
    await Promise.all(connections.map((each) => each.end()));
  });

  test("is free at once when it was given back, and to nobody else's order", async () => {
    const first = elsewhere();
    await takeLeadership(sql, first, options);
    await releaseLeadership(sql, ownProcess());
    await expect(takeLeadership(sql, ownProcess(), options)).rejects.toThrow("already");
    await releaseLeadership(sql, first);
    await takeLeadership(sql, ownProcess(), options);
    expect(await epoch()).toBe(2);
  });

  test("is free at once when the process was killed on this machine, also while nobody waits for it", async () => {
    const child = spawn("sleep", ["60"]);
    await once(child, "spawn");
    const first: ProcessIdentity = { ...ownProcess(), pid: child.pid ?? 0, processStart: "1" };
    // A process of that number that began at another time is another one.
    expect(isGone(first)).toBe(true);
    await takeLeadership(sql, first, options);
    child.kill("SIGKILL");
    await once(child, "exit");
    await takeLeadership(sql, ownProcess(), options);
  });

  test("is free after the limit, from any host", async () => {
    await takeLeadership(sql, elsewhere(), options);
    await expire();
    await takeLeadership(sql, ownProcess(), options);
  });

  test("stays with its holder after the limit while nobody takes it", async () => {
    const first = ownProcess();
    await takeLeadership(sql, first, options);
    await expire();
    await renewLeadership(sql, first, options.leaderMs);
    await expect(takeLeadership(sql, elsewhere(), options)).rejects.toThrow("already");
  });

  test("is taken over at once when that is asked for, and the first one is told by whom", async () => {
    const first = elsewhere();
    await takeLeadership(sql, first, options);
    await takeLeadership(sql, ownProcess(), { ...options, takeOver: true });
    const renewal = renewLeadership(sql, first, options.leaderMs);
    await expect(renewal).rejects.toBeInstanceOf(Superseded);
    await expect(renewal).rejects.toThrow(`the master on ${hostname()} (process ${process.pid}`);
  });

  test("after a restart of the machine, is waited for no longer than the limit", async () => {
    const lines: string[] = [];
    const log = (line: string) => void lines.push(line);
    await takeLeadership(
      sql,
      { ...ownProcess(), place: "an earlier boot" },
      { ...options, leaderMs: 900 },
    );
    await takeLeadership(sql, ownProcess(), { ...options, log });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("waiting 1 s at most");
  });

  test("is refused to a namesake on another machine as soon as the first was heard of", async () => {
    const first = { ...ownProcess(), place: "another machine of that name" };
    await takeLeadership(sql, first, options);
    const other = openConnection(database.dsn);
    const renewing: NodeJS.Timeout[] = [];
    const taking = takeLeadership(other, ownProcess(), {
      ...options,
      log: () =>
        void renewing.push(setInterval(() => void renewLeadership(sql, first, 60_000), 50)),
    });
    await expect(taking).rejects.toThrow("already");
    for (const timer of renewing) clearInterval(timer);
    await other.end();
  });
});

describe("sessions of a master whose database was taken over", () => {
  const open = (task: string, me: ProcessIdentity) =>
    openConnection(database.dsn, {
      applicationName: sessionName(task, me),
      admission: admission(me),
    });

  test("are ended with what they were doing, and no later one is let in", async () => {
    const first = ownProcess();
    await takeLeadership(sql, first, options);
    const old = open("oracle-1", first);
    await old`select 1`;
    await old`begin`;
    await old`insert into wanted (requirement, name) values ('late', 'late')`;
    const second = ownProcess();
    await takeLeadership(sql, second, { ...options, takeOver: true });
    const mine = open("oracle-1", second);
    await mine`select 1`;
    await expect(old`commit`).rejects.toThrow();
    const again = old`insert into wanted (requirement, name) values ('later', 'later')`;
    await expect(again).rejects.toBeInstanceOf(Superseded);
    expect(isUnavailable(await again.catch((error: unknown) => error))).toBe(true);
    expect(await sql`select * from wanted`).toHaveLength(0);
    await mine`select 1`;
    await old.end();
    await mine.end();
  });

  test("send nothing before they are let in, however much is asked at once", async () => {
    await takeLeadership(sql, ownProcess(), options);
    // The driver holds short queries back for a moment, and sends long ones at once.
    const long = "x".repeat(5_000);
    const stranger = open("oracle-1", ownProcess());
    const asked = Array.from({ length: 20 }, (_, at) =>
      stranger
        .unsafe(`insert into wanted (requirement, name) values ('${at}', '${long}')`)
        .execute(),
    );
    for (const { status } of await Promise.allSettled(asked)) expect(status).toBe("rejected");
    expect(await sql`select * from wanted`).toHaveLength(0);
    await stranger.end();
  });
});

test("tokens go on beyond those that any master before gave out, also on an older database", async () => {
  await takeLeadership(sql, ownProcess(), options);
  const next = async () =>
    (await sql<{ token: number }[]>`select nextval('build_token') as token`)[0]?.token ?? 0;
  const token = await next();
  expect(token).toBeGreaterThan(1.7e12);
  // As a backup of the day before has it.
  await sql`select setval('build_token', 41)`;
  await takeLeadership(sql, ownProcess(), { ...options, takeOver: true });
  expect(await next()).toBeGreaterThan(token);
});

test("piw-initdb upgrades nothing while a master works, and gives rights all the same", async () => {
  const upgrade = () =>
    upgradeDatabase(database.ownerDsn, { masterRole: "piwheels", log: () => undefined });
  await takeLeadership(sql, elsewhere(), options);
  expect(await upgrade()).toBe("current");
  const older = openConnection(database.ownerDsn);
  await older`update configuration set schema_version = ${SCHEMA_VERSION - 1}`;
  await older.end();
  await expect(upgrade()).rejects.toThrow(
    /^the master on elsewhere .* works on this database: stop it first$/,
  );
});
