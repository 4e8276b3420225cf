/**
 * Why the versions of a package are on the build queue or not, and where: `piw status PACKAGE`. Reads the
 * same facts as `recompute` and says in words what it decides. Bounded in versions, rows and positions.
 */
import { z } from "zod";
import type { ResolvedRequirement } from "../protocol/model/build.ts";
import { type Cause, causeText } from "../protocol/model/cause.ts";
import { packageReportSchema, type Standing } from "../protocol/model/queue.ts";
import { versionSchema } from "../protocol/model/scalar.ts";
import { textSchema } from "../protocol/model/text.ts";
import { canonicalName } from "../protocol/packaging/canonical-name.ts";
import { versionSortKey } from "../protocol/packaging/version.ts";
import type { Sql } from "./connection.ts";
import { request } from "./request.ts";

/** Versions that are told of where none was named, newest first. */
const VERSIONS_MAX = 50;
/** More rows than anybody reads. */
const ROWS_MAX = 2_000;
/** A place in the queue is counted up to here: farther down nobody counts the days either. */
const POSITIONS_COUNTED = 10_000;
const SIMILAR_MAX = 300;

interface Row {
  version_id: number;
  version: string;
  target_id: number | null;
  target: string | null;
  package_skip: string | null;
  skip: string | null;
  target_skip: string | null;
  wanted: boolean;
  has_sdist: boolean;
  specifier: string | null;
  admits: boolean;
  requeue_from: number | null;
  package_id: number;
  files: string | null;
  upstream: string | null;
  cause: Cause | null;
  message: string | null;
  settled_at: string | null;
  state: "ready" | "leased" | "waiting" | "blocked" | "cancelled" | null;
  not_before: string | null;
  slave: string | null;
  leased_at: string | null;
  attempts: number | null;
  retry_cause: Cause | null;
  missing: string | null;
  resolved: ResolvedRequirement[] | null;
}

export const explainQueue = request(
  {
    args: z.object({ package: textSchema(200), version: versionSchema.nullable() }),
    result: packageReportSchema,
    slow: true,
  },
  async (sql, args) => {
    const name = canonicalName(args.package);
    const [found] = await sql<{ id: number; name: string; versions: number }[]>`
      select p.id, p.name, (select count(*)::int from version v where v.package_id = p.id) as versions
      from package p
      where p.name = ${name}
        or p.id = (select a.package_id from package_alias a where a.alias = ${args.package})
      order by p.name = ${name} desc limit 1`;
    const nobody = { standings: [], isCut: false, positionsCounted: POSITIONS_COUNTED };
    if (found === undefined)
      return {
        ...{ package: name, isKnown: false, similar: await similarNames(sql, name), versions: 0 },
        ...nobody,
      };
    const rows = await findRows(sql, found.id, sortKeyOf(args.version));
    const positions = await findPositions(sql, rows);
    const standings = rows.slice(0, ROWS_MAX).map((row): Standing => {
      const why = whyOf(row);
      const position = why.state === "ready" ? (positions.get(keyOf(row)) ?? null) : null;
      return {
        version: row.version,
        target: row.target ?? "",
        position,
        resolved: row.resolved,
        ...why,
      };
    });
    return {
      package: found.name,
      isKnown: true,
      similar: [],
      versions: found.versions,
      standings,
      isCut: rows.length > ROWS_MAX || (args.version === null && found.versions > VERSIONS_MAX),
      positionsCounted: POSITIONS_COUNTED,
    };
  },
);

/** What is no version has a key that no version has. */
function sortKeyOf(version: string | null): string | null {
  if (version === null) return null;
  try {
    return versionSortKey(version);
  } catch {
    return "";
  }
}

/** Where there are no targets yet, a row without one for each version. */
const findRows = (sql: Sql, packageId: number, sortKey: string | null) => sql<Row[]>`
  select v.id as version_id, v.version, t.id as target_id, t.name as target, p.skip as package_skip,
    v.skip, t.skip as target_skip, v.wanted, v.sdist_sha256 is not null as has_sdist, q.specifier,
    v.requires_python_id is null or exists (select from requires_admits a
      where a.requires_id = v.requires_python_id and a.target_id = t.id) as admits,
    t.requeue_from, p.id as package_id,
    (select string_agg(distinct f.filename, ', ') from file f cross join unnest(f.tags) as g(tag)
       join tag_covers c on c.tag = g.tag and c.target_id = t.id
     where f.version_id = v.id and f.removed_at is null) as files,
    (select min(c.tag) from unnest(v.upstream_tags) as g(tag)
       join tag_covers c on c.tag = g.tag and c.target_id = t.id
     where (select upstream_wheels from configuration) = 'count') as upstream,
    b.cause, b.message, ${instant(sql, "b.settled_at")} as settled_at,
    w.state, ${instant(sql, "w.not_before")} as not_before,
    s.label as slave, ${instant(sql, "lb.leased_at")} as leased_at,
    r.attempts, r.cause as retry_cause,
    (select string_agg(k.requirement, ', ' order by k.requirement) from blocked k
     where k.version_id = v.id and k.target_id = t.id) as missing,
    (select u.resolved from build u
     where ${sortKey}::text is not null and u.version_id = v.id and u.target_id = t.id and u.resolved is not null
     order by u.stands desc, u.token desc limit 1) as resolved
  from (
    select * from version
    where package_id = ${packageId} and (${sortKey}::text is null or sort_key = ${sortKey}::text)
    order by sort_key desc limit ${VERSIONS_MAX}
  ) v
  join package p on p.id = v.package_id
  left join requires_python q on q.id = v.requires_python_id
  left join target t on true
  left join work w on w.version_id = v.id and w.target_id = t.id
  left join lease l on l.version_id = v.id and l.target_id = t.id and not l.is_trial
  left join build lb on lb.token = l.token
  left join slave s on s.id = l.slave_id
  left join retry r on r.version_id = v.id and r.target_id = t.id
  left join lateral (
    select b.cause, b.message, b.settled_at from build b
    where b.version_id = v.id and b.target_id = t.id and b.stands order by b.token desc limit 1
  ) b on true
  order by v.sort_key desc, t.rank, t.id
  limit ${ROWS_MAX + 1}`;

