/**
 * The database taken away under load: killed with -9 and stopped at once, several times by a seed, while
 * slaves deliver, the index changes and tools ask; away for a while; full of connections; read-only; with
 * another password. Nothing is lost, tasks say `degraded` and go on by themselves.
 */
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openConnection, type Sql } from "../../db/connection.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../db/embedded.ts";
import { ensureFarmDatabase } from "../../db/farm-database.ts";
import { upgradeDatabase } from "../../db/migrate.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { seededRandom } from "../../supervisor/index.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

const SEED = Number(process.env["SEED"] ?? 4);

let folder: string;
let server: EmbeddedPostgres;
let upstream: SampleUpstream;
let farm: TestFarm;
let sql: Sql;

const startServer = () =>
  startEmbeddedPostgres({
    folder: join(folder, "postgres"),
    log: () => undefined,
    allowRoot: true,
  });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "ww-fault-"));
  chmodSync(folder, 0o755);
  server = await startServer();
  const { ownerDsn, masterDsn, masterRole } = await ensureFarmDatabase(server);
  await upgradeDatabase(ownerDsn, { masterRole, log: () => undefined });
  sql = openConnection(masterDsn);
  upstream = await startSampleUpstream({ files: [] });
  farm = new TestFarm({ dsn: masterDsn, upstream, shape: "whole" });
  await farm.startMaster();
  await farm.until("upstream is followed", (report) => report.followed);
}, 90_000);
afterEach(async () => {
  await farm.end();
  await upstream.close();
  await sql.end();
  await server.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}, 60_000);

async function takeAway(signal: "SIGKILL" | "SIGQUIT", whileAway: () => Promise<void>) {
  const gone = server.exited;
  process.kill(server.pid, signal);
  await gone;
  await whileAway();
  server = await startServer();
}

const publish = (version: string, buildMs = 100) =>
  upstream.publish(slowSdist({ name: "slow", version, buildMs, payloadBytes: 300_000 }));

const degraded = async () =>
  (await farm.tasks()).filter((task) => task.degraded?.reason.startsWith("database:"));

