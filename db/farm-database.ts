/**
 * The farm's database on its own embedded server: one database and two roles, the owner of the tables
 * and the master's. Called by bin/piw.ts at each start of `piw farm`, before piw-initdb's work; on a
 * server of somebody else's these are made by hand.
 */
import { openConnection } from "./connection.ts";
import { connectionOptions } from "./dsn.ts";
import type { EmbeddedPostgres } from "./embedded.ts";
import { quoteName } from "./rights.ts";

export interface FarmDatabase {
  /** Creates and upgrades the tables. */
  readonly ownerDsn: string;
  /** What the master connects with. */
  readonly masterDsn: string;
  /** The role that the tables' rights are granted to. */
  readonly masterRole: string;
}

const DATABASE = "piwheels";
const OWNER = "piwheels_owner";
const MASTER = "piwheels";

/** Makes what is missing; may be called at each start. Holds no lock: one farm, one server, one caller. */
export async function ensureFarmDatabase(
  server: Pick<EmbeddedPostgres, "superuserDsn" | "dsnFor">,
): Promise<FarmDatabase> {
  const sql = openConnection(server.superuserDsn("postgres"), { applicationName: "piw farm" });
  try {
    for (const role of [OWNER, MASTER]) {
      const { password = "" } = connectionOptions(server.dsnFor(role, DATABASE));
      const [found] = await sql`select from pg_roles where rolname = ${role}`;
      if (found === undefined) await sql.unsafe(`create role ${quoteName(role)}`);
      // base64url, so there is nothing in it to be quoted.
      await sql.unsafe(
        `alter role ${quoteName(role)} login nosuperuser nocreatedb nocreaterole password '${password}'`,
      );
    }
    const [found] = await sql`select from pg_database where datname = ${DATABASE}`;
    if (found === undefined)
      await sql.unsafe(
        `create database ${quoteName(DATABASE)} owner ${quoteName(OWNER)} encoding 'UTF8'`,
      );
    return {
      ownerDsn: server.dsnFor(OWNER, DATABASE),
      masterDsn: server.dsnFor(MASTER, DATABASE),
      masterRole: MASTER,
    };
  } finally {
    await sql.end();
  }
}