const instant = (sql: Sql, column: string) =>
  sql`to_char(${sql.unsafe(column)} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')`;

const keyOf = (row: { version_id: number; target_id: number | null }): string =>
  `${row.version_id} ${row.target_id}`;

/** One walk over the head of each queue that has a build of the package. */
async function findPositions(sql: Sql, rows: readonly Row[]): Promise<Map<string, number>> {
  const ready = rows.filter((row) => row.state === "ready" && row.target_id !== null);
  const ids = [...new Set(ready.map((row) => row.version_id))];
  const positions = new Map<string, number>();
  for (const target of new Set(ready.map((row) => row.target_id))) {
    const found = await sql<{ version_id: number; target_id: number; position: number }[]>`
      select version_id, ${target}::int as target_id, position::int from (
        select version_id, row_number() over (order by ord desc, version_id desc) as position
        from work where target_id = ${target} and state = 'ready'
        order by ord desc, version_id desc limit ${POSITIONS_COUNTED}
      ) head where version_id = any(${ids})`;
    for (const row of found) positions.set(keyOf(row), row.position);
  }
  return positions;
}

/** In the order in which they decide: what has a row of `work` first, then why it has none. */
function whyOf(row: Row): Pick<Standing, "state" | "reason"> {
  const skipped = row.package_skip ?? row.skip ?? row.target_skip;
  if (row.state === "leased")
    return { state: "leased", reason: `${row.slave} builds it since ${row.leased_at}` };
  if (row.state === "cancelled")
    return {
      state: "cancelled",
      reason: `${row.slave} is told to drop it: ${skipped ?? "not needed any more"}`,
    };
  if (skipped !== null) {
    const what = row.package_skip !== null ? "package" : row.skip !== null ? "version" : "target";
    return { state: "skipped", reason: `the ${what} is skipped: ${skipped}` };
  }
  if (!row.has_sdist) return { state: "no-sdist", reason: "upstream has no sdist of it" };
  if (!row.wanted) return { state: "unwanted", reason: "no wanted requirement selects it" };
  if (row.target === null)
    return { state: "pending", reason: "no slave has said yet what it builds for" };
  if (!row.admits)
    return { state: "excluded", reason: `Requires-Python is ${row.specifier ?? "unreadable"}` };
  if (row.files !== null) return { state: "built", reason: row.files };
  if (row.upstream !== null)
    return { state: "upstream", reason: `upstream has a wheel for it (${row.upstream})` };
  if (row.cause !== null)
    return row.cause === "built"
      ? { state: "built", reason: `built at ${row.settled_at}; its file is for other targets` }
      : { state: "failed", reason: `${failureOf(row.cause, row.message)}, at ${row.settled_at}` };
  switch (row.state) {
    case "ready":
      return { state: "ready", reason: attemptsOf(row) };
    case "waiting":
      return {
        state: "waiting",
        reason: `tried again at ${row.not_before}${attemptsOf(row, "; ")}`,
      };
    case "blocked":
      return { state: "blocked", reason: `needs ${row.missing}, which no index has` };
    case null:
      // Stored, but the queue has not been computed for it since its target came or the farm's rule changed.
      return row.requeue_from !== null && row.requeue_from < row.package_id
        ? { state: "pending", reason: "the queue is being computed for this target" }
        : {
            state: "behind",
            reason: "another target goes first: most wheels turn out to fit all of them",
          };
  }
}

const failureOf = (cause: Cause, message: string | null): string =>
  [causeText[cause], message ?? ""].filter((part) => part !== "").join(": ");

function attemptsOf({ attempts, retry_cause: cause }: Row, before = ""): string {
  if (attempts === null) return "";
  const why = cause === null ? "" : `: ${causeText[cause]}`;
  if (attempts === 0) return cause === null ? "" : `${before}${causeText[cause]}`;
  return `${before}${attempts} attempt${attempts === 1 ? "" : "s"} did not count${why}`;
}

/** Names that begin with the same letters, those of about the same length first; the asker picks the nearest. */
async function similarNames(sql: Sql, name: string): Promise<string[]> {
  const names = new Set<string>();
  for (const length of [3, 2, 1]) {
    const start = name.slice(0, length).replaceAll(/[\\%_]/g, "\\$&");
    const rows = await sql<{ name: string }[]>`
      select name from (select name from package where name like ${`${start}%`} limit 20000) near
      order by abs(length(name) - ${name.length}), name limit ${SIMILAR_MAX}`;
    for (const row of rows) names.add(row.name);
    if (names.size >= SIMILAR_MAX / 10) break;
  }
  return [...names].slice(0, SIMILAR_MAX);
}
