/**
 * The package index of a real farm, as a reader finds it: against the database, while it changes, and with
 * upstream's files beside the farm's. Its wheels are imported, so that no slave is needed.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { wheelBytes, wheelName, writeWheel } from "../support/plain-wheel.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { hello, target } from "../support/queue-fixture.ts";
import { python, TestFarm } from "../support/test-farm.ts";

const JSON_TYPE = "application/vnd.pypi.simple.v1+json";
const bin = (name: string) => new URL(`../../dist/bin/${name}.js`, import.meta.url).pathname;

let database: TestDatabase;
let upstream: SampleUpstream;
let farm: TestFarm;
/** Arguments of the master, from its next start on. */
const more: string[] = [];

const theirs = (name: string, version: string) => {
  const wheel = { name, version, says: `upstream's ${version}` };
  const metadataText = `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`;
  return { filename: wheelName(wheel), contents: wheelBytes(wheel), metadataText };
};

beforeAll(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream({
    files: [theirs("rowan", "1.0"), theirs("rowan", "2.0"), theirs("willow", "3.0")],
  });
  farm = new TestFarm({ dsn: database.dsn, upstream, master: more });
  await hello(database.sql, "a slave that was here once", [target(11)]);
  await farm.startMaster();
  await farm.until("upstream is known", (report) => report.isComplete);
  // A farm that was never run has no root until the first is written.
  await vi.waitUntil(
    () =>
      get(simple()).then(
        (answer) => answer.status === 200,
        () => false,
      ),
    {
      ...{ timeout: 90_000, interval: 100 },
    },
  );
}, 180_000);

afterAll(async () => {
  await farm.end();
  await upstream.close();
  await database.end();
}, 60_000);

function tool(name: string, ...args: readonly string[]): Promise<string> {
  const words = [bin(name), "--import-queue", farm.importAddress, "-y", ...args];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, words, { timeout: 90_000 }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`${name}: ${err}`));
    });
  });
}

const bring = (name: string, version: string) =>
  tool("piw-import", writeWheel(join(farm.folder, "wheels"), { name, version }));

/** All that was asked for is written but for the search lists, which gather for half a minute. */
async function settled(): Promise<void> {
  for (let at = 0; at < 1_200; at += 1) {
    const rows = await database.sql`
      select from page_request where kind <> 'search' union all select from root_change union all
      select from file where placed_at is null and removed_at is null union all
      select from file where removed_at is not null and cleared_at is null`;
    if (rows.length === 0) return;
    await delay(50);
  }
  throw new Error(`pages are still asked for\n${farm.logs()}`);
}

interface File {
  readonly filename: string;
  readonly url: string;
  readonly hashes: { readonly sha256?: string };
  readonly size?: number;
  readonly "core-metadata": boolean | { readonly sha256: string };
}
interface Page {
  readonly meta: { readonly tracks?: readonly string[] };
  readonly versions: readonly string[];
  readonly files: readonly File[];
}

const simple = (path = "") => new URL(path, `${farm.siteUrl}/simple/`);
const get = (url: URL, method = "GET") =>
  fetch(url, {
    method,
    headers: { accept: JSON_TYPE, "cache-control": "no-cache" },
    redirect: "manual",
  });

async function listed(): Promise<readonly string[]> {
  const answer = await get(simple());
  expect(answer.headers.get("content-type")).toBe(JSON_TYPE);
  const root = (await answer.json()) as { projects: { name: string }[] };
  return root.projects.map((project) => project.name);
}

async function findPage(name: string): Promise<Page | undefined> {
  const answer = await get(simple(`${name}/`));
  if (answer.status === 200) return (await answer.json()) as Page;
  await answer.body?.cancel();
  return undefined;
}

async function bytesOf(url: URL): Promise<Buffer | undefined> {
  const answer = await get(url);
  const bytes = Buffer.from(await answer.arrayBuffer());
  return answer.status === 200 ? bytes : undefined;
}
const sha256 = (bytes: Buffer | undefined) =>
  bytes === undefined ? "absent" : createHash("sha256").update(bytes).digest("hex");

interface Reading {
  readonly faults: string[];
  readonly names: Set<string>;
  /** Times that it went through all of it. */
  passes: number;
}

/**
 * Goes through the index over and over until it is told to stop, and notes each link that leads nowhere
 * although what has the link still stands.
 */
async function read(found: Reading, signal: AbortSignal): Promise<void> {
  for (; !signal.aborted; found.passes += 1)
    for (const name of await listed()) {
      found.names.add(name);
      const page = await findPage(name);
      if (page === undefined) {
        if ((await listed()).includes(name))
          found.faults.push(`the root lists ${name}, which has no page`);
        continue;
      }
      for (const file of page.files) {
        const lists = async () =>
          (await findPage(name))?.files.some((each) => each.filename === file.filename) === true;
        const url = new URL(file.url, simple(`${name}/`));
        if (sha256(await bytesOf(url)) !== file.hashes.sha256 && (await lists()))
          found.faults.push(`${name} lists ${file.filename}, which is not there`);
        const { "core-metadata": metadata } = file;
        const said = typeof metadata === "boolean" ? "" : metadata.sha256;
        if (sha256(await bytesOf(new URL(`${url}.metadata`))) !== said && (await lists()))
          found.faults.push(`${name} says that ${file.filename} has metadata, which is not there`);
      }
    }
}

