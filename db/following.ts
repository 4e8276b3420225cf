/**
 * Where Cloud Gazer stands: which index is followed and how far, which projects are to be read, and
 * which pages are to be looked at again. What changed is noted by changes.ts, what was read is recorded
 * by upstream.ts.
 */
import { z } from "zod";
import type { Immutable } from "../protocol/model/immutable.ts";
import { countSchema, durationSchema, projectNameSchema } from "../protocol/model/scalar.ts";
import { type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";
import { TARGETS_LOCK } from "./work.ts";

/** A page's validators are an index's own words: bounded here, and left out where they are longer. */
const validatorSchema = z.string().max(1_000).nullable();
export const validatorsSchema = z.object({ etag: validatorSchema, modified: validatorSchema });
export type Validators = Immutable<z.infer<typeof validatorsSchema>>;

const unreadProjectSchema = z.object({
  name: z.string(),
  seenSerial: countSchema,
  attempts: countSchema,
  /** Nothing said that it changed: its page is to be looked at. */
  isLook: z.boolean(),
  /** It has releases here: that upstream has no such project is not believed at once. */
  isKnown: z.boolean(),
  /** Of the page as it is recorded; null where it is to be read whatever it is. */
  page: validatorsSchema.extend({ serial: countSchema.nullable() }).nullable(),
});
export type UnreadProject = Immutable<z.infer<typeof unreadProjectSchema>>;

export const upstreamSerial = request({ args: z.null(), result: countSchema }, async (sql) => {
  const [row] = await sql<{ upstream_serial: number }[]>`select upstream_serial from configuration`;
  return row?.upstream_serial ?? 0;
});

/**
 * Says which index is followed. Of another one than before, serials and pages mean nothing: every project
 * is read anew, also for the addresses of its files.
 */
export const followIndex = request(
  {
    args: z.object({ index: z.string().max(4_000) }),
    result: z.object({ isOther: z.boolean(), hasChangelog: z.boolean() }),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const [row] = await tx<{ index: string | null; has_changelog: boolean }[]>`
        select upstream_index as index, has_changelog from configuration for update`;
      const isOther = (row?.index ?? args.index) !== args.index;
      if (isOther) {
        await forgetProgress(tx);
        await tx`update configuration set has_changelog = false`;
      }
      await tx`update configuration set upstream_index = ${args.index}`;
      return { isOther, hasChangelog: !isOther && row?.has_changelog === true };
    }),
);

/** The index has answered as a changelog does. What was looked at again and again is so no longer. */
export const foundChangelog = request({ args: z.null(), result: z.null() }, async (sql) => {
  await transaction(sql, async (tx) => {
    const found = await tx`
      update configuration set has_changelog = true where not has_changelog returning 1`;
    // Known before: what is to be looked at now was asked for by the changelog itself.
    if (found.length > 0) await tx`update package set look_at = null where look_at is not null`;
  });
  return null;
});

/** Begins the following anew from a listing: upstream's serials have gone backwards. */
export const resetSerial = request({ args: z.null(), result: z.null() }, async (sql) => {
  await transaction(sql, forgetProgress);
  return null;
});

async function forgetProgress(tx: Tx): Promise<void> {
  // One after the other with whoever records a project.
  await tx`
    select pg_advisory_xact_lock(${TARGETS_LOCK}::bigint),
      set_config('statement_timeout', '150s', true)`;
  await tx`
    update package set seen_serial = 0, read_serial = -1, read_attempts = 0, page_serial = null
    where source = 'upstream'`;
  await tx`
    update configuration set upstream_serial = 0, listing_etag = null, listing_modified = null`;
}

/** Validators of the listing that was taken up last. */
export const listingValidators = request(
  { args: z.null(), result: validatorsSchema },
  async (sql) => {
    const [row] = await sql<Validators[]>`
      select listing_etag as etag, listing_modified as modified from configuration`;
    return row ?? { etag: null, modified: null };
  },
);

/** After the whole of it was taken up, and not before: a crash on the way has it read again. */
export const listingTaken = request(
  { args: validatorsSchema, result: z.null() },
  async (sql, args) => {
    await sql`
      update configuration set listing_etag = ${args.etag}, listing_modified = ${args.modified}
      where (listing_etag, listing_modified) is distinct from (${args.etag}, ${args.modified})`;
    return null;
  },
);

