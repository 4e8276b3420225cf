/**
 * Creates and upgrades the farm's tables: numbered SQL files, applied step by step in one transaction
 * under an advisory lock, so that a database is at one version or another and never between. Called
 * by piw-initdb, by the embedded farm and by tests; `checkSchema` by the master at its start.
 *
 * A step is a file `schema/NNNN-name.sql`, numbered from 0001 without gaps; it may hold any statements
 * that may stand in a transaction, and is never changed once released. The first makes the table
 * `configuration` with the column `schema_version`, which this file alone writes.
 */
import { readdirSync, readFileSync } from "node:fs";
import { openConnection, type Sql, type Tx, transaction } from "./connection.ts";
import { codeOf } from "./database-error.ts";
import { connectionOptions, describeDatabase } from "./dsn.ts";
import { refuseWhileLed } from "./leader.ts";
import { checkReader, checkRole, grantRights } from "./rights.ts";
import { SchemaError } from "./schema-error.ts";

/** Copied beside the built program by the build. */
const SCHEMA_FOLDER = new URL("./schema/", import.meta.url);

interface Step {
  readonly version: number;
  readonly name: string;
}

const steps: readonly Step[] = readSteps();

/** The version that this program works with: that of the last step. */
export const SCHEMA_VERSION: number = steps.length;

/** Oldest server that the statements are written for. */
const OLDEST_SERVER = 140_000;

/** Any number that nobody else uses as an advisory lock: "wheelwri" in ASCII. */
const UPGRADE_LOCK = "8603657889541616233";

/** What will be done, for whoever has to agree to it. */
export interface UpgradePlan {
  readonly database: string;
  /** 0: the tables will be created. */
  readonly from: number;
  readonly to: number;
}

export interface UpgradeOptions {
  /** The role that the master connects as: it must exist, be no superuser and not own the tables. */
  readonly masterRole: string;
  /** Roles that may read everything and change nothing; they must exist. Default: none are added. */
  readonly readers?: readonly string[];
  /** One line per step. */
  readonly log: (line: string) => void;
  /**
   * How long rows of the access log are kept; null: for ever. Default: as it was, for ever at first. What is older is
   * dropped by the running master, within a day.
   */
  readonly accessExpiryDays?: number | null;
  /** Asked before anything is changed, and not when there is nothing to do; false ends it unchanged. Default: yes. */
  readonly confirm?: (plan: UpgradePlan) => Promise<boolean>;
}

/** `refused`: the answer to `confirm` was no. Rights are granted anew also when it is `current`. */
export type UpgradeOutcome = "created" | "upgraded" | "current" | "refused";

/**
 * Brings the database to `SCHEMA_VERSION` and gives the master's role what it needs, all or nothing.
 * Two at once wait for each other. Run it with a role that may create tables there (the owner, from
 * the first run on), while no master runs.
 *
 * @throws SchemaError when the database is newer than the program, the role is missing or unfit, or
 * rights are missing; DsnError; an error for which `isUnavailable` holds.
 */
export async function upgradeDatabase(
  dsn: string,
  options: UpgradeOptions,
): Promise<UpgradeOutcome> {
  const address = connectionOptions(dsn);
  const sql = openConnection(dsn, {
    applicationName: "piw-initdb",
    statementTimeoutMs: 0,
    lockTimeoutMs: 30_000,
    idleInTransactionTimeoutMs: 0,
  });
  try {
    await checkServer(sql);
    await checkRole(sql, options.masterRole);
    for (const reader of options.readers ?? []) await checkReader(sql, reader, options.masterRole);
    const from = await readSchemaVersion(sql);
    refuseNewer(from);
    if (from < SCHEMA_VERSION && options.confirm !== undefined) {
      const plan = { database: describeDatabase(address), from, to: SCHEMA_VERSION };
      if (!(await options.confirm(plan))) return "refused";
    }
    return await transaction(sql, (tx) => upgrade(tx, options, address.database));
  } catch (error) {
    throw explained(error, address.user, address.database);
  } finally {
    await sql.end();
  }
}

