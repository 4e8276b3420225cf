/**
 * One version's walk through the farm, from `publish` to the wheel that pip could install, with the instants
 * at which each step was reached. Called by the bench `smoke`. The instants come from the upstream's
 * requests, the farm's logs, its database and the page's file; all by this machine's one clock.
 */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { SampleUpstream } from "../samples/index.ts";
import { simplePageKeys } from "../web/public-key.ts";
import type { BenchFarm } from "./bench-farm.ts";

/** Unix ms, in the order of the walk. */
export interface WalkInstants {
  readonly publishedAt: number;
  /** Cloud Gazer asks for the changelog. */
  readonly noticedAt: number;
  /** It asks for the project's page. */
  readonly readAt: number;
  /** The lease's transaction begins. */
  readonly leasedAt: number;
  /** The slave takes the order. */
  readonly orderedAt: number;
  /** The slave asks upstream for the sdist. */
  readonly fetchedAt: number;
  /** The slave has the result on disk. */
  readonly builtAt: number;
  /** The master has the files; the settling transaction begins. */
  readonly settledAt: number;
  /** The wheel and its log stand under their public names. */
  readonly placedAt: number;
  /** The Simple page that lists the wheel was written. */
  readonly writtenAt: number;
  /** The page was served with the wheel, and the wheel with the right hash. */
  readonly installableAt: number;
}

export interface Walk {
  readonly instants: WalkInstants;
  readonly wheelSha256: string;
}

export interface WalkOptions {
  readonly farm: BenchFarm;
  readonly upstream: SampleUpstream;
  readonly package: string;
  readonly version: string;
  readonly sdist: { readonly filename: string; readonly contents: Buffer };
  readonly signal: AbortSignal;
}

const PATIENCE_MS = 120_000;
/** Between two looks at the page: what the answer is late by, at most. */
const LOOK_EVERY_MS = 5;

/** Publishes the sdist and sees its wheel to the farm's index. @throws Error when it does not come there */
export async function walkOnce(options: WalkOptions): Promise<Walk> {
  const { farm, upstream, signal } = options;
  const asked: { path: string; askedAt: number }[] = [];
  upstream.onRequest = ({ path }) => {
    asked.push({ path, askedAt: now() });
    return undefined;
  };
  try {
    const publishedAt = now();
    upstream.publish(options.sdist);
    const built = await farm.log.line(
      `${options.package} ${options.version} is built`,
      ({ program, msg, ...line }) =>
        program === "piw-slave" &&
        msg === "build ended" &&
        line.package === options.package &&
        line.version === options.version,
      PATIENCE_MS,
      signal,
    );
    if (built.cause !== "built")
      throw new Error(`the farm's build failed: ${built.cause} (${built.detail})`);
    // Not looked for earlier: each look takes of the time of the build.
    const { installableAt, wheelSha256 } = await untilInstallable(options);
    const askedFor = (fits: (path: string) => boolean): number =>
      asked.find(({ path }) => fits(path))?.askedAt ?? Number.NaN;
    const ordered = await farm.log.line(
      "the slave took the order",
      ({ program, msg, build }) =>
        program === "piw-slave" && msg === "building" && build === built.build,
      PATIENCE_MS,
      signal,
    );
    const page = join(farm.outputPath, simplePageKeys(options.package).json);
    return {
      wheelSha256,
      instants: {
        publishedAt,
        noticedAt: askedFor((path) => path === "/pypi"),
        readAt: askedFor((path) => path === `/simple/${options.package}/`),
        orderedAt: ordered.writtenAt,
        fetchedAt: askedFor((path) => path.endsWith(options.sdist.filename)),
        builtAt: built.writtenAt,
        ...(await databaseInstants(farm, built.build ?? 0)),
        writtenAt: statSync(page).mtimeMs,
        installableAt,
      },
    };
  } finally {
    upstream.onRequest = undefined;
  }
}

/** Nothing is leased and no page is owed but the lists for the search: the next measurement has the machine to itself. */
export async function untilQuiet(farm: BenchFarm, signal: AbortSignal): Promise<void> {
  const deadlineAt = performance.now() + PATIENCE_MS;
  while (performance.now() < deadlineAt) {
    const [busy] = await farm.sql`
      select from (select from lease union all
        select from page_request where kind <> 'search') as owed`;
    if (busy === undefined) return;
    await delay(50, undefined, { signal });
  }
  throw new Error(`the farm is not done after ${PATIENCE_MS} ms\n${farm.log.last()}`);
}

/** Resolves when Cloud Gazer has just asked for the changelog, and its next question is a poll interval away. */
export function untilPolled(upstream: SampleUpstream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => done(new Error("the upstream is not asked")), PATIENCE_MS);
    const abort = (): void => done(signal.reason as Error);
    const done = (error?: Error): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      upstream.onRequest = undefined;
      if (error === undefined) resolve();
      else reject(error);
    };
    signal.addEventListener("abort", abort, { once: true });
    upstream.onRequest = ({ path }) => {
      if (path === "/pypi") done();
      return undefined;
    };
  });
}

interface ListedFile {
  readonly filename: string;
  readonly url: string;
  readonly hashes: { readonly sha256: string };
}

async function untilInstallable(
  options: WalkOptions,
): Promise<{ installableAt: number; wheelSha256: string }> {
  const { farm, signal } = options;
  const pageUrl = `${farm.siteUrl}/simple/${options.package}/`;
  const stem = `${options.package}-${options.version}-`;
  const deadlineAt = performance.now() + PATIENCE_MS;
  while (performance.now() < deadlineAt) {
    const file = (await listedFiles(pageUrl, signal)).find(({ filename }) =>
      filename.startsWith(stem),
    );
    if (file !== undefined) {
      const response = await fetch(new URL(file.url, pageUrl), { signal });
      const bytes = Buffer.from(await response.arrayBuffer());
      const wheelSha256 = createHash("sha256").update(bytes).digest("hex");
      const installableAt = now();
      if (response.status !== 200 || wheelSha256 !== file.hashes.sha256)
        throw new Error(`${file.filename} is listed and cannot be had (${response.status})`);
      return { installableAt, wheelSha256 };
    }
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
  throw new Error(`${stem} is not on its page after ${PATIENCE_MS} ms\n${farm.log.last()}`);
}

async function listedFiles(pageUrl: string, signal: AbortSignal): Promise<readonly ListedFile[]> {
  const response = await fetch(pageUrl, {
    headers: { accept: "application/vnd.pypi.simple.v1+json" },
    signal,
  });
  if (response.status !== 200) {
    await response.arrayBuffer();
    return [];
  }
  return ((await response.json()) as { files: readonly ListedFile[] }).files;
}

async function databaseInstants(
  farm: BenchFarm,
  token: number,
): Promise<Pick<WalkInstants, "leasedAt" | "settledAt" | "placedAt">> {
  const [row] = await farm.sql<{ leased: number; settled: number; placed: number }[]>`
    select (extract(epoch from b.leased_at) * 1000)::float8 as leased,
      (extract(epoch from b.settled_at) * 1000)::float8 as settled,
      (extract(epoch from f.placed_at) * 1000)::float8 as placed
    from build b join file f using (token) where b.token = ${token}`;
  if (row === undefined) throw new Error(`build ${token} is not in the database`);
  return { leasedAt: row.leased, settledAt: row.settled, placedAt: row.placed };
}

/** With fractions, as the database has them. */
const now = (): number => performance.timeOrigin + performance.now();
