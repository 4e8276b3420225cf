/**
 * What the farm's figures cost a large farm: each statement of Big Brother at 1,000 slaves and 20 targets, the
 * room that the history takes, and what the counters' triggers add to a lease and to the first load. The bare
 * baseline is the same with the triggers switched off, by turns in the same run.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openConnection, type Sql } from "../db/connection.ts";
import { startEmbeddedPostgres } from "../db/embedded.ts";
import { ensureFarmDatabase } from "../db/farm-database.ts";
import { upgradeDatabase } from "../db/migrate.ts";
import { type RequestArgs, type RequestName, requests } from "../db/requests.ts";
import { figureNames } from "../protocol/model/statistics.ts";
import { below, type Findings, median, runBench } from "./frame.ts";

const SLAVES = 1_000;
const TARGETS = 20;
/** A busy slave says its figures every 30 s. */
const SLAVES_A_TICK = Math.ceil(SLAVES / 3);
const VERSIONS = 200_000;
const HOUR_MS = 3_600_000;

interface Place {
  /** As the master, and as who owns the tables. */
  readonly sql: Sql;
  readonly owner: Sql;
}

async function measure(place: Place, signal: AbortSignal): Promise<Findings> {
  const { sql } = place;
  const load = await measureLoad(place);
  await sql.unsafe("analyze");
  const lease = await measureLeases(place, signal);
  const history = await fillHistory(sql);
  const statements = await measureStatements(sql, signal);
  const dayBytes = Math.round(
    (SLAVES + TARGETS + 2) * (24 * 12 * history.fiveMinuteBytes + 24 * history.fiveMinuteBytes),
  );
  return {
    tables: [
      {
        title: `Statements, ${SLAVES} slaves, ${TARGETS} targets, ${VERSIONS} versions queued (ms)`,
        head: ["statement", "median", "worst"],
        rows: statements.map(({ name, times }) => [
          name,
          median(times).toFixed(1),
          Math.max(...times).toFixed(1),
        ]),
      },
      {
        title: "Counters: what their triggers add",
        head: ["", "with", "without", "ratio"],
        rows: [
          ratioRow("a lease (ms)", lease.with, lease.without, 2),
          ratioRow(`${VERSIONS / 2} versions and their queue rows (s)`, load.with, load.without, 1),
        ],
      },
    ],
    notes: [
      `A row of history takes ${history.tenSecondBytes.toFixed(0)} bytes with its indexes at 10 s, ` +
        `${history.fiveMinuteBytes.toFixed(0)} when it has maxima.`,
      `The last hour has ${history.tenSecondRows} rows; a day in steps of 5 minutes and hours comes to ` +
        `${(dayBytes / 1e6).toFixed(0)} MB, of which the hours (${(SLAVES + TARGETS + 2) * 24} rows, ` +
        `${(((SLAVES + TARGETS + 2) * 24 * history.fiveMinuteBytes) / 1e6).toFixed(1)} MB) stay for ever.`,
    ],
    figures: {
      ...Object.fromEntries(statements.map(({ key, times }) => [key, round(median(times))])),
      leaseWithMs: round(lease.with),
      leaseWithoutMs: round(lease.without),
      historyRowBytes: Math.round(history.fiveMinuteBytes),
    },
    aims: statements.map(({ key, times }) => below(key, round(median(times)), 100, "ms")),
  };
}

const round = (value: number): number => Number(value.toFixed(2));
const ratioRow = (name: string, on: number, off: number, digits: number): string[] => [
  name,
  on.toFixed(digits),
  off.toFixed(digits),
  (on / off).toFixed(2),
];

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const run = <N extends RequestName>(sql: Sql, name: N, args: RequestArgs<N>): Promise<unknown> =>
  (requests[name] as { run(sql: Sql, args: unknown): Promise<unknown> }).run(sql, args);

const triggers = async ({ owner }: Place, verb: "enable" | "disable"): Promise<void> => {
  for (const table of ["work", "build", "file", "version"])
    await owner.unsafe(`alter table ${table} ${verb} trigger user`);
};

