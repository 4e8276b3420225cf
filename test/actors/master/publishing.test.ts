/** Secretary and Scribe with a real database and a real folder: what is written, when, and what is not. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Meters } from "../../../actors/master/metrics/meters.ts";
import { type ScribeMessages, scribe } from "../../../actors/master/scribe.ts";
import { type SecretaryMessages, secretary } from "../../../actors/master/secretary.ts";
import { type DatabaseMessages, type RequestName, requests } from "../../../db/requests.ts";
import type { ToHttp } from "../../../protocol/links/tasks/http.ts";
import {
  child,
  defineActor,
  type System,
  silentLogger,
  startSystem,
  supervisor,
} from "../../../supervisor/index.ts";
import { openLocalStorage, type Storage, StorageError } from "../../../web/storage.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { publishedName, publishFiles } from "../../support/published-files.ts";
import { makeScratchFolder } from "../../web/scratch-folder.ts";

let database: TestDatabase;
let sql: TestDatabase["sql"];
let output: string;
let system: System | undefined;
/** Keys that were put in their places, in this order, by the storage's own word. */
let written: string[];
/** What happens before a page is written; throws to have it fail. */
let beforeWriting: (key: string) => void | Promise<void>;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = database.sql;
  await publishFiles(sql, { packages: 30, releases: 2, filesPerRelease: 2 });
}, 60_000);
afterAll(() => database.end());
beforeEach(async () => {
  output = await makeScratchFolder();
  written = [];
  beforeWriting = () => undefined;
  await sql`delete from page_request`;
  await sql`delete from page_rebuild`;
  await sql`delete from page_written`;
  await sql`update configuration set site_made_by = ''`;
});
afterEach(async () => {
  await system?.stop();
  rmSync(output, { recursive: true, force: true });
});

/** Runs every request as it comes, like Seraph with as many Oracles as are asked. */
const allOracles = defineActor<DatabaseMessages, null, null>({
  name: "answers as the database does",
  handlerTimeoutMs: 0,
  init: () => null,
  handle: Object.fromEntries(
    Object.entries(requests).map(([name, { run }]) => [
      name,
      (
        _state: null,
        args: never,
        ctx: { defer(): Answer; run(work: () => Promise<void>): void },
      ) => {
        const answer = ctx.defer();
        ctx.run(async () => {
          await (run as (on: typeof sql, args: never) => Promise<unknown>)(sql, args).then(
            (result) => answer.resolve(result),
            (error: unknown) => answer.reject(error as Error),
          );
        });
        return answer;
      },
    ]),
  ) as never,
});
interface Answer {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const http = defineActor<ToHttp, null, null>({
  name: "is nowhere",
  init: () => null,
  handle: { ADDRESS: () => ({ url: "http://farm.test/" }) } as never,
});

async function watched(): Promise<Storage> {
  const storage = await openLocalStorage(output);
  const note = (keys: readonly string[], count: number): void => {
    if (count > 0) written.push(...keys);
  };
  return {
    ...storage,
    async replace(key, contents) {
      await beforeWriting(key);
      const isWritten = await storage.replace(key, contents);
      note([key], Number(isWritten));
      return isWritten;
    },
    async replaceAll(pages) {
      for (const { key } of pages) await beforeWriting(key);
      const count = await storage.replaceAll(pages);
      note(
        pages.map(({ key }) => key),
        count,
      );
      return count;
    },
    async remove(key) {
      await storage.remove(key);
    },
  };
}

async function start({ version = "1.0" } = {}): Promise<void> {
  const storage = await watched();
  system = await startSystem({
    name: "test",
    logger: silentLogger,
    root: ({ ref }) =>
      supervisor("main", {}, [
        child("database", allOracles, null),
        child("http", http, null),
        child("scribe", scribe, {
          database: ref<DatabaseMessages>("/database"),
          storage,
          http: ref<ToHttp>("/http"),
          publicUrl: "http://farm.test",
          version,
          meters: new Meters().pages(),
        }),
        child("secretary", secretary, {
          database: ref<DatabaseMessages>("/database"),
          scribe: ref<ScribeMessages>("/scribe"),
          gatherMs: 200,
        }),
      ]),
  });
}

async function stop(): Promise<void> {
  await system?.stop();
  system = undefined;
}

const hurry = () => system?.ref<SecretaryMessages>("/secretary").tell("HURRY");
const ask = (name: RequestName, args: unknown) =>
  (requests[name].run as (on: typeof sql, args: unknown) => Promise<unknown>)(sql, args);
const request = (...pages: [kind: string, key: string][]) =>
  ask("requestPage", { pages: pages.map(([kind, key]) => ({ kind, key })) });

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const endsAt = Date.now() + 60_000; Date.now() < endsAt; await delay(20))
    if (await isSo()) return;
  throw new Error(`never: ${what}`);
}

