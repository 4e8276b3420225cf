/**
 * /metrics, /healthz and /readyz of real masters with builds: each figure is the one in the database or the process, of a
 * split master too; who may ask; what is said while something is away. And what deploy/ has for Prometheus and Grafana.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HttpMessages } from "../../actors/master/http.ts";
import { openConnection } from "../../db/connection.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { LocalMaster, type LocalMasterOptions } from "../support/local-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { readScrape, type Scrape } from "../support/prometheus-text.ts";
import { run } from "../support/queue-fixture.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

const patience = { timeout: 45_000, interval: 100 };
const files = [
  slowSdist({ name: "quick", version: "1.0" }),
  slowSdist({ name: "quick", version: "2.0" }),
  slowSdist({ name: "broken", version: "1.0", before: 'raise RuntimeError("broken")' }),
];

const siteOf = async (master: LocalMaster): Promise<string> =>
  (await master.system.ref<HttpMessages>("/services/web/http").ask("ADDRESS")).url ?? "";

async function scrape(url: string): Promise<Scrape> {
  const answer = await fetch(`${url}/metrics`);
  expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return readScrape(await answer.text());
}

/** What the database counts, by hand. */
async function counted({ sql }: TestDatabase) {
  const results = await sql<{ target: string; result: string; cause: string; n: number }[]>`
    select t.name as target, b.outcome as result, b.cause, count(*)::int as n
    from build b join target t on t.id = b.target_id
    where b.settled_at is not null group by 1, 2, 3 order by 1, 2, 3`;
  const queue = await sql<{ target: string; state: string; n: number }[]>`
    select t.name as target, w.state, count(*)::int as n
    from work w join target t on t.id = w.target_id group by 1, 2`;
  const durations = await sql<{ built: boolean; n: number; seconds: number }[]>`
    select cause = 'built' as built, count(*)::int as n, sum(round(duration_ms)) / 1000 as seconds
    from build where settled_at is not null and duration_ms is not null group by 1`;
  const [one] = await sql<Record<string, number>[]>`
    select (select count(*)::int from file where placed_at is not null) as files,
      (select sum(size_bytes)::bigint from file where placed_at is not null) as bytes,
      (select sum(size_bytes)::bigint from file) + (select sum(log_size_bytes)::bigint from build)
        as received,
      (select count(*)::int from version) as versions,
      (select count(*)::int from build where settled_at is not null) as builds,
      (select upstream_serial from configuration) as serial`;
  return { results: [...results], queue: [...queue], durations: [...durations], one: one ?? {} };
}

/** Everything that can be compared; what moves meanwhile is looked at again. */
async function expectSame(url: string, database: TestDatabase): Promise<Scrape> {
  const now = await scrape(url);
  const { results, queue, durations, one } = await counted(database);
  const told = now.samples
    .filter(({ name, value }) => name === "wheelwright_builds_total" && value > 0)
    .map(({ labels: { target, result, cause }, value }) => ({ target, result, cause, n: value }));
  expect(told.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))).toEqual(
    results.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  );
  for (const { target, state, n } of queue)
    expect(now.sum("wheelwright_queue_builds", { target, state })).toBe(n);
  expect(now.sum("wheelwright_queue_builds")).toBe(queue.reduce((sum, { n }) => sum + n, 0));
  for (const { built, n, seconds } of durations) {
    const result = built ? "built" : "failed";
    const name = "wheelwright_build_duration_seconds";
    expect(now.sum(`${name}_count`, { result })).toBe(n);
    expect(now.sum(`${name}_bucket`, { result, le: "+Inf" })).toBe(n);
    expect(now.sum(`${name}_sum`, { result })).toBeCloseTo(Number(seconds), 3);
  }
  expect(now.sum("wheelwright_files_published")).toBe(one["files"]);
  expect(now.sum("wheelwright_published_bytes")).toBe(one["bytes"]);
  expect(now.sum("wheelwright_versions_known")).toBe(one["versions"]);
  expect(now.sum("wheelwright_upstream_noted_serial")).toBe(one["serial"]);
  expect(now.sum("wheelwright_upstream_lag_serials")).toBe(0);
  expect(now.sum("wheelwright_upstream_lag_seconds")).toBeLessThan(60);
  expect(now.sum("wheelwright_slaves", { state: "idle" })).toBe(1);
  expect(now.sum("wheelwright_slaves")).toBe(1);
  expect(now.samples.filter(({ name, value }) => name === "wheelwright_up" && value !== 1)).toEqual(
    [],
  );
  return now;
}

