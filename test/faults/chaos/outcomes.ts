/**
 * What must be true of the database, the output folder, the pages and the slaves' folders when a chaos is
 * over: each version of upstream was recorded and published exactly once, and nothing else is left.
 * Each check gives lines that say what is wrong; none of them means that all holds.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { canonicalName } from "../../../protocol/packaging/canonical-name.ts";
import { logKey, metadataKey, wheelKey } from "../../../web/public-key.ts";
import { SLAVES, type Stage } from "./stage.ts";

/** Of a build that failed for reasons of its surroundings: then its failure stands. As in the master's tree. */
const MAX_ATTEMPTS = 5;

export interface Attempts {
  readonly versions: number;
  readonly leases: number;
  /** By outcome, or by why the lease ended where there was none. */
  readonly byEnd: Readonly<Record<string, number>>;
  readonly mostOfOne: number;
  /** Versions that were tried in vain so often that the farm gave them up. */
  readonly givenUp: number;
}

interface VersionRow {
  readonly package: string;
  readonly version: string;
  readonly standing: string[];
  readonly attempts: number;
  readonly published: string[];
}

const versionRows = ({ database }: Stage) => database.sql<VersionRow[]>`
  select p.name as package, v.version,
    array(select b.cause from build b where b.version_id = v.id and b.stands) as standing,
    (select count(*)::int from build b where b.version_id = v.id) as attempts,
    array(select f.filename from file f where f.version_id = v.id
      and f.placed_at is not null and f.removed_at is null) as published
  from version v join package p on p.id = v.package_id order by 1, 2`;

/** The farm has nothing left to do, for upstream or for itself. */
export async function isIdle(stage: Stage): Promise<boolean> {
  const [row] = await stage.database.sql<{ serial: number; versions: number; left: number }[]>`
    select
      (select upstream_serial from configuration) as serial,
      (select count(*)::int from version) as versions,
      (select count(*)::int from package where read_serial < seen_serial)
        + (select count(*)::int from target where requeue_from is not null)
        + (select count(*)::int from lease)
        + (select count(*)::int from work where state <> 'blocked')
        + (select count(*)::int from file where placed_at is null and removed_at is null)
        + (select count(*)::int from build where log_sha256 is not null and log_placed_at is null)
        + (select count(*)::int from page_request where kind <> 'search') as left`;
  return (
    row !== undefined &&
    row.left === 0 &&
    row.serial >= stage.upstream.lastSerial &&
    row.versions >= stage.expected.length &&
    leftAtSlaves(stage).length === 0
  );
}

/** What is to go by itself, now or after the grace: staged files, blobs that nothing refers to. */
export async function orphans(stage: Stage): Promise<string[]> {
  const store = join(stage.master.folder, "www", ".store");
  const referenced = new Set(
    (
      await stage.database.sql<{ sha256: string }[]>`
        select sha256 from file union select metadata_sha256 from file`
    ).map((row) => row.sha256),
  );
  const blobs = filesBelow(join(store, "blobs")).map((path) =>
    path.slice(path.lastIndexOf("/") + 1),
  );
  return [
    ...blobs.filter((sha256) => !referenced.has(sha256)).map((sha256) => `blob ${sha256}`),
    ...["staging", "temporary"].flatMap((room) =>
      readdirSync(join(store, room)).map((name) => `${room} ${name}`),
    ),
  ];
}

/** Each version of upstream has its one outcome, reached once. */
export async function checkRecords(stage: Stage): Promise<string[]> {
  const { sql } = stage.database;
  const wrong: string[] = [];
  const rows = new Map(
    (await versionRows(stage)).map((row) => [`${row.package} ${row.version}`, row]),
  );
  for (const expected of stage.expected) {
    const name = `${canonicalName(expected.package)} ${expected.version}`;
    const row = rows.get(name);
    rows.delete(name);
    if (row === undefined) wrong.push(`${name} was never recorded`);
    else wrong.push(...wrongWith(name, row, expected.state));
  }
  wrong.push(
    ...[...rows.keys()].map((name) => `${name} is recorded, and upstream has no such version`),
  );
  const deeds = await stage.admin<{ what: string; key: string; times: number; details: string }[]>`
    select what, key, count(*)::int as times, string_agg(detail, ', ') as details
    from chaos.deed group by 1, 2 having count(*) > 1 order by 1, 2`;
  for (const { what, key, times, details } of deeds)
    wrong.push(`${key} was ${what} ${times} times: ${details}`);
  const [left] = await sql<Record<string, number>[]>`
    select (select count(*)::int from lease) as leases, (select count(*)::int from work) as work,
      (select count(*)::int from retry) as retries, (select count(*)::int from blocked) as blocked,
      (select count(*)::int from page_request where kind <> 'search') as pages,
      (select count(*)::int from build where settled_at is null and released_at is null) as "open builds"`;
  for (const [what, count] of Object.entries(left ?? {}))
    if (count > 0) wrong.push(`${count} ${what} left`);
  return wrong;
}

function wrongWith(name: string, row: VersionRow, state: "built" | "failed"): string[] {
  const wrong: string[] = [];
  const [cause] = row.standing;
  if (row.standing.length !== 1)
    wrong.push(`${name}: ${row.standing.length} builds stand (${row.standing.join(", ")})`);
  else if (isGivenUp(row)) {
    if (row.attempts < MAX_ATTEMPTS)
      wrong.push(`${name} was given up (${cause}) after ${row.attempts} attempts`);
  } else if ((cause === "built") !== (state === "built"))
    wrong.push(`${name} should be ${state} and is ${cause}`);
  const files = cause === "built" ? 1 : 0;
  if (row.published.length !== files)
    wrong.push(`${name}: ${row.published.length} files published, not ${files}`);
  return wrong;
}

