/**
 * kill -9 of the master while pages change all the time. A reader of the disk and a reader over HTTP look at them
 * meanwhile, and never meet half a page, a link to a file that is not there, or a root that lists a project without a
 * page. After the last restart what was pending is written, and nothing else.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { requests } from "../../db/requests.ts";
import type { PageKind } from "../../protocol/model/page.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { publishedName, publishFiles } from "../support/published-files.ts";
import { randomOf } from "../support/seeded-random.ts";
import { TestFarm } from "../support/test-farm.ts";

const KILLS = 3;
const PACKAGES_A_WAVE = 8;
const PATIENCE_MS = 60_000;

let database: TestDatabase;
let upstream: SampleUpstream;
let farm: TestFarm;
beforeAll(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream({ files: [] });
  farm = new TestFarm({ dsn: database.dsn, upstream, shape: "whole" });
}, 120_000);
afterAll(async () => {
  await farm.end();
  await upstream.close();
  await database.end();
}, 60_000);

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    if (await isSo()) return;
    await delay(20);
  }
  const owed = await database.sql`
    select kind, count(*), min(requested_at), max(renewed_at), max(attempts), max(failure), now()
    from page_request group by kind`;
  throw new Error(`never: ${what}\n${JSON.stringify(owed)}\n${farm.logs()}`);
}

// What changes. A project comes once, changes often, and goes once: what is gone stays so, and a reader that was
// overtaken can look again.

const random = randomOf(11);
const living: string[] = [];
let waves = 0;

/** Its wheels are in their places before the database says so. */
async function come(): Promise<void> {
  waves += 1;
  const prefix = `wave-${waves}`;
  const { sql } = database;
  await publishFiles(sql, { packages: PACKAGES_A_WAVE, releases: 2, filesPerRelease: 1, prefix });
  // Of the farm's own: upstream has none of them, and what upstream has no more goes.
  await sql`update package set source = 'local' where name like ${`${prefix}-%`}`;
  const files = await sql<{ name: string; filename: string }[]>`
    select p.name, f.filename from file f join version v on v.id = f.version_id
      join package p on p.id = v.package_id where p.name like ${`${prefix}-%`}`;
  for (const { name, filename } of files) {
    const path = join(farm.output, "simple", name, filename);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `wheel ${filename}`);
  }
  const names = Array.from({ length: PACKAGES_A_WAVE }, (_, at) => publishedName(at + 1, prefix));
  living.push(...names);
  await request(names, ["simple", "project", "root"]);
}

const request = (names: readonly string[], kinds: readonly PageKind[]) =>
  requests.requestPage.run(database.sql, {
    pages: names.flatMap((key) => kinds.map((kind) => ({ kind, key }))),
  });

let changes = 0;
async function change(names: readonly string[]): Promise<void> {
  changes += 1;
  const { sql } = database;
  await sql`update package set summary = ${`change ${changes}`} where name = any(${[...names]})`;
  await sql`
    update file set requires_python = ${`>=3.${changes}`} where version_id in (
      select v.id from version v join package p on p.id = v.package_id
      where p.name = any(${[...names]}))`;
  await request(names, ["simple", "project"]);
}

async function go(name: string): Promise<void> {
  living.splice(living.indexOf(name), 1);
  await database.sql`
    update file set removed_at = now() where version_id in (
      select v.id from version v join package p on p.id = v.package_id where p.name = ${name})`;
  await request([name], ["simple", "project", "root"]);
}

/** Until it is told to end. */
async function churn(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const pick = () => living[Math.floor(random() * living.length)];
    const some = [pick(), pick(), pick()].filter((name) => name !== undefined);
    await change(some);
    const gone = pick();
    if (living.length > 20 && gone !== undefined && random() < 0.3) await go(gone);
    if (living.length < 30) await come();
    // As often as a busy farm's; faster, the test would measure the database.
    await delay(20);
  }
}

// Who looks at them.

interface Reader {
  /** Null where there is none; undefined where nobody answers now. */
  read(key: string): Promise<string | null | undefined>;
}

const disk: Reader = {
  async read(key) {
    try {
      return await readFile(join(farm.output, key), "utf8");
    } catch {
      return null;
    }
  },
};