/** Nothing is owed, and no rebuild is under way. */
const isQuiet = async (): Promise<boolean> => {
  const rows = await sql`
    select from page_request union all select from page_rebuild where ended_at is null
    union all select from configuration where site_made_by = ''`;
  return rows.length === 0;
};

const degraded = (): string => JSON.stringify(system?.tree());

const page = (...path: string[]) => join(output, ...path);
const simplePage = (at: number) => page("simple", publishedName(at), "index.html");

/** Every public file with its contents and instant. */
function picture(folder = output): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || path.startsWith(join(output, ".store"))) continue;
    const hash = createHash("sha256").update(readFileSync(path)).digest("hex");
    files.set(path, `${hash} ${statSync(path, { bigint: true }).mtimeNs}`);
  }
  return files;
}

describe("the site", () => {
  it("is made whole at the first start, and a second start writes nothing", {
    timeout: 60_000,
  }, async () => {
    await start();
    await until("all is written", isQuiet);
    for (const at of [1, 30]) expect(existsSync(simplePage(at))).toBe(true);
    expect(existsSync(page("project", publishedName(30), "index.html"))).toBe(true);
    expect(existsSync(page("packages.json"))).toBe(true);
    await stop();
    const before = picture();
    written = [];
    await start();
    await request(["project", publishedName(7)], ["simple", publishedName(7)]);
    await until("what was pending is crossed off", isQuiet);
    await stop();
    expect(written).toEqual([]);
    expect(picture()).toEqual(before);
  });

  it("gets back after a restart what is missing of the whole farm, and nothing else", {
    timeout: 60_000,
  }, async () => {
    await start();
    await until("all is written", isQuiet);
    await stop();
    rmSync(page("packages.json"));
    rmSync(page("simple", "index.v1+json"));
    written = [];
    await start();
    await until(
      "they are back",
      () => existsSync(page("packages.json")) && existsSync(page("simple", "index.v1+json")),
    );
    await until("all is written", isQuiet);
    // The root is joined, which is not noted here.
    expect(written.sort()).toEqual(["packages.json"]);
  });

  it("is made again in the background by another version of the product", {
    timeout: 60_000,
  }, async () => {
    await start();
    await until("all is written", isQuiet);
    await stop();
    writeFileSync(page("project", publishedName(12), "index.html"), "by another version");
    await start({ version: "2.0" });
    await until(
      "it is made again",
      () =>
        readFileSync(page("project", publishedName(12), "index.html"), "utf8") !==
        "by another version",
    );
    await until("the rebuild is at its end", isQuiet);
    expect(await ask("rebuilds", null)).toMatchObject([
      { kind: "project", done: 30, total: 30, reason: "new templates" },
      { kind: "simple", done: 30, total: 30 },
    ]);
  });
});

