/**
 * One master at a time on a database. A master takes the row `leader` at its start, renews it while it
 * runs and gives it back at its end; a second one is refused while the first holds it. Called by the
 * master's tree and its task `leader`; piw-initdb asks before it upgrades.
 *
 * States of the row: free (`expires_at` is null) -> held (until `expires_at`, by the database's clock) ->
 * expired. A held row is taken over only where its process is surely gone, or by --take-over. An expired
 * one stays its holder's until another takes it, so that an outage of the database ends no master.
 *
 * The fence: sessions of a master carry its instance in their name (`sessionName`), and begin by looking
 * whether that still holds the row (`admission`). Who takes the row over ends the sessions of others.
 * A session that looked before is listed by then and is ended; one that looks later is refused. So a
 * master that slept through its own end changes nothing any more, and no transaction pays for that.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Sql, type Tx, transaction } from "./connection.ts";
import { codeOf, Superseded } from "./database-error.ts";
import { isGone, type ProcessIdentity } from "./own-process.ts";
import { SchemaError } from "./schema-error.ts";
import type { Admission } from "./session.ts";

/** PostgreSQL's code for a statement that would write in a read-only transaction. */
const READ_ONLY = "25006";
/** PostgreSQL is given this long to end a session. */
const END_SESSION_MS = 5_000;
/** Shorter than any master's third of its `leaderMs`. */
const LOOK_AGAIN_MS = 500;

