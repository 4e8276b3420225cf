/**
 * How fast are pages written? A part of the bench `pages`: the way of a project's two simple pages and of its page for
 * people, from the database to the disk, as the Secretary and the Scribe go it, but in one process and without their
 * messages. Beside it, in the same rounds: the same bytes by a plain writeFile and rename.
 */

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Desk } from "../../actors/master/site/writer.ts";
import { pageWriters, stretchesOf, TOGETHER } from "../../actors/master/site/writers.ts";
import { openConnection, type Sql } from "../../db/connection.ts";
import { startEmbeddedPostgres } from "../../db/embedded.ts";
import { ensureFarmDatabase } from "../../db/farm-database.ts";
import { upgradeDatabase } from "../../db/migrate.ts";
import {
  type RequestArgs,
  type RequestName,
  type RequestResult,
  requests,
} from "../../db/requests.ts";
import type { PageKind } from "../../protocol/model/page.ts";
import { publishedName, publishFiles } from "../../test/support/published-files.ts";
import { RootIndex } from "../../web/index/root-index.ts";
import { openLocalStorage, type Storage } from "../../web/storage.ts";
import { type Findings, median } from "../frame.ts";

const PACKAGES = 300;
const RELEASES = 10;
const LARGE_RELEASES = 2_500;
const FILES = 2;
const ROUNDS = 3;
/** As the Scribe has in hand at once. */
const WIDTH = 2;
/** Of the plain writing. */
const PLAIN_WIDTH = 8;
const BATCH = 100;

interface Figures {
  readonly perSecond: number;
  /** Pages a second of this process's processor time, its threads included. */
  readonly perCpuSecond: number;
}

export async function measureWriting(signal: AbortSignal): Promise<Findings> {
  const folder = mkdtempSync(join(tmpdir(), "ww-bench-write-"));
  chmodSync(folder, 0o711);
  const postgres = await startEmbeddedPostgres({
    folder: join(folder, "database"),
    allowRoot: process.getuid?.() === 0,
    log: () => undefined,
  });
  let sql: Sql | undefined;
  try {
    const { ownerDsn, masterDsn, masterRole } = await ensureFarmDatabase(postgres);
    await upgradeDatabase(ownerDsn, { masterRole, log: () => undefined });
    sql = openConnection(masterDsn, { applicationName: "bench", statementTimeoutMs: 0 });
    await publishFiles(sql, { packages: PACKAGES, releases: RELEASES, filesPerRelease: FILES });
    await publishFiles(sql, {
      packages: 1,
      releases: LARGE_RELEASES,
      filesPerRelease: FILES,
      prefix: "large",
    });
    const owner = openConnection(ownerDsn, { statementTimeoutMs: 0 });
    await owner`vacuum analyze`;
    await owner.end();
    return await measure(sql, join(folder, "output"), signal);
  } finally {
    await sql?.end({ timeoutMs: 1_000 });
    await postgres.stop();
    rmSync(postgres.folder, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

type Round = "project" | "simple" | "unchanged" | "rendering" | "plain";

async function measure(sql: Sql, output: string, signal: AbortSignal): Promise<Findings> {
  const storage = await openLocalStorage(output);
  const names = Array.from({ length: PACKAGES }, (_, at) => publishedName(at + 1));
  const figures = new Map<Round, Figures[]>();
  const large: number[] = [];
  for (let at = 0; at < ROUNDS; at += 1) {
    const rounds: Record<Round, () => Promise<number>> = {
      async project() {
        await sql`update package set summary = ${`round ${at}`}`;
        return writeAll(sql, storage, "project", names);
      },
      async simple() {
        await sql`update file set requires_python = ${`>=3.${at}`}`;
        return writeAll(sql, storage, "simple", names);
      },
      unchanged: () => writeAll(sql, storage, "project", names),
      rendering: () => writeAll(sql, inMemory(storage), "project", names),
      plain: () => writePlainly(sql, storage, output, names),
    };
    for (const [round, run] of Object.entries(rounds) as [Round, () => Promise<number>][]) {
      signal.throwIfAborted();
      const taken = await timed(run);
      figures.set(round, [...(figures.get(round) ?? []), taken]);
    }
    const startedAt = performance.now();
    await writeAll(sql, storage, "project", [publishedName(1, "large")]);
    await writeAll(sql, storage, "simple", [publishedName(1, "large")]);
    large.push(performance.now() - startedAt);
  }
  const said: Record<Round, string> = {
    project: "page of a project: view, rendering, compressing, writing, crossing off",
    simple: "simple pages of a project, both",
    unchanged: "page of a project that stands already",
    rendering: "page of a project, view and rendering alone",
    plain: "the same bytes by writeFile and rename, not synced",
  };
  const middle = (round: Round, of: keyof Figures): number =>
    Math.round(median((figures.get(round) ?? []).map((taken) => taken[of])));
  const projectsPerCpuSecond = middle("project", "perCpuSecond");
  return {
    tables: [
      {
        title: `Pages written (projects of ${RELEASES} releases x ${FILES} files)`,
        head: ["", "a second", "a second of processor time"],
        rows: (Object.keys(said) as Round[]).map((round) => [
          said[round],
          String(middle(round, "perSecond")),
          String(middle(round, "perCpuSecond")),
        ]),
      },
      {
        title: `All pages of a project of ${LARGE_RELEASES * FILES} files`,
        head: ["", "ms"],
        rows: [["from the database to the disk", String(Math.round(median(large)))]],
      },
    ],
    notes: [
      `Medians of ${ROUNDS} rounds. Processor time is that of this process with its threads, not the database's.`,
    ],
    figures: {
      projectPagesPerSecond: middle("project", "perSecond"),
      projectPagesPerCpuSecond: projectsPerCpuSecond,
      simplePagesPerCpuSecond: middle("simple", "perCpuSecond"),
      unchangedPagesPerCpuSecond: middle("unchanged", "perCpuSecond"),
      renderedPagesPerCpuSecond: middle("rendering", "perCpuSecond"),
      plainPagesPerCpuSecond: middle("plain", "perCpuSecond"),
      largeProjectMs: Math.round(median(large)),
    },
    aims: [
      {
        name: "project pages of one core",
        value: projectsPerCpuSecond,
        aim: "> 1500",
        unit: "pages/s",
        met: projectsPerCpuSecond > 1_500,
      },
    ],
  };
}

async function timed(work: () => Promise<number>): Promise<Figures> {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const pages = await work();
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: pages / seconds, perCpuSecond: pages / ((user + system) / 1e6) };
}

/** As Secretary and Scribe: what is due in batches, several pages at once, crossed off by the batch. */
async function writeAll(
  sql: Sql,
  storage: Storage,
  kind: PageKind,
  names: readonly string[],
): Promise<number> {
  const desk = deskOf(sql, storage);
  await requests.requestPage.run(sql, { pages: names.map((key) => ({ kind, key })) });
  let written = 0;
  for (;;) {
    const due = await requests.duePages.run(sql, { gatherMs: 0, limit: BATCH });
    const pages = due.filter((page) => page.kind === kind);
    if (pages.length === 0) return written;
    const keys = pages.map(({ key }) => key);
    await inParallel(stretchesOf(keys, TOGETHER[kind]), (some) => pageWriters[kind](desk, some));
    await requests.pagesWritten.run(sql, { pages });
    written += pages.length;
  }
}

async function inParallel<T>(
  left: Iterator<T> & Iterable<T>,
  work: (item: T) => Promise<unknown>,
  width = WIDTH,
): Promise<void> {
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of left) await work(item);
    }),
  );
}