/** The version of the tables; 0 when there are none. */
export async function readSchemaVersion(sql: Sql | Tx): Promise<number> {
  const [found] = await sql<{ there: boolean }[]>`
    select to_regclass('public.configuration') is not null as there`;
  if (found?.there !== true) return 0;
  const [row] = await sql<{ schema_version: number }[]>`
    select schema_version from public.configuration`;
  return row?.schema_version ?? 0;
}

/** @throws SchemaError unless the tables are of the version that this program works with. */
export async function checkSchema(sql: Sql | Tx): Promise<void> {
  const version = await readSchemaVersion(sql);
  if (version === SCHEMA_VERSION) return;
  refuseNewer(version);
  throw new SchemaError(
    version === 0
      ? "the database has no tables yet: run piw-initdb"
      : `the database is of version ${version}, this program of ${SCHEMA_VERSION}: run piw-initdb`,
  );
}

async function upgrade(tx: Tx, options: UpgradeOptions, database: string): Promise<UpgradeOutcome> {
  await tx`select pg_advisory_xact_lock(${UPGRADE_LOCK}::bigint)`;
  const [before] = await tx<{ id: string }[]>`select pg_current_xact_id()::text as id`;
  // Another run may have been quicker.
  const from = await readSchemaVersion(tx);
  refuseNewer(from);
  // Rights may be given while a master runs.
  if (from < SCHEMA_VERSION) await refuseWhileLed(tx);
  for (const step of steps.slice(from)) {
    options.log(`${step.version}: ${step.name}`);
    await tx.unsafe(readFileSync(new URL(step.name, SCHEMA_FOLDER), "utf8"));
  }
  if (from < SCHEMA_VERSION)
    await tx`update public.configuration set schema_version = ${SCHEMA_VERSION}`;
  await grantRights(tx, options.masterRole, options.readers ?? [], database);
  if (options.accessExpiryDays !== undefined)
    await tx`
      update public.configuration set access_expiry = ${options.accessExpiryDays}::int * interval '1 day'`;
  const [after] = await tx<{ id: string }[]>`select pg_current_xact_id()::text as id`;
  if (before?.id !== after?.id)
    throw new SchemaError("a step of the schema ended the transaction that it ran in");
  if (from === SCHEMA_VERSION) return "current";
  return from === 0 ? "created" : "upgraded";
}

async function checkServer(sql: Sql): Promise<void> {
  const [server] = await sql<{ version: number; release: string; encoding: string }[]>`
    select current_setting('server_version_num')::int as version,
      current_setting('server_version') as release, current_setting('server_encoding') as encoding`;
  if (server === undefined || server.version < OLDEST_SERVER)
    throw new SchemaError(
      `PostgreSQL 14 or later is needed, and this is ${server?.release ?? "something else"}`,
    );
  if (server.encoding !== "UTF8")
    throw new SchemaError(
      `the database's encoding is ${server.encoding}: create it with encoding UTF8`,
    );
}

function refuseNewer(version: number): void {
  if (version > SCHEMA_VERSION)
    throw new SchemaError(
      `the database is of version ${version}, newer than this program's ${SCHEMA_VERSION}: there is no way back, install the newer program`,
    );
}

/** The errors that a person meets here, in words; others pass unchanged. */
function explained(error: unknown, user: string, database: string): unknown {
  const lines: Readonly<Record<string, string>> = {
    "42501": `the role "${user}" may not do this in the database "${database}" (${messageOf(error)}): run this as the role that owns it`,
    "55P03": "the tables are in use: stop the master and run this again",
    "3D000": `there is no database "${database}": create it (createdb ${database})`,
  };
  const line = lines[codeOf(error) ?? ""];
  return line === undefined ? error : new SchemaError(line, { cause: error });
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Numbered from 1 without a gap, or the program is not whole. */
function readSteps(): Step[] {
  const names = readdirSync(SCHEMA_FOLDER)
    .filter((name) => name.endsWith(".sql"))
    .sort();
  return names.map((name, index) => {
    const version = Number(/^(\d{4})-/.exec(name)?.[1]);
    if (version !== index + 1)
      throw new Error(`schema step ${index + 1} is missing; found ${name}`);
    return { version, name };
  });
}