const TRANSIENT = ["index-unreachable", "out-of-memory", "out-of-disk", "killed", "slave-lost"];
const isGivenUp = (row: VersionRow): boolean => TRANSIENT.includes(row.standing[0] ?? "");

/** The public folder is what the database says it is: wheels, their metadata, logs. */
export async function checkFolder(stage: Stage): Promise<string[]> {
  const { sql } = stage.database;
  const www = join(stage.master.folder, "www");
  const files = await sql<
    { package: string; filename: string; sha256: string; size: number; metadata: string }[]
  >`
    select p.name as package, f.filename, f.sha256, f.size_bytes as size, f.metadata_sha256 as metadata
    from file f join version v on v.id = f.version_id join package p on p.id = v.package_id
    where f.placed_at is not null and f.removed_at is null`;
  const wrong: string[] = [];
  const known = new Set<string>();
  for (const file of files) {
    const key = wheelKey(file.package, file.filename);
    known.add(key).add(metadataKey(file.package, file.filename));
    const path = join(www, key);
    if (!existsSync(path)) wrong.push(`${key} is published and is not there`);
    else if (statSync(path).size !== file.size || sha256Of(readFileSync(path)) !== file.sha256)
      wrong.push(`${key} is not what was recorded`);
    const metadata = join(www, metadataKey(file.package, file.filename));
    if (!existsSync(metadata) || sha256Of(readFileSync(metadata)) !== file.metadata)
      wrong.push(`the metadata of ${key} is not what was recorded`);
  }
  const logs = await sql<{ token: number; sha256: string }[]>`
    select token, log_sha256 as sha256 from build where log_placed_at is not null`;
  for (const { token, sha256 } of logs) {
    known.add(logKey(token));
    const path = join(www, logKey(token));
    if (!existsSync(path) || sha256Of(gunzipSync(readFileSync(path))) !== sha256)
      wrong.push(`the log of build ${token} is not what was recorded`);
  }
  for (const path of [...filesBelow(join(www, "simple")), ...filesBelow(join(www, "logs"))]) {
    const key = path.slice(www.length + 1);
    const isPage = /\/index\.(?:html|v1\+json)$/.test(key);
    if (!isPage && !known.has(key)) wrong.push(`${key} is there and is in no record`);
  }
  return wrong;
}

/** What pip is told by the pages, in both forms, is what is published, with its hashes. */
export async function checkPages(stage: Stage, url: string): Promise<string[]> {
  const published = await stage.database.sql<{ package: string; links: string[] }[]>`
    select p.name as package, array_agg(f.filename || '#sha256=' || f.sha256 order by f.filename) as links
    from file f join version v on v.id = f.version_id join package p on p.id = v.package_id
    where f.placed_at is not null and f.removed_at is null group by 1 order by 1`;
  const wrong: string[] = [];
  const root = hrefsOf(await page(`${url}/simple/`, "text/html")).map((href) =>
    href.replace(/\/$/, ""),
  );
  const names = published.map((row) => row.package);
  if (root.sort().join() !== names.join())
    wrong.push(`the root page lists ${root.join(", ")}, not ${names.join(", ")}`);
  for (const { package: name, links } of published) {
    const html = hrefsOf(await page(`${url}/simple/${name}/`, "text/html")).sort();
    const text = await page(`${url}/simple/${name}/`, "application/vnd.pypi.simple.v1+json");
    const { files } = JSON.parse(text) as {
      files: { filename: string; hashes: { sha256: string } }[];
    };
    const json = files.map((file) => `${file.filename}#sha256=${file.hashes.sha256}`).sort();
    if (html.join() !== links.join()) wrong.push(`the page of ${name} lists ${html.join(", ")}`);
    if (json.join() !== links.join()) wrong.push(`the JSON of ${name} lists ${json.join(", ")}`);
  }
  return wrong;
}

async function page(url: string, accept: string): Promise<string> {
  const response = await fetch(url, { headers: { accept, connection: "close" } });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return response.text();
}

const hrefsOf = (html: string): string[] =>
  [...html.matchAll(/<a href="([^"]*)"/g)].map(([, href]) => decodeURIComponent(href ?? ""));

/** Finished builds that the master has not confirmed, and workspaces of builds. */
export function leftAtSlaves({ master }: Stage): string[] {
  const numbers = Array.from({ length: SLAVES }, (_, at) => at + 1);
  return numbers.flatMap((number) =>
    ["outbox", "work"].flatMap((room) => {
      const folder = join(master.slaveFolder(number), room);
      const names = existsSync(folder) ? readdirSync(folder) : [];
      return names.map((name) => `slave ${number}: ${room} ${name}`);
    }),
  );
}

export async function countAttempts(stage: Stage): Promise<Attempts> {
  const rows = await versionRows(stage);
  const ends = await stage.database.sql<{ what: string; times: number }[]>`
    select coalesce(outcome, cause, 'open') as what, count(*)::int as times from build group by 1 order by 1`;
  return {
    versions: rows.length,
    leases: rows.reduce((sum, row) => sum + row.attempts, 0),
    byEnd: Object.fromEntries(ends.map((row) => [row.what, row.times])),
    mostOfOne: Math.max(0, ...rows.map((row) => row.attempts)),
    givenUp: rows.filter(isGivenUp).length,
  };
}

const sha256Of = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

const filesBelow = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
    : [];