const paths: Readonly<Record<string, string>> = {
  "index.html": "?format=text/html",
  "index.v1+json": "?format=application/vnd.pypi.simple.v1%2Bjson",
};
const http: Reader = {
  async read(key) {
    const path = key.replace(/index\.(html|v1\+json)$/, (name) => paths[name] ?? "");
    try {
      const answer = await fetch(`${farm.siteUrl}/${path}`, {
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      const text = await answer.text();
      if (answer.status === 404) return null;
      return answer.status === 200 ? text : undefined;
    } catch {
      return undefined;
    }
  },
};

const rootKey = "simple/index.v1+json";
const namesOf = (root: string) =>
  (JSON.parse(root) as { projects: { name: string }[] }).projects.map(({ name }) => name);
const filesOf = (page: string) =>
  (JSON.parse(page) as { files: { filename: string }[] }).files.map(({ filename }) => filename);
const isWhole = (page: string) => page.startsWith("<!DOCTYPE html>") && page.endsWith("</html>\n");

/** Looks at all that the root leads to, and says what must not be. */
async function look(reader: Reader, found: string[]): Promise<void> {
  const root = await reader.read(rootKey);
  if (root === null || root === undefined) return;
  for (const name of namesOf(root)) {
    const keys = { html: `simple/${name}/index.html`, json: `simple/${name}/index.v1+json` };
    const [html, json] = [await reader.read(keys.html), await reader.read(keys.json)];
    if (typeof html === "string" && !isWhole(html)) found.push(`half a page: ${keys.html}`);
    if (html === null || json === null) {
      // It may have left the root in between.
      const again = await reader.read(rootKey);
      if (typeof again === "string" && namesOf(again).includes(name))
        found.push(`the root lists ${name}, which has no page`);
    }
    for (const file of typeof json === "string" ? filesOf(json) : []) {
      if ((await reader.read(`simple/${name}/${file}`)) !== null) continue;
      const again = await reader.read(keys.json);
      if (typeof again === "string" && filesOf(again).includes(file))
        found.push(`${keys.json} links to ${file}, which is not there`);
    }
    const project = await reader.read(`project/${name}/index.html`);
    if (typeof project === "string" && !isWhole(project)) found.push(`half a page of ${name}`);
  }
}

let looks = { disk: 0, http: 0 };
async function keepLooking(signal: AbortSignal, found: string[]): Promise<void> {
  const follow = async (name: "disk" | "http", reader: Reader) => {
    while (!signal.aborted) {
      await look(reader, found).catch((error: unknown) => {
        found.push(`half a page, or none: ${String(error)}`);
      });
      looks = { ...looks, [name]: looks[name] + 1 };
      await delay(5);
    }
  };
  await Promise.all([follow("disk", disk), follow("http", http)]);
}

// What was written.

/** Public pages of projects by key, with what changes when one is written. */
async function picture(): Promise<Map<string, string>> {
  const pages = new Map<string, string>();
  for (const folder of ["simple", "project", "badge"]) {
    const entries = await readdir(join(farm.output, folder), {
      recursive: true,
      withFileTypes: true,
    }).catch(() => []);
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || path.endsWith(".whl")) continue;
      const { ino, mtimeNs } = await stat(path, { bigint: true });
      pages.set(path.slice(farm.output.length + 1), `${ino} ${mtimeNs}`);
    }
  }
  return pages;
}

const pending = async () =>
  (
    await database.sql<{ kind: PageKind; key: string }[]>`
      select kind, key from page_request where kind in ('simple', 'project', 'root')`
  ).map(({ kind, key }) => ({ kind, key }));

/** The master is dead afterwards. */
async function killAgainAndAgain(): Promise<void> {
  for (let kill = 1; kill <= KILLS; kill += 1) {
    // In the middle of it: some page of this round was just written.
    const before = changes;
    const newest = () =>
      living.some((name) => {
        const path = join(farm.output, "project", name, "index.html");
        const text = existsSync(path) ? readFileSync(path, "utf8") : "";
        return Number(/change (\d+)/.exec(text)?.[1] ?? 0) > before;
      });
    await until(`pages are written before kill ${kill}`, newest);
    await farm.kill("master");
    if (kill < KILLS) await farm.startMasterProcess("master");
  }
}

it("no reader meets half a page or a link to nothing, and a restart writes what was pending and nothing else", async () => {
  const found: string[] = [];
  const [reading, churning] = [new AbortController(), new AbortController()];
  await come();
  await farm.startMaster();
  // A first start makes all pages in the background.
  await until("the site is made", async () => {
    const rebuilds = await database.sql`select from page_rebuild where ended_at is not null`;
    return rebuilds.length === 2 && (await pending()).length === 0;
  });
  const readers = keepLooking(reading.signal, found);
  const writer = churn(churning.signal);
  try {
    await killAgainAndAgain();
  } finally {
    churning.abort();
    await writer;
  }

  // Of what nobody asks for now nothing is to be written.
  const changed = living.slice(0, 3);
  await change(changed);
  const owed = await pending();
  const before = await picture();
  await farm.startMasterProcess("master");
  await until("nothing is owed", async () => (await pending()).length === 0);
  const after = await picture();
  const written = [...after].filter(([key, is]) => before.get(key) !== is).map(([key]) => key);
  const gone = [...before.keys()].filter((key) => !after.has(key));
  const isOwed = (key: string): boolean => {
    if (/^simple\/index\./.test(key)) return owed.some(({ kind }) => kind === "root");
    const [, folder, name] = /^(\w+)\/([a-z0-9-]+)/.exec(key) ?? [];
    const wanted = folder === "simple" ? "simple" : "project";
    return owed.some(({ kind, key: of }) => kind === wanted && of === name);
  };
  expect([...written, ...gone].filter((key) => !isOwed(key))).toEqual([]);
  // Each page that was known to be another than before was written once: its file is a new one.
  const known = changed.flatMap((name) => [
    `simple/${name}/index.html`,
    `simple/${name}/index.v1+json`,
    `project/${name}/index.html`,
  ]);
  expect(known.filter((key) => !written.includes(key))).toEqual([]);
  reading.abort();
  await readers;
  expect(found).toEqual([]);
  expect(looks.disk).toBeGreaterThan(0);
  expect(looks.http).toBeGreaterThan(0);

  // And all of it is as the database has it.
  const listed = await database.sql<{ name: string; files: string[] }[]>`
    select p.name, array_agg(f.filename order by f.filename) as files
    from package p join version v on v.package_id = p.id
    join file f on f.version_id = v.id and f.placed_at is not null and f.removed_at is null
    group by p.name order by p.name collate "C"`;
  await until("the root says it", async () => {
    const root = await disk.read(rootKey);
    return JSON.stringify(namesOf(root ?? "")) === JSON.stringify(listed.map(({ name }) => name));
  });
  for (const { name, files } of listed) {
    expect(filesOf((await disk.read(`simple/${name}/index.v1+json`)) ?? "").sort()).toEqual(files);
    for (const key of [`simple/${name}/index.html`, `project/${name}/index.html`]) {
      const copy = join(farm.output, `${key}.gz`);
      if (existsSync(copy))
        expect(gunzipSync(readFileSync(copy)).toString()).toBe(await disk.read(key));
    }
  }
});
