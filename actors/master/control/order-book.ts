/**
 * What Control was ordered to do, kept: in the log, in the database, told to those who watch. Without the database it is
 * in the log alone; no order waits for that.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { ToStatus } from "../../../protocol/links/tasks/status.ts";
import type { Order } from "../../../protocol/model/order.ts";
import { type ActorRef, type Logger, toError } from "../../../supervisor/index.ts";
import type { DatabaseRef } from "../database.ts";

/** So long the database may be away for an order to be kept all the same. */
const KEEP_WITHIN_MS = 60_000;
/** Orders that wait for the database; more are in the log alone. */
const MOST_WAITING = 100;
/** How long whoever asks for orders, or the end of the master, waits for what is just being kept. */
const SETTLE_MS = 2_000;

export class OrderBook {
  readonly #database: DatabaseRef;
  readonly #status: ActorRef<ToStatus>;
  readonly #log: Logger;
  readonly #keeping = new Set<Promise<void>>();

  constructor(database: DatabaseRef, status: ActorRef<ToStatus>, log: Logger) {
    this.#database = database;
    this.#status = status;
    this.#log = log;
  }

  note(order: Order): void {
    const { at: _at, ...fields } = order;
    if (order.isDone) this.#log.info(fields, "order");
    else this.#log.warn(fields, "an order that was not carried out");
    this.#status.tell("EVENT", { kind: "order", ...order });
    if (this.#keeping.size >= MOST_WAITING) {
      this.#log.warn(
        { what: order.what },
        "the database keeps no orders now: this one is in the log alone",
      );
      return;
    }
    const kept = this.#keep(order).finally(() => this.#keeping.delete(kept));
    this.#keeping.add(kept);
  }

  /** When what was noted is kept, or after a while. */
  async settled(): Promise<void> {
    if (this.#keeping.size === 0) return;
    const late = new AbortController();
    const patience = delay(SETTLE_MS, undefined, { signal: late.signal }).catch(() => undefined);
    await Promise.race([Promise.allSettled(this.#keeping), patience]);
    late.abort();
  }

  async #keep(order: Order): Promise<void> {
    try {
      const args = { key: randomUUID(), order };
      await this.#database.ask("keepOrder", args, { timeoutMs: KEEP_WITHIN_MS });
    } catch (error) {
      this.#log.warn(
        { err: toError(error), what: order.what },
        "an order could not be kept in the database: it is in the log alone",
      );
    }
  }
}
