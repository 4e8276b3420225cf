/**
 * One session with PostgreSQL: one driver client that has one socket for all its life. connection.ts
 * opens a new one when the last is lost; nothing else uses this file.
 *
 * The driver (postgres 3.4) reconnects by itself, and badly: a query sent after the loss is written to
 * no socket, which is an uncaught exception (porsager/postgres#1208), a write that was pending poisons
 * the next connection, and later queries of a transaction may run outside it (#1155). So a client that
 * has lost its socket is never used again, and every query passes a gate that knows of the loss.
 *
 * States: opening -> open -> lost (refused, failed or closed; `lost` resolves, nothing leads back).
 */
import type { Socket } from "node:net";
import postgres from "postgres";
import { ARRAY_TYPES, parseArray, serializeArray } from "./array-types.ts";
import { ConnectionLost, codeOf, DatabaseUnavailable } from "./database-error.ts";
import { type ConnectionOptions, describeDatabase } from "./dsn.ts";
import { openSocket } from "./socket.ts";

/** Whether a session may be used, judged by the answer to the first query on it. */
export interface Admission {
  readonly query: string;
  /** Why it may not; undefined where it may. */
  refusalOf(rows: readonly unknown[]): Error | undefined;
}

export interface SessionOptions {
  readonly admission: Admission | undefined;
  readonly connectTimeoutMs: number;
  readonly applicationName: string;
  /** Server settings for the session; 0 is PostgreSQL's "no limit". */
  readonly settings: Readonly<Record<string, string | number>>;
  readonly onNotice: (message: string, severity: string) => void;
  readonly onNotify: (channel: string, payload: string) => void;
}

export interface Session {
  readonly client: postgres.Sql;
  /** Resolves when PostgreSQL has let the session in. */
  readonly opened: Promise<void>;
  isOpen(): boolean;
  /** Why the session is gone; undefined while it is opening or open. */
  lostBy(): Error | undefined;
  /** Resolves once, when the session is lost. For who waits as long as the session lives. */
  readonly lost: Promise<Error>;
  /**
   * Calls back when the session is lost, or at once when it is; returns how to take that back. For who
   * waits for less: what hangs on the promise above is held until the session ends, which may be weeks.
   */
  whenLost(callback: (error: Error) => void): () => void;
  /** Ends it now, whatever it is doing. */
  destroy(reason: string): void;
}

