/** piw-audit where the disk or the database fails it: what it could not read, or may not do any more, stays as it is. */
import { createHash } from "node:crypto";
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Audit, Finding } from "../../bin/audit/examination.ts";
import { auditLogs } from "../../bin/audit/logs.ts";
import { auditWheels } from "../../bin/audit/wheels.ts";
import { readOnly } from "../../db/audit.ts";
import { openConnection } from "../../db/connection.ts";
import { logKey, metadataKey, wheelKey } from "../../web/public-key.ts";
import {
  blobPlace,
  openLocalStorage,
  type Storage,
  StorageError,
  TreeInspection,
} from "../../web/storage.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import {
  hello,
  lease,
  recordProject,
  release,
  retry,
  run,
  target,
  wheel,
} from "../support/queue-fixture.ts";
import { runSource } from "../support/run-source.ts";

const shaOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const contents = Buffer.from("what is in the wheel");
const metadata = Buffer.from("Metadata-Version: 2.1\nName: pkg\nVersion: 1.0\n");
const log = Buffer.from("it went well\n");

let database: TestDatabase;
let output: string;
let storage: Storage;
let token: number;
const file = {
  ...wheel("1.0", "py3-none-any"),
  sha256: shaOf(contents),
  sizeBytes: contents.length,
  metadataSha256: shaOf(metadata),
};
const wheelPlace = wheelKey("pkg", file.filename);
const metadataPlace = metadataKey("pkg", file.filename);
const at = (place: string) => join(output, place);

/** One wheel that was built, public with its metadata and its log, as a master leaves them. */
beforeEach(async () => {
  database = await createTestDatabase();
  const { sql } = database;
  output = mkdtempSync(join(tmpdir(), "audit-"));
  storage = await openLocalStorage(output, "temporary");
  await run(sql, "configureFarm", { follow: "all", order: "newest", upstreamWheels: "ignore" });
  const slave = await hello(sql, "a", [target(11)]);
  await recordProject(sql, "pkg", [release("1.0")]);
  token = (await lease(sql, slave))?.order.token ?? 0;
  await run(sql, "settleBuild", {
    token,
    slaveId: slave.slaveId,
    result: { cause: "built", message: "", missing: [], durationMs: 5 },
    files: [file],
    log: { sha256: shaOf(log), sizeBytes: log.length },
    retry,
  });
  for (const bytes of [contents, metadata, log]) await storage.putBlob(bytes);
  await storage.publishOnce(metadataPlace, file.metadataSha256);
  await storage.publishOnce(wheelPlace, file.sha256);
  await storage.publishCompressed(logKey(token), shaOf(log));
  const [row] = await sql<{ id: number }[]>`select id from file`;
  await run(sql, "markPlaced", { fileIds: [row?.id ?? 0], logTokens: [token] });
}, 60_000);
afterEach(async () => {
  await database.end();
  rmSync(output, { recursive: true });
});

/** Another file with other bytes, as a disk or a backup may leave it: its blob stays as it is. */
function spoil(place: string): void {
  copyFileSync(at(place), `${at(place)}.copy`);
  appendFileSync(`${at(place)}.copy`, "more");
  renameSync(`${at(place)}.copy`, at(place));
}

const quarantined = (): string[] => {
  try {
    return readdirSync(at(".store/quarantine"));
  } catch {
    return [];
  }
};
const facts = async () => ({
  standing: (await database.sql`select from file where removed_at is null`).length,
  logs: (await database.sql`select from build where log_sha256 is not null`).length,
  quarantined: quarantined(),
});
const untouched = { standing: 1, logs: 1, quarantined: [] };

/** A repair that cannot read these places, for a reason that may have passed by tomorrow. */
async function repair(code: string, unread: readonly string[]): Promise<Finding[]> {
  const tree = await TreeInspection.open(output);
  const hash = tree.hash.bind(tree);
  vi.spyOn(tree, "hash").mockImplementation((place, isCompressed) => {
    if (!unread.includes(place.toString())) return hash(place, isCompressed);
    const cause = Object.assign(new Error(`${code}: it is so, open '${String(place)}'`), { code });
    return Promise.reject(new StorageError("failed", `reading it: ${cause.message}`, { cause }));
  });
  const findings: Finding[] = [];
  const audit: Audit = {
    sql: database.sql,
    tree,
    storage,
    isQuick: false,
    signal: new AbortController().signal,
    report: (finding) => void findings.push(finding),
    looked: () => undefined,
  };
  await auditWheels(audit);
  await auditLogs(audit);
  return findings;
}

