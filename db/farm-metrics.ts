/**
 * What /metrics tells of the farm: counters and queues as they are now. Sums of counters and counts that stop at a bound, so
 * that a scrape costs little at any size of the farm.
 */
import { z } from "zod";
import { countSchema, rowIdSchema } from "../protocol/model/scalar.ts";
import { transaction } from "./connection.ts";
import { request } from "./request.ts";

/** Upper bounds of the buckets of a build's duration, in seconds; 0019-tokens.sql sorts into them. */
export const DURATION_BOUNDS = [1, 5, 15, 60, 300, 900, 3_600, 10_800] as const;
/** Beyond it what is owed is only known to be so much. */
export const MOST_COUNTED = 100_000;
/** Slaves that are told apart: those heard of last. */
const MOST_SLAVES = 5_000;

const tallySchema = z.object({ name: z.string(), target: z.string(), n: z.int() });

export const farmMetrics = request(
  {
    args: z.null(),
    result: z.object({
      /** Counters of the farm by name and target, such as `ready` or `result published built`; see the schema. */
      tallies: z.array(tallySchema).max(200_000),
      /** Up to which upstream's changes were noted, and projects that changed and were not read. */
      serial: z.int(),
      unread: countSchema,
      /** Up to `MOST_COUNTED` together. */
      pages: z.array(z.object({ kind: z.string(), count: countSchema })),
      /** Since when the oldest is owed; null where none is. */
      oldestPageMs: z.number().nullable(),
      failingPages: countSchema,
      hooks: z.array(z.object({ hook: z.string(), owed: countSchema, isDisabled: z.boolean() })),
      visits: z.array(z.object({ kind: z.string(), count: countSchema })),
      /** Heard of in the last hour. */
      slaves: z.array(z.object({ id: rowIdSchema })),
    }),
    slow: true,
  },
  async (sql) =>
    transaction(
      sql,
      async (tx) => {
        const tallies = await tx<z.infer<typeof tallySchema>[]>`
          select y.name, coalesce(t.name, '') as target, y.n
          from (select name, target_id, sum(n)::bigint as n from tally group by name, target_id) y
          left join target t on t.id = y.target_id
          order by 1, 2 limit 200000`;
        const [farm] = await tx<{ serial: number; unread: number; failing: number }[]>`
          select upstream_serial as serial,
            (select count(*)::int from (
              select from package where read_serial < seen_serial limit ${MOST_COUNTED}) u) as unread,
            (select count(*)::int from (
              select from page_request where retry_at is not null limit ${MOST_COUNTED}) p) as failing
          from configuration`;
        const pages = await tx<{ kind: string; count: number; age: number }[]>`
          select kind, count(*)::int as count,
            extract(epoch from now() - min(requested_at))::float8 * 1000 as age
          from (select kind, requested_at from page_request limit ${MOST_COUNTED}) p
          group by kind order by kind`;
        const hooks = await tx<{ hook: string; owed: number; isDisabled: boolean }[]>`
          select h.name as hook, h.disabled is not null as "isDisabled",
            (select count(*)::int from (
              select from hook_delivery d where d.hook = h.name limit ${MOST_COUNTED}) d) as owed
          from hook h order by h.name`;
        const visits = await tx<{ kind: string; count: number }[]>`
          select value as kind, sum(visits)::bigint as count from access_day
          where aspect = 'kind' group by value order by value`;
        const slaves = await tx<{ id: number }[]>`
          select id from slave
          where last_seen_at > now() - interval '1 hour' and identity not like 'import:%'
          order by last_seen_at desc limit ${MOST_SLAVES}`;
        return {
          tallies: [...tallies],
          serial: farm?.serial ?? 0,
          unread: farm?.unread ?? 0,
          pages: pages.map(({ kind, count }) => ({ kind, count })),
          oldestPageMs: pages.length === 0 ? null : Math.max(0, ...pages.map(({ age }) => age)),
          failingPages: farm?.failing ?? 0,
          hooks: [...hooks],
          visits: [...visits],
          slaves: [...slaves],
        };
      },
      { isolation: "repeatable read", readOnly: true },
    ),
);
