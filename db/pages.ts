/**
 * Pages owed to readers: a row per page with a generation. A page is written and renamed into place,
 * then its row deleted if the generation is still the same; so a change during the writing is not lost
 * and a crash writes the page again.
 */
import { z } from "zod";
import { type PageKind, type PageRequest, pageRequestSchema } from "../protocol/model/page.ts";
import { countSchema, durationSchema } from "../protocol/model/scalar.ts";
import { type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";
import { noteRootChanges } from "./root-changes.ts";

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
      set generation = nextval('page_generation'), renewed_at = now()`;
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

const requestedSchema = z.object({
  requested: countSchema,
  /** The last name that was requested, to go on after; null when there is no further one. */
  next: z.string().nullable(),
  /** Nothing was requested: the pages that are owed are to be written first. */
  isFull: z.boolean(),
});

/** Pages that may be owed at once because of a rewriting of them all: new ones come behind them. */
const MAX_OWED = 2_000;

/**
 * Asks for the pages of the next packages by name: of all of them bit by bit. The simple pages are those of
 * packages that have, or had, files. So that a new file's page does not wait for a whole site, it asks for
 * none while many are owed.
 */
export const requestPagesAfter = request(
  {
    args: z.object({
      kind: z.enum(["simple", "project"]),
      after: z.string().max(1_000),
      limit: z.int().positive().max(MAX_OWED),
    }),
    result: requestedSchema,
  },
  async (sql, args) => {
    const [owed] = await sql<{ n: number }[]>`
      select count(*)::int as n from (select from page_request limit ${MAX_OWED}) as owed`;
    if ((owed?.n ?? 0) >= MAX_OWED) return { requested: 0, next: args.after, isFull: true };
    const rows = await sql<{ key: string }[]>`
      insert into page_request (kind, key)
      select ${args.kind}, p.name from package p
      where p.name > ${args.after} and (${args.kind === "project"} or exists (
        select from version v join file f on f.version_id = v.id where v.package_id = p.id))
      order by p.name limit ${args.limit}
      on conflict (kind, key) do update
        set generation = nextval('page_generation'), renewed_at = now()
      returning key`;
    // In the order of the insertion, which is that of the names.
    const last = rows.length < args.limit ? null : (rows.at(-1)?.key ?? null);
    return { requested: rows.length, next: last, isFull: false };
  },
);

/**
 * Pages to write now, oldest first: simple pages at once, others when they have waited `gatherMs` or
 * nobody has asked for them again for a twentieth of that.
 */
export const duePages = request(
  {
    args: z.object({ gatherMs: durationSchema, limit: z.int().positive().max(1_000) }),
    result: z.array(pageRequestSchema),
  },
  async (sql, args) => [
    ...(await sql<PageRequest[]>`
      select kind, key, generation from page_request
      where kind = 'simple'
        or requested_at <= now() - ${args.gatherMs} * interval '1 millisecond'
        or renewed_at <= now() - ${args.gatherMs / 20} * interval '1 millisecond'
      order by kind = 'simple' desc, requested_at
      limit ${args.limit}`),
  ],
);

export const pagesWritten = request(
  { args: z.object({ pages: z.array(pageRequestSchema).max(1_000) }), result: z.null() },
  async (sql, args) => {
    for (const page of args.pages) {
      // Only now can a build that waits for these files find them: so this is when they came.
      if (page.kind === "simple")
        await sql`
          update version v set changed_at = now()
          from package p
          where p.id = v.package_id and p.name = ${page.key} and exists (
            select from file f where f.version_id = v.id and f.removed_at is null
              and f.placed_at >= v.changed_at - interval '1 second')`;
      await sql`
        delete from page_request
        where kind = ${page.kind} and key = ${page.key} and generation = ${page.generation}`;
    }
    return null;
  },
);
