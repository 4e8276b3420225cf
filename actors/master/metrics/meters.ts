/**
 * What the tasks of one process count for /metrics while they work: made by the tree, which gives each task the part that it
 * counts with; read when somebody scrapes (process-vitals.ts). It outlives incarnations and begins anew with the process. What
 * must survive that is counted by the database (db/farm-metrics.ts).
 *
 * A group is made when it is asked for, so that a process of a split master tells of its own tasks only.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export interface DatabaseMeters {
  /** A request was answered or refused: how long an Oracle had it. */
  ran(request: string, seconds: number): void;
  /** How long one waited for a free Oracle. */
  waited(seconds: number): void;
  /** One came to nothing and is sent again: its Oracle or the database was lost. */
  again(): void;
}

export interface TransferMeters {
  received(bytes: number): void;
  began(): void;
  /** A file of which some had come before. */
  resumed(): void;
  ended(outcome: "collected" | "refused" | "failed" | "full"): void;
  /** Transfers that run, and that wait for their turn. */
  watch(inHand: () => { readonly running: number; readonly waiting: number }): void;
}

export interface PageMeters {
  ended(kind: string, outcome: "written" | "failed", pages: number): void;
}

export interface HookMeters {
  ended(hook: string, outcome: "delivered" | "failed" | "given up"): void;
}

export interface AccessMeters {
  refused(rows: number): void;
}

export interface UpstreamMeters {
  /** The latest serial that upstream has shown. */
  seen(serial: number): void;
  /** All that upstream has said until now is noted and read. */
  caughtUp(): void;
}

/** From a lookup to what PostgreSQL is cut off at. */
const DATABASE_BUCKETS_S = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60];

export class Meters {
  readonly #registry = new Registry();
  #areDefaultsKept = false;

  /**
   * As they are now, the process's own figures (memory, event loop, …) among them from the first call on. Without those of the
   * library that are called totals and are none.
   */
  async families(): ReturnType<Registry["getMetricsAsJSON"]> {
    if (!this.#areDefaultsKept) {
      this.#areDefaultsKept = true;
      collectDefaultMetrics({ register: this.#registry });
      for (const what of ["handles", "requests", "resources"])
        this.#registry.removeSingleMetric(`nodejs_active_${what}_total`);
    }
    return this.#registry.getMetricsAsJSON();
  }

  database(): DatabaseMeters {
    const ran = new Histogram({
      name: "wheelwright_database_request_duration_seconds",
      help: "How long an Oracle had a request of a task, by its name.",
      labelNames: ["request"],
      buckets: DATABASE_BUCKETS_S,
      registers: [this.#registry],
    });
    const waited = new Histogram({
      name: "wheelwright_database_wait_seconds",
      help: "How long requests waited for a free Oracle.",
      buckets: DATABASE_BUCKETS_S,
      registers: [this.#registry],
    });
    const again = this.#counter(
      "wheelwright_database_retries_total",
      "Requests that were sent again since an Oracle or the database was lost.",
    );
    return {
      ran: (request, seconds) => ran.observe({ request }, seconds),
      waited: (seconds) => waited.observe(seconds),
      again: () => again.inc(),
    };
  }

  transfers(): TransferMeters {
    const bytes = this.#counter(
      "wheelwright_transfer_received_bytes_total",
      "Bytes of files that came from slaves and importing tools.",
    );
    const begun = this.#counter("wheelwright_transfers_started_total", "Transfers that began.");
    const resumed = this.#counter(
      "wheelwright_transfer_files_resumed_total",
      "Files of which some had come before.",
    );
    const ended = this.#counter(
      "wheelwright_transfers_total",
      "Transfers that ended, by outcome: collected, refused (a file did not pass), failed, or full (no room on the disk).",
      ["outcome"],
    );
    for (const outcome of ["collected", "refused", "failed", "full"]) ended.inc({ outcome }, 0);
    let inHand = () => ({ running: 0, waiting: 0 });
    const gauge: Gauge<"state"> = new Gauge({
      name: "wheelwright_transfers_in_hand",
      help: "Transfers that run now, and that wait for their turn.",
      labelNames: ["state"],
      registers: [this.#registry],
      collect() {
        const { running, waiting } = inHand();
        gauge.set({ state: "running" }, running);
        gauge.set({ state: "waiting" }, waiting);
      },
    });
    return {
      received: (some) => bytes.inc(some),
      began: () => begun.inc(),
      resumed: () => resumed.inc(),
      ended: (outcome) => ended.inc({ outcome }),
      watch: (counts) => {
        inHand = counts;
      },
    };
  }

  pages(): PageMeters {
    const pages = this.#counter(
      "wheelwright_pages_total",
      "Pages of the site that were written, or could not be, by kind.",
      ["kind", "outcome"],
    );
    return { ended: (kind, outcome, some) => pages.inc({ kind, outcome }, some) };
  }

  hooks(): HookMeters {
    const told = this.#counter(
      "wheelwright_hook_deliveries_total",
      "Attempts to tell a hook of an event, by outcome; given up is the last of several that failed.",
      ["hook", "outcome"],
    );
    return { ended: (hook, outcome) => told.inc({ hook, outcome }) };
  }

  access(): AccessMeters {
    const refused = this.#counter(
      "wheelwright_access_rows_dropped_total",
      "Access-log rows of batches that were refused.",
    );
    return { refused: (rows) => refused.inc(rows) };
  }

  upstream(): UpstreamMeters {
    const serial = new Gauge({
      name: "wheelwright_upstream_serial",
      help: "The latest serial that the followed index has shown; 0 where it has none.",
      registers: [this.#registry],
    });
    const caughtUp = new Gauge({
      name: "wheelwright_upstream_caught_up_timestamp_seconds",
      help: "When all that the followed index had said was noted and read; 0 before the first time.",
      registers: [this.#registry],
    });
    return {
      seen: (latest) => serial.set(latest),
      caughtUp: () => caughtUp.setToCurrentTime(),
    };
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[] = []) {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }
}