/** Nobody but a superuser reaches it meanwhile. */
async function withoutDatabase(database: TestDatabase, work: () => Promise<void>): Promise<void> {
  const name = /\/(test_\w+)/.exec(database.dsn)?.[1] ?? "";
  const admin = openConnection(database.adminDsn.replace(name, "postgres"));
  try {
    await admin.unsafe(`alter database ${name} allow_connections false`);
    try {
      await admin`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name like 'wheelwright%' and datname = ${name}`;
      await work();
    } finally {
      await admin.unsafe(`alter database ${name} allow_connections true`);
    }
  } finally {
    await admin.end();
  }
}

describe("a master in one process", () => {
  let database: TestDatabase;
  let upstream: SampleUpstream;
  let master: LocalMaster;
  let url: string;
  const startMaster = async (more: Partial<LocalMasterOptions> = {}) => {
    master = await LocalMaster.start({ dsn: database.dsn, upstream, ...more });
    url = await siteOf(master);
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    upstream = await startSampleUpstream({ files });
    await startMaster();
    await master.untilIdle(3);
  }, 180_000);
  afterAll(async () => {
    await master.end();
    await upstream.close();
    await database.end();
  }, 60_000);

  it("tells the database's figures and its own", async () => {
    await expect.poll(() => expectSame(url, database), patience).toBeDefined();
    const now = await scrape(url);
    const { one } = await counted(database);
    expect(now.sum("wheelwright_builds_total", { cause: "built" })).toBe(2);
    expect(now.sum("wheelwright_builds_total", { cause: "build-failed" })).toBe(1);
    // A log says what it is as it was sent, compressed.
    expect(now.sum("wheelwright_transfer_received_bytes_total")).toBe(one["received"]);
    expect(now.sum("wheelwright_transfers_total", { outcome: "collected" })).toBe(one["builds"]);
    expect(now.sum("wheelwright_transfers_in_hand")).toBe(0);
    const tree = master.system.tree();
    const statistics = master.system.statistics();
    expect(tree.state).toBe("running");
    expect(now.sum("wheelwright_actors")).toBe(statistics.actors);
    expect(now.sum("wheelwright_task_actors")).toBe(statistics.actors);
    expect(now.sum("wheelwright_task_actors", { task: "oracles" })).toBe(3);
    expect(now.sum("wheelwright_task_actors", { task: "sessions" })).toBe(1);
    expect(
      now.sum("wheelwright_database_request_duration_seconds_count", { request: "settleBuild" }),
    ).toBe(3);
    expect(now.sum("process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
    expect(new Set(now.samples.map(({ labels }) => labels["process"] ?? "master"))).toEqual(
      new Set(["master"]),
    );
  });

  it("tells of pauses, restarts, lacks and refusals", async () => {
    const task = (name: string) => ({ task: name });
    const before = (await scrape(url)).sum("wheelwright_task_restarts_total", task("herald")) ?? 0;
    master.system.pause("scribe");
    master.system.crash("/services/hooks/herald", new Error("a fault of the test"));
    await fetch(`${url}/metrics`, { method: "DELETE" });
    await expect
      .poll(async () => {
        const now = await scrape(url);
        return [
          now.sum("wheelwright_task_paused", task("scribe")),
          now.sum("wheelwright_task_paused", task("secretary")),
          now.sum("wheelwright_task_restarts_total", task("herald")),
        ];
      }, patience)
      .toEqual([1, 0, before + 1]);
    master.system.resume("scribe");
    await expect
      .poll(async () => (await scrape(url)).sum("wheelwright_task_paused"), patience)
      .toBe(0);
  });

  it("answers many who ask at once by one look, and none who asks for something else", async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => (await fetch(`${url}/metrics`)).text()),
    );
    const looks = new Set(
      answers.map((text) => readScrape(text).sum("wheelwright_scrape_duration_seconds")),
    );
    expect(looks.size).toBeLessThan(20);
    expect((await fetch(`${url}/metrics/x`)).status).toBe(404);
    expect((await fetch(`${url}/metrics`, { method: "POST", body: "" })).status).toBe(405);
    expect((await fetch(`${url}/metrics`, { method: "HEAD" })).status).toBe(200);
  });

  it("is ready only while its output folder can be reached, and lives in any case", async () => {
    const ready = async () => {
      const answer = await fetch(`${url}/readyz`);
      return [answer.status, await answer.json()] as unknown;
    };
    await expect.poll(ready, patience).toEqual([200, { ready: true, reasons: [] }]);
    const output = join(master.folder, "www");
    renameSync(output, `${output}-away`);
    try {
      await expect.poll(ready, patience).toEqual([503, { ready: false, reasons: ["storage"] }]);
      expect(await (await fetch(`${url}/healthz`)).text()).toBe("ok\n");
    } finally {
      renameSync(`${output}-away`, output);
    }
    await expect.poll(ready, patience).toEqual([200, { ready: true, reasons: [] }]);
  });

  it("is not ready without its database, tells what it can, and counts on when it is back", async () => {
    const readyz = async () => (await (await fetch(`${url}/readyz`)).json()) as unknown;
    await withoutDatabase(database, async () => {
      await expect.poll(readyz, patience).toEqual({ ready: false, reasons: ["database"] });
      const away = async () => {
        const now = await scrape(url);
        return {
          up: now.sum("wheelwright_up", { source: "database" }),
          others: now.sum("wheelwright_up", { source: "control" }),
          queue: now.sum("wheelwright_queue_builds"),
          actors: (now.sum("wheelwright_actors") ?? 0) > 0,
        };
      };
      await expect
        .poll(away, patience)
        .toEqual({ up: 0, others: 1, queue: undefined, actors: true });
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
    });
    await expect.poll(readyz, patience).toEqual({ ready: true, reasons: [] });
    await expect.poll(() => expectSame(url, database), patience).toBeDefined();
  });

  it("lets in who has a token, until it is revoked", async () => {
    await master.end();
    await startMaster({ metricsAccess: "token", slaves: 0 });
    const token = `piw_${"t".repeat(43)}`;
    const status = async (headers: Record<string, string> = {}) =>
      (await fetch(`${url}/metrics`, { headers })).status;
    const said = { authorization: `Bearer ${token}` };
    expect(await status()).toBe(401);
    expect(await status(said)).toBe(401);
    await run(database.sql, "createToken", {
      name: "prometheus",
      right: "watch",
      sha256: createHash("sha256").update(token).digest("hex"),
      lifetimeMs: null,
    });
    expect(await status(said)).toBe(200);
    await run(database.sql, "revokeToken", { name: "prometheus" });
    await expect.poll(() => status(said), patience).toBe(401);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  }, 120_000);

  it("has no /metrics where nobody is to see them", async () => {
    await master.end();
    await startMaster({ metricsAccess: "none", slaves: 0 });
    expect((await fetch(`${url}/metrics`)).status).toBe(404);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  }, 120_000);
});

