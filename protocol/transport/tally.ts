/**
 * Counts what went wrong on an endpoint and logs it without letting a hostile peer fill the log. Called
 * by both ends of a link; the bound one shows the counts to its owner.
 */
import type { TransportLog } from "./transport-log.ts";

export type Incident =
  | "malformed frame"
  | "unexpected frame"
  | "repeated frame"
  | "lost message"
  | "message not sent"
  | "beyond credit"
  | "unknown session"
  | "spoke after its end"
  | "hello refused"
  | "hello unproven"
  | "key not authorised"
  | "handshake failed"
  | "invalid message"
  | "invalid reply"
  | "late reply"
  | "repeated reply"
  | "reply dropped"
  | "answer dropped"
  | "frame not sent"
  | "handler threw"
  | "receive failed"
  | "connection failed";

const LOG_EVERY_MS = 60_000;

export class Tally {
  readonly #log: TransportLog;
  readonly #bindings: object;
  readonly #counts = new Map<Incident, number>();
  readonly #logged = new Map<Incident, { atMs: number; count: number }>();

  constructor(log: TransportLog, bindings: object) {
    this.#log = log;
    this.#bindings = bindings;
  }

  /** The first of a kind is logged at once, the others summed up and logged once a minute at most. */
  count(incident: Incident, fields: object = {}, times = 1): void {
    const count = (this.#counts.get(incident) ?? 0) + times;
    this.#counts.set(incident, count);
    const last = this.#logged.get(incident);
    const nowMs = performance.now();
    if (last !== undefined && nowMs - last.atMs < LOG_EVERY_MS) return;
    this.#logged.set(incident, { atMs: nowMs, count });
    const unlogged = count - (last?.count ?? 0);
    this.#log.warn({ ...this.#bindings, ...fields, times: unlogged }, incident);
  }

  snapshot(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
