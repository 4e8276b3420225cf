/**
 * `POST /farm/orders`: takes an order, as JSON, from a token of right `control` alone. A browser sends its cookie along for
 * pages of other sites too: the gate takes it from pages of this site only, and no other one may set the header
 * that is asked for besides, or send JSON, without having asked first, which nobody is allowed here.
 */
import type { FastifyInstance } from "fastify";
import type { DashboardOptions } from "./dashboard.ts";
import { refuse, sendRefused } from "./gate.ts";
import { inWords } from "./in-words.ts";
import { orderSchema } from "./orders.ts";

/** Each is a question that the master has open. */
const MOST_IN_HAND = 8;

export function takeOrders(
  app: FastifyInstance,
  { farm, tokens }: Pick<DashboardOptions, "farm" | "tokens">,
): void {
  let inHand = 0;

  app.post("/farm/orders", async (request, reply) => {
    const admission = await tokens.admit(request.raw, "control");
    if (!admission.isAdmitted) return sendRefused(reply, admission);
    const { headers } = request.raw;
    const isJson = /^application\/json\b/i.test(headers["content-type"] ?? "");
    if (headers["x-farm-order"] !== "1" || !isJson)
      return refuse(reply, 403, "An order is sent as JSON, with the header X-Farm-Order: 1.");
    const order = orderSchema.safeParse(jsonOf(request.body));
    if (!order.success) return refuse(reply, 400, "This is no order that the farm knows.");
    if (inHand >= MOST_IN_HAND)
      return refuse(reply, 429, "Other orders are being carried out: try again in a moment.");
    inHand += 1;
    try {
      const by = `token ${admission.holder.name} (dashboard)`;
      const outcome = await inWords(() => farm.order(order.data, by));
      return await reply.send(
        typeof outcome === "string" ? { isDone: false, text: outcome } : outcome,
      );
    } finally {
      inHand -= 1;
    }
  });
}

/** Undefined for what is no JSON. */
function jsonOf(body: unknown): unknown {
  try {
    return JSON.parse(String(body));
  } catch {
    return undefined;
  }
}