/** Loads a quarter of the versions at a time, with the triggers and without; in seconds, of half of them. */
async function measureLoad(place: Place): Promise<{ with: number; without: number }> {
  const { owner } = place;
  await owner.unsafe(`
    insert into target (name, implementation, python_version, python_full_version, abi_tag, platform_tag,
      rank, requeue_from)
    select 't' || n, 'cpython', '3.11', '3.11.4', 'cp311', 'p' || n, n, null
    from generate_series(1, ${TARGETS}) n;
    insert into package (name, display_name)
    select 'p' || n, 'p' || n from generate_series(1, ${VERSIONS / 10}) n;
    insert into slave (identity, slot, label, product_version, hostname, os, board)
    values ('a', 'main', 'a', '1', 'a', '', '')`);
  const quarter = (from: number) => `
    insert into version (package_id, version, spelling, sort_key, prerelease, wanted, sdist_filename,
      sdist_url, sdist_sha256)
    select 1 + n / 10, n::text, n::text, n::text, false, true, 'f', 'u', 's'
    from generate_series(${from}, ${from + VERSIONS / 4 - 1}) n;
    insert into work (version_id, target_id, state, ord)
    select id, 1 + id % ${TARGETS}, 'ready', id from version v
    where not exists (select from work w where w.version_id = v.id)`;
  const seconds = { with: 0, without: 0 };
  for (const [index, side] of (["without", "with", "with", "without"] as const).entries()) {
    await triggers(place, side === "with" ? "enable" : "disable");
    const ms = await timed(() => owner.unsafe(quarter((index * VERSIONS) / 4)));
    seconds[side] += ms / 1_000;
  }
  await triggers(place, "enable");
  return seconds;
}

/** Medians of leases by turns, in ms; each is followed by a release that is not measured. */
async function measureLeases(
  place: Place,
  signal: AbortSignal,
): Promise<{ with: number; without: number }> {
  const times = { with: [] as number[], without: [] as number[] };
  for (let turn = 0; turn < 10; turn += 1) {
    const side = turn % 2 === 0 ? "with" : "without";
    await triggers(place, side === "with" ? "enable" : "disable");
    const holding: number[] = [];
    for (let at = 0; at < 60; at += 1) {
      signal.throwIfAborted();
      const targetIds = [1 + (at % TARGETS)];
      const args = { slaveId: 1, targetIds, holding, leaseMs: 60_000, below: {} };
      const ms = await timed(async () => {
        const picked = (await run(place.sql, "leaseBuild", args)) as { order: { token: number } };
        holding.push(picked.order.token);
      });
      if (at >= 10) times[side].push(ms);
    }
  }
  await triggers(place, "enable");
  return { with: median(times.with), without: median(times.without) };
}

/** A full hour. */
const NOW = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;

/** An hour in steps of 10 s, as slaves say their figures, and a day in steps of 5 minutes. */
async function fillHistory(sql: Sql): Promise<{
  tenSecondRows: number;
  tenSecondBytes: number;
  fiveMinuteBytes: number;
}> {
  const figures = (count: number) =>
    `array[${Array.from({ length: count }, (_, at) => `random() * 1e${at % 10}`).join(", ")}]::real[]`;
  const hosts = figures(figureNames.slave.length);
  const targets = figures(figureNames.target.length);
  const fill = (stepS: number, rows: number, slaveEvery: number) =>
    sql.unsafe(`
      insert into history (step_s, kind, subject, at, samples, average, maximum)
      select ${stepS}, 'slave', n, to_timestamp(${NOW / 1_000} - k * ${stepS}), 1, ${hosts},
        ${stepS === 10 ? "null::real[]" : hosts}
      from generate_series(1, ${rows}) k, generate_series(1, ${SLAVES}) n where (n + k) % ${slaveEvery} = 0
      union all
      select ${stepS}, 'target', n, to_timestamp(${NOW / 1_000} - k * ${stepS}), 1, ${targets},
        ${stepS === 10 ? "null::real[]" : targets}
      from generate_series(1, ${rows}) k, generate_series(1, ${TARGETS + 2}) n`);
  await fill(10, 360, 3);
  await fill(300, 288, 1);
  await sql`update history_made set until = to_timestamp(${NOW / 1_000 - 300})`;
  const sizes = await sql<{ ten: number; ten_rows: number; five: number; five_rows: number }[]>`
    select pg_total_relation_size('history_10s') as ten, pg_total_relation_size('history_5min') as five,
      (select count(*) from history_10s) as ten_rows, (select count(*) from history_5min) as five_rows`;
  const { ten = 0, ten_rows = 1, five = 0, five_rows = 1 } = sizes[0] ?? {};
  return {
    tenSecondRows: ten_rows,
    tenSecondBytes: ten / ten_rows,
    fiveMinuteBytes: five / five_rows,
  };
}

