/**
 * Holds a master back in the middle of a transaction: triggers in a test's database wait there for a lock that
 * the test has. So a test is at a place between two steps of the master without a change in the master, and as long as
 * it likes.
 */
import { setTimeout as delay } from "node:timers/promises";
import { openConnection, type Sql, transaction } from "../../db/connection.ts";

/** Where a master can be held: the change is made and not committed yet. */
const gates = {
  /** A lease is recorded. */
  leased: { table: "lease", when: "after insert", only: "true", key: 11 },
  /** The outcome of a build is recorded. */
  settled: { table: "build", when: "after update of settled_at", only: "true", key: 12 },
  /** Files have their public names, which is recorded. */
  placed: { table: "file", when: "after update of placed_at", only: "true", key: 13 },
  /** The page of a project that has files is written, and its request is done with. */
  paged: {
    table: "page_request",
    when: "after delete",
    only: "exists (select 1 from file where placed_at is not null and filename like old.key || '-%')",
    key: 14,
  },
} as const;
export type GateName = keyof typeof gates;

/** A transaction that has something, until it is let go. */
interface Hold {
  /** It has it. */
  readonly taken: Promise<void>;
  /** Settles when it is free for others. */
  letGo(): Promise<void>;
}

export class DatabaseGate {
  readonly #dsn: string;
  readonly #sql: Sql;
  #hold: Hold | undefined;

  private constructor(dsn: string, sql: Sql) {
    this.#dsn = dsn;
    this.#sql = sql;
  }

  /** @param ownerDsn of the role that may add triggers */
  static async install(ownerDsn: string): Promise<DatabaseGate> {
    const sql = openConnection(ownerDsn, { applicationName: "gate" });
    for (const [name, { table, when, only, key }] of Object.entries(gates)) {
      await sql.unsafe(`
        create function gate_${name}() returns trigger language plpgsql as $$
        begin
          if ${only} then
            perform pg_advisory_xact_lock_shared(862375, ${key});
          end if;
          return null;
        end $$;
        create trigger gate_${name} ${when} on ${table}
          for each row execute function gate_${name}();`);
    }
    return new DatabaseGate(ownerDsn, sql);
  }

  /** Shuts a gate; until `open` whoever comes there waits. */
  async shut(name: GateName): Promise<void> {
    this.#hold = this.#take(`select pg_advisory_xact_lock(862375, ${gates[name].key})`);
    await this.#hold.taken;
  }

  /** Settles when somebody waits at the gate that is shut. */
  async reached(): Promise<void> {
    await this.#untilWaiting("locktype = 'advisory' and classid = 862375");
  }

  /**
   * Lets whoever waits at the gate commit, and has nobody look at files from then on, until `open`: between a build that
   * is settled and the placing of its files.
   */
  async letCommitAndHideFiles(): Promise<void> {
    const gate = this.#hold;
    this.#hold = this.#take("lock table file in access exclusive mode");
    // In the queue for the table before the master is let go: so it comes first.
    await this.#untilWaiting("mode = 'AccessExclusiveLock' and relation = 'file'::regclass");
    await gate?.letGo();
    await this.#hold.taken;
  }

  async open(): Promise<void> {
    await this.#hold?.letGo();
    this.#hold = undefined;
  }

  async end(): Promise<void> {
    await this.open();
    await this.#sql.end();
  }

  #take(statement: string): Hold {
    const sql = openConnection(this.#dsn, {
      applicationName: "gate",
      lockTimeoutMs: 0,
      statementTimeoutMs: 0,
      idleInTransactionTimeoutMs: 0,
    });
    const taken = deferred();
    const letGo = deferred();
    const held = transaction(sql, async (tx) => {
      await tx.unsafe(statement);
      taken.resolve();
      await letGo.promise;
    }).finally(() => sql.end());
    return {
      taken: taken.promise,
      letGo: async () => {
        letGo.resolve();
        await held;
      },
    };
  }

  async #untilWaiting(condition: string): Promise<void> {
    const endAt = performance.now() + 60_000;
    for (;;) {
      const waiting = await this.#sql.unsafe(
        `select 1 from pg_locks where not granted and ${condition} and
          database = (select oid from pg_database where datname = current_database())`,
      );
      if (waiting.length > 0) return;
      if (performance.now() > endAt) throw new Error(`nobody came to the gate: ${condition}`);
      await delay(10);
    }
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