/**
 * Projects whose recorded state is older than what was said of them, oldest change first; and where these
 * are fewer than the limit, those whose pages are due to be looked at.
 */
export const unreadProjects = request(
  {
    args: z.object({ limit: z.int().positive().max(10_000) }),
    result: z.array(unreadProjectSchema),
  },
  async (sql, args) => {
    const rows = await sql<UnreadRow[]>`
      (select ${columns(sql)}, false as is_look from package p
        where read_serial < seen_serial and read_not_before <= now() and source = 'upstream'
        order by seen_serial, id limit ${args.limit})
      union all
      (select ${columns(sql)}, true as is_look from package p
        where look_at <= now() and read_not_before <= now() and read_serial >= seen_serial
          and source = 'upstream'
        order by look_at limit ${args.limit})
      order by is_look limit ${args.limit}`;
    return rows.map((row) => ({
      name: row.name,
      seenSerial: row.seen_serial,
      attempts: row.read_attempts,
      isLook: row.is_look,
      isKnown: row.is_known,
      page:
        row.read_serial < 0
          ? null
          : { etag: row.page_etag, modified: row.page_modified, serial: row.page_serial },
    }));
  },
);

interface UnreadRow {
  name: string;
  seen_serial: number;
  read_serial: number;
  read_attempts: number;
  is_look: boolean;
  is_known: boolean;
  page_etag: string | null;
  page_modified: string | null;
  page_serial: number | null;
}

const columns = (sql: Tx) => sql`
  name, seen_serial, read_serial, read_attempts, page_etag, page_modified, page_serial,
  exists (select from version v where v.package_id = p.id and v.skip is distinct from 'deleted')
    as is_known`;

/** Puts off the next reading of a project: it could not be read, or what was read was too old. */
export const postponeProject = request(
  {
    args: z.object({
      name: projectNameSchema,
      delayMs: durationSchema,
      /** Whether it counts towards believing what is odd: a 404, a page that is too old. */
      isCounted: z.boolean(),
    }),
    result: z.null(),
  },
  async (sql, args) => {
    await sql`
      update package set read_attempts = read_attempts + ${args.isCounted ? 1 : 0},
        read_not_before = now() + ${args.delayMs} * interval '1 millisecond'
      where name = ${args.name}`;
    return null;
  },
);

/** The page is as it was when it was recorded. */
export const recordUnchanged = request(
  {
    args: z.object({
      name: projectNameSchema,
      serial: countSchema,
      /** See `recordProject`. */
      lookAgainMs: durationSchema.nullable(),
    }),
    result: z.null(),
  },
  async (sql, args) => {
    await sql`
      update package set read_serial = greatest(read_serial, ${args.serial}), read_attempts = 0,
        look_at = case when look_at is not null
          then now() + ${args.lookAgainMs}::float8 * interval '1 millisecond' end
      where name = ${args.name}`;
    return null;
  },
);

/** Projects that are looked at when a serial says so, by name: to find those that are listed no more. */
export const listedNames = request(
  {
    args: z.object({ after: z.string().max(200), limit: z.int().positive().max(50_000) }),
    result: z.array(z.string()),
  },
  async (sql, args) => {
    const rows = await sql<{ name: string }[]>`
      select name from package
      where name > ${args.after} and look_at is null and read_serial >= 0
        and source = 'upstream' and skip is distinct from 'deleted'
      order by name limit ${args.limit}`;
    return rows.map((row) => row.name);
  },
);

/** Has the pages of these projects looked at, once or, without serials, from now on. */
export const lookAt = request(
  { args: z.object({ names: z.array(projectNameSchema).max(50_000) }), result: z.null() },
  async (sql, args) => {
    await sql`
      update package set look_at = now() where name = any(${[...args.names]}) and look_at is null`;
    return null;
  },
);

/** The same for whatever is wanted: a farm that follows a wanted set needs no listing. */
export const lookAtWanted = request({ args: z.null(), result: z.null() }, async (sql) => {
  await sql`
    update package p set look_at = now()
    where look_at is null and source = 'upstream' and (
      exists (select from wanted w where w.name = p.name)
      or exists (select from derived_want d where d.name = p.name)
      or exists (select from version v where v.package_id = p.id and v.wanted))`;
  return null;
});
