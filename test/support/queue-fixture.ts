/** Upstream releases, slaves and results in the small, for tests of the build queue. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { databaseProtocol } from "../../actors/master/database.ts";
import type { Sql } from "../../db/connection.ts";
import {
  type RequestArgs,
  type RequestName,
  type RequestResult,
  requests,
} from "../../db/requests.ts";
import type { ReleaseFacts } from "../../db/upstream.ts";
import { readSimplePages } from "../../db/views-simple.ts";
import type { VerifiedFile } from "../../protocol/model/delivery.ts";
import type { TargetSpec } from "../../protocol/model/target.ts";
import { versionSortKey } from "../../protocol/packaging/version.ts";
import { decode, encode } from "../../protocol/transport/codec.ts";
import type { Checked } from "../../supervisor/index.ts";

export const retry = { baseMs: 1_000, maxMs: 60_000, maxAttempts: 3 };
export const leaseMs = 60_000;
export const absentMs = 3_600_000;

/** Names of the requests that were run here. */
export const requestsRun = new Set<RequestName>();

/**
 * Runs a request as an Oracle does, for an asker in another process: arguments and result go through the codec
 * and must pass their schemas and come out as they went in.
 */
export async function run<N extends RequestName>(
  sql: Sql,
  name: N,
  args: RequestArgs<N>,
): Promise<RequestResult<N>> {
  const request: { run(sql: Sql, args: never): Promise<unknown> } = requests[name];
  const sent = crossed("arguments", args, (value) => databaseProtocol.checkBody(name, value));
  const result = await request.run(sql, sent as never);
  requestsRun.add(name);
  return crossed("result", result, (value) =>
    databaseProtocol.checkReply(name, value),
  ) as RequestResult<N>;
}

/** The page of a project in the index; undefined where it has none. */
export async function simplePageOf(sql: Sql, name: string, filesAMessage?: number) {
  const [page] = await readSimplePages(
    {
      simplePages: (args) => run(sql, "simplePages", args),
      upstreamListing: (args) => run(sql, "upstreamListing", args),
    },
    [name],
    filesAMessage,
  );
  return page;
}

function crossed(
  what: string,
  value: unknown,
  check: (value: unknown) => Checked<unknown>,
): unknown {
  const checked = check(decode(encode(value)));
  if (!checked.ok) throw new Error(`${what}: ${checked.reason}`);
  expect(checked.value).toStrictEqual(value);
  return checked.value;
}

export const hash = (seed: string): string =>
  Buffer.from(seed.padEnd(32, ".")).toString("hex").slice(0, 64);

export function release(version: string, more: Partial<ReleaseFacts> = {}): ReleaseFacts {
  return {
    version,
    spelling: version,
    sortKey: versionSortKey(version),
    isPrerelease: false,
    releasedAt: Date.UTC(2024, 0, 1 + Number(version.split(".")[0] ?? 0)),
    requiresPython: null,
    yanked: null,
    sdist: {
      filename: `pkg-${version}.tar.gz`,
      url: `http://127.0.0.1/pkg-${version}.tar.gz`,
      sha256: hash(version),
      sizeBytes: 10,
    },
    skip: null,
    upstreamTags: [],
    ...more,
  };
}

export const target = (minor: number, platform = "linux_x86_64"): TargetSpec => ({
  name: `cp3${minor}-${platform}`,
  implementation: "cpython",
  pythonVersion: `3.${minor}`,
  pythonFullVersion: `3.${minor}.4`,
  abiTag: `cp3${minor}`,
  platformTag: platform,
  tags: [`cp3${minor}-cp3${minor}-${platform}`, `cp3${minor}-none-any`, "py3-none-any"],
});

export interface TestSlave {
  readonly identity: string;
  readonly slaveId: number;
  readonly targetIds: readonly number[];
}

export async function hello(
  sql: Sql,
  identity: string,
  targets: readonly TargetSpec[],
  tokens: { running?: number[]; finished?: number[]; slot?: string; label?: string } = {},
): Promise<TestSlave & { drop: readonly number[]; asleep: string | null }> {
  const welcome = await run(sql, "helloSlave", {
    identity,
    slot: tokens.slot ?? "main",
    label: tokens.label ?? identity,
    productVersion: "1",
    host: { os: "Linux", board: "", hostname: identity, cores: 1 },
    targets,
    running: tokens.running ?? [],
    finished: tokens.finished ?? [],
    leaseMs,
    retry,
  });
  while (await run(sql, "requeueStep", { limit: 100 }));
  return { identity, ...welcome };
}

export const lease = (sql: Sql, slave: TestSlave, holding: number[] = []) =>
  run(sql, "leaseBuild", {
    slaveId: slave.slaveId,
    targetIds: slave.targetIds,
    holding,
    leaseMs,
    below: {},
  });

export function wheel(version: string, tag: string, content = tag): VerifiedFile {
  return {
    filename: `pkg-${version}-${tag}.whl`,
    sha256: hash(`${version}${content}`),
    sizeBytes: 20,
    tags: [tag],
    requiresPython: null,
    requiresDist: [],
    aptDependencies: [],
    metadataSha256: hash(`m${version}`),
    suspicious: null,
  };
}

export const settle = (
  sql: Sql,
  slave: TestSlave,
  token: number,
  result: Partial<RequestArgs<"settleBuild">["result"]>,
  files: readonly VerifiedFile[] = [],
) =>
  run(sql, "settleBuild", {
    token,
    slaveId: slave.slaveId,
    result: { cause: "built", message: "", missing: [], durationMs: 5, ...result },
    files,
    log: null,
    retry,
  });

export const recordProject = (
  sql: Sql,
  name: string,
  releases: readonly ReleaseFacts[],
  serial = 1,
) => run(sql, "recordProject", { name, displayName: name, summary: "", serial, releases });

/** In an order that the foreign keys allow; the master's role may not truncate. */
export async function emptyTables(sql: Sql): Promise<void> {
  const tables =
    "root_change upstream_listing page_request file work lease retry blocked build slave_target slave package_alias version package " +
    "tag_covers requires_admits requires_python target wanted";
  for (const table of tables.split(" ")) await sql.unsafe(`delete from ${table}`);
}

/** The queue as it stands: `version target state`, in order. */
export async function queue(sql: Sql): Promise<string[]> {
  return (await linesOf(sql, "select * from work")).map(({ line }) => line);
}

/** What the queue is and what it must be, with the place of each row. */
export async function compared(sql: Sql): Promise<{ is: string[]; mustBe: string[] }> {
  const whole = ({ line, ord, state }: Line) => (state === "cancelled" ? line : `${line} ${ord}`);
  return {
    is: (await linesOf(sql, "select * from work")).map(whole),
    mustBe: (await linesOf(sql, DEFINITION)).map(whole),
  };
}

/** The definition of the queue, from scratch: what `recompute` keeps step by step must equal it at any time. */
const DEFINITION = readFileSync(new URL("./queue-definition.sql", import.meta.url), "utf8");

interface Line {
  readonly line: string;
  readonly state: string;
  readonly ord: number;
}

const linesOf = (sql: Sql, statement: string): Promise<Line[]> =>
  sql.unsafe<Line[]>(`
    select v.version || ' ' || t.name || ' ' || w.state as line, w.state, w.ord
    from (${statement}) w
    join version v on v.id = w.version_id join target t on t.id = w.target_id
    order by v.sort_key, t.rank, t.id, v.id`);
