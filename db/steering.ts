/**
 * What a person wants of slaves, as far as the database knows it: who they are and what each has in hand, and
 * who is asleep. Control asks for it (`actors/master/steering.ts`), and has the Slave Driver tell those that are here.
 */
import { z } from "zod";
import { tokenSchema } from "../protocol/model/build.ts";
import { rowIdSchema } from "../protocol/model/scalar.ts";
import { MOST_SLAVES_LISTED, sleeperSchema } from "../protocol/model/sleeper.ts";
import {
  type SlavesAsked,
  slaveRowSchema,
  slavesAskedSchema,
  steeringSchema,
} from "../protocol/model/steering.ts";
import { type Sql, type Tx, transaction } from "./connection.ts";
import { wakeSlave } from "./health.ts";
import { request } from "./request.ts";

/** Neither seen for so long nor asleep nor building: it is not coming back. */
const FORGOTTEN_AFTER = "30 days";

/** All that could be steered, those heard of lately first where there are too many. What each does now, its session knows. */
export const listSlaves = request(
  {
    args: z.null(),
    result: z.array(slaveRowSchema.omit({ state: true })).max(MOST_SLAVES_LISTED),
    slow: true,
  },
  async (sql) => {
    const rows = await sql<ListedRow[]>`
      select s.*, l.token, p.name as package, v.version, t.name as target,
        b.leased_at, greatest(0, extract(epoch from now() - b.leased_at) * 1000)::float8 as for_ms
      from (
        select id, label, slot, identity, hostname, os, board, product_version, asleep_by,
          asleep_why, last_seen_at,
          greatest(0, extract(epoch from now() - last_seen_at) * 1000)::float8 as silent_ms,
          array(select t.name from slave_target st join target t on t.id = st.target_id
            where st.slave_id = slave.id order by t.rank, t.name) as targets
        from slave
        where ${isBuilder(sql)} and ${isRemembered(sql)}
        order by last_seen_at desc limit ${MOST_SLAVES_LISTED}
      ) s
      left join lateral (
        select token from lease where slave_id = s.id order by token desc limit 1) l on true
      left join build b on b.token = l.token
      left join version v on v.id = b.version_id
      left join package p on p.id = v.package_id
      left join target t on t.id = b.target_id
      order by s.label, s.id`;
    return rows.map((row) => ({
      id: row.id,
      label: row.label,
      slot: row.slot,
      identity: row.identity,
      hostname: row.hostname,
      os: row.os,
      board: row.board,
      version: row.product_version,
      targets: [...row.targets],
      asleep: row.asleep_by === null ? null : { by: row.asleep_by, why: row.asleep_why },
      build:
        row.token === null
          ? null
          : {
              token: row.token,
              package: row.package,
              version: row.version,
              target: row.target,
              sinceAt: row.leased_at.getTime(),
              forMs: row.for_ms,
            },
      seenAt: row.last_seen_at.getTime(),
      silentMs: row.silent_ms,
    }));
  },
);

interface ListedRow {
  id: number;
  label: string;
  slot: string;
  identity: string;
  hostname: string;
  os: string;
  board: string;
  last_seen_at: Date;
  leased_at: Date;
  product_version: string;
  asleep_by: "person" | "farm" | null;
  asleep_why: string;
  silent_ms: number;
  targets: string[];
  token: number | null;
  package: string;
  version: string;
  target: string;
  for_ms: number;
}

/**
 * Finds the slaves that are meant and does what is the database's part: `sleep` and `wake` are true from here
 * on, `kill` and `skip` are for the Slave Driver to tell. A kill means all jobs of a process.
 */
export const steerSlaves = request(
  {
    args: z.object({
      slaves: slavesAskedSchema,
      action: steeringSchema,
      /** For `sleep`: what everybody is told. */
      why: z.string().max(500),
    }),
    result: z.array(
      z.object({
        id: rowIdSchema,
        label: z.string(),
        /** Before. */
        asleepBy: sleeperSchema.nullable(),
        /** What it was given last and has not settled. */
        build: z
          .object({ token: tokenSchema, package: z.string(), version: z.string() })
          .nullable(),
      }),
    ),
  },
  async (sql, { slaves, action, why }) =>
    transaction(sql, async (tx) => {
      const found = await findSlaves(tx, slaves, action === "kill");
      if (action === "wake")
        for (const { id, asleepBy } of found) if (asleepBy !== null) await wakeSlave(tx, id);
      if (action === "sleep")
        await tx`
          update slave set asleep_since = coalesce(asleep_since, now()), asleep_by = 'person',
            asleep_why = ${why}
          where id = any(${found.map(({ id }) => id)}) and asleep_by is distinct from 'person'`;
      return found
        .toSorted((a, b) => (a.label === b.label ? a.id - b.id : a.label < b.label ? -1 : 1))
        .map(({ id, label, asleepBy, token, package: name, version }) => ({
          id,
          label,
          asleepBy,
          build: token === null ? null : { token, package: name, version },
        }));
    }),
);

/**
 * In the order of their ids, locked: two people may say opposite things at once. A pattern means those that are listed;
 * one that was not seen for long has to be named. Where there are too many, those seen lately.
 */
function findSlaves(tx: Tx, asked: SlavesAsked, withSiblings: boolean) {
  const isPattern = "label" in asked && asked.label.includes("*");
  const isMeant =
    "id" in asked
      ? tx`s.id = ${asked.id}`
      : tx`(s.label like ${likePattern(asked.label)}
          or regexp_replace(s.label, '#[0-9]+$', '') like ${likePattern(asked.label)})`;
  return tx<
    {
      id: number;
      label: string;
      asleepBy: "person" | "farm" | null;
      token: number | null;
      package: string;
      version: string;
    }[]
  >`
    select slave.id, slave.label, slave.asleep_by as "asleepBy", l.token, p.name as package,
      v.version
    from slave
    left join lateral (
      select token from lease where slave_id = slave.id order by token desc limit 1) l on true
    left join build b on b.token = l.token
    left join version v on v.id = b.version_id
    left join package p on p.id = v.package_id
    where slave.id = any(array(
      select slave.id from slave
      where ${isBuilder(tx)} and (not ${isPattern} or ${isRemembered(tx)}) and slave.id in (
        select case when ${withSiblings} then o.id else s.id end
        from slave s
        left join slave o on ${withSiblings} and o.identity = s.identity and o.machine = s.machine
        where ${isMeant})
      order by slave.last_seen_at desc limit ${MOST_SLAVES_LISTED}))
    order by slave.id for no key update of slave`;
}

/** Who imports has a row of `slave` too, without targets, and nothing to steer. */
const isBuilder = (sql: Sql | Tx) => sql`exists (
  select from slave_target st where st.slave_id = slave.id)`;

const isRemembered = (sql: Sql | Tx) => sql`(
  slave.last_seen_at > now() - ${FORGOTTEN_AFTER}::interval or slave.asleep_since is not null
  or exists (select from lease l where l.slave_id = slave.id))`;

const likePattern = (label: string): string =>
  label.replaceAll(/[\\%_]/g, "\\$&").replaceAll("*", "%");
