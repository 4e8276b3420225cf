/** The farm at a glance: what is left to do, and what became of each version. */
import { z } from "zod";
import { type Cause, causeText } from "../protocol/model/cause.ts";
import type { Immutable } from "../protocol/model/immutable.ts";
import { countSchema } from "../protocol/model/scalar.ts";
import { farmReportSchema, type ReportRow } from "../protocol/model/status.ts";
import { type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";
import { readTallies } from "./tallies.ts";
import { unsatisfiedRequirements } from "./wanted.ts";

/** More rows than anybody reads; a farm of that size is looked at on its pages. */
const MAX_ROWS = 5_000;

/** In a farm with more versions than this nobody reads a table of all: one asks for a package instead. */
const MAX_VERSIONS_SHOWN = 20_000;

/** The part of the farm's report that the database knows. */
const queueReportSchema = farmReportSchema
  .pick({
    ready: true,
    leased: true,
    waiting: true,
    blocked: true,
    unpublished: true,
    unsatisfied: true,
    rows: true,
  })
  .extend({
    /** Projects to be read, and targets that the queue has not been computed for. */
    unread: countSchema,
  });
export type QueueReport = Immutable<z.infer<typeof queueReportSchema>>;

interface Row {
  package: string;
  version: string;
  target: string;
  state: ReportRow["state"];
  cause: Cause | null;
  message: string;
  missing: string;
  skip: string | null;
  files: string;
  duration_ms: number | null;
}

export const queueReport = request(
  { args: z.null(), result: queueReportSchema, slow: true },
  // All of one moment: a farm that has nothing left to do is told by these figures together.
  async (sql) => transaction(sql, report, { isolation: "repeatable read", readOnly: true }),
);

async function report(tx: Tx): Promise<QueueReport> {
  const tallies = await readTallies(tx);
  const queued = (state: string): number => tallies(state, 0).total;
  const [counts] = await tx<Pick<QueueReport, "unread" | "unpublished">[]>`
    select
      (select count(*)::int from package where read_serial < seen_serial)
        + (select count(*)::int from target where requeue_from is not null) as unread,
      (select count(*)::int from file where placed_at is null and removed_at is null)
        + (select count(*)::int from build where log_sha256 is not null and log_placed_at is null)
        + (select count(*)::int from page_request where kind <> 'search') as unpublished`;
  // An estimate of the planner's: to count them is as slow as the table.
  const [farm] = await tx<{ versions: number }[]>`
    select reltuples::float8 as versions from pg_class where oid = 'public.version'::regclass`;
  const isLarge = (farm?.versions ?? 0) > MAX_VERSIONS_SHOWN;
  return {
    unread: counts?.unread ?? 0,
    ready: queued("ready"),
    leased: queued("leased") + queued("cancelled"),
    waiting: queued("waiting"),
    blocked: queued("blocked"),
    unpublished: counts?.unpublished ?? 0,
    unsatisfied: await unsatisfiedRequirements(tx),
    rows: isLarge ? [] : (await findRows(tx)).map(toReportRow),
  };
}

const findRows = (tx: Tx) => tx<Row[]>`
      select p.name as package, v.version, t.name as target,
        coalesce(w.state, case when b.cause <> 'built' then 'failed'
          when exists (select from import i where i.token = b.token) then 'imported'
          else 'built' end) as state,
        b.cause, coalesce(b.message, '') as message, null as skip, b.duration_ms,
        coalesce((select string_agg(k.requirement, ', ' order by k.requirement) from blocked k
                  where k.version_id = v.id and k.target_id = t.id), '') as missing,
        coalesce((select string_agg(f.filename, ', ' order by f.filename) from file f
                  where f.version_id = v.id and f.token = b.token), '') as files
      from version v
      join package p on p.id = v.package_id
      cross join target t
      left join work w on w.version_id = v.id and w.target_id = t.id and w.state <> 'cancelled'
      left join lateral (
        select * from build b where b.version_id = v.id and b.target_id = t.id and b.stands
        order by b.token desc limit 1) b on true
      where (w.version_id is not null or b.token is not null)
        and (v.source = 'local' or v.wanted and v.skip is null)
      union all
      select p.name, v.version, '', 'skipped', null, '', coalesce(v.skip, p.skip), null, '', ''
      from version v join package p on p.id = v.package_id
      where v.wanted and v.source = 'upstream' and (v.skip is not null or p.skip is not null)
      order by package, version, target limit ${MAX_ROWS}`;

function toReportRow(row: Row): ReportRow {
  return {
    package: row.package,
    version: row.version,
    target: row.target,
    state: row.state === ("cancelled" as string) ? "skipped" : row.state,
    reason: reasonOf(row),
    durationMs: row.duration_ms,
  };
}

function reasonOf(row: Row): string {
  switch (row.state) {
    case "built":
    case "imported":
      return row.files;
    case "blocked":
      return `needs ${row.missing}, which no index has`;
    case "skipped":
      return row.skip ?? "";
    case "failed":
      return [row.cause === null ? "" : causeText[row.cause], row.message]
        .filter((part) => part !== "")
        .join(": ");
    case "ready":
    case "leased":
    case "waiting":
      return "";
  }
}
