/**
 * Hands batches to the master and keeps each until it is committed. See `protocol/links/log.ts` for who says what.
 *
 * A bounded number of batches is kept. When there is no room, `add` waits, and with it the reader and whoever writes
 * into its pipe; or, where records may be dropped, the batch is dropped and counted.
 */
import { randomUUID } from "node:crypto";
import { type LogAnswers, type LogRecords, logLink } from "../../protocol/links/log.ts";
import type { AccessBatch } from "../../protocol/model/access.ts";
import { connectEndpoint } from "../../protocol/transport/index.ts";
import type { ClientEndpoint, Logger, MessageOf } from "../../supervisor/index.ts";
import { openQueue, queueProblem } from "../queue-problem.ts";

interface Kept {
  readonly sequence: number;
  readonly batch: AccessBatch;
  isSent: boolean;
}

export interface SenderCounts {
  stored: number;
  refused: number;
  dropped: number;
}

export interface RecordSenderOptions {
  readonly address: string;
  readonly mayDrop: boolean;
  readonly logger: Logger;
  /** Aborted: `add` waits no more. */
  readonly signal: AbortSignal;
}

/** Batches that are kept, and those of them that are under way. */
const MAX_KEPT = 16;
const MAX_UNDER_WAY = 4;
/** Nothing was stored for so long: a person is told what is waited for. */
const STALL_MS = 3_000;
/** At the end, records that may be given up are when nothing was stored for so long. */
const LAST_PATIENCE_MS = 5_000;
const DROP_REPORT_MS = 60_000;

export class RecordSender {
  readonly #options: RecordSenderOptions;
  readonly #endpoint: ClientEndpoint<LogRecords>;
  readonly #source = randomUUID();
  readonly #kept: Kept[] = [];
  /** Records by what became of them. */
  readonly counts: SenderCounts = { stored: 0, refused: 0, dropped: 0 };
  #sequence = 0;
  #acknowledged = 0;
  #state: "away" | "connected" | "ready" = "away";
  #reason = "";
  /** Says once per stall what is waited for. */
  #stall: NodeJS.Timeout | undefined;
  #isStalled = false;
  #dropsReportedAt = Number.NEGATIVE_INFINITY;
  readonly #waiting = new Set<() => void>();

  /** @throws ConfigurationError for an address that cannot work */
  constructor(options: RecordSenderOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#wake(), { once: true });
    this.#endpoint = openQueue("log", options.address, () =>
      connectEndpoint(logLink, {
        address: options.address,
        log: options.logger,
        retryMs: { min: 100, max: 2_000 },
        handlers: {
          up: () => {
            this.#state = "connected";
          },
          down: (reason) => {
            this.#state = "away";
            this.#reason = reason;
          },
          message: (message) => this.#hear(message),
        },
      }),
    );
  }

  get hasRoom(): boolean {
    return this.#kept.length < MAX_KEPT;
  }

  /** Takes a batch: at once where there is room, else when there is some, or drops it. */
  async add(batch: AccessBatch): Promise<void> {
    const { mayDrop, signal } = this.#options;
    while (!this.hasRoom && !mayDrop && !signal.aborted) await this.#change();
    // What was read when the end comes is kept beyond the bound: it is one batch or two.
    if (!this.hasRoom && mayDrop) {
      this.#drop(batch.kinds.length);
      return;
    }
    this.#sequence += 1;
    this.#kept.push({ sequence: this.#sequence, batch, isSent: false });
    this.#flush();
    this.#watch();
  }

  /** Waits until all is stored or refused. Gives the number of records that were given up. */
  async finish(): Promise<number> {
    const { mayDrop, signal } = this.#options;
    while (this.#kept.length > 0) {
      const before = this.#acknowledged;
      const isPatient = !mayDrop && !signal.aborted;
      await this.#change(isPatient ? undefined : LAST_PATIENCE_MS);
      const isOver = mayDrop || signal.aborted;
      if (isOver && !isPatient && this.#acknowledged === before) break;
    }
    const left = this.#kept.splice(0).reduce((sum, { batch }) => sum + batch.kinds.length, 0);
    if (mayDrop) this.counts.dropped += left;
    return left;
  }

  async close(): Promise<void> {
    clearTimeout(this.#stall);
    await this.#endpoint.close();
  }

  #hear(message: MessageOf<LogAnswers>): void {
    switch (message.type) {
      case "READY":
        this.#state = "ready";
        this.#sendAgain();
        break;
      case "STORED":
        this.#forget(message.body.sequence, "stored");
        break;
      case "REFUSED":
        this.#options.logger.error(
          { detail: message.body.reason },
          "the master cannot store a batch of records; its log has more",
        );
        this.#forget(message.body.sequence, "refused");
        this.#sendAgain();
        break;
    }
    this.#flush();
  }

  #sendAgain(): void {
    for (const each of this.#kept) each.isSent = false;
  }

  /** Batches end in order, so that one that ends has none before it. */
  #forget(sequence: number, end: "stored" | "refused"): void {
    if (sequence > this.#sequence) return;
    for (
      let [first] = this.#kept;
      first !== undefined && first.sequence <= sequence;
      [first] = this.#kept
    ) {
      this.#kept.shift();
      this.counts[end] += first.batch.kinds.length;
      this.#acknowledged = first.sequence;
    }
    clearTimeout(this.#stall);
    this.#stall = undefined;
    if (this.#isStalled) this.#options.logger.warn("the master stores records again");
    this.#isStalled = false;
    this.#watch();
    this.#wake();
  }

  #flush(): void {
    if (this.#state !== "ready") return;
    for (const each of this.#kept.slice(0, MAX_UNDER_WAY)) {
      if (each.isSent) continue;
      const { sequence, batch } = each;
      const body = { source: this.#source, sequence, acknowledged: this.#acknowledged, batch };
      if (this.#endpoint.send("RECORDS", body) !== "sent") return;
      each.isSent = true;
    }
  }

  #watch(): void {
    if (this.#kept.length === 0 || this.#stall !== undefined || this.#isStalled) return;
    this.#stall = setTimeout(() => {
      this.#stall = undefined;
      this.#isStalled = true;
      this.#options.logger.warn(this.#waitingFor());
    }, STALL_MS);
  }

  #waitingFor(): string {
    const { address, mayDrop } = this.#options;
    const meanwhile = mayDrop ? "; records are dropped when too many wait" : "";
    const reason = this.#reason === "" ? "" : ` (${this.#reason})`;
    const what = {
      away: `waiting for a master at ${address}${reason}: ${queueProblem(address) ?? "is piw-master running, with this --log-queue?"}`,
      connected: `waiting for the master at ${address}: it takes no records; is its lumberjack paused? (piw tasks)`,
      ready: `waiting for the master at ${address}: it stores nothing; is its database away? (piw tasks)`,
    }[this.#state];
    return what + meanwhile;
  }

  #drop(records: number): void {
    this.counts.dropped += records;
    const now = performance.now();
    if (now - this.#dropsReportedAt < DROP_REPORT_MS) return;
    this.#dropsReportedAt = now;
    const why = this.#state === "ready" ? "cannot keep up" : "is away";
    this.#options.logger.warn(
      { dropped: this.counts.dropped },
      `the master ${why}: ${this.counts.dropped} records were dropped so far`,
    );
  }

  /** Resolves when something was forgotten, the signal came, or the time is over. */
  #change(withinMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = withinMs === undefined ? undefined : setTimeout(() => done(), withinMs);
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      this.#waiting.add(done);
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}