function deskOf(sql: Sql, storage: Storage): Desk {
  const ask = async <N extends RequestName>(
    name: N,
    args: RequestArgs<N>,
  ): Promise<RequestResult<N>> => {
    const request: { run(on: Sql, args: never): Promise<unknown> } = requests[name];
    return (await request.run(sql, args as never)) as RequestResult<N>;
  };
  return {
    ask,
    storage,
    site: { name: "Wheelwright", url: "http://localhost/" },
    root: new RootIndex(storage),
  };
}

/** Takes what is written, and drops it. */
const inMemory = (storage: Storage, kept?: Map<string, Uint8Array | string>): Storage => ({
  ...storage,
  replace: (key, contents) => {
    kept?.set(key, contents);
    return Promise.resolve(true);
  },
  replaceAll: (pages) => {
    for (const { key, contents } of pages) kept?.set(key, contents);
    return Promise.resolve(pages.length);
  },
});

async function writePlainly(
  sql: Sql,
  storage: Storage,
  output: string,
  names: readonly string[],
): Promise<number> {
  const kept = new Map<string, Uint8Array | string>();
  const desk = deskOf(sql, inMemory(storage, kept));
  if (plainPages.size === 0) {
    await inParallel(stretchesOf(names, TOGETHER.project), (some) =>
      pageWriters.project(desk, some),
    );
    for (const [key, contents] of kept) plainPages.set(key, contents);
  }
  await inParallel(
    plainPages.entries(),
    async ([key, contents]) => {
      const path = join(output, key);
      await writeFile(`${path}.new`, contents);
      await rename(`${path}.new`, path);
    },
    PLAIN_WIDTH,
  );
  return names.length;
}
const plainPages = new Map<string, Uint8Array | string>();
