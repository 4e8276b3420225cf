/**
 * Hooks: which there are, and what is still to be delivered to them. Triggers write the deliveries
 * (0014-provenance.sql), in the transaction that makes the event true; the herald works them off.
 */
import { z } from "zod";
import { type HookDelivery, hookDeliverySchema, hookNameSchema } from "../protocol/model/hook.ts";
import { durationSchema, rowIdSchema } from "../protocol/model/scalar.ts";
import { transaction } from "./connection.ts";
import { request } from "./request.ts";

/** The hooks as they are configured now. What is owed to one that is gone is dropped; another action enables it again. */
export const setHooks = request(
  {
    args: z.object({
      hooks: z
        .array(
          z.object({
            name: hookNameSchema,
            events: z.array(z.string().max(50)).max(20),
            patterns: z.array(z.string().max(500)).max(1_000),
            action: z.string().max(20_000),
          }),
        )
        .max(100),
    }),
    result: z.null(),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      await tx`delete from hook where name <> all(${args.hooks.map(({ name }) => name)})`;
      for (const { name, events, patterns, action } of args.hooks)
        await tx`
          insert into hook (name, events, patterns, action)
          values (${name}, ${[...events]}, ${[...patterns]}, ${action})
          on conflict (name) do update
            set events = excluded.events, patterns = excluded.patterns, action = excluded.action,
              disabled = case when hook.action = excluded.action then hook.disabled end`;
      return null;
    }),
);

/** The oldest that is due, of each hook that is not busy. */
export const dueDeliveries = request(
  {
    args: z.object({ busy: z.array(hookNameSchema).max(100) }),
    result: z.array(hookDeliverySchema),
  },
  async (sql, args) => {
    const rows = await sql<(Omit<HookDelivery, "madeAt"> & { readonly madeAt: Date })[]>`
      select d.id, d.hook, d.event_id as "eventId", d.event, d.made_at as "madeAt", d.tries, d.body
      from hook h cross join lateral (
        select * from hook_delivery d
        where d.hook = h.name and d.not_before <= now() order by d.id limit 1) d
      where h.disabled is null and h.name <> all(${[...args.busy]})
      order by d.id`;
    return rows.map((row) => ({ ...row, madeAt: row.madeAt.getTime() }));
  },
);

/** Delivered, or given up: it is owed no more. */
export const endDelivery = request(
  { args: z.object({ id: rowIdSchema }), result: z.null() },
  async (sql, args) => {
    await sql`delete from hook_delivery where id = ${args.id}`;
    return null;
  },
);

/** One that failed is tried again, not before. */
export const putOffDelivery = request(
  { args: z.object({ id: rowIdSchema, delayMs: durationSchema }), result: z.null() },
  async (sql, args) => {
    await sql`
      update hook_delivery set tries = tries + 1,
        not_before = now() + ${args.delayMs} * interval '1 millisecond'
      where id = ${args.id}`;
    return null;
  },
);

/** Nothing is delivered to it any more, until its action is another one. */
export const disableHook = request(
  { args: z.object({ hook: hookNameSchema, reason: z.string().max(500) }), result: z.null() },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      await tx`update hook set disabled = ${args.reason} where name = ${args.hook}`;
      await tx`delete from hook_delivery where hook = ${args.hook}`;
      return null;
    }),
);

/** Drops the oldest of each hook beyond so many, and says how many; and which hooks are disabled. */
export const trimDeliveries = request(
  {
    args: z.object({ keep: z.int().positive() }),
    result: z.object({
      dropped: z.array(z.object({ hook: hookNameSchema, count: z.int() })),
      disabled: z.array(z.object({ hook: hookNameSchema, reason: z.string() })),
    }),
  },
  async (sql, args) => {
    const dropped = await sql<{ hook: string; count: number }[]>`
      with gone as (
        delete from hook_delivery d using hook h
        where d.hook = h.name and d.id <= (
          select k.id from hook_delivery k where k.hook = h.name
          order by k.id desc offset ${args.keep} limit 1)
        returning d.hook)
      select hook, count(*)::int as count from gone group by hook`;
    const disabled = await sql<{ hook: string; reason: string }[]>`
      select name as hook, disabled as reason from hook where disabled is not null order by name`;
    return { dropped: [...dropped], disabled: [...disabled] };
  },
);

/** Something that happened to no package: told to every hook that wants to hear of it. */
export const announceEvent = request(
  {
    args: z.object({ event: z.string().max(50), message: z.string().max(2_000) }),
    result: z.null(),
  },
  async (sql, args) => {
    await sql`
      select announce(${args.event}, '', '', jsonb_build_object('message', ${args.message}::text))`;
    return null;
  },
);
