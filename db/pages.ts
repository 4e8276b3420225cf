/**
 * Pages owed to readers: a row per page with a generation. A page is written and renamed into place,
 * then its row deleted if the generation is still the same; so a change during the writing is not lost
 * and a crash writes the page again.
 */
import { z } from "zod";
import {
  type PageKind,
  type PageRequest,
  pageKindSchema,
  pageRequestSchema,
} from "../protocol/model/page.ts";
import { countSchema, durationSchema } from "../protocol/model/scalar.ts";
import { type Sql, type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";
import { noteRootChanges } from "./root-changes.ts";
import { readTallies } from "./tallies.ts";

/**
 * Inside the transaction that changes what the pages show. Asked again, a page keeps its age. The root of the
 * index is one page: its key says which project came to it or left it (`WHOLE_ROOT`: it is made anew, "": it
 * is seen to).
 */
export async function requestPages(
  tx: Tx,
  asked: readonly { readonly kind: PageKind; readonly key: string }[],
): Promise<void> {
  const names = asked.filter(({ kind, key }) => kind === "root" && key !== "");
  await noteRootChanges(
    tx,
    names.map(({ key }) => key),
  );
  const pages = asked.map(({ kind, key }) => ({ kind, key: kind === "root" ? "" : key }));
  await tx`
    insert into page_request (kind, key)
    select distinct kind, key
    from unnest(${pages.map(({ kind }) => kind)}::text[], ${pages.map(({ key }) => key)}::text[])
      as r(kind, key)
    order by kind, key
    on conflict (kind, key) do update
      set generation = nextval('page_generation'), renewed_at = now(), attempts = 0, retry_at = null`;
}

export const requestPage = request(
  {
    args: z.object({
      pages: z.array(pageRequestSchema.pick({ kind: true, key: true })).max(10_000),
    }),
    result: z.null(),
  },
  async (sql, args) => {
    await transaction(sql, (tx) => requestPages(tx, args.pages));
    return null;
  },
);

/** Of the whole farm: rewritten at most once in so many gathering times. All of these are long lists. */
const SEARCH_GATHERS = 10;

/**
 * Pages to write now: simple pages at once and first, then those of the whole farm, then the others, oldest
 * first, when they have waited `gatherMs` or nobody has asked for them again for a twentieth of that. The home
 * page is written at most once in `gatherMs`, the search list once in ten times that; one that could not be
 * written has to wait for its next attempt.
 */
export const duePages = request(
  {
    args: z.object({ gatherMs: durationSchema, limit: z.int().positive().max(1_000) }),
    result: z.array(pageRequestSchema),
  },
  async (sql, args) => {
    const gather = (times: number) => sql`${args.gatherMs * times} * interval '1 millisecond'`;
    const isDue = sql`(retry_at is null or retry_at <= now())`;
    const hasWaited = sql`(requested_at <= now() - ${gather(1)} or renewed_at <= now() - ${gather(1 / 20)})`;
    // Those of the whole farm are three at most: a long row of simple pages must not keep them for ever.
    const pages = await sql<PageRequest[]>`
      (select r.kind, r.key, r.generation from page_request r left join page_written w using (kind)
       where r.kind in ('root', 'home', 'search') and r.key = '' and ${isDue} and ${hasWaited}
         and (w.written_at is null or case r.kind
           when 'search' then w.written_at <= now() - ${gather(SEARCH_GATHERS)}
           when 'home' then w.written_at <= now() - ${gather(1)} or r.renewed_at <= now() - ${gather(1 / 10)}
           else true end)
       order by r.kind)
      union all
      (select kind, key, generation from page_request
       where kind = 'simple' and ${isDue} order by requested_at limit ${args.limit})
      union all
      (select kind, key, generation from page_request
       where kind = 'project' and key <> '' and ${isDue} and ${hasWaited}
       order by requested_at limit ${args.limit})`;
    return pages.slice(0, args.limit);
  },
);

const pagesSchema = z.array(pageRequestSchema).max(1_000);

/** Crosses off pages that are in place: those that were not asked for again meanwhile. */
export const pagesWritten = request(
  { args: z.object({ pages: pagesSchema }), result: z.null() },
  async (sql, { pages }) => {
    if (pages.length === 0) return null;
    const simple = pages.filter(({ kind }) => kind === "simple").map(({ key }) => key);
    // Only now can a build that waits for these files find them: so this is when they came.
    if (simple.length > 0)
      await sql`
        with come as (
          select v.id from version v join package p on p.id = v.package_id
          where p.name = any(${simple}) and exists (
            select from file f where f.version_id = v.id and f.removed_at is null
              and f.placed_at >= v.changed_at - interval '1 second')
          order by v.id for no key update of v
        )
        update version v set changed_at = now() from come where v.id = come.id`;
    await sql`
      delete from page_request r
      using unnest(${pages.map(({ kind }) => kind)}::text[], ${pages.map(({ key }) => key)}::text[],
        ${pages.map(({ generation }) => generation)}::bigint[]) as w(kind, key, generation)
      where r.kind = w.kind and r.key = w.key and r.generation = w.generation`;
    const farm = pages.filter(({ kind, key }) => kind !== "simple" && key === "");
    if (farm.length > 0) await noteFarmPages(sql, new Set(farm.map(({ kind }) => kind)));
    return null;
  },
);

/**
 * Keeps when pages of the whole farm were written. A search list that was made when there were more or fewer packages
 * to be found than there are now is asked for: the root page knows first.
 */
async function noteFarmPages(sql: Sql, kinds: ReadonlySet<PageKind>): Promise<void> {
  const packages = (await readTallies(sql))("packages", 0).total;
  await sql`
    insert into page_written (kind, written_at, packages)
    select k, now(), ${packages} from unnest(${[...kinds]}::text[]) as g(k)
    on conflict (kind) do update set written_at = now(), packages = excluded.packages`;
  if (kinds.has("root"))
    await sql`
      insert into page_request (kind, key)
      select 'search', '' where not exists (
        select from page_written where kind = 'search' and packages = ${packages})
      on conflict (kind, key) do update set generation = nextval('page_generation')`;
}

const failureSchema = z.object({
  page: pageRequestSchema,
  /** One line. */
  reason: z.string().max(2_000),
});

/**
 * Pages that could not be written: tried again after a second, then after pauses that double up to ten minutes. Asked
 * for meanwhile they are due at once. One of a rebuild becomes a page that is owed.
 */
export const pagesFailed = request(
  { args: z.object({ failures: z.array(failureSchema).max(1_000) }), result: z.null() },
  async (sql, { failures }) => {
    if (failures.length === 0) return null;
    const pages = failures.map(({ page }) => page);
    await sql`
      insert into page_request as r (kind, key, attempts, retry_at, failure)
      select f.kind, f.key, 1, now() + interval '1 second', f.reason
      from unnest(${pages.map(({ kind }) => kind)}::text[], ${pages.map(({ key }) => key)}::text[],
        ${failures.map(({ reason }) => reason)}::text[]) as f(kind, key, reason)
      order by f.kind, f.key
      on conflict (kind, key) do update set attempts = r.attempts + 1, failure = excluded.failure,
        retry_at = now() + least(interval '10 minutes', interval '1 second' * 2 ^ least(r.attempts, 20))`;
    return null;
  },
);

const failingSchema = z.object({
  count: countSchema,
  /** The one that was tried most often. */
  kind: pageKindSchema,
  key: z.string(),
  attempts: countSchema,
  reason: z.string(),
});

/** Pages that are owed and could not be written the last time; null where there is none. */
export const failingPages = request(
  { args: z.null(), result: failingSchema.nullable() },
  async (sql) => {
    const [row] = await sql<z.infer<typeof failingSchema>[]>`
      select count(*) over ()::int as count, kind, key, attempts, coalesce(failure, '') as reason
      from page_request where retry_at is not null
      order by attempts desc, kind, key limit 1`;
    return row ?? null;
  },
);
