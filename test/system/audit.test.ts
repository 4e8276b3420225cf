/** piw-audit with a real master at work: every kind of damage is found, mended, and gone at the next audit. */
import { execFile } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openConnection } from "../../db/connection.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { logKey } from "../../web/public-key.ts";
import { wheelName, writeWheel } from "../support/plain-wheel.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { hello, target } from "../support/queue-fixture.ts";
import { TestFarm } from "../support/test-farm.ts";

const bin = (name: string) => new URL(`../../dist/bin/${name}.js`, import.meta.url).pathname;
const names = ["alder", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine"];

let database: TestDatabase;
let upstream: SampleUpstream;
let farm: TestFarm;

beforeAll(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream();
  farm = new TestFarm({ dsn: database.dsn, upstream, master: ["--follow", "wanted"] });
  await hello(database.sql, "a slave that was here once", [target(11)]);
  await farm.startMaster();
  await farm.until("the master is up", () => true);
  const log = join(farm.folder, "output.txt");
  writeFileSync(log, "it went well\n".repeat(100));
  for (const name of names) {
    const path = writeWheel(join(farm.folder, "wheels"), { name, version: "1.0" });
    const said = await tool("piw-import", [
      ...["--import-queue", farm.importAddress, "-y", "--output", log, path],
    ]);
    expect(said).toMatchObject({ code: 0, err: "" });
  }
  await settled();
}, 180_000);

