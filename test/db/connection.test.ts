import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  codeOf,
  isConnectionLost,
  isRetryable,
  isUnavailable,
  openConnection,
  type Sql,
  transaction,
} from "../../db/connection.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let admin: Sql;
const opened: Sql[] = [];
const uncaught: unknown[] = [];
const note = (error: unknown) => uncaught.push(error);

beforeAll(async () => {
  process.on("uncaughtException", note);
  process.on("unhandledRejection", note);
  database = await createTestDatabase({ schema: false });
  admin = openConnection(database.adminDsn);
  await admin`create table note (text text not null)`;
  await admin`grant all on note to piwheels`;
}, 60_000);

afterAll(async () => {
  await Promise.all(opened.map((sql) => sql.end()));
  await admin.end();
  await database.end();
  process.off("uncaughtException", note).off("unhandledRejection", note);
  expect(uncaught).toEqual([]);
});

const open = (options: Parameters<typeof openConnection>[1] = {}, dsn = database.dsn): Sql => {
  const sql = openConnection(dsn, options);
  opened.push(sql);
  return sql;
};

const backendOf = async (sql: Pick<Sql, "unsafe">): Promise<number> => {
  const [row] = await sql.unsafe<{ pid: number }[]>("select pg_backend_pid() as pid");
  return row?.pid ?? 0;
};
/** Ends a backend and waits until it is gone. */
const terminate = (pid: number) => admin`select pg_terminate_backend(${pid}, 5000)`;
const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("values", () => {
  test.each([
    ["a bigint is a number", "select 9007199254740991::bigint as v", 9007199254740991],
    ["a sum of bigints is a number", "select sum(x::bigint) as v from generate_series(1, 4) x", 10],
    ["a count is a number", "select count(*) as v from generate_series(1, 4)", 4],
    ["an array of bigints is numbers", "select array[1, null, 3]::bigint[] as v", [1, null, 3]],
    [
      "an array of texts is texts",
      `select '{"a\\"b","c,d","",NULL,"NULL"}'::text[] as v`,
      ['a"b', "c,d", "", null, "NULL"],
    ],
    [
      "arrays nest",
      "select array[[1,2],[3,4]] as v",
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ["an array with bounds is its elements", "select '[0:1]={7,8}'::int[] as v", [7, 8]],
    ["json is parsed", `select '{"a":[1]}'::jsonb as v`, { a: [1] }],
    [
      "an instant is a Date",
      "select timestamptz '2024-02-29 12:00:00.5+02' as v",
      new Date("2024-02-29T10:00:00.5Z"),
    ],
  ])("%s", async (_title, query, expected) => {
    const [row] = await database.sql.unsafe(query);
    expect(row?.["v"]).toEqual(expected);
  });

  test("a bigint that JavaScript cannot hold is an error, not another number", async () => {
    await expect(database.sql`select 9007199254740993::bigint as v`).rejects.toThrow("beyond 2^53");
    expect(await database.sql`select 1 as v`).toEqual([{ v: 1 }]);
  });

  test("arrays come back as they were sent", async () => {
    const texts = ["", "a,b", '{"', "\\", "NULL", "ü\n"];
    const [row] =
      await database.sql`select ${texts}::text[] as texts, ${[3, 1]}::bigint[] as ids, ${[]}::text[] as none`;
    expect(row).toEqual({ texts, ids: [3, 1], none: [] });
  });

  test("a parameter that cannot be sent fails alone, also among others", async () => {
    const sql = open();
    const forgotten = undefined as unknown as string;
    const results = await Promise.allSettled([
      sql`select 1 as v`,
      sql`select ${forgotten}::text as v`,
      sql`select ${new Date(Number.NaN)}::timestamptz as v`,
      sql`select 2 as v`,
    ]);
    expect(results.map((result) => result.status)).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
      "fulfilled",
    ]);
    expect(await sql`select 3 as v`).toEqual([{ v: 3 }]);
  });
});

