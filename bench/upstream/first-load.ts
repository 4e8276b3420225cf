/**
 * What does it cost to record a project at the first load? Synthetic projects through Seraph and its Oracles, as
 * many at once as Cloud Gazer reads, for a farm with three targets. Without upstream: no page is fetched.
 */
import type { ReleaseFacts } from "../../db/upstream.ts";
import { versionSortKey } from "../../protocol/packaging/version.ts";
import type { Findings } from "../frame.ts";
import { rounded } from "../rounds.ts";
import type { BenchDatabase } from "./bench-database.ts";

const PROJECTS = 20_000;
/** As on PyPI: 740,000 projects with 8 million versions. */
const VERSIONS_A_PROJECT = 11;
const PYPI_PROJECTS = 740_000;
const AT_ONCE = 8;

export async function firstLoadQuestion(
  { database, sql }: BenchDatabase,
  signal: AbortSignal,
): Promise<Findings> {
  await sql.unsafe("truncate package, package_alias, page_request cascade");
  await database.ask("helloSlave", slaveOf());
  while (await database.ask("requeueStep", { limit: 1_000 }));
  const firstMs = await recordAll(database, 1, signal);
  const againMs = await recordAll(database, 2, signal);
  const [row] = await sql<{ versions: number; work: number; pages: number; bytes: number }[]>`
    select (select count(*)::int from version) as versions, (select count(*)::int from work) as work,
      (select count(*)::int from page_request) as pages,
      pg_database_size(current_database()) as bytes`;
  const perProject = firstMs / PROJECTS;
  const hours = (perProject * PYPI_PROJECTS) / 3_600_000;
  return {
    tables: [
      {
        title: `${PROJECTS} projects of ${VERSIONS_A_PROJECT} versions recorded, ${AT_ONCE} at once`,
        head: ["", "ms per project", "projects/s", "versions/s"],
        rows: [
          ["first", ...line(firstMs)],
          ["again, unchanged", ...line(againMs)],
        ],
      },
    ],
    notes: [
      `After it: ${row?.versions} versions, ${row?.work} builds on offer, ${row?.pages} pages asked for, ` +
        `${Math.round((row?.bytes ?? 0) / 1024 ** 2)} MiB of database.`,
      `At this rate ${PYPI_PROJECTS} projects take ${rounded(hours)} h of recording.`,
    ],
    figures: {
      upstreamRecordMsPerProject: rounded(perProject),
      upstreamRecordAgainMsPerProject: rounded(againMs / PROJECTS),
      upstreamFirstLoadHours: rounded(hours),
    },
    aims: [],
  };
}

const line = (ms: number): string[] => [
  rounded(ms / PROJECTS).toString(),
  Math.round((PROJECTS / ms) * 1000).toLocaleString("en"),
  Math.round(((PROJECTS * VERSIONS_A_PROJECT) / ms) * 1000).toLocaleString("en"),
];

async function recordAll(
  database: BenchDatabase["database"],
  serial: number,
  signal: AbortSignal,
): Promise<number> {
  const startedAt = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let number = next++; number < PROJECTS; number = next++) {
      signal.throwIfAborted();
      const name = `project-of-${number}`;
      await database.ask("recordProject", {
        name,
        displayName: name,
        summary: "It does something.",
        serial,
        releases: releasesOf(name, number),
        page: { etag: `"${number}"`, modified: null, serial, lookAgainMs: null },
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return performance.now() - startedAt;
}

const releasesOf = (name: string, number: number): ReleaseFacts[] =>
  Array.from({ length: VERSIONS_A_PROJECT }, (_, at) => {
    const version = `${1 + (at >> 2)}.${at & 3}`;
    const isSource = number % 5 !== 0;
    return {
      version,
      spelling: version,
      sortKey: versionSortKey(version),
      isPrerelease: false,
      releasedAt: Date.UTC(2024, 0, 1 + at),
      requiresPython: [">=3.8", ">=3.9", null][number % 3] ?? null,
      yanked: null,
      sdist: isSource
        ? {
            filename: `${name}-${version}.tar.gz`,
            url: `http://127.0.0.1/packages/${number}/${name}-${version}.tar.gz`,
            sha256: Buffer.from(`${number}-${at}`.padEnd(32, ".")).toString("hex"),
            sizeBytes: 10_000,
          }
        : null,
      skip: isSource ? null : "binary only",
      upstreamTags: ["py3-none-any"],
    };
  });

const targetOf = (minor: number) => ({
  name: `cp3${minor}-linux_x86_64`,
  implementation: "cpython",
  pythonVersion: `3.${minor}`,
  pythonFullVersion: `3.${minor}.4`,
  abiTag: `cp3${minor}`,
  platformTag: "linux_x86_64",
  tags: [`cp3${minor}-cp3${minor}-linux_x86_64`, "py3-none-any"],
});

const slaveOf = () => ({
  identity: "bench",
  slot: "main",
  label: "bench",
  productVersion: "1",
  host: { os: "Linux", board: "", hostname: "bench", cores: 1 },
  targets: [11, 12, 13].map(targetOf),
  running: [],
  finished: [],
  leaseMs: 60_000,
  retry: { baseMs: 1_000, maxMs: 60_000, maxAttempts: 3 },
});