async function until(what: string, fits: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await fits())) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}\n${farm.logs()}`);
    await delay(50);
  }
}

/** Every version stands once, its file is there, and nothing else is. */
async function expectEach(versions: readonly string[]): Promise<void> {
  await farm.until(
    "all is built and published",
    (report) =>
      report.rows.filter(({ state }) => state === "built").length === versions.length &&
      report.ready + report.leased + report.waiting + report.unpublished === 0,
    120_000,
  );
  const wheels = versions.map((version) => `slow-${version}-py3-none-any.whl`).sort();
  const files = await sql<{ filename: string }[]>`
    select filename from file where placed_at is not null order by filename collate "C"`;
  expect(files.map((file) => file.filename)).toEqual(wheels);
  const standing = await sql`select from build where stands`;
  expect(standing).toHaveLength(versions.length);
  expect(await sql`select from lease`).toHaveLength(0);
  const published = readdirSync(join(farm.output, "simple", "slow"));
  expect(published.filter((name) => name.endsWith(".whl")).sort()).toEqual(wheels);
}

describe("PostgreSQL", () => {
  it(`killed and stopped at once under load, at moments of seed ${SEED}: nothing is lost, nobody else ends`, async () => {
    const random = seededRandom(SEED, "database");
    const versions: string[] = [];
    const add = (count: number) => {
      for (let at = 0; at < count; at += 1) {
        versions.push(`1.${versions.length}`);
        publish(versions.at(-1) ?? "");
      }
    };
    add(4);
    await Promise.all([farm.startSlave(1), farm.startSlave(2)]);
    const pids = [farm.pidOf("master"), farm.pidOf("slave-1"), farm.pidOf("slave-2")];
    const over = new AbortController();
    // Tools that ask all the while; they may be told that the database is away, and nothing worse.
    const asking = (async () => {
      while (!over.signal.aborted) {
        await farm.report().catch(() => undefined);
        await delay(20);
      }
    })();
    await farm.until("builds are settled", ({ rows }) =>
      rows.some(({ state }) => state === "built"),
    );
    for (let round = 0; round < 4; round += 1) {
      await delay(random() * 1_200);
      add(1);
      await takeAway(random() < 0.5 ? "SIGKILL" : "SIGQUIT", async () => add(1));
    }
    await expectEach(versions);
    over.abort();
    await asking;
    expect([farm.pidOf("master"), farm.pidOf("slave-1"), farm.pidOf("slave-2")]).toEqual(pids);
    expect(["master", "slave-1", "slave-2"].every((part) => farm.isRunning(part as never))).toBe(
      true,
    );
    await until("no task is degraded", async () => (await degraded()).length === 0);
  });

  it("away for longer than the master's own time: tasks say so, and go on with the same master", async () => {
    publish("1.0", 1_500);
    await farm.startSlave();
    await farm.until("a build runs", ({ leased }) => leased === 1);
    await takeAway("SIGKILL", async () => {
      await until("tasks are degraded", async () => {
        const paths = (await degraded()).map((task) => task.path);
        return ["/leadership/leader", "/database/seraph", "/database/listener"].every((path) =>
          paths.includes(path),
        );
      });
      const report = await farm.report();
      expect(report).toMatchObject({ isComplete: false, followed: false, slaves: 1, rows: [] });
      expect(report.troubles[0]).toMatch(/^the database does not answer: /);
      expect(report.troubles.join("\n")).toMatch(/^seraph: database: .*/m);
      // The row of the master lasts 6 s in dev mode.
      const since = performance.now();
      await until("the row has run out", async () => performance.now() - since > 8_000);
      publish("2.0");
    });
    await expectEach(["1.0", "2.0"]);
    await until("no task is degraded", async () => (await degraded()).length === 0);
    expect(farm.isRunning("master")).toBe(true);
  });
});

describe("a server that takes no more", () => {
  /** Does something to the server as its superuser, and makes sessions begin anew. */
  async function change(statements: readonly string[]): Promise<void> {
    const admin = openConnection(server.superuserDsn("postgres"), {
      applicationName: "fault test",
    });
    for (const statement of statements) await admin.unsafe(statement);
    await admin`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name like 'wheelwright%'`;
    await admin.end();
  }

  it.each([
    [
      "connections",
      "alter role piwheels connection limit 0",
      "alter role piwheels connection limit -1",
      /too many connections/,
    ],
    [
      "writing",
      "alter database piwheels set default_transaction_read_only = on",
      "alter database piwheels reset default_transaction_read_only",
      /read-only transaction/,
    ],
    [
      "logins",
      "alter role piwheels nologin",
      "alter role piwheels login",
      /not permitted to log in/,
    ],
  ])(
    "(%s) is a state of the tasks, with its reason, and the build is done when it does again",
    async (_what, before, after, reason) => {
      await change([before]);
      await until("the leader says why", async () =>
        (await degraded()).some(
          (task) => task.path === "/leadership/leader" && reason.test(task.degraded?.reason ?? ""),
        ),
      );
      publish("1.0");
      await change([after]);
      await farm.startSlave();
      await expectEach(["1.0"]);
      expect(farm.isRunning("master")).toBe(true);
    },
  );

  it("refuses a master that starts in one line", async () => {
    await farm.kill("master", "SIGTERM");
    const cases: [string, string, RegExp][] = [
      [
        "alter role piwheels connection limit 0",
        "alter role piwheels connection limit -1",
        /^piw-master: no session with the database "piwheels" at .*: too many connections for role "piwheels"$/,
      ],
      [
        "alter database piwheels set default_transaction_read_only = on",
        "alter database piwheels reset default_transaction_read_only",
        /^piw-master: the database takes no changes: /,
      ],
      [
        "alter role piwheels password 'another'",
        "",
        /^piw-master: no session with the database "piwheels" at .*: password authentication failed for user "piwheels"$/,
      ],
    ];
    for (const [before, after, line] of cases) {
      await change([before]);
      await farm.startMaster();
      await farm.untilEnded(["master"]);
      expect(farm.exitCode("master")).toBe(1);
      const said = farm
        .logs()
        .split("\n")
        .filter((text) => text.startsWith("piw-master: "));
      expect(said.at(-1)).toMatch(line);
      if (after !== "") await change([after]);
    }
  });
});