describe("a master of three processes", () => {
  let database: TestDatabase;
  let upstream: SampleUpstream;
  let farm: TestFarm;

  beforeAll(async () => {
    database = await createTestDatabase();
    upstream = await startSampleUpstream({ files });
    const master = ["--metrics", "everyone", "--upstream-wheels", "ignore"];
    farm = new TestFarm({ dsn: database.dsn, upstream, shape: "ipc", master });
    await farm.startMaster();
    await farm.startSlave();
    await farm.untilIdle();
  }, 180_000);
  afterAll(async () => {
    await farm.end();
    await upstream.close();
    await database.end();
  }, 60_000);

  it("tells the figures of all of them, and says which one is away", async () => {
    await expect.poll(() => expectSame(farm.siteUrl, database), patience).toBeDefined();
    const now = await scrape(farm.siteUrl);
    const { one } = await counted(database);
    expect(now.sum("wheelwright_transfer_received_bytes_total")).toBe(one["received"]);
    const processesOf = (name: string) =>
      now.samples.filter((each) => each.name === name).map(({ labels }) => labels["process"]);
    expect(processesOf("process_resident_memory_bytes").sort()).toEqual([
      "db",
      "main-builds-driver-fs",
      "web-front",
    ]);
    expect(processesOf("wheelwright_transfers_started_total")).toEqual(["main-builds-driver-fs"]);
    expect(processesOf("wheelwright_upstream_serial")).toEqual(["web-front"]);

    await farm.killProcess("master-db");
    await expect
      .poll(async () => {
        const away = await scrape(farm.siteUrl);
        return {
          database: away.sum("wheelwright_up", { source: "database" }),
          part: away.sum("wheelwright_up", { source: "part db" }),
          builds: away.sum("wheelwright_builds_total"),
          actors: (away.sum("wheelwright_actors", { process: "main-builds-driver-fs" }) ?? 0) > 0,
          ready: (await fetch(`${farm.siteUrl}/readyz`)).status,
        };
      }, patience)
      .toEqual({ database: 0, part: 0, builds: undefined, actors: true, ready: 503 });
    await farm.startMasterProcess("master-db");
    await expect.poll(() => expectSame(farm.siteUrl, database), patience).toBeDefined();
  }, 120_000);

  it("ends as another master takes its database: then nobody says that it is ready", async () => {
    expect((await fetch(`${farm.siteUrl}/readyz`)).status).toBe(200);
    const other = await LocalMaster.start({
      dsn: database.dsn,
      upstream,
      slaves: 0,
      takeOver: true,
    });
    try {
      await expect
        .poll(
          () =>
            fetch(`${farm.siteUrl}/readyz`).then(
              ({ status }) => status,
              () => "nobody answers",
            ),
          patience,
        )
        .not.toBe(200);
      expect((await fetch(`${await siteOf(other)}/readyz`)).status).toBe(200);
    } finally {
      await other.end();
    }
  }, 120_000);
});

