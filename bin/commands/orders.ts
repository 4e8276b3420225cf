/** piw orders: what people ordered a running master to do. */
import { ConfigurationError } from "../../config/configuration-error.ts";
import { harmless } from "../../config/log-line.ts";
import { ordersProgram } from "../../config/tools.ts";
import { type KeptOrder, MOST_ORDERS_LISTED } from "../../protocol/model/order.ts";
import { askMaster } from "../ask-master.ts";
import { columns } from "../columns.ts";
import { runProgram } from "../program.ts";
import { masterOf } from "./control.ts";

export function orders(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: ordersProgram,
      logLevel: "warn",
      run: async (values, _operands, frame) => {
        const { limit, before = null } = values;
        if (limit > MOST_ORDERS_LISTED) {
          throw new ConfigurationError(
            `--limit: at most ${MOST_ORDERS_LISTED} at a time; --before shows older ones`,
          );
        }
        const body = { limit, before };
        const { orders: found } = await askMaster({
          ...masterOf(values, frame),
          type: "ORDERS",
          body,
        });
        if (values.json) frame.print(JSON.stringify(found.map(asJson), undefined, 2));
        else orderLines(found).forEach(frame.print);
        return 0;
      },
    },
    argv,
  );
}

const asJson = (order: KeptOrder) => ({ ...order, at: new Date(order.at).toISOString() });

const orderLines = (found: readonly KeptOrder[]): string[] =>
  found.length === 0
    ? ["no orders"]
    : columns(
        ["ID", "AT", "BY", "VIA", "ORDER", ""],
        found.map(({ id, at, by, via, what, outcome }) => [
          String(id),
          new Date(at).toISOString().slice(0, 19).replace("T", " "),
          ...[by, via, what, outcome].map((text) => harmless(text)),
        ]),
      );