it("never shows a link to what is not there, while projects and files come and go", async () => {
  const stop = new AbortController();
  const found: Reading = { faults: [], names: new Set(), passes: 0 };
  const reading = read(found, stop.signal);
  reading.catch(() => undefined);
  const readTwice = async () => {
    const from = found.passes;
    await vi.waitUntil(() => found.passes >= from + 2, { timeout: 60_000 });
  };
  try {
    await Promise.all(["alder", "birch", "cedar", "elm"].map((name) => bring(name, "1.0")));
    await settled();
    expect(await listed()).toEqual(["alder", "birch", "cedar", "elm"]);
    await readTwice();
    await Promise.all([
      tool("piw-remove", "alder"),
      tool("piw-remove", "cedar"),
      bring("birch", "1.1"),
      bring("fir", "1.0"),
    ]);
    await settled();
    expect(await listed()).toEqual(["birch", "elm", "fir"]);
    await readTwice();
  } finally {
    stop.abort();
    await reading;
  }
  expect(found.faults).toEqual([]);
  expect([...found.names].sort()).toEqual(["alder", "birch", "cedar", "elm", "fir"]);
}, 180_000);

it("has every file of the database on its page, in both renderings, and nothing else", async () => {
  await settled();
  const rows = await database.sql<
    {
      name: string;
      filename: string;
      version: string;
      sha: string;
      metadata: string;
      size: number;
    }[]
  >`
    select p.name, f.filename, v.version, f.sha256 as sha, f.metadata_sha256 as metadata, f.size_bytes as size
    from file f join version v on v.id = f.version_id join package p on p.id = v.package_id
    where f.removed_at is null order by p.name, v.sort_key, f.filename`;
  const names = [...new Set(rows.map((row) => row.name))];
  expect(await listed()).toEqual(names);
  const rootHtml = await (await fetch(simple(), { headers: { accept: "text/html" } })).text();
  expect(
    [...rootHtml.matchAll(/<a href="([^"]*)\/">([^<]*)<\/a>/g)].map(([, href, text]) => [
      href,
      text,
    ]),
  ).toEqual(names.map((name) => [name, name]));
  for (const name of names) {
    const own = rows.filter((row) => row.name === name);
    const page = await findPage(name);
    expect(
      page?.files.map(({ filename, hashes, size, "core-metadata": metadata }) => ({
        filename,
        hashes,
        size,
        metadata,
      })),
    ).toEqual(
      own.map((row) => ({
        ...{ filename: row.filename, hashes: { sha256: row.sha }, size: row.size },
        metadata: { sha256: row.metadata },
      })),
    );
    expect(page?.versions).toEqual([...new Set(own.map((row) => row.version))]);
    const html = await (
      await fetch(simple(`${name}/`), { headers: { accept: "text/html" } })
    ).text();
    expect(
      [...html.matchAll(/href="([^"#]*)#sha256=([0-9a-f]*)"/g)].map(([, href, sha]) => [href, sha]),
    ).toEqual(own.map((row) => [encodeURIComponent(row.filename), row.sha]));
    for (const row of own) {
      const url = simple(`${name}/${encodeURIComponent(row.filename)}`);
      expect(sha256(await bytesOf(url))).toBe(row.sha);
      expect(sha256(await bytesOf(new URL(`${url}.metadata`)))).toBe(row.metadata);
    }
  }
  expect((await get(simple("alder/"))).status).toBe(404);
  expect((await get(simple("willow/"))).status).toBe(404);
}, 60_000);

it("lists upstream's files too when it is asked to: one index is enough for pip", async () => {
  await bring("rowan", "1.0");
  await settled();
  const before = await findPage("rowan");
  expect(before?.files).toHaveLength(1);
  expect(before?.meta.tracks).toEqual([`${upstream.simpleUrl.replace(/\/+$/, "")}/rowan/`]);

  more.push("--merge-upstream");
  for (const part of farm.masterProcesses) await farm.kill(part, "SIGTERM");
  for (const part of farm.masterProcesses) await farm.startMasterProcess(part);
  await farm.until("upstream is read", (report) => report.isComplete);
  const [own] = before?.files ?? [];
  let page = before;
  for (let at = 0; at < 1_200 && page?.files.length !== 2; at += 1) {
    await delay(50);
    page = await findPage("rowan").catch(() => undefined);
  }
  // Of one name the farm's own; upstream's where they lie.
  const elsewhere = wheelName({ name: "rowan", version: "2.0" });
  expect(page?.files.map((file) => file.filename)).toEqual([own?.filename, elsewhere]);
  expect(page?.files[0]).toEqual(own);
  expect(page?.files[1]?.url.startsWith(upstream.url)).toBe(true);
  expect(page?.versions).toEqual(["1.0", "2.0"]);

  const absent = await get(simple("willow/"));
  expect([absent.status, absent.headers.get("location")]).toEqual([
    302,
    `${upstream.simpleUrl.replace(/\/+$/, "")}/willow/`,
  ]);
  const site = await farm.pipInstall("rowan==2.0", "willow", "birch");
  expect(
    await python("import rowan, willow, birch; print(rowan.says, willow.says, birch.says)", site),
  ).toBe("upstream's 2.0 upstream's 3.0 1.1");
  expect(await python("import rowan; print(rowan.says)", await farm.pipInstall("rowan==1.0"))).toBe(
    "1.0",
  );

  // A later release upstream is on the page without anybody's doing.
  upstream.publish(theirs("rowan", "2.1"));
  for (let at = 0; at < 1_200 && page?.files.length !== 3; at += 1) {
    await delay(50);
    page = await findPage("rowan");
  }
  expect(page?.versions).toEqual(["1.0", "2.0", "2.1"]);
}, 180_000);
