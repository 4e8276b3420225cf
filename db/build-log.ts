/** Where the log of a build is to be read: by the build's token, or by the slave that has it in hand. */
import { z } from "zod";
import { tokenSchema } from "../protocol/model/build.ts";
import { loggedBuildSchema } from "../protocol/model/build-log.ts";
import { textSchema } from "../protocol/model/text.ts";
import { request } from "./request.ts";

/** More slaves than this share a label only by mistake. */
const MAX_FOUND = 20;

const whereLogIsSchema = z.object({
  build: loggedBuildSchema,
  slaveIdentity: z.string(),
  slaveSlot: z.string(),
  isImport: z.boolean(),
  /** It has its public name. */
  isPlaced: z.boolean(),
  /** It was there when the build was settled; placed or not. */
  isStored: z.boolean(),
});
export type WhereLogIs = z.infer<typeof whereLogIsSchema>;

interface Row {
  token: number;
  package: string;
  version: string;
  target: string;
  slave: string;
  phase: "running" | "ended" | "lost";
  cause: string | null;
  identity: string;
  slot: string;
  is_import: boolean;
  is_placed: boolean;
  is_stored: boolean;
}

/**
 * By token: that build. By a slave's label: the builds in hand of all slaves that are called so; where there is
 * none, the last one that any of them had. `lost` is a build whose lease ended without a result.
 */
export const findLogs = request(
  {
    args: z.object({ token: tokenSchema.nullable(), slave: textSchema(200).nullable() }),
    result: z.array(whereLogIsSchema),
  },
  async (sql, args) => {
    const rows = await sql<Row[]>`
      with wanted as (
        select ${args.token}::bigint as token where ${args.token}::bigint is not null
        union all
        (select l.token from slave s join lease l on l.slave_id = s.id
          where s.label = ${args.slave} limit ${MAX_FOUND})
      ),
      -- Each slave's newest, by its index: a label is of few slaves, and a slave has many builds.
      latest as (
        select max(b.token) as token from slave s cross join lateral (
          select token from build where slave_id = s.id order by token desc limit 1) b
        where s.label = ${args.slave} and not exists (select from wanted)
      )
      select b.token, p.name as package, v.version, t.name as target, s.label as slave,
        case when b.settled_at is not null then 'ended'
             when exists (select from lease l where l.token = b.token) then 'running'
             else 'lost' end as phase,
        b.cause, s.identity, s.slot,
        exists (select from import i where i.token = b.token) as is_import,
        b.log_placed_at is not null as is_placed, b.log_sha256 is not null as is_stored
      from (select token from wanted union select token from latest) w
      join build b on b.token = w.token
      join slave s on s.id = b.slave_id
      join version v on v.id = b.version_id
      join package p on p.id = v.package_id
      join target t on t.id = b.target_id
      order by b.token`;
    return rows.map((row) => ({
      build: {
        token: row.token,
        package: row.package,
        version: row.version,
        target: row.target,
        slave: row.slave,
        phase: row.phase,
        cause: row.cause,
      },
      slaveIdentity: row.identity,
      slaveSlot: row.slot,
      isImport: row.is_import,
      isPlaced: row.is_placed,
      isStored: row.is_stored,
    }));
  },
);
