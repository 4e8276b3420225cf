/**
 * A connection to PostgreSQL as the farm's programs use it: one session at a time, opened when first
 * asked for and opened anew after a loss. Called by the Oracles (one each), by the listener, by
 * piw-initdb and by tests. It is no pool: whoever wants two sessions opens two connections.
 *
 * What it promises beyond the driver: a backend that is killed, in a query, in a transaction or idle,
 * is an error of what was asked and never an uncaught exception; what belonged to a lost transaction
 * is never run outside it; `end` ends. COPY streams are not covered by that.
 *
 * Values: `bigint` and `numeric` are numbers (a bigint beyond 2^53 is an error), `timestamptz` is a
 * Date, `json` is parsed, arrays are arrays, `bytea` is a Buffer.
 */
import type postgres from "postgres";
import { ConnectionLost, codeOf } from "./database-error.ts";
import { connectionOptions } from "./dsn.ts";
import { type Admission, openSession, type Session } from "./session.ts";

export { codeOf, isConnectionLost, isRetryable, isUnavailable } from "./database-error.ts";

/** Queries within one transaction: a template tag, with the driver's helpers. */
export type Tx = postgres.ISql;

/** Queries that commit one by one; `transaction` makes several of them one. */
export interface Sql extends Tx {
  /**
   * Waits up to `timeoutMs` (default 5000) for what is under way, then closes the session come what
   * may. Later queries are refused with `CONNECTION_ENDED`. May be called twice; never rejects.
   */
  end(options?: { readonly timeoutMs?: number }): Promise<void>;
}

export interface OpenConnectionOptions {
  /** Shown in pg_stat_activity. Default: the DSN's, else `wheelwright`. */
  readonly applicationName?: string;
  /** Default 10,000, or the DSN's connect_timeout. */
  readonly connectTimeoutMs?: number;
  /** PostgreSQL ends a statement that takes longer. Default 60,000; 0: no limit. */
  readonly statementTimeoutMs?: number;
  /** PostgreSQL ends a statement that waits longer for one lock. Default 30,000; 0: no limit. */
  readonly lockTimeoutMs?: number;
  /** PostgreSQL ends a session that idles longer within a transaction. Default 30,000; 0: no limit. */
  readonly idleInTransactionTimeoutMs?: number;
  /** Asked first on each new session; one that is refused is lost, and nothing else was sent on it. Default: all may be used. */
  readonly admission?: Admission;
  /** What the server says beside its answers. Default: nothing is done with it. Must not throw. */
  readonly onNotice?: (message: string, severity: string) => void;
  /** A NOTIFY on a channel that this session listens to. Must not throw. */
  readonly onNotify?: (channel: string, payload: string) => void;
  /**
   * The session is gone; the next query opens another one, which listens to nothing. Called once per
   * lost session, also when it could not be opened, and not after `end`. Must not throw.
   */
  readonly onLost?: (error: Error) => void;
}

export interface TransactionOptions {
  /** Default `read committed`, which the queue's locks are made for. */
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
  readonly readOnly?: boolean;
}

/** A query of the driver as seen from inside: these fields are its own and are replaced by the gate. */
interface DriverQuery extends Promise<unknown> {
  handler: (query: DriverQuery) => void;
  reject: (error: unknown) => void;
  /** Written as a template, not given as text. */
  readonly tagged: boolean;
  /** The stack of where its template was first run. */
  readonly origin: string;
}

const connections = new WeakMap<Tx, Connection>();

/**
 * Makes a connection; nothing is sent before the first query.
 * @throws DsnError
 */
export function openConnection(dsn: string, options: OpenConnectionOptions = {}): Sql {
  const connection = new Connection(dsn, options);
  const sql = Object.assign(
    facade(
      () => connection.session().client,
      (made) => connection.gate(made),
    ),
    { end: ({ timeoutMs = 5_000 } = {}) => connection.end(timeoutMs) },
  ) as Sql;
  connections.set(sql, connection);
  return sql;
}

/**
 * Runs `work` in a transaction and returns its result after the commit; when `work` throws, or one of
 * its queries failed, all of it is rolled back. `work` must be safe to run again: after a lost
 * connection nobody knows whether the commit took effect, and it must use `tx` only, since a query of
 * `sql` inside would wait for the transaction's own end.
 *
 * @throws what `work` throws, the first failed query's error, or one for which `isConnectionLost`,
 * `isUnavailable` or `isRetryable` tells what to do.
 */
export function transaction<T>(
  sql: Sql,
  work: (tx: Tx) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const connection = connections.get(sql);
  if (connection === undefined)
    throw new TypeError("transaction() wants a connection of openConnection()");
  return connection.transaction(work, options);
}

class Connection {
  readonly #address;
  readonly #options;
  readonly #underWay = new Set<Promise<unknown>>();
  #session: Session | undefined;
  #ended: Promise<void> | undefined;

  constructor(dsn: string, options: OpenConnectionOptions) {
    this.#address = connectionOptions(dsn);
    this.#options = options;
  }