describe("a transaction", () => {
  test("is stored as a whole, and its result returned", async () => {
    const result = await transaction(open(), async (tx) => {
      await tx`insert into note values ('whole 1')`;
      await tx`insert into note values ('whole 2')`;
      return "done";
    });
    expect(result).toBe("done");
    expect(await admin`select count(*) as n from note where text like 'whole %'`).toEqual([
      { n: 2 },
    ]);
  });

  test("leaves nothing when its work throws, and the connection serves on", async () => {
    const sql = open();
    const work = transaction(sql, async (tx) => {
      await tx`insert into note values ('thrown')`;
      throw new Error("mine");
    });
    await expect(work).rejects.toThrow("mine");
    expect(await sql`select 1 from note where text = 'thrown'`).toEqual([]);
  });

  test("fails with the query's own error when a failed query was swallowed", async () => {
    const work = transaction(open(), async (tx) => {
      await tx`insert into note values ('swallowed')`;
      await failureOf(tx`select 1 / 0`);
      return "looks well";
    });
    await expect(work).rejects.toThrow("division by zero");
  });

  test("fails, and nothing else does, when a failing query was not waited for", async () => {
    const work = transaction(open(), async (tx) => {
      void tx`select 1 / 0`.execute();
      return Promise.resolve();
    });
    await expect(work).rejects.toThrow("division by zero");
  });

  test("runs one after the other on one connection, with the queries between", async () => {
    const sql = open();
    const seen: string[] = [];
    const one = (name: string) =>
      transaction(sql, async (tx) => {
        seen.push(`${name} begins`);
        await tx`select pg_sleep(0.01)`;
        seen.push(`${name} ends`);
      });
    await Promise.all([one("a"), sql`select 1`.then(() => seen.push("query")), one("b")]);
    expect(seen.filter((entry) => entry !== "query")).toEqual([
      "a begins",
      "a ends",
      "b begins",
      "b ends",
    ]);
  });

  test("takes no query after its end", async () => {
    const sql = open();
    let late: (() => Promise<unknown>) | undefined;
    await transaction(sql, (tx) => {
      late = async () => tx`insert into note values ('late')`;
      return Promise.resolve();
    });
    await expect(late?.()).rejects.toThrow("after the end of its transaction");
  });

  test("that another one made impossible says that it may be run again", async () => {
    const [one, two] = [open(), open()];
    await admin`insert into note values ('serial')`;
    const bump = (sql: Sql, meanwhile: () => Promise<unknown>) =>
      transaction(
        sql,
        async (tx) => {
          await tx`select * from note where text = 'serial'`;
          await meanwhile();
          await tx`update note set text = 'serial' where text = 'serial'`;
        },
        { isolation: "repeatable read" },
      );
    const error = await failureOf(bump(one, () => bump(two, () => Promise.resolve())));
    expect([isRetryable(error), isConnectionLost(error), isUnavailable(error)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test("that waited too long for a lock of another says that it may be run again, and then it may", async () => {
    const [one, two] = [open(), open({ lockTimeoutMs: 50 })];
    await admin`insert into note values ('locked')`;
    const touch = (sql: Sql) =>
      transaction(sql, (tx) => tx`update note set text = 'locked' where text = 'locked'`);
    const error = await transaction(one, async (tx) => {
      await tx`select * from note where text = 'locked' for update`;
      return failureOf(touch(two));
    });
    expect(codeOf(error)).toBe("55P03");
    expect([isRetryable(error), isConnectionLost(error), isUnavailable(error)]).toEqual([
      true,
      false,
      false,
    ]);
    await touch(two);
  });
});

describe("a backend that is terminated", () => {
  const classes = (error: unknown) => ({
    lost: isConnectionLost(error),
    unavailable: isUnavailable(error),
    retryable: isRetryable(error),
  });
  const lost = { lost: true, unavailable: false, retryable: false };

  test("in a query is that query's error, and the next one gets a new session", async () => {
    const sql = open();
    const pid = await backendOf(sql);
    const query = failureOf(sql`select pg_sleep(30)`);
    await terminate(pid);
    expect(classes(await query)).toEqual(lost);
    expect(await backendOf(sql)).not.toBe(pid);
  });

  test("while idle is noticed, and the next query gets a new session", async () => {
    let tell: (error: Error) => void = () => undefined;
    const noticed = new Promise<Error>((resolve) => {
      tell = resolve;
    });
    const sql = open({ onLost: (error) => tell(error) });
    const pid = await backendOf(sql);
    await terminate(pid);
    expect((await noticed).message).toContain("closed the connection");
    expect(await backendOf(sql)).not.toBe(pid);
  });

  test("in a query of a transaction loses all of it, and no later query of it is run", async () => {
    const sql = open();
    const later: unknown[] = [];
    const work = transaction(sql, async (tx) => {
      await tx`insert into note values ('lost in a query')`;
      const pid = await backendOf(tx);
      const query = failureOf(tx`select pg_sleep(30)`);
      await terminate(pid);
      later.push(await query);
      later.push(await failureOf(tx`insert into note values ('lost in a query')`));
      later.push(await failureOf(tx.unsafe("insert into note values ('lost in a query')")));
    });
    expect(classes(await failureOf(work))).toEqual(lost);
    await expect.poll(() => later.length).toBe(3);
    expect(later.map(classes)).toEqual([lost, lost, lost]);
    expect(await sql`select 1 from note where text = 'lost in a query'`).toEqual([]);
  });

  test("between two queries of a transaction rejects it at once, though its work waits on", async () => {
    const sql = open();
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let started: (pid: number) => void = () => undefined;
    const begun = new Promise<number>((resolve) => {
      started = resolve;
    });
    let late: unknown;
    const work = transaction(sql, async (tx) => {
      started(await backendOf(tx));
      await held;
      late = await failureOf(tx`insert into note values ('lost between')`);
    });
    const failed = failureOf(work);
    await terminate(await begun);
    expect(classes(await failed)).toEqual(lost);
    release();
    await expect.poll(() => classes(late)).toEqual(lost);
    expect(await sql`select 1 from note where text = 'lost between'`).toEqual([]);
  });

  test("with others waiting fails what was under way; all of them end", {
    timeout: 5_000,
  }, async () => {
    const sql = open();
    const pid = await backendOf(sql);
    const waiting = [
      failureOf(sql`select pg_sleep(30)`),
      failureOf(transaction(sql, (tx) => tx`select 1`)),
      failureOf(sql`select 2`),
      failureOf(transaction(sql, (tx) => tx`select 3`)),
    ];
    await terminate(pid);
    expect((await Promise.all(waiting)).map((error) => isConnectionLost(error))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(await sql`select 4 as v`).toEqual([{ v: 4 }]);
  });

  test("many times in any moment is never an uncaught exception and never a hang", {
    timeout: 20_000,
  }, async () => {
    const sql = open();
    const outcomes = { done: 0, lost: 0 };
    let over = false;
    const asker = async () => {
      while (!over) {
        const error = await failureOf(
          transaction(sql, async (tx) => {
            await tx`select pg_sleep(0.001)`;
            await Promise.all([tx`select 1`, tx`select 2`]);
          }),
        );
        if (error === undefined) outcomes.done += 1;
        else if (isConnectionLost(error) || isUnavailable(error)) outcomes.lost += 1;
        else throw new Error("it is neither lost nor unavailable", { cause: error });
      }
    };
    const askers = [asker(), asker(), asker()];
    for (let round = 0; round < 15; round += 1)
      await admin`
        select pg_terminate_backend(pid, 1000) from pg_stat_activity
        where datname = current_database() and usename = 'piwheels' and ${round} >= 0`;
    over = true;
    await Promise.all(askers);
    expect(outcomes.lost).toBeGreaterThan(0);
    expect(await sql`select 1 as v`).toEqual([{ v: 1 }]);
  });
});

describe("limits of a session", () => {
  test("a statement that takes too long is ended, and the connection serves on", async () => {
    const sql = open({ statementTimeoutMs: 50 });
    const pid = await backendOf(sql);
    await expect(sql`select pg_sleep(30)`).rejects.toThrow("statement timeout");
    expect(await backendOf(sql)).toBe(pid);
  });

  test("a transaction that idles too long loses its session", async () => {
    const sql = open({ idleInTransactionTimeoutMs: 50 });
    const work = transaction(sql, async (tx) => {
      await tx`select 1`;
      // A query of `sql` waits for the transaction, which waits for it.
      await sql`select 1`;
    });
    expect(isConnectionLost(await failureOf(work))).toBe(true);
  });
});

describe("an end", () => {
  test("waits for what is under way", async () => {
    const sql = open();
    const query = sql<{ v: number }[]>`select 1 as v from pg_sleep(0.05)`.execute();
    const work = transaction(sql, (tx) => tx`select 2 as v`);
    await sql.end();
    expect([await query, await work]).toEqual([[{ v: 1 }], [{ v: 2 }]]);
  });

  test("ends at its deadline whatever is under way", async () => {
    const sql = open();
    await sql`select 1`;
    const query = failureOf(sql`select pg_sleep(30)`);
    const work = failureOf(transaction(sql, (tx) => tx`select pg_sleep(30)`));
    await sql.end({ timeoutMs: 20 });
    expect([isConnectionLost(await query), isConnectionLost(await work)]).toEqual([true, true]);
  });

  test("may be said twice, before anything was asked too, and refuses what comes later", async () => {
    const sql = open();
    await sql.end();
    await sql.end();
    expect(isConnectionLost(await failureOf((async () => sql`select 1`)()))).toBe(true);
    expect(
      isConnectionLost(await failureOf((async () => transaction(sql, (tx) => tx`select 1`))())),
    ).toBe(true);
  });
});

describe("a database that is not there", () => {
  test.each([
    ["no socket", "postgres:///x?host=/nonexistent"],
    ["nobody on the port", "postgres://127.0.0.1:1/x"],
    ["no such host", "postgres://host.invalid/x"],
  ])("%s: every query says so, and none hangs", { timeout: 5_000 }, async (_title, dsn) => {
    const sql = open({ connectTimeoutMs: 2_000 }, dsn);
    const errors = await Promise.all([
      failureOf(sql`select 1`),
      failureOf(sql`select 2`),
      failureOf(transaction(sql, (tx) => tx`select 3`)),
    ]);
    expect(errors.map((error) => isUnavailable(error))).toEqual([true, true, true]);
    expect(isUnavailable(await failureOf(sql`select 4`))).toBe(true);
  });

  test.each([
    ["a wrong password", (dsn: string) => dsn.replace(/:[^:@]+@/, ":wrong@")],
    ["no such role", (dsn: string) => dsn.replace("//piwheels:", "//nobody:")],
    ["no such database", (dsn: string) => dsn.replace(/\/test_\w+/, "/none")],
  ])("%s is no lost connection", async (_title, change) => {
    const sql = open({}, change(database.dsn));
    const error = await failureOf(sql`select 1`);
    expect([isUnavailable(error), isConnectionLost(error)]).toEqual([true, false]);
    expect(isUnavailable(await failureOf(transaction(sql, (tx) => tx`select 1`)))).toBe(true);
  });
});

test("a notification reaches the session that listens, and a loss is told, since it listens no more", async () => {
  const heard: string[] = [];
  const losses: Error[] = [];
  const sql = open({
    onNotify: (channel, payload) => heard.push(`${channel}: ${payload}`),
    onLost: (error) => losses.push(error),
  });
  await sql`listen work`;
  await admin`select pg_notify('work', '7')`;
  await expect.poll(() => heard).toEqual(["work: 7"]);
  await terminate(await backendOf(sql));
  await expect.poll(() => losses.length).toBe(1);
});

describe("memory", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;

  test("a session that lives long holds nothing of the transactions that are over", async () => {
    const sql = open();
    const heapAfter = async (transactions: number) => {
      for (let done = 0; done < transactions; done += 1)
        await transaction(sql, (tx) => tx`select 1`);
      // What is settled is let go of in the turns that follow.
      for (let turn = 0; turn < 5; turn += 1) {
        await new Promise(setImmediate);
        collect();
      }
      return process.memoryUsage().heapUsed;
    };
    const before = await heapAfter(200);
    // At some 3 kB each it would be 6 MB.
    expect((await heapAfter(2_000)) - before).toBeLessThan(2_000_000);
  });

  test("a connection that has ended is let go, also where it was the first to run a statement", async () => {
    const useOne = async () => {
      // Held by the driver's client for as long as that lives.
      const onNotice = () => undefined;
      const sql = openConnection(database.dsn, { onNotice });
      await sql`select 'run here alone'`;
      await sql.end();
      return new WeakRef(onNotice);
    };
    const trace = await useOne();
    await expect
      .poll(() => {
        collect();
        return trace.deref() === undefined;
      })
      .toBe(true);
  });
});
