/**
 * Targets as an operator sees and changes them (`piw target`): Mr. Chase asks for it. A change of a target
 * concerns every version, so nothing is recomputed here: `requeue_from` has the Architect do it, a
 * stretch of packages at a time (`requeueStep`). A skipped target is not leased for meanwhile.
 */
import { z } from "zod";
import { targetSpecSchema } from "../protocol/model/target.ts";
import {
  type TargetRow,
  targetChangedSchema,
  targetChangeSchema,
  targetRankSchema,
  targetRowSchema,
} from "../protocol/model/target-row.ts";
import { transaction } from "./connection.ts";
import { request } from "./request.ts";
import { ensureTarget } from "./slaves.ts";
import { readTallies } from "./tallies.ts";
import { TARGETS_LOCK } from "./work.ts";

export const listTargets = request(
  { args: z.null(), result: z.array(targetRowSchema), slow: true },
  async (sql) =>
    transaction(
      sql,
      async (tx) => {
        const tallies = await readTallies(tx);
        const rows = await tx<(Omit<TargetRow, keyof Queued> & { id: number })[]>`
          select t.id, t.name, t.rank, t.python_full_version as python, t.skip,
            t.is_active as "isActive", t.requeue_from is not null as "isComputing",
            (select count(*)::int from slave_target s where s.target_id = t.id) as slaves,
            (select count(*)::int from tag_covers c where c.target_id = t.id) as tags
          from target t order by t.rank, t.name`;
        return rows.map(({ id, ...row }) => {
          const of = (state: keyof Queued) => tallies(state, id).total;
          return {
            ...row,
            ready: of("ready"),
            leased: of("leased"),
            waiting: of("waiting"),
            blocked: of("blocked"),
          };
        });
      },
      { isolation: "repeatable read", readOnly: true },
    ),
);

type Queued = Pick<TargetRow, "ready" | "leased" | "waiting" | "blocked">;

/** Adds a target before its first slave comes. One that is there keeps its tags, which a slave gave it. */
export const addTarget = request(
  {
    args: z.object({ spec: targetSpecSchema, rank: targetRankSchema.nullable() }),
    result: z.object({ isNew: z.boolean(), rank: targetRankSchema }),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      // No slave has been heard of: nobody is to wait for one.
      const { id, isNew } = await ensureTarget(tx, args.spec);
      if (isNew) await tx`update target set is_active = false where id = ${id}`;
      if (args.rank !== null)
        await tx`
          update target set rank = ${args.rank}, requeue_from = 0
          where id = ${id} and rank <> ${args.rank}`;
      const [row] = await tx<{ rank: number }[]>`select rank from target where id = ${id}`;
      return { isNew, rank: row?.rank ?? 0 };
    }),
);

export const changeTarget = request(
  { args: targetChangeSchema, result: targetChangedSchema },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      await tx`select pg_advisory_xact_lock(${TARGETS_LOCK}::bigint)`;
      const [known] = await tx<{ id: number }[]>`select id from target where name = ${args.name}`;
      if (known === undefined) {
        const names = await tx<{ name: string }[]>`select name from target order by rank, name`;
        return { outcome: "unknown", known: names.map((row) => row.name) };
      }
      const changed = await tx`
        update target set requeue_from = 0,
          skip = case when ${args.skip === null} then skip else ${args.skip?.reason ?? null} end,
          rank = coalesce(${args.rank}::int, rank)
        where id = ${known.id} and (rank <> coalesce(${args.rank}::int, rank)
          or (${args.skip !== null} and skip is distinct from ${args.skip?.reason ?? null}))
        returning 1`;
      return { outcome: "changed", isChanged: changed.length > 0 };
    }),
);