export function openSession(address: ConnectionOptions, options: SessionOptions): Session {
  let tellLost: (error: Error) => void = () => undefined;
  const lost = new Promise<Error>((resolve) => {
    tellLost = resolve;
  });
  const waiting = new Set<(error: Error) => void>();
  let lostBy: Error | undefined;
  let socket: Socket | undefined;
  let connected = false;
  let open = false;

  const lostNow = () => lostBy;
  const lose = (error: Error) => {
    if (lostBy !== undefined) return;
    // Before it was open nothing of anybody's was sent.
    const isSaid = open || error instanceof DatabaseUnavailable;
    const reason = isSaid ? error : unavailable(address, error);
    lostBy = reason;
    tellLost(reason);
    for (const callback of waiting) callback(reason);
    waiting.clear();
    // Rejects what still waits inside the client. It can hang when the socket is gone, hence the zero.
    client.end({ timeout: 0 }).catch(() => undefined);
  };

  const connect = async (): Promise<Socket> => {
    if (lostBy !== undefined) throw lostBy;
    if (connected) throw new ConnectionLost("the session is closed; it does not reconnect");
    connected = true;
    try {
      socket = await openSocket(address, options.connectTimeoutMs);
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      lose(failure);
      throw failure;
    }
    const destroyedBy = lostNow();
    if (destroyedBy !== undefined) {
      socket.destroy();
      throw destroyedBy;
    }
    // These come before the driver's own listeners, so that the gate is shut before a rejected query's
    // continuation can ask the next one: between `error` and `close` it would wait for ever.
    socket.on("error", (error) => {
      lose(
        new ConnectionLost(
          `the connection to the ${describeDatabase(address)} failed: ${error.message}`,
          { cause: error },
        ),
      );
    });
    socket.on("close", () => {
      lose(new ConnectionLost(`the ${describeDatabase(address)} closed the connection`));
    });
    return socket;
  };

  const client: postgres.Sql = postgres({
    // The driver prints these in its messages and does nothing else with them.
    host: "database",
    port: 5432,
    user: address.user,
    database: address.database,
    password: address.password ?? "",
    ssl: false,
    max: 1,
    // 0: the next query is sent when the one before is answered. A query that cannot be encoded
    // (an undefined parameter) while another is under way would otherwise hang the connection.
    max_pipeline: 0,
    idle_timeout: 0,
    max_lifetime: null,
    keep_alive: 30,
    // See array-types.ts.
    fetch_types: false,
    connect_timeout: options.connectTimeoutMs / 1_000,
    connection: {
      application_name: options.applicationName,
      TimeZone: "UTC",
      DateStyle: "ISO",
      ...(address.serverOptions === undefined ? {} : { options: address.serverOptions }),
      ...options.settings,
    },
    types: {
      bigint: { to: 20, from: [20], serialize: String, parse: parseBigint },
      numeric: { to: 1700, from: [1700], serialize: String, parse: Number },
    },
    onnotice: (notice: postgres.Notice) => {
      options.onNotice(notice["message"] ?? "", notice["severity"] ?? "NOTICE");
    },
    onnotify: options.onNotify,
    socket: connect,
    // Neither option is in the driver's types; both are in its source.
  } as postgres.Options<Record<string, postgres.PostgresType>>);
  registerArrays(client);

  // The first query is ours: a session that PostgreSQL refuses fails with that reason for everybody who
  // waits behind, and a reservation on a client that is not connected would wait for ever.
  const first = client.unsafe(options.admission?.query ?? "select 1").then((rows) => {
    const refusal = options.admission?.refusalOf(rows);
    if (refusal !== undefined) throw refusal;
  });
  const opened = first.then(
    () => {
      open = true;
    },
    (error: unknown) => {
      lose(error instanceof Error ? error : new Error(String(error)));
      socket?.destroy();
      throw lostBy ?? error;
    },
  );
  opened.catch(() => undefined);

  return {
    client,
    opened,
    isOpen: () => open,
    lostBy: lostNow,
    lost,
    whenLost: (callback) => {
      if (lostBy !== undefined) callback(lostBy);
      else waiting.add(callback);
      return () => waiting.delete(callback);
    },
    destroy: (reason) => {
      lose(new ConnectionLost(reason));
      socket?.destroy();
    },
  };
}

/** Our keys, serials and sizes stay below 2^53; a value that does not is an error, not a rounded number. */
function parseBigint(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new RangeError(`the database holds an integer beyond 2^53: ${text}`);
  return value;
}

function unavailable(address: ConnectionOptions, cause: Error): DatabaseUnavailable {
  const code = codeOf(cause) ?? "CONNECT_FAILED";
  const reason = code === "CONNECT_TIMEOUT" ? "it does not answer in time" : cause.message;
  return new DatabaseUnavailable(
    `no session with the ${describeDatabase(address)}: ${reason}`,
    code,
    { cause },
  );
}

function registerArrays(client: postgres.Sql): void {
  const { parsers, serializers, shared } = client.options as typeof client.options & {
    readonly shared: { readonly typeArrayMap: Record<number, number> };
  };
  for (const [element, array] of ARRAY_TYPES) {
    shared.typeArrayMap[element] = array;
    parsers[array] = (text: string) => parseArray(text, parsers[element]);
    // A string is an array in PostgreSQL's own notation.
    serializers[array] = (values: unknown) =>
      Array.isArray(values) ? serializeArray(values, serializers[element]) : values;
  }
}