afterAll(async () => {
  await farm.end();
  await upstream.close();
  await database.end();
}, 60_000);

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
const tool = (name: string, args: readonly string[]): Promise<Said> =>
  new Promise((resolve) => {
    const words = [bin(name), ...args];
    execFile(process.execPath, words, { timeout: 90_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });

const audit = (...args: string[]) =>
  tool("piw-audit", ["--dsn", database.dsn, "--output-path", farm.output, ...args]);

interface Line {
  readonly kind: string;
  readonly place: string;
  readonly done?: string;
  readonly failure?: string;
}
const findings = async (...args: string[]): Promise<{ code: number; lines: Line[] }> => {
  const { code, out, err } = await audit("--json", ...args);
  expect(err).toBe("");
  const lines = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  return { code, lines: lines.slice(0, -1) };
};

/** Every page is written but for the search lists, which gather for half a minute. */
async function settled(): Promise<void> {
  for (let at = 0; at < 600; at += 1) {
    const rows = await database.sql`
      select from page_request where kind <> 'search' union all
      select from file where removed_at is not null and cleared_at is null`;
    if (rows.length === 0) return;
    await delay(50);
  }
  throw new Error(`pages are still asked for\n${farm.logs()}`);
}

const at = (...path: string[]) => join(farm.output, ...path);
const wheelAt = (name: string) => at("simple", name, wheelName({ name, version: "1.0" }));
const shaOf = async (name: string): Promise<{ sha: string; metadata: string; token: number }> => {
  const [row] = await database.sql<{ sha: string; metadata: string; token: number }[]>`
    select sha256 as sha, metadata_sha256 as metadata, token from file
    where filename = ${wheelName({ name, version: "1.0" })}`;
  if (row === undefined) throw new Error(name);
  return row;
};
const blobAt = (sha: string) => at(".store/blobs", sha.slice(0, 2), sha);
const logAt = (token: number) => at(logKey(token));

/** Another file with the same bytes, as a backup restores a hard link. */
function unlinked(path: string): void {
  copyFileSync(path, `${path}.copy`);
  renameSync(`${path}.copy`, path);
}

describe("piw-audit", () => {
  it("says that all is as it should be, and is done with code 0", async () => {
    const said = await audit();
    expect(said).toMatchObject({ code: 0, err: "" });
    expect(said.out).toContain("10 wheels");
    expect(said.out).toContain("All is as it should be.");
    expect((await audit("--quick")).code).toBe(0);
  });

  it("needs only to read without --repair, and says what a repair needs", async () => {
    const role = `reader_${Date.now()}`;
    const admin = openConnection(database.adminDsn);
    await admin.unsafe(`create role ${role} login password 'x';
      grant usage on schema public to ${role};
      grant select on all tables in schema public to ${role}`);
    const dsn = `${database.dsn.replace(/\/\/[^@]*@/, `//${role}:x@`)}`;
    try {
      expect((await audit("--dsn", dsn)).out).toContain("All is as it should be.");
      const refused = await audit("--dsn", dsn, "--repair", "-y");
      expect(refused).toMatchObject({ code: 1, out: "" });
      expect(refused.err).toContain(`the role "${role}" may only read`);
      // A superuser may do all of it: there is nothing of the master's that it could harm by accident.
      expect((await audit("--dsn", database.adminDsn)).code).toBe(0);
    } finally {
      await admin.unsafe(`drop owned by ${role}; drop role ${role}`);
      await admin.end();
    }
  });

  it.each<[string, string[], number, RegExp]>([
    ["both --quick and --hash", ["--quick", "--hash"], 2, /either --quick or --hash/],
    ["a repair without a terminal", ["--repair"], 2, /say --yes/],
    ["a folder of no farm", ["--output-path", "/usr/share"], 1, /no output folder of a farm/],
    ["a database that is not there", ["--dsn", "postgres://127.0.0.1:1/x"], 1, /127\.0\.0\.1/],
    ["a DSN that is none", ["--dsn", "what is this"], 2, /dsn/],
  ])("refuses %s in one line", async (_what, args, code, line) => {
    const said = await audit(...args);
    expect([said.code, said.out]).toEqual([code, ""]);
    expect(said.err).toMatch(line);
    expect(said.err.trim().split("\n")).toHaveLength(1);
  });

  it("finds every kind of damage, mends it beside a working master, and finds nothing then", async () => {
    const [alder, birch, cedar, elm, hazel, larch, maple] = await Promise.all(
      ["alder", "birch", "cedar", "elm", "hazel", "larch", "maple"].map(shaOf),
    );
    if (!alder || !birch || !cedar || !elm || !hazel || !larch || !maple) throw new Error("gone");
    unlinkSync(wheelAt("alder"));
    // The wheel alone is bad: its blob is another file.
    unlinked(wheelAt("birch"));
    appendFileSync(wheelAt("birch"), "more");
    // Wheel and blob are one file, and bad.
    const bytes = readFileSync(wheelAt("cedar"));
    bytes[bytes.length - 30] = (bytes[bytes.length - 30] ?? 0) ^ 1;
    writeFileSync(wheelAt("cedar"), bytes);
    unlinkSync(blobAt(elm.sha));
    unlinkSync(`${wheelAt("elm")}.metadata`);
    unlinkSync(blobAt(elm.metadata));
    renameSync(wheelAt("fir"), join(farm.folder, "fir.whl"));
    symlinkSync(join(farm.folder, "fir.whl"), wheelAt("fir"));
    truncateSync(logAt(hazel.token), 20);
    unlinkSync(logAt(larch.token));
    rmSync(at("simple/maple"), { recursive: true });
    unlinkSync(blobAt(maple.sha));
    unlinkSync(at("project/oak/index.html"));
    unlinkSync(at("badge/oak.svg"));
    unlinkSync(at("project/oak/builds.xml"));
    for (const page of ["queue.html", "feeds/builds.xml"]) unlinkSync(at(page));
    writeFileSync(at("simple/pine/index.html"), "what I like");
    // Nobody's.
    writeFileSync(at("simple/pine", "pine-9.9-py3-none-any.whl"), "x");
    writeFileSync(at("simple/pine", "two\nlines\u001b[2J"), "x");
    writeFileSync(Buffer.concat([Buffer.from(at("simple/pine/")), Buffer.from([0xff, 0xfe])]), "x");
    writeFileSync(at("badge/nobody.svg"), "x");
    mkdirSync(at("project/nobody"));
    writeFileSync(at("project/nobody/index.html"), "x");
    mkdirSync(at("simple/stranger"));
    writeFileSync(at("simple/stranger/index.html"), "x");
    mkdirSync(at("logs/0000/0000"), { recursive: true });
    writeFileSync(at("logs/0000/0000/9999.txt.gz"), "x");
    writeFileSync(at(".store/blobs/ab-is-no-blob"), "x");
    // Not the farm's to judge.
    writeFileSync(at("humans.txt"), "mine");

    const expected = [
      ["missing", "simple/alder/alder-1.0-py3-none-any.whl"],
      ["wrong-size", "simple/birch/birch-1.0-py3-none-any.whl"],
      ["wrong-hash", "simple/cedar/cedar-1.0-py3-none-any.whl"],
      ["missing", "simple/elm/elm-1.0-py3-none-any.whl.metadata"],
      ["missing", `.store/blobs/${elm.sha.slice(0, 2)}/${elm.sha}`],
      ["no-file", "simple/fir/fir-1.0-py3-none-any.whl"],
      ["wrong-hash", logKey(hazel.token)],
      ["missing", logKey(larch.token)],
      ["missing", "simple/maple/maple-1.0-py3-none-any.whl"],
      ["missing", "simple/maple/index.html"],
      ["missing", "simple/maple/index.v1+json"],
      ["missing", "project/oak/index.html"],
      ["missing", "badge/oak.svg"],
      ["missing", "project/oak/builds.xml"],
      ["missing", "queue.html"],
      ["missing", "feeds/builds.xml"],
      ["stale", "simple/pine/index.html"],
      ["orphaned", "simple/pine/pine-9.9-py3-none-any.whl"],
      ["orphaned", "simple/pine/two\nlines\u001b[2J"],
      ["orphaned", "simple/pine/\ufffd\ufffd"],
      ["orphaned", "project/nobody"],
      ["orphaned", "badge/nobody.svg"],
      ["orphaned", "simple/stranger/index.html"],
      ["orphaned", "logs/0000/0000/9999.txt.gz"],
      ["orphaned", ".store/blobs/ab-is-no-blob"],
    ];
    const found = await findings();
    expect(found.code).toBe(1);
    const pairs = found.lines.map(({ kind, place }) => [kind, place]);
    expect(pairs.sort()).toEqual(expected.sort());
    // Without contents only what is there can be judged.
    const quick = await findings("--quick");
    expect(quick.lines.some(({ kind }) => kind === "wrong-hash" || kind === "stale")).toBe(false);
    const text = await audit();
    expect(text.out.trim().split("\n")).toHaveLength(expected.length + 2);
    expect(text.out).not.toContain("\u001b");

    const mended = await findings("--repair", "-y");
    expect(mended.lines.filter((line) => line.done === undefined)).toEqual([]);
    expect(mended.code).toBe(0);
    await settled();
    const after = await audit();
    expect([after.code, after.out]).toEqual([
      0,
      expect.stringContaining("All is as it should be."),
    ]);

    for (const name of ["alder", "birch", "elm", "fir"])
      expect(statSync(wheelAt(name)).ino).toBe(statSync(blobAt((await shaOf(name)).sha)).ino);
    // What nothing good was left of is withdrawn, and its name stays taken.
    for (const name of ["cedar", "maple"]) {
      expect(existsSync(at("simple", name))).toBe(false);
      const path = writeWheel(join(farm.folder, "wheels"), { name, version: "1.0" });
      const again = await tool("piw-import", ["--import-queue", farm.importAddress, "-y", path]);
      expect(again.out).toContain("this name was published and withdrawn");
    }
    expect(readFileSync(at("humans.txt"), "utf8")).toBe("mine");
  }, 120_000);

  it("finds a page's compressed copy that is missing, says something else, or is none", async () => {
    const page = (name: string, suffix = "") => at("project", name, `index.html${suffix}`);
    const sizeOf = (name: string) => readFileSync(page(name)).length;
    expect(
      ["oak", "pine", "elm"].map((name) => sizeOf(name) > 1_400 && sizeOf(name) < 20_000),
    ).toEqual([true, true, true]);
    unlinkSync(page("oak", ".gz"));
    const { atime, mtime } = statSync(page("pine"));
    writeFileSync(page("pine", ".gz"), gzipSync("what I like"));
    utimesSync(page("pine", ".gz"), atime, mtime);
    writeFileSync(page("elm", ".br"), "x");
    const found = await findings();
    expect(found.lines.map(({ kind, place }) => [kind, place])).toEqual([
      ["orphaned", "project/elm/index.html.br"],
      ["missing", "project/oak/index.html.gz"],
      ["stale", "project/pine/index.html.gz"],
    ]);
    const mended = await findings("--repair", "-y");
    expect(mended.lines.filter((line) => line.done === undefined)).toEqual([]);
    await settled();
    expect((await audit()).code).toBe(0);
    expect(existsSync(page("elm", ".br"))).toBe(false);
    for (const name of ["oak", "pine"])
      expect(gunzipSync(readFileSync(page(name, ".gz")))).toEqual(readFileSync(page(name)));
  }, 60_000);

  it("finds counters that are not what they count, and counts anew beside a working master", async () => {
    const tallies = () => database.sql<{ name: string; target_id: number; n: number }[]>`
      select name, target_id, sum(n)::bigint as n from tally group by name, target_id
      having sum(n) <> 0 order by name, target_id`;
    const before = [...(await tallies())];
    await database.sql`insert into tally (name, target_id, n) values ('versions', 0, 7), ('ready', 999, 3)`;
    await database.sql`delete from tally where name = 'files' and target_id = 0`;
    const files = before.find(({ name, target_id: id }) => name === "files" && id === 0)?.n;
    const versions = before.find(({ name }) => name === "versions")?.n ?? 0;
    const found = await findings();
    expect([found.code, found.lines]).toEqual([
      1,
      [
        ["counter files", `0 instead of ${files}`],
        ["counter ready of target 999", "3 instead of 0"],
        ["counter versions", `${versions + 7} instead of ${versions}`],
      ].map(([place, detail]) => ({ kind: "miscounted", place, detail })),
    ]);
    const mended = await findings("--repair", "-y");
    expect([mended.code, mended.lines.map(({ done }) => done)]).toEqual([
      0,
      Array(3).fill("counted anew"),
    ]);
    expect([...(await tallies())]).toEqual(before);
    expect((await findings()).lines).toEqual([]);
  }, 120_000);

  it("mends while no master runs, and leaves the pages to it", async () => {
    await farm.kill("master", "SIGTERM");
    unlinkSync(wheelAt("oak"));
    unlinkSync(at("simple/oak/index.html"));
    rmSync(at("index.html"));
    expect((await findings()).lines.map(({ place }) => place).sort()).toEqual([
      "index.html",
      "simple/oak/index.html",
      "simple/oak/oak-1.0-py3-none-any.whl",
    ]);
    expect((await findings("--repair", "-y")).code).toBe(0);
    expect(existsSync(wheelAt("oak"))).toBe(true);
    expect((await findings()).lines).toEqual([]);
    await farm.startMaster();
    await settled();
    expect(existsSync(at("simple/oak/index.html"))).toBe(true);
  }, 120_000);
});
