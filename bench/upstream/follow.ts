/**
 * How fast does a long changelog go into the database? The changelog follower with the real client, the real
 * XML and the real requests, beside a bare COPY of the same rows, by turns.
 */
import { pipeline } from "node:stream/promises";
import { ChangelogFollower } from "../../actors/master/changelog-follower.ts";
import { Meters } from "../../actors/master/metrics/meters.ts";
import { UpstreamClient } from "../../protocol/upstream/index.ts";
import { silentLogger } from "../../supervisor/index.ts";
import { atLeast, type Findings, median } from "../frame.ts";
import { meterOf } from "../processor-time.ts";
import { rounded } from "../rounds.ts";
import type { BenchDatabase } from "./bench-database.ts";
import type { ChangelogProcess } from "./changelog-process.ts";
import { EVENTS, EVENTS_AN_ANSWER, eventsFrom, FIRST_SERIAL } from "./events.ts";

const ROUNDS = 2;
const MIB = 1024 ** 2;

interface Followed {
  readonly ms: number;
  readonly startMiB: number;
  /** Highest resident size at the end of an answer, of the first and of the second half. */
  readonly peaksMiB: readonly [number, number];
  /** Of the processors: of this process, which is the master's part of it, and of PostgreSQL. */
  readonly masterMs: number;
  readonly postgresMs: number;
}

export async function followQuestion(
  bench: BenchDatabase,
  server: ChangelogProcess,
  signal: AbortSignal,
): Promise<Findings> {
  const { sql } = bench;
  const copies: number[] = [];
  const followings: Followed[] = [];
  // One round of each to warm up.
  for (let round = 0; round <= ROUNDS; round += 1) {
    const copyMs = await copyAll(sql, signal);
    await sql.unsafe("truncate package, package_alias, page_request cascade");
    await sql`update configuration set upstream_serial = ${FIRST_SERIAL}`;
    const followed = await followAll(bench, server, signal);
    if (round === 0) continue;
    copies.push(EVENTS / (copyMs / 1000));
    followings.push(followed);
  }
  const [row] = await sql<{ packages: number; aliases: number; serial: number }[]>`
    select (select count(*)::int from package) as packages,
      (select count(*)::int from package_alias) as aliases, upstream_serial as serial
    from configuration`;
  const rates = followings.map(({ ms }) => EVENTS / (ms / 1000));
  const ratio = median(rates.map((rate, at) => rate / (copies[at] ?? Number.NaN)));
  const peak = Math.max(...followings.flatMap(({ peaksMiB }) => peaksMiB));
  const last = followings.at(-1);
  const usOf = (msOf: (one: Followed) => number) => (median(followings.map(msOf)) * 1_000) / EVENTS;
  const perEvent = {
    master: usOf(({ masterMs }) => masterMs),
    postgres: usOf(({ postgresMs }) => postgresMs),
  };
  const figure = (value: number): string => rounded(value).toLocaleString("en");
  return {
    tables: [
      {
        title: `A changelog of ${EVENTS} events, ${ROUNDS} rounds`,
        head: ["", "events/s", "lowest", "highest"],
        rows: [
          ["bare COPY", ...spread(copies).map(figure)],
          ["followed", ...spread(rates).map(figure)],
        ],
      },
    ],
    notes: [
      `After it: ${row?.packages} projects, ${row?.aliases} other spellings, serial ${row?.serial}.`,
      `Resident memory: ${last?.startMiB} MiB before, at most ${last?.peaksMiB[0]} in the first half and ` +
        `${last?.peaksMiB[1]} in the second; ${peak} MiB at most in all rounds.`,
      `Of the processors an event takes ${figure(perEvent.master)} us of the master's process and ` +
        `${figure(perEvent.postgres)} us of PostgreSQL's.`,
    ],
    figures: {
      upstreamEventsPerSecond: Math.round(median(rates)),
      upstreamCopyRowsPerSecond: Math.round(median(copies)),
      upstreamOfCopyRatio: rounded(ratio),
      upstreamPeakMiB: peak,
      upstreamMasterUsPerEvent: rounded(perEvent.master),
      upstreamPostgresUsPerEvent: rounded(perEvent.postgres),
    },
    aims: [
      atLeast("events followed, of a bare COPY", rounded(ratio), 0.2, ""),
      atLeast("events followed", Math.round(median(rates)), 20_000, "events/s"),
    ],
  };
}

const spread = (values: readonly number[]): number[] => [
  median(values),
  Math.min(...values),
  Math.max(...values),
];

async function copyAll(sql: BenchDatabase["sql"], signal: AbortSignal): Promise<number> {
  await sql.unsafe("drop table if exists bench_log");
  await sql.unsafe(
    "create table bench_log (name text, version text, at bigint, action text, serial bigint primary key)",
  );
  const texts: string[] = [];
  for (let start = 0; start < EVENTS; start += EVENTS_AN_ANSWER) {
    signal.throwIfAborted();
    const lines = eventsFrom(start).map((row) =>
      [row.name, row.version, row.at, row.action, row.serial].join("\t"),
    );
    texts.push(`${lines.join("\n")}\n`);
  }
  const startedAt = performance.now();
  const target = await sql`copy bench_log from stdin`.writable();
  await pipeline(texts, target, { signal });
  const ms = performance.now() - startedAt;
  await sql.unsafe("drop table bench_log");
  return ms;
}

async function followAll(
  { database, postgresPid }: BenchDatabase,
  server: ChangelogProcess,
  signal: AbortSignal,
): Promise<Followed> {
  const upstream = new UpstreamClient({
    xmlrpcUrl: `${server.url}/pypi`,
    simpleUrl: `${server.url}/simple`,
    jsonUrl: undefined,
    userAgent: "wheelwright-bench",
  });
  const follower = new ChangelogFollower({
    database,
    upstream,
    follow: "all",
    listingMs: 1_000,
    lookAgainMs: 1_000,
    meters: new Meters().upstream(),
  });
  const ctx = {
    signal,
    log: silentLogger,
    degraded: (reason: string) => {
      throw new Error(reason);
    },
    healthy: () => undefined,
  };
  const rss = (): number => Math.round(process.memoryUsage.rss() / MIB);
  const startMiB = rss();
  const sizes: number[] = [];
  const used = meterOf({ postgres: postgresPid });
  const usedBefore = process.cpuUsage();
  const startedAt = performance.now();
  while (await follower.follow(ctx)) sizes.push(rss());
  const ms = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(usedBefore);
  const postgresMs = used().get("postgres") ?? Number.NaN;
  sizes.push(rss());
  await upstream.close();
  const half = Math.ceil(sizes.length / 2);
  const peaksMiB = [Math.max(...sizes.slice(0, half)), Math.max(...sizes.slice(half))] as const;
  return { ms, startMiB, peaksMiB, masterMs: (user + system) / 1_000, postgresMs };
}
