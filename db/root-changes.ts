/**
 * What the root page of the index has to catch up with: projects that have their first file, or none any
 * more. requestPages (pages.ts) notes them, in the transaction that changes it; the Scribe works them off.
 */
import { z } from "zod";
import { countSchema } from "../protocol/model/scalar.ts";
import { type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";

/** In place of a name: all of them. */
export const WHOLE_ROOT = "*";

const LIMIT = 10_000;
const changeSchema = z.object({ name: z.string().max(1_000), generation: countSchema });

/** A name that is noted again gets another generation, so that a change during the writing is not lost. */
export async function noteRootChanges(tx: Tx, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await tx`
    insert into root_change (name)
    select distinct n from unnest(${[...names]}::text[]) as g(n) order by n
    on conflict (name) do update set generation = nextval('page_generation')`;
}

/** A stretch of them by name, with what is so now, and `WHOLE_ROOT` first where that was asked for. */
export const rootChanges = request(
  {
    args: z.object({ after: z.string().max(1_000), limit: z.int().positive().max(LIMIT) }),
    result: z.array(
      changeSchema.extend({
        /** It has a placed file. */
        isListed: z.boolean(),
        /** Its own page is yet to be written, or to go. */
        isOwed: z.boolean(),
      }),
    ),
  },
  async (sql, args) => [
    ...(await sql<{ name: string; generation: number; isListed: boolean; isOwed: boolean }[]>`
      select r.name, r.generation, exists (
          select from package p join version v on v.package_id = p.id
            join file f on f.version_id = v.id and f.placed_at is not null and f.removed_at is null
          where p.name = r.name collate "default") as "isListed",
        exists (select from page_request q
          where q.kind = 'simple' and q.key = r.name collate "default") as "isOwed"
      from root_change r where r.name > ${args.after} order by r.name limit ${args.limit}`),
  ],
);

/** The root page says it. */
export const rootWritten = request(
  { args: z.object({ changes: z.array(changeSchema).max(LIMIT) }), result: z.null() },
  async (sql, args) => {
    await transaction(
      sql,
      (tx) => tx`
        delete from root_change r
        using unnest(${args.changes.map(({ name }) => name)}::text[],
          ${args.changes.map(({ generation }) => generation)}::bigint[]) as w(name, generation)
        where r.name = w.name and r.generation = w.generation`,
    );
    return null;
  },
);