async function measureStatements(
  sql: Sql,
  signal: AbortSignal,
): Promise<{ key: string; name: string; times: number[] }[]> {
  const samples = [
    ...Array.from({ length: SLAVES_A_TICK }, (_, at) => ({
      kind: "slave" as const,
      subject: at + 1,
      figures: figureNames.slave.map(() => Math.random() * 1e9),
    })),
    ...Array.from({ length: TARGETS }, (_, at) => ({
      kind: "target" as const,
      subject: at + 1,
      figures: figureNames.target.map(() => Math.random() * 1e6),
    })),
  ];
  const question = { kind: "slave" as const, after: null };
  const thin = (at: number) => run(sql, "thinHistory", { at, steps: 12, rows: 20_000 });
  const found = new Map<string, { key: string; name: string; times: number[] }>();
  const time = async (key: string, name: string, work: () => Promise<unknown>) => {
    signal.throwIfAborted();
    const entry = found.get(key) ?? { key, name, times: [] };
    found.set(key, entry);
    entry.times.push(await timed(work));
  };
  for (let turn = 0; turn < 20; turn += 1) {
    const at = NOW + turn * 10_000;
    await time("farmFiguresMs", "figures of the farm", () => run(sql, "farmFigures", null));
    await time("recordMs", `${samples.length} subjects recorded`, () =>
      run(sql, "recordFigures", { at, samples }),
    );
    await sql`insert into tally (name, target_id, n) select 'ready', 1 + n % 20, 1 from generate_series(1, 1000) n`;
    await time("foldMs", "1,000 changes of counters folded", () =>
      run(sql, "foldTallies", { limit: 10_000 }),
    );
    await time("thinMs", "thinned, of 10 s ago", () => thin(at));
    await time("slaveHourMs", "history of a slave, an hour by 10 s", () =>
      run(sql, "historyOf", { ...question, subject: turn + 1, stepS: 10 }),
    );
    await time("slaveDayMs", "history of a slave, a day by 5 min", () =>
      run(sql, "historyOf", { ...question, subject: turn + 1, stepS: 300 }),
    );
  }
  for (let turn = 0; turn < 6; turn += 1) {
    // The same 5 minutes again: 10,000 rows into 1,000.
    await sql`update history_made set until = to_timestamp(${NOW / 1_000 - 300}) where step_s = 300`;
    await time("coarsenMs", "5 minutes made of 10 s", () => thin(NOW + 60_000));
  }
  return [...found.values()];
}

await runBench("statistics", async (signal) => {
  const folder = mkdtempSync(join(tmpdir(), "ww-bench-"));
  chmodSync(folder, 0o711);
  const postgres = await startEmbeddedPostgres({
    folder: join(folder, "pg"),
    allowRoot: true,
    log: () => undefined,
  });
  const open: Sql[] = [];
  try {
    const { masterDsn, ownerDsn, masterRole } = await ensureFarmDatabase(postgres);
    await upgradeDatabase(ownerDsn, { masterRole, log: () => undefined });
    const connect = (dsn: string) => openConnection(dsn, { statementTimeoutMs: 0 });
    const place = { sql: connect(masterDsn), owner: connect(ownerDsn) };
    open.push(place.sql, place.owner);
    return await measure(place, signal);
  } finally {
    await Promise.all(open.map((sql) => sql.end()));
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