describe("what deploy/ has for Prometheus and Grafana", () => {
  const deploy = new URL("../../deploy/", import.meta.url).pathname;
  const rules = new URL("./prometheus-alerts.yml", import.meta.url).pathname;
  const folder = mkdtempSync(join(tmpdir(), "ww-promtool-"));
  const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
  let text = "";
  let database: TestDatabase;
  let upstream: SampleUpstream;
  let master: LocalMaster;

  beforeAll(async () => {
    database = await createTestDatabase();
    upstream = await startSampleUpstream({ files: files.slice(0, 1) });
    master = await LocalMaster.start({ dsn: database.dsn, upstream });
    await master.untilIdle(1);
    text = await (await fetch(`${await siteOf(master)}/metrics`)).text();
    cpSync(deploy, folder, { recursive: true });
    writeFileSync(join(folder, "wheelwright.token"), "piw_x");
  }, 180_000);
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await master.end();
    await upstream.close();
    await database.end();
  }, 60_000);

  it.each(["grafana-dashboard.json", "prometheus-alerts.yml"])(
    "%s names no metric that a real scrape has not",
    (file) => {
      const { types } = readScrape(text);
      const named = readFileSync(join(deploy, file), "utf8").match(
        /\b(?:wheelwright|nodejs|process)_[a-z0-9_]+/g,
      );
      const isTold = (name: string) =>
        types.has(name) || types.get(name.replace(/_(bucket|sum|count)$/, "")) === "histogram";
      expect(named?.length).toBeGreaterThan(20);
      expect(named?.filter((name) => !isTold(name))).toEqual([]);
    },
  );

  it("the board is one that Grafana takes: each panel with a source, a query and its own place", () => {
    const board = JSON.parse(readFileSync(join(deploy, "grafana-dashboard.json"), "utf8")) as {
      panels: { id: number; type: string; gridPos: object; targets?: { expr: string }[] }[];
    };
    expect(new Set(board.panels.map(({ id }) => id)).size).toBe(board.panels.length);
    expect(new Set(board.panels.map(({ gridPos }) => JSON.stringify(gridPos))).size).toBe(
      board.panels.length,
    );
    for (const { type, targets = [] } of board.panels)
      expect(targets.length).toBeGreaterThanOrEqual(type === "row" ? 0 : 1);
  });

  const promtool = (args: readonly string[], input?: string) => {
    const { status, stdout, stderr } = spawnSync("promtool", args, {
      cwd: folder,
      encoding: "utf8",
      ...(input !== undefined && { input }),
    });
    return { status, said: status === 0 ? "" : `${stdout}${stderr}` };
  };
  const well = { status: 0, said: "" };

  // Debian has promtool in its package prometheus.
  describe.skipIf(!hasPromtool)("checked by promtool, where it is installed", () => {
    it("a real scrape", () => {
      expect(promtool(["check", "metrics"], text)).toEqual(well);
    });
    it("the example configuration", () => {
      expect(promtool(["check", "config", "prometheus.yml"])).toEqual(well);
    });
    it("the alert rules, and what they do", () => {
      expect(promtool(["check", "rules", "prometheus-alerts.yml"])).toEqual(well);
      expect(promtool(["test", "rules", rules])).toEqual(well);
    });
    it("the queries of the board", () => {
      const board = readFileSync(join(deploy, "grafana-dashboard.json"), "utf8");
      const queries = [...board.matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(
        ([, query = '""']) => JSON.parse(query) as string,
      );
      const plain = queries.map((query) => query.replaceAll("$__rate_interval", "5m"));
      const file = {
        groups: [
          {
            name: "board",
            rules: plain.map((expr, at) => ({ record: `board:query:${at}`, expr })),
          },
        ],
      };
      writeFileSync(join(folder, "board.yml"), JSON.stringify(file));
      expect(promtool(["check", "rules", "board.yml"])).toEqual(well);
    });
  });
});
