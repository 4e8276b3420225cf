/**
 * Rebuilds: the pages of all packages made again in the background, a stretch of names at a time. How far one is
 * lies here, so that a restart goes on with it. The Secretary works them off when no page is owed.
 */
import { z } from "zod";
import { type PageRebuild, pageRebuildSchema, rebuildKindSchema } from "../protocol/model/page.ts";
import { countSchema } from "../protocol/model/scalar.ts";
import { type Tx, transaction } from "./connection.ts";
import { requestPages } from "./pages.ts";
import { request } from "./request.ts";
import { WHOLE_ROOT } from "./root-changes.ts";

type Kind = PageRebuild["kind"];

/** Days whose downloads a project's page counts, and one more: whose count falls to nothing. */
const DOWNLOAD_DAYS = 31;

/** Names of the packages that a rebuild goes over. Simple pages have those that have, or had, files. */
const subjects = (sql: Tx, kind: Kind) => {
  switch (kind) {
    case "simple":
      return sql`select p.name from package p where p.source = 'local' or exists (
        select from version v join file f on f.version_id = v.id where v.package_id = p.id)`;
    case "project":
      // Those that have one: see requestItsPages in upstream.ts.
      return sql`select p.name from package p where exists (
        select from version v join build b on b.version_id = v.id where v.package_id = p.id)`;
    case "downloads":
      return sql`select p.name from package p where exists (
        select from access_package_day d where d.package = p.name
          and d.day >= (now() at time zone 'UTC')::date - ${DOWNLOAD_DAYS}::int)`;
  }
};

/** Takes a rebuild up from the start; where one is under way, it begins anew. */
async function start(tx: Tx, kind: Kind, reason: string): Promise<void> {
  await tx`
    insert into page_rebuild (kind, reason, total)
    select ${kind}, ${reason}, count(*) from (${subjects(tx, kind)}) as s
    on conflict (kind) do update set generation = nextval('page_generation'), reason = excluded.reason,
      after = '', done = 0, total = excluded.total, started_at = now(), ended_at = null`;
  // What the rebuilt pages are listed on.
  if (kind === "simple") await requestPages(tx, [{ kind: "root", key: WHOLE_ROOT }]);
}

export const startRebuild = request(
  {
    args: z.object({ kinds: z.array(rebuildKindSchema).max(3), reason: z.string().max(200) }),
    result: z.null(),
    slow: true,
  },
  async (sql, { kinds, reason }) => {
    await transaction(sql, async (tx) => {
      for (const kind of kinds) await start(tx, kind, reason);
    });
    return null;
  },
);

/** All that were ever asked for, those that are under way first. */
export const rebuilds = request(
  { args: z.null(), result: z.array(pageRebuildSchema) },
  async (sql) => {
    const rows = await sql<(Omit<PageRebuild, "startedAt" | "endedAt"> & Instants)[]>`
    select kind, reason, after, done, total, started_at as "startedAt", ended_at as "endedAt"
    from page_rebuild order by ended_at is not null, kind`;
    return rows.map((row) => ({
      ...row,
      startedAt: row.startedAt.getTime(),
      endedAt: row.endedAt?.getTime() ?? null,
    }));
  },
);

interface Instants {
  readonly startedAt: Date;
  readonly endedAt: Date | null;
}

const stretchSchema = z.object({
  kind: rebuildKindSchema,
  generation: countSchema,
  /** None: it is at its end. */
  names: z.array(z.string()),
});

/** The next packages of the rebuild that is under way, simple pages before others; null where there is none. */
export const nextOfRebuild = request(
  { args: z.object({ limit: z.int().positive().max(1_000) }), result: stretchSchema.nullable() },
  async (sql, { limit }) => {
    const [row] = await sql<{ kind: Kind; generation: number; after: string }[]>`
      select kind, generation, after from page_rebuild where ended_at is null
      order by kind = 'simple' desc, kind = 'project' desc limit 1`;
    if (row === undefined) return null;
    const { kind, generation, after } = row;
    const names = await sql<{ name: string }[]>`
      select name from (${subjects(sql, kind)}) as p where name > ${after} order by name limit ${limit}`;
    return { kind, generation, names: names.map(({ name }) => name) };
  },
);

/** The pages of these packages are in place, or owed. One that began anew meanwhile stays where it is. */
export const rebuildAdvanced = request(
  {
    args: z.object({
      kind: rebuildKindSchema,
      generation: countSchema,
      names: z.array(z.string()).max(1_000),
    }),
    result: z.null(),
  },
  async (sql, { kind, generation, names }) => {
    const last = names.at(-1);
    if (last === undefined)
      await sql`
        update page_rebuild set ended_at = now()
        where kind = ${kind} and generation = ${generation} and ended_at is null`;
    else
      await sql`
        update page_rebuild set after = ${last}, done = done + ${names.length}
        where kind = ${kind} and generation = ${generation} and after < ${last}`;
    return null;
  },
);

/**
 * The Scribe opens the site: asks for the pages of the whole farm that do not stand, and for all pages again where
 * something else made them.
 */
export const openSite = request(
  {
    args: z.object({
      madeBy: z.string().max(500),
      missing: z.array(z.enum(["root", "home", "search"])).max(3),
    }),
    result: z.object({ isRebuilt: z.boolean() }),
    slow: true,
  },
  (sql, { madeBy, missing }) =>
    transaction(sql, async (tx) => {
      const [row] = await tx<{ by: string }[]>`
        select site_made_by as by from configuration for update`;
      const isRebuilt = row?.by !== madeBy;
      if (isRebuilt) {
        await tx`update configuration set site_made_by = ${madeBy}`;
        for (const kind of ["simple", "project"] as const) await start(tx, kind, "new templates");
        await requestPages(tx, [
          { kind: "home", key: "" },
          { kind: "search", key: "" },
        ]);
      }
      await requestPages(
        tx,
        missing.map((kind) => ({ kind, key: "" })),
      );
      return { isRebuilt };
    }),
);

/**
 * What the passing of time changes: once a day the downloads on project pages, once an hour those of the search
 * list, every five minutes the figures of a farm in which nothing happens. Says whether anything was asked for.
 */
export const tendPages = request({ args: z.null(), result: z.boolean(), slow: true }, (sql) =>
  transaction(sql, async (tx) => {
    const [row] = await tx<{ daily: boolean; hourly: boolean }[]>`
      select
        not exists (select from page_rebuild where ended_at is null or
          (kind in ('downloads', 'project') and started_at > now() - interval '1 day')) as daily,
        not exists (select from page_written where kind = 'search' and written_at > now() - interval '1 hour')
          and not exists (select from page_request where kind = 'search') as hourly
      where exists (select from access_package_day)`;
    const [home] = await tx<{ isOld: boolean }[]>`
      select written_at <= now() - interval '5 minutes' as "isOld" from page_written where kind = 'home'`;
    if (row?.daily === true) await start(tx, "downloads", "downloads of the day");
    const kinds = [
      ...(row?.hourly === true ? ["search" as const] : []),
      ...(home?.isOld === true ? ["home" as const] : []),
    ];
    await requestPages(
      tx,
      kinds.map((kind) => ({ kind, key: "" })),
    );
    return row?.daily === true || kinds.length > 0;
  }),
);