describe("a repair that cannot read", () => {
  it.each(["EMFILE", "ENFILE", "ESTALE", "ETIMEDOUT", "ENOMEM", "EIO", "EACCES", "Z_MEM_ERROR"])(
    "says so and leaves wheel, metadata, blob and log alone (%s)",
    async (code) => {
      const log = logKey(token);
      const findings = await repair(code, [wheelPlace, log, blobPlace(file.sha256)]);
      expect(findings.map(({ kind, place, done }) => [kind, place, done])).toEqual([
        ["unreadable", wheelPlace, undefined],
        ["unreadable", log, undefined],
      ]);
      expect(await facts()).toEqual(untouched);
    },
  );

  it("the blob gives up nothing that is wrong, and mends it when the blob can be read", async () => {
    spoil(wheelPlace);
    writeFileSync(at(logKey(token)), gzipSync("something else"));
    const blobs = [file.sha256, shaOf(log)].map(blobPlace);
    const findings = await repair("EMFILE", blobs);
    expect(findings).toMatchObject([
      { kind: "wrong-size", place: wheelPlace, done: undefined },
      { kind: "wrong-hash", place: logKey(token), done: undefined },
    ]);
    for (const { failure } of findings) expect(failure).toContain("cannot be read");
    expect(await facts()).toEqual(untouched);

    const mended = await repair("EMFILE", []);
    expect(mended.map(({ done }) => done)).toEqual([
      expect.stringContaining("placed again from its blob"),
      expect.stringContaining("placed again from its blob"),
    ]);
    expect(await facts()).toMatchObject({ standing: 1, logs: 1 });
  });

  it("but knows that a log is no gzip, or cut off, mends that", async () => {
    for (const bytes of [Buffer.from("no gzip"), gzipSync(log).subarray(0, 20)]) {
      writeFileSync(at(logKey(token)), bytes);
      expect(await repair("EMFILE", [])).toMatchObject([{ kind: "wrong-hash" }]);
      expect(await repair("EMFILE", [])).toEqual([]);
    }
  });

  it("the blob of metadata leaves the metadata where it is", async () => {
    spoil(metadataPlace);
    const findings = await repair("ESTALE", [blobPlace(file.metadataSha256)]);
    expect(findings).toMatchObject([{ place: metadataPlace, done: undefined }]);
    expect(findings[0]?.failure).toContain("cannot be read");
    expect(await facts()).toEqual(untouched);
  });

  it("anything, since the disk was unmounted in the middle, withdraws nothing", async () => {
    const tree = await TreeInspection.open(output);
    renameSync(output, `${output}.gone`);
    mkdirSync(join(output, ".store", "blobs"), { recursive: true });
    const findings: Finding[] = [];
    try {
      const audit: Audit = {
        sql: database.sql,
        tree,
        storage,
        isQuick: false,
        signal: new AbortController().signal,
        report: (finding) => void findings.push(finding),
        looked: () => undefined,
      };
      await auditWheels(audit);
      await auditLogs(audit);
    } finally {
      rmSync(output, { recursive: true });
      renameSync(`${output}.gone`, output);
    }
    expect(findings.map(({ kind, done }) => [kind, done])).toContainEqual(["missing", undefined]);
    for (const { failure } of findings) expect(failure).toContain("not the folder any more");
    expect(await facts()).toEqual(untouched);
  });

  it("a blob that is another file than its wheel leaves both", async () => {
    copyFileSync(at(wheelPlace), `${at(wheelPlace)}.copy`);
    renameSync(`${at(wheelPlace)}.copy`, at(wheelPlace));
    const blob = blobPlace(file.sha256);
    expect(await repair("ESTALE", [blob])).toMatchObject([{ kind: "unreadable", place: blob }]);
    expect(await facts()).toEqual(untouched);
  });
});

/** Ends the session of piw-audit in the moment between its two looks at the wheel, while it asks nothing. */
async function endSession(): Promise<void> {
  const admin = openConnection(database.adminDsn);
  try {
    for (;;) {
      const ended = await admin`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'piw-audit' and datname = current_database()
          and state = 'idle' and query like '%from file f join%f.id > %'
          and state_change < clock_timestamp() - interval '100 ms'`;
      if (ended.length > 0) return;
      await delay(20);
    }
  } finally {
    await admin.end();
  }
}
const program = (...args: string[]) =>
  runSource("bin/piw-audit.ts", [
    ...["--dsn", database.dsn, "--output-path", output, "--json", ...args],
  ]).ended;

describe("an audit that loses its session", () => {
  it("ends a repair, which may not be the only one any more, in one line", async () => {
    unlinkSync(at(wheelPlace));
    const ending = program("--repair", "-y");
    await endSession();
    const { code, stdout, stderr } = await ending;
    expect(stdout).not.toContain(wheelPlace);
    expect(stderr).toMatch(/^piw-audit: the repair stopped.*run it again.*connection.*\n$/);
    expect(code).toBe(1);
    expect(await facts()).toEqual(untouched);
    expect(readdirSync(at("simple/pkg"))).not.toContain(file.filename);
  });

  it("goes on where it only reads", async () => {
    unlinkSync(at(wheelPlace));
    const ending = program();
    await endSession();
    const { code, stdout, stderr } = await ending;
    expect([code, stderr]).toEqual([1, ""]);
    expect(stdout).toContain(`"missing","place":"${wheelPlace}"`);
  });

  it("may write in none of its sessions where it only reads", async () => {
    const sql = openConnection(database.dsn, { admission: readOnly });
    const write = () => sql`update file set removed_at = now()`;
    const pid = async () => (await sql<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]?.pid;
    await expect(write()).rejects.toThrow("read-only");
    const first = await pid();
    await expect(sql`select pg_terminate_backend(pg_backend_pid())`).rejects.toThrow();
    await expect(write()).rejects.toThrow("read-only");
    expect(await pid()).not.toBe(first);
    await sql.end();
  });
});
