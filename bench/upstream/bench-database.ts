/**
 * A database for a bench without a farm: a real PostgreSQL that syncs to disk, with the farm's schema, and
 * Seraph with its Oracles before it as in a master. For benches that measure what goes through them.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseRef } from "../../actors/master/database.ts";
import { Meters } from "../../actors/master/metrics/meters.ts";
import { type OracleMessages, oracle } from "../../actors/master/oracle.ts";
import { seraph } from "../../actors/master/seraph.ts";
import { openConnection, type Sql } from "../../db/connection.ts";
import { startEmbeddedPostgres } from "../../db/embedded.ts";
import { ensureFarmDatabase } from "../../db/farm-database.ts";
import { takeLeadership } from "../../db/leader.ts";
import { upgradeDatabase } from "../../db/migrate.ts";
import { ownProcess } from "../../db/own-process.ts";
import type { DatabaseMessages } from "../../db/requests.ts";
import { child, silentLogger, startSystem, supervisor } from "../../supervisor/index.ts";

export interface BenchDatabase {
  /** What tasks ask. */
  readonly database: DatabaseRef;
  /** Of the role that owns the tables. */
  readonly sql: Sql;
  readonly postgresPid: number;
  end(): Promise<void>;
}

/** As long as a bench may take. */
const LEAD_MS = 3_600_000;
const ORACLES = ["oracle-1", "oracle-2", "oracle-3"];

export async function startBenchDatabase(): Promise<BenchDatabase> {
  const folder = mkdtempSync(join(tmpdir(), "ww-bench-"));
  // Started by root, the database's user must pass through.
  chmodSync(folder, 0o711);
  const postgres = await startEmbeddedPostgres({
    folder: join(folder, "database"),
    allowRoot: process.getuid?.() === 0,
    log: () => undefined,
  });
  const { ownerDsn, masterDsn, masterRole } = await ensureFarmDatabase(postgres);
  await upgradeDatabase(ownerDsn, { masterRole, log: () => undefined });
  const sql = openConnection(ownerDsn, { applicationName: "bench", statementTimeoutMs: 0 });
  const me = ownProcess();
  await takeLeadership(sql, me, { leaderMs: LEAD_MS, takeOver: true, log: () => undefined });
  const system = await startSystem({
    name: "bench",
    logger: silentLogger,
    root: ({ ref }) =>
      supervisor("main", {}, [
        ...ORACLES.map((name) => child(name, oracle, { dsn: masterDsn, task: name, process: me })),
        child("seraph", seraph, {
          meters: new Meters().database(),
          oracles: ORACLES.map((name) => ref<OracleMessages>(`/${name}`)),
        }),
      ]),
  });
  return {
    database: system.ref<DatabaseMessages>("/seraph"),
    sql,
    postgresPid: postgres.pid,
    end: async () => {
      await system.stop();
      await sql.end({ timeoutMs: 1_000 });
      await postgres.stop();
      rmSync(postgres.folder, { recursive: true, force: true });
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
