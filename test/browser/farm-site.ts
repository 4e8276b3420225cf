/**
 * The farm's own pages as their writers make them of a real database, behind the real server: for tests that
 * look at them in a browser. Slaves and builds are said to the database as the master would.
 */
import { rm } from "node:fs/promises";
import type { Desk } from "../../actors/master/site/writer.ts";
import { pageWriters } from "../../actors/master/site/writers.ts";
import type { Sql } from "../../db/connection.ts";
import type { Cause } from "../../protocol/model/cause.ts";
import { figureNames } from "../../protocol/model/statistics.ts";
import { siteAssets } from "../../web/assets.ts";
import { RootIndex } from "../../web/index/root-index.ts";
import { renderNotFoundPage } from "../../web/pages/not-found-page.ts";
import { NOT_FOUND_PAGE_KEY } from "../../web/public-key.ts";
import { startWebServer } from "../../web/server.ts";
import { openLocalStorage, type Storage } from "../../web/storage.ts";
import { createTestDatabase } from "../support/postgres.ts";
import {
  hash,
  hello,
  lease,
  recordProject,
  release,
  run,
  settle,
  type TestSlave,
  target,
} from "../support/queue-fixture.ts";
import { makeScratchFolder } from "../web/scratch-folder.ts";
import { silent } from "../web/test-site.ts";

/** Text that would do something if any page took it for markup. */
export const hostile = `"'><img src=x onerror=alert(1)></td></script><script>alert(1)</script>`;

export interface FarmSite {
  readonly url: string;
  readonly sql: Sql;
  readonly storage: Storage;
  /** A slave for two targets. */
  readonly slave: TestSlave;
  /** Makes the farm know projects with a release each. */
  know(names: readonly string[]): Promise<void>;
  /** Has the slave build what comes next, and publishes its wheel where it ends well. Returns whose it was. */
  build(cause?: Cause, message?: string, missing?: string[]): Promise<string>;
  write(kind: "home" | "search"): Promise<void>;
  end(): Promise<void>;
}

export async function startFarmSite(): Promise<FarmSite> {
  const database = await createTestDatabase();
  const { sql } = database;
  const output = await makeScratchFolder();
  const storage = await openLocalStorage(output);
  for (const { key, contents } of siteAssets) await storage.replace(key, contents);
  await storage.replace(NOT_FOUND_PAGE_KEY, renderNotFoundPage({ name: "Wheelwright" }));
  const server = await startWebServer({
    address: "http://127.0.0.1:0",
    outputPath: output,
    log: silent,
  });
  const slave = await hello(sql, "one", [target(11), target(12)], { label: `shed ${hostile}` });
  const desk: Desk = {
    ask: (name, args) => run(sql, name, args),
    storage,
    site: { name: "Wheelwright", url: server.url },
    root: new RootIndex(storage),
  };
  let serial = 0;
  return {
    url: server.url,
    sql,
    storage,
    slave,
    async know(names) {
      for (const name of names) await recordProject(sql, name, [release("1.0")], ++serial);
    },
    async build(cause = "built", message = "", missing = []) {
      const leased = await lease(sql, slave);
      if (leased === null) throw new Error("nothing is to be built");
      const { token, package: name } = leased.order;
      const filename = `${name.replaceAll("-", "_")}-1.0-py3-none-any.whl`;
      const file = {
        filename,
        sha256: hash(filename),
        sizeBytes: 1_000 + filename.length,
        tags: ["py3-none-any"],
        requiresPython: null,
        requiresDist: [],
        aptDependencies: [],
        metadataSha256: hash(`m${filename}`),
        suspicious: null,
      };
      const result = { cause, message, missing, durationMs: 1_000 * (token % 90) + 250 };
      await settle(sql, slave, token, result, cause === "built" ? [file] : []);
      await sql`update file set placed_at = now() where token = ${token}`;
      return name;
    },
    write: (kind) => pageWriters[kind](desk, [""]),
    async end() {
      await server.close();
      await database.end();
      await rm(output, { recursive: true, force: true });
    },
  };
}

/** A history of a year as Big Brother would have left it: one of waves. */
export async function rememberYear(sql: Sql): Promise<void> {
  const place = (name: (typeof figureNames.farm)[number]): number =>
    figureNames.farm.indexOf(name) + 1;
  const wave = (hours: number, size: number): string =>
    `(1 + sin(extract(epoch from at) / 3600 / ${hours})) * ${size}`;
  for (const [stepS, span] of [
    [300, "7 days"],
    [3_600, "365 days"],
  ] as const) {
    await sql.unsafe(`
      insert into history (step_s, kind, subject, at, samples, average)
      select ${stepS}, 'farm', 0, at, 30, (
        select array_agg(case n
            when ${place("buildsLastHour")} then ${wave(4, 90)}
            when ${place("failuresLastHour")} then ${wave(4, 12)}
            when ${place("ready")} then ${wave(40, 4_000)}
            when ${place("blocked")} then ${wave(200, 300)}
            when ${place("waiting")} then ${wave(7, 20)}
            when ${place("leased")} then ${wave(3, 8)}
            when ${place("sizeBytes")} then extract(epoch from at) * 50
            else 1 end::real order by n)
        from generate_series(1, ${figureNames.farm.length}) n)
      from generate_series(to_timestamp(floor(extract(epoch from now() - interval '${span}') / ${stepS}) * ${stepS}),
        now(), interval '${stepS} seconds') as at
      -- An outage is a gap.
      where at not between now() - interval '9 hours' and now() - interval '7 hours'
      on conflict do nothing`);
  }
}

/** Downloads of a month, and what they were made with. */
export async function rememberDownloads(sql: Sql): Promise<void> {
  await sql`
    insert into access_day (day, aspect, value, visits)
    select (now() at time zone 'UTC')::date - n, a.aspect, a.value, a.share * (30 + (n * 37) % 60)
    from generate_series(0, 40) n, (values
      ('kind', 'download', 10), ('python', '3.11', 6), ('python', '3.12', 3), ('python', ${hostile}, 1),
      ('arch', 'armv7l', 7), ('arch', 'aarch64', 3), ('installer', 'pip', 8), ('installer', 'uv', 2),
      ('distro', 'Raspbian', 7), ('distro', '', 3)) as a(aspect, value, share)`;
}