describe("a page that cannot be written", () => {
  it("stops no other, is shown, and is written when it can be", { timeout: 60_000 }, async () => {
    await start();
    await until("all is written", isQuiet);
    let isBroken = true;
    const bad = `project/${publishedName(3)}/index.html`;
    beforeWriting = (key) => {
      if (key === bad && isBroken) throw new Error("it cannot be rendered");
    };
    const all = Array.from({ length: 10 }, (_, at): [string, string] => [
      "project",
      publishedName(at + 1),
    ]);
    await request(...all);
    await until("the others are crossed off", async () => {
      const rows = await sql<
        { key: string }[]
      >`select key from page_request where kind = 'project'`;
      return rows.length === 1 && rows[0]?.key === publishedName(3);
    });
    await until("it is shown", () =>
      degraded().includes(`1 page could not be written; project ${publishedName(3)}`),
    );
    expect(degraded()).toContain("it cannot be rendered");
    isBroken = false;
    await until("it is written", isQuiet);
    await until("nothing is shown", () => !degraded().includes("could not be written"));
  });

  it("for want of room makes all wait as a state, costs no attempt, and all go on with room", {
    timeout: 60_000,
  }, async () => {
    await start();
    await until("all is written", isQuiet);
    let isFull = true;
    beforeWriting = () => {
      if (isFull) throw new StorageError("full", "no room left on the output disk");
    };
    await sql`update package set summary = summary || '!'`;
    await request(["project", publishedName(1)], ["project", publishedName(2)], ["home", ""]);
    await until("it is shown", () =>
      degraded().includes("no room left on the output disk: pages wait"),
    );
    expect(await sql`select from page_request where attempts > 0`).toHaveLength(0);
    isFull = false;
    await until("all is written", isQuiet);
    await until("nothing is shown", () => !degraded().includes("no room left"));
    expect(readFileSync(page("project", publishedName(2), "index.html"), "utf8")).toContain(
      "on what it is!",
    );
  });
});

describe("a rebuild of all pages", () => {
  it("gives way to the page of a new file, survives a restart, and writes what is not as it should be", {
    timeout: 120_000,
  }, async () => {
    await start();
    await until("all is written", isQuiet);
    await sql`
      with p as (
        insert into package (name, display_name, summary)
        select 'many-' || lpad(n::text, 6, '0'), 'many', '' from generate_series(1, 20000) as n returning id
      ), v as (
        insert into version (package_id, version, spelling, sort_key, prerelease, wanted)
        select id, '1.0', '1.0', '', false, false from p returning id
      )
      insert into build (token, version_id, target_id, slave_id, settled_at, cause, outcome)
      select nextval('build_token'), v.id, (select min(id) from target), (select min(id) from slave),
        now(), 'build failed', 'failed' from v`;
    await ask("startRebuild", { kinds: ["project"], reason: "asked for" });
    const progress = async () => {
      const [one] = (await ask("rebuilds", null)) as {
        done: number;
        total: number;
        endedAt: number | null;
      }[];
      return one ?? { done: 0, total: 0, endedAt: null };
    };
    hurry();
    await until("it is under way", async () => (await progress()).done >= 200);
    // A new file: its page comes while most of the rebuild is still to come.
    rmSync(page("simple", publishedName(9)), { recursive: true });
    const askedAt = (await progress()).done;
    await request(["simple", publishedName(9)]);
    hurry();
    await until("the new page is there", () => existsSync(simplePage(9)));
    const standsAt = await progress();
    expect(standsAt.total).toBe(20_030);
    // Nothing but the stretch that was in hand came before it, and what went on until this test had looked.
    expect(standsAt.done - askedAt).toBeLessThan(5_000);
    await stop();
    const { done } = await progress();
    expect(done).toBeLessThan(20_030);
    await removeMany(
      sql`name > (select after from page_rebuild where kind = 'project') and name <> 'many-019999'`,
    );
    written = [];
    await start();
    await until("it is at its end", isQuiet);
    const projects = written.filter((key) => key.startsWith("project/"));
    // What was before is not gone over again; the stretch in hand may be, and is not written again.
    expect(projects).toContain("project/many-019999/index.html");
    expect(
      projects.every((key) => key >= `project/many-${String(done - 200).padStart(6, "0")}`),
    ).toBe(true);
    await stop();
    await removeMany(sql`true`);
  });

  async function removeMany(which: ReturnType<typeof sql>): Promise<void> {
    const ids = sql`(select id from package where name like 'many-%' and ${which})`;
    await sql`delete from build where version_id in (select id from version where package_id in ${ids})`;
    await sql`delete from version where package_id in ${ids}`;
    await sql`delete from package where id in ${ids}`;
  }
});
