/**
 * What the changelog or the listing of the followed index says of its projects: names, spellings and
 * serials. A project whose serial has risen is to be read. Cloud Gazer calls it with batches; each is one
 * transaction, with the serial that it moves, and none does harm when it comes again.
 */
import { z } from "zod";
import type { Immutable } from "../protocol/model/immutable.ts";
import { countSchema, projectNameSchema } from "../protocol/model/scalar.ts";
import { type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";

const changedProjectSchema = z.object({
  /** Canonical; may come several times, with other spellings. */
  name: projectNameSchema,
  spelling: projectNameSchema,
  serial: countSchema,
});
export type ChangedProject = Immutable<z.infer<typeof changedProjectSchema>>;

const listedProjectSchema = z.object({
  name: projectNameSchema,
  spelling: projectNameSchema,
  /** Null where the listing has none: then only its page can tell that it has changed. */
  serial: countSchema.nullable(),
});
export type ListedProject = Immutable<z.infer<typeof listedProjectSchema>>;

/** Projects of one batch, and of one transaction. Whoever makes it bounds its characters too: it may be a message. */
export const CHANGES_A_BATCH = 100_000;
/** Of one statement: on a small machine it must end well before PostgreSQL ends it. */
const CHANGES_A_STATEMENT = 20_000;

/**
 * Takes up a stretch of the changelog: these projects changed, and the serial moves from `from` to
 * `to`. Where the serial is not `from` any more, nothing happens: the stretch was taken up before.
 * A farm that follows a wanted set takes up only what it knows already.
 */
export const recordChanges = request(
  {
    args: z.object({
      from: countSchema,
      to: countSchema,
      projects: z.array(changedProjectSchema).max(CHANGES_A_BATCH),
    }),
    result: z.object({ moved: z.boolean() }),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const moved = await tx`
        update configuration set upstream_serial = ${args.to}
        where upstream_serial = ${args.from} returning 1`;
      if (moved.length === 0) return { moved: false };
      await noteChanges(tx, args.projects);
      return { moved: true };
    }),
);

/**
 * Takes up rows of the changelog that were not there when later ones were: of projects that have been read
 * since, nobody knows whether what was read had them in it, so that these are looked at once more.
 */
export const recordLateChanges = request(
  {
    args: z.object({ projects: z.array(changedProjectSchema).max(CHANGES_A_BATCH) }),
    result: z.null(),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      await noteChanges(tx, args.projects);
      await tx`
        update package p set look_at = now()
        from ${rows(tx, args.projects)}
        where p.name = r.name and p.read_serial >= r.serial and p.look_at is null`;
      return null;
    }),
);

/** Takes up projects of a listing, without moving the serial. */
export const recordListing = request(
  {
    args: z.object({ projects: z.array(listedProjectSchema).max(CHANGES_A_BATCH) }),
    result: z.null(),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const changed = args.projects.flatMap(({ name, spelling, serial }) =>
        serial === null ? [] : [{ name, spelling, serial }],
      );
      await noteChanges(tx, changed);
      if (changed.length > 0)
        await tx`
          update package set look_at = null
          where name = any(${changed.map(({ name }) => name)}) and look_at is not null`;
      const silent = args.projects.flatMap(({ name, spelling, serial }) =>
        serial === null ? [{ name, spelling, serial: 0 }] : [],
      );
      await noteChanges(tx, silent);
      if (silent.length > 0)
        await tx`
          update package set look_at = now()
          where name = any(${silent.map(({ name }) => name)}) and look_at is null`;
      return null;
    }),
);

/** Marks projects as changed: all of them, or in a farm that follows a wanted set those it knows. */
async function noteChanges(tx: Tx, projects: readonly ChangedProject[]): Promise<void> {
  if (projects.length === 0) return;
  const [configuration] = await tx<{ follow: string }[]>`select follow from configuration`;
  for (let at = 0; at < projects.length; at += CHANGES_A_STATEMENT)
    await noteSome(
      tx,
      projects.slice(at, at + CHANGES_A_STATEMENT),
      configuration?.follow === "all",
    );
}

async function noteSome(
  tx: Tx,
  projects: readonly ChangedProject[],
  isAll: boolean,
): Promise<void> {
  // Rows of one project: the latest of them says how it is spelled.
  const latest = tx`
    (select distinct on (name) name, spelling, serial from ${rows(tx, projects)}
      order by name, serial desc)`;
  if (isAll)
    await tx`
      insert into package (name, display_name, seen_serial)
      select name, spelling, serial from ${latest} l
      on conflict (name) do update
        set seen_serial = excluded.seen_serial, display_name = excluded.display_name,
          read_not_before = '-infinity', read_attempts = 0
        where package.seen_serial < excluded.seen_serial`;
  else
    await tx`
      update package p set seen_serial = l.serial, display_name = l.spelling,
        read_not_before = '-infinity', read_attempts = 0
      from ${latest} l
      where p.name = l.name and p.seen_serial < l.serial`;
  const others = projects.filter(({ name, spelling }) => spelling !== name);
  if (others.length > 0)
    await tx`
      insert into package_alias (alias, package_id)
      select distinct on (r.spelling) r.spelling, p.id
      from ${rows(tx, others)} join package p on p.name = r.name
      order by r.spelling
      on conflict (alias) do nothing`;
}

/** As a relation `r`. */
const rows = (tx: Tx, projects: readonly ChangedProject[]) => tx`
  unnest(${projects.map(({ name }) => name)}::text[],
    ${projects.map(({ spelling }) => spelling)}::text[],
    ${projects.map(({ serial }) => serial)}::bigint[]) as r(name, spelling, serial)`;