export interface TakeOptions {
  /** The row is held for so long at a time. */
  readonly leaderMs: number;
  /** Takes it whoever holds it. */
  readonly takeOver: boolean;
  /** One line: what is waited for. */
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

interface LeaderRow {
  instance: string;
  host: string;
  place: string;
  pid: number;
  processStart: string;
  since: Date;
  held: boolean;
  /** Since it was last renewed, and until it expires. */
  silent_ms: number;
  left_ms: number;
}

/**
 * Makes this process the database's master, ends what an earlier one still has open, and moves the
 * tokens of builds on. Where the holder has this host's name and may have gone down with the machine, it
 * waits until that is sure, which takes no longer than the row lasts.
 *
 * @throws SchemaError naming the holder, where there is one
 */
export async function takeLeadership(
  sql: Sql,
  me: ProcessIdentity,
  options: TakeOptions,
): Promise<void> {
  for (let isWaiting = false; ; isWaiting = true) {
    const holder = await tryToTake(sql, me, options);
    if (holder === undefined) break;
    const isOld = holder.host === me.host && holder.place !== me.place;
    // One that lives renews its row several times meanwhile.
    if (!isOld || (isWaiting && holder.silent_ms < LOOK_AGAIN_MS)) throw refusal(holder);
    if (!isWaiting)
      options.log(
        `waiting ${seconds(holder.left_ms)} s at most to see whether the master that ran here as process ${holder.pid} is gone`,
      );
    await delay(LOOK_AGAIN_MS, undefined, { signal: options.signal });
  }
  await endOtherSessions(sql, me);
  await advanceTokens(sql);
}

/** Returns who holds it where it could not be taken. */
function tryToTake(
  sql: Sql,
  me: ProcessIdentity,
  { leaderMs, takeOver }: TakeOptions,
): Promise<LeaderRow | undefined> {
  const taking = transaction(sql, async (tx) => {
    const [row] = await tx<LeaderRow[]>`${leaderRow(tx)} for update`;
    if (row?.held === true && !takeOver && !isGone(row)) return row;
    await tx`
      update leader set epoch = epoch + 1, instance = ${me.instance}, host = ${me.host},
        place = ${me.place}, pid = ${me.pid}, process_start = ${me.processStart},
        since = clock_timestamp(), renewed_at = clock_timestamp(),
        expires_at = clock_timestamp() + ${leaderMs} * interval '1 millisecond'
      where role = 'master'`;
    return undefined;
  });
  return taking.catch((error: unknown) => {
    if (codeOf(error) !== READ_ONLY) throw error;
    throw new SchemaError(
      "the database takes no changes: it is a standby, or default_transaction_read_only is on; name the primary in the dsn",
      { cause: error },
    );
  });
}

/** @throws Superseded when the row is another's by now */
export async function renewLeadership(
  sql: Sql,
  me: ProcessIdentity,
  leaderMs: number,
): Promise<void> {
  const renewed = await sql`
    update leader set renewed_at = now(), expires_at = now() + ${leaderMs} * interval '1 millisecond'
    where role = 'master' and instance = ${me.instance} returning 1`;
  if (renewed.length > 0) return;
  const [row] = await sql<LeaderRow[]>`${leaderRow(sql)}`;
  throw new Superseded(supersededBy(row));
}

/** Nothing where it is another's by now. */
export async function releaseLeadership(sql: Sql, me: ProcessIdentity): Promise<void> {
  await sql`
    update leader set expires_at = null where role = 'master' and instance = ${me.instance}`;
}

/** The first thing that a session of the master asks; see the head of this file. */
export const admission = (me: ProcessIdentity): Admission => ({
  query: `select instance, host, pid, since from leader where role = 'master'`,
  refusalOf: (rows) => {
    const [row] = rows as readonly LeaderRow[];
    return row?.instance === me.instance ? undefined : new Superseded(supersededBy(row));
  },
});

/** What a session of this master is called in pg_stat_activity. */
export const sessionName = (task: string, me: ProcessIdentity): string =>
  `wheelwright ${task} [${me.instance}]`;

/**
 * @throws SchemaError while a master works on the database. Holds the row until the transaction's end, so
 * that none begins meanwhile.
 */
export async function refuseWhileLed(tx: Tx): Promise<void> {
  const [table] = await tx<{ there: boolean }[]>`
    select to_regclass('public.leader') is not null as there`;
  if (table?.there !== true) return;
  const [row] = await tx<LeaderRow[]>`${leaderRow(tx)} for update`;
  if (row?.held === true && !isGone(row))
    throw new SchemaError(`${describe(row)} works on this database: stop it first`);
}

/**
 * Ends the sessions of masters that held the row before. Those of this one have its name, and whoever is
 * only starting has none yet.
 */
async function endOtherSessions(sql: Sql, me: ProcessIdentity): Promise<void> {
  await sql`
    select pg_terminate_backend(pid, ${END_SESSION_MS}) from pg_stat_activity
    where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
      and application_name like 'wheelwright % [%]'
      and application_name not like ${`%[${me.instance}]`}`;
}

/**
 * Tokens are numbers that no build ever had, also not one that a restored backup of the database knows
 * nothing of: slaves, staging and logs still have it. So they go on at the milliseconds since 1970, which
 * is further than any farm gets by giving out builds one by one, and beyond what it had when it last began.
 */
export async function advanceTokens(sql: Sql): Promise<void> {
  await sql`
    select setval('build_token',
      greatest(last_value, floor(extract(epoch from clock_timestamp()) * 1000)::bigint))
    from build_token`;
}

const leaderRow = (sql: Tx) => sql`
  select instance, host, place, pid, process_start as "processStart", since,
    coalesce(expires_at > clock_timestamp(), false) as held,
    (extract(epoch from clock_timestamp() - renewed_at) * 1000)::float8 as silent_ms,
    (extract(epoch from expires_at - clock_timestamp()) * 1000)::float8 as left_ms
  from leader where role = 'master'`;

const seconds = (ms: number) => Math.max(1, Math.ceil(ms / 1_000));

const describe = ({ host, pid, since }: Pick<LeaderRow, "host" | "pid" | "since">) =>
  `the master on ${host} (process ${pid}, since ${since.toISOString()})`;

const refusal = (holder: LeaderRow) =>
  new SchemaError(
    `${describe(holder)} works on this database already: stop it first; if it is gone for good, this one ` +
      `may begin in ${seconds(holder.left_ms)} s, or at once with --take-over`,
  );

const supersededBy = (row: Pick<LeaderRow, "host" | "pid" | "since"> | undefined) =>
  row === undefined || row.host === ""
    ? "the database was replaced, and knows nothing of this master: start it again"
    : `${describe(row)} has taken this database over: this one stops`;