  /** The present session, or a new one. */
  session(): Session {
    if (this.#ended !== undefined) throw new ConnectionLost("the connection was ended");
    const present = this.#session;
    if (present !== undefined && present.lostBy() === undefined) return present;
    const options = this.#options;
    const session = openSession(this.#address, {
      admission: options.admission,
      connectTimeoutMs: options.connectTimeoutMs ?? this.#address.connectTimeoutMs ?? 10_000,
      applicationName: options.applicationName ?? this.#address.applicationName ?? "wheelwright",
      settings: {
        statement_timeout: String(options.statementTimeoutMs ?? 60_000),
        lock_timeout: String(options.lockTimeoutMs ?? 30_000),
        idle_in_transaction_session_timeout: String(options.idleInTransactionTimeoutMs ?? 30_000),
      },
      onNotice: options.onNotice ?? (() => undefined),
      onNotify: options.onNotify ?? (() => undefined),
    });
    this.#session = session;
    void session.lost.then((error) => {
      if (this.#ended === undefined) options.onLost?.(error);
    });
    return session;
  }

  gate(made: unknown): unknown {
    const session = this.session();
    return guard(made, session, () => undefined);
  }

  transaction<T>(work: (tx: Tx) => Promise<T>, options: TransactionOptions): Promise<T> {
    const running = this.#run(work, options);
    this.#underWay.add(running);
    const done = () => {
      this.#underWay.delete(running);
    };
    running.then(done, done);
    return running;
  }

  async #run<T>(work: (tx: Tx) => Promise<T>, options: TransactionOptions): Promise<T> {
    const session = this.session();
    let forget: () => void = () => undefined;
    const lost = new Promise<never>((_resolve, reject) => {
      forget = session.whenLost(reject);
    });
    lost.catch(() => undefined);
    try {
      return await this.#runIn(session, lost, work, options);
    } finally {
      forget();
    }
  }

  /** @param lost rejects when the session is lost */
  async #runIn<T>(
    session: Session,
    lost: Promise<never>,
    work: (tx: Tx) => Promise<T>,
    options: TransactionOptions,
  ): Promise<T> {
    const reserved = await Promise.race([
      session.opened.then(() => session.client.reserve()),
      lost,
    ]);
    let over = false;
    let failure: Error | undefined;
    const tx = facade(
      () => reserved,
      (made) =>
        guard(
          made,
          session,
          () => (over ? new Error("a query was sent after the end of its transaction") : undefined),
          (error) => {
            failure ??= error instanceof Error ? error : new Error(String(error));
          },
        ),
    );
    try {
      await tx.unsafe(beginStatement(options));
      const result = await Promise.race([work(tx), lost]);
      const end = await tx.unsafe("commit");
      // A transaction with a failed statement answers COMMIT with ROLLBACK, and no error.
      if (end.command !== "COMMIT") throw failure ?? new Error("the transaction was rolled back");
      return result;
    } catch (error) {
      // Whatever cannot be rolled back ends with its session.
      if (session.lostBy() === undefined)
        await tx.unsafe("rollback").catch(() => {
          session.destroy("a transaction could not be rolled back");
        });
      throw error;
    } finally {
      over = true;
      if (session.lostBy() === undefined) reserved.release();
    }
  }

  end(timeoutMs: number): Promise<void> {
    this.#ended ??= this.#end(timeoutMs);
    return this.#ended;
  }

  async #end(timeoutMs: number): Promise<void> {
    const session = this.#session;
    if (session === undefined || session.lostBy() !== undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    const idle = async () => {
      while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
      await session.client.end();
    };
    await Promise.race([idle(), deadline, session.lost]);
    clearTimeout(timer);
    session.destroy("the connection was ended");
  }
}

/** The driver's interface over whichever client is the present one; every query it makes passes `gate`. */
function facade(client: () => postgres.ISql, gate: (made: unknown) => unknown): Tx {
  type Loose = (...args: unknown[]) => unknown;
  const make = (...args: unknown[]): unknown => gate((client() as unknown as Loose)(...args));
  const method =
    (name: "unsafe" | "file" | "json" | "array" | "typed"): Loose =>
    (...args) =>
      gate((client()[name] as unknown as Loose)(...args));
  return Object.assign(make, {
    unsafe: method("unsafe"),
    file: method("file"),
    json: method("json"),
    array: method("array"),
    typed: method("typed"),
    types: method("typed"),
    notify: (channel: string, payload: string) =>
      method("unsafe")("select pg_notify($1, $2)", [channel, payload]),
  }) as unknown as Tx;
}

/**
 * Lets a query through to the driver only while its session lives and `refusal` has none, judged when
 * the query is really sent: it may have been made long before. Fragments and helpers pass unchanged.
 */
function guard(
  made: unknown,
  session: Session,
  refusal: () => Error | undefined,
  onFailure?: (error: unknown) => void,
): unknown {
  if (!(made instanceof Promise)) return made;
  const query = made as DriverQuery;
  // The driver keeps an error for each template, which holds the client that ran it first, lost or
  // not, until its stack is asked for; from then on it holds text.
  if (query.tagged) void query.origin;
  const send = query.handler;
  const reject = query.reject;
  query.reject = (error) => {
    // The driver's words for a loss name nothing; ours say what happened and where.
    const reason =
      codeOf(error)?.startsWith("CONNECTION_") === true ? (session.lostBy() ?? error) : error;
    onFailure?.(reason);
    reject(reason);
  };
  query.handler = (sent) => {
    // Whoever takes note of failures makes them the transaction's: none is unhandled.
    if (onFailure !== undefined) sent.catch(() => undefined);
    const sendNow = () => {
      const reason = session.lostBy() ?? refusal();
      if (reason === undefined) send(sent);
      else query.reject(reason);
    };
    // The driver would send it with the answer to the first query, before that is judged.
    if (session.isOpen() || session.lostBy() !== undefined) sendNow();
    else whenSettled(session, sendNow);
  };
  return query;
}

/** Calls back once, when the session is open or lost. */
function whenSettled(session: Session, callback: () => void): void {
  let isOver = false;
  const settle = () => {
    if (isOver) return;
    isOver = true;
    forget();
    callback();
  };
  let forget: () => void = () => undefined;
  session.opened.then(settle, settle);
  forget = session.whenLost(settle);
}

function beginStatement({
  isolation = "read committed",
  readOnly = false,
}: TransactionOptions): string {
  return `begin isolation level ${isolation}${readOnly ? " read only" : ""}`;
}
