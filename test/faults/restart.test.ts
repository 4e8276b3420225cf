/**
 * Restart of anything: kill -9 of the master, the slave or PostgreSQL in the middle of a build or of a
 * transfer, then start again. The build is delivered once, nothing is lost, no half-written file shows.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { openConnection, type Sql } from "../../db/connection.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../db/embedded.ts";
import { ensureFarmDatabase } from "../../db/farm-database.ts";
import { upgradeDatabase } from "../../db/migrate.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

const WHEEL = "slow-1.0-py3-none-any.whl";
const PAYLOAD_BYTES = 96 * 1024 ** 2;

let folder: string;
let server: EmbeddedPostgres;
let upstream: SampleUpstream;
let farm: TestFarm;
let sql: Sql;

async function start(what: { buildMs?: number; payloadBytes?: number }): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), "ww-fault-"));
  // As root the database's user must pass through, or the data would go elsewhere.
  chmodSync(folder, 0o755);
  server = await startServer();
  const { ownerDsn, masterDsn, masterRole } = await ensureFarmDatabase(server);
  await upgradeDatabase(ownerDsn, { masterRole, log: () => undefined });
  sql = openConnection(masterDsn);
  upstream = await startSampleUpstream({
    files: [slowSdist({ name: "slow", version: "1.0", ...what })],
  });
  farm = new TestFarm({ dsn: masterDsn, upstream });
  await farm.startMaster();
  await farm.startSlave();
}

const startServer = () =>
  startEmbeddedPostgres({
    folder: join(folder, "postgres"),
    log: () => undefined,
    allowRoot: true,
  });

afterEach(async () => {
  await farm.end();
  await upstream.close();
  await sql.end();
  await server.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}, 60_000);

const whileBuilding = () => farm.until("a build runs", ({ leased }) => leased === 1);

/** Resolves when part of the wheel, and not all of it, lies in staging. */
async function whileTransferring(): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline) {
    const lengthBytes = stagedBytes();
    if (lengthBytes > 0 && lengthBytes < PAYLOAD_BYTES) return;
    await delay(1);
  }
  throw new Error(`no transfer was seen\n${farm.logs()}`);
}

function stagedBytes(): number {
  const staging = join(farm.output, ".store", "staging");
  if (!existsSync(staging)) return 0;
  for (const token of readdirSync(staging)) {
    const file = join(staging, token, WHEEL);
    if (existsSync(file)) return statSync(file).size;
  }
  return 0;
}

/** The wheel stands once, whole, under its hash, and no public file is anything else. */
async function expectDelivered({ attempts }: { attempts: number }): Promise<void> {
  const report = await farm.untilIdle(120_000);
  expect(report.rows.map((row) => [row.package, row.state, row.reason])).toEqual([
    ["slow", "built", WHEEL],
  ]);
  const files = await sql<
    { filename: string; sha256: string }[]
  >`select filename, sha256 from file`;
  expect(files).toHaveLength(1);
  const bytes = readFileSync(join(farm.output, "simple", "slow", WHEEL));
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(files[0]?.sha256);
  expect(readdirSync(join(farm.output, "simple", "slow")).sort()).toEqual([
    "index.html",
    "index.v1+json",
    WHEEL,
    `${WHEEL}.metadata`,
  ]);
  expect(await sql`select 1 from build`).toHaveLength(attempts);
  expect(await sql`select 1 from lease`).toHaveLength(0);
  await farm.pipInstall("slow");
}

describe("the master killed with -9", () => {
  it("in the middle of a build: the slave goes on and delivers it", async () => {
    await start({ buildMs: 4_000 });
    await whileBuilding();
    await farm.kill("master");
    await farm.startMaster();
    await expectDelivered({ attempts: 1 });
  });

  it("while the slave finishes its build: it is delivered when the master is back", async () => {
    await start({ buildMs: 2_000 });
    await whileBuilding();
    await farm.kill("master");
    const outbox = join(farm.folder, "slave-1", "outbox");
    await expect
      .poll(
        () =>
          readdirSync(outbox, { recursive: true }).some((path) =>
            String(path).endsWith("result.json"),
          ),
        {
          timeout: 60_000,
        },
      )
      .toBe(true);
    await farm.startMaster();
    await expectDelivered({ attempts: 1 });
  });

  it("in the middle of a transfer: it goes on, and nothing half-written was public", async () => {
    await start({ payloadBytes: PAYLOAD_BYTES });
    await whileTransferring();
    await farm.kill("master");
    expect(existsSync(join(farm.output, "simple", "slow"))).toBe(false);
    await farm.startMaster();
    await expectDelivered({ attempts: 1 });
  });
});

describe("the slave killed with -9", () => {
  it("in the middle of a build: it is built again, and published once", async () => {
    await start({ buildMs: 3_000 });
    await whileBuilding();
    await farm.kill("slave-1");
    await farm.startSlave();
    await expectDelivered({ attempts: 2 });
  });

  it("in the middle of a transfer: what it had finished is delivered, and not built again", async () => {
    await start({ payloadBytes: PAYLOAD_BYTES });
    await whileTransferring();
    await farm.kill("slave-1");
    await farm.startSlave();
    await expectDelivered({ attempts: 1 });
  });
});

describe("PostgreSQL killed with -9", () => {
  const crash = async () => {
    const gone = server.exited;
    process.kill(server.pid, "SIGKILL");
    await gone;
    server = await startServer();
  };

  it("in the middle of a build: the tasks go on by themselves", async () => {
    await start({ buildMs: 4_000 });
    await whileBuilding();
    await crash();
    await expectDelivered({ attempts: 1 });
    expect(farm.isRunning("master") && farm.isRunning("slave-1")).toBe(true);
  });

  it("in the middle of a transfer: the build is settled when it is back", async () => {
    await start({ payloadBytes: PAYLOAD_BYTES });
    await whileTransferring();
    await crash();
    await expectDelivered({ attempts: 1 });
    expect(farm.isRunning("master") && farm.isRunning("slave-1")).toBe(true);
  });
});
