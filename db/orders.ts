/** The orders that people gave to the master: kept by Control, shown by `piw orders`. */
import { z } from "zod";
import {
  type KeptOrder,
  keptOrderSchema,
  MOST_ORDERS_LISTED,
  orderSchema,
} from "../protocol/model/order.ts";
import { rowIdSchema } from "../protocol/model/scalar.ts";
import { request } from "./request.ts";

const KEPT_FOR = "1 year";

/** Keeps an order, and forgets those that are too old. */
export const keepOrder = request(
  { args: z.object({ key: z.uuid(), order: orderSchema }), result: z.null() },
  async (sql, { key, order }) => {
    await sql`
      insert into control_order (key, at, ordered_by, via, what, is_done, outcome)
      values (${key}, ${new Date(order.at)}, ${order.by}, ${order.via}, ${order.what},
        ${order.isDone}, ${order.outcome})
      on conflict (key) do nothing`;
    await sql`delete from control_order where at < now() - ${KEPT_FOR}::interval`;
    return null;
  },
);

/** The latest first: those before one, or the last. */
export const listOrders = request(
  {
    args: z.object({
      limit: z.int().positive().max(MOST_ORDERS_LISTED),
      before: rowIdSchema.nullable(),
    }),
    result: z.array(keptOrderSchema),
  },
  async (sql, { limit, before }) => {
    const rows = await sql<(Omit<KeptOrder, "at"> & { at: Date })[]>`
      select id, at, ordered_by as "by", via, what, is_done as "isDone", outcome
      from control_order
      where ${before}::bigint is null
        or (at, id) < (select o.at, o.id from control_order o where o.id = ${before}::bigint)
      order by at desc, id desc limit ${limit}`;
    return rows.map((row) => ({ ...row, at: row.at.getTime() }));
  },
);
