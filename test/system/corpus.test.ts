/**
 * Real sdists of well-known projects, built through the farm, against what should come of each. The
 * corpus is the folder that CORPUS_DIR names: sdists, the wheels that their back-ends need, and a
 * MANIFEST.json. Unset, the test is skipped and says so; set to an empty folder it fails.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FarmReport, ReportRow } from "../../protocol/model/status.ts";
import { canonicalName } from "../../protocol/packaging/canonical-name.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { logKey } from "../../web/public-key.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { python, TestFarm } from "../support/test-farm.ts";

interface Expected {
  readonly name: string;
  readonly version: string;
  readonly expect: "ok" | "blocked" | "fail";
  readonly wheel?: string;
  readonly extensions?: number;
  readonly blocked_on?: string;
  readonly log_contains?: string;
  readonly needs_apt?: readonly string[];
  readonly apt_dependencies_include?: readonly string[];
}

const corpus = process.env["CORPUS_DIR"];
if (corpus === undefined)
  process.stdout.write("corpus.test.ts is skipped: set CORPUS_DIR to the folder of the corpus\n");

const manifest = (): { packages: Expected[]; later: { file: string }[] } => {
  const path = join(corpus ?? "", "MANIFEST.json");
  if (!existsSync(path)) throw new Error(`CORPUS_DIR is set, but there is no ${path}`);
  return JSON.parse(readFileSync(path, "utf8")) as ReturnType<typeof manifest>;
};

describe.runIf(corpus !== undefined)("the corpus", () => {
  let database: TestDatabase;
  let upstream: SampleUpstream;
  let farm: TestFarm;
  let report: FarmReport;
  let expected: Expected[] = [];

  beforeAll(async () => {
    expected = manifest().packages;
    database = await createTestDatabase();
    upstream = await startSampleUpstream({
      files: [],
      folders: [join(corpus ?? "", "sdists"), join(corpus ?? "", "build-wheels")],
    });
    farm = new TestFarm({ dsn: database.dsn, upstream });
    await farm.startMaster();
    await farm.startSlave();
    await farm.until("the slave is here", ({ slaves }) => slaves === 1);
    report = await farm.untilIdle(900_000);
  }, 960_000);

  afterAll(async () => {
    await farm.end();
    await upstream.close();
    await database.end();
  }, 60_000);

  const rowOf = (name: string): ReportRow | undefined =>
    report.rows.find((row) => row.package === canonicalName(name) && row.state !== "skipped");

  it("has packages", () => {
    expect(expected.length).toBeGreaterThan(0);
  });

  it("gives of each package what the manifest says", () => {
    const wanted = { ok: "built", blocked: "blocked", fail: "failed" } as const;
    const table = expected.map((one) => ({
      package: `${one.name} ${one.version}`,
      expected: wanted[one.expect],
      real: rowOf(one.name)?.state ?? "missing",
      why: rowOf(one.name)?.reason ?? "",
    }));
    process.stdout.write(`${corpusTable(table)}\n`);
    expect(table.filter((row) => row.real !== row.expected)).toEqual([]);
  });

  it("names the wheels as the manifest does", () => {
    for (const one of expected.filter(({ wheel }) => wheel !== undefined)) {
      const pattern = new RegExp(
        `^${(one.wheel ?? "").replaceAll(".", "\\.").replaceAll("cp3XX", "cp3\\d+").replaceAll("*", ".*")}$`,
      );
      expect(rowOf(one.name)?.reason, one.name).toMatch(pattern);
    }
  });

  it("says of the blocked ones on what they wait", () => {
    for (const one of expected.filter(({ expect: state }) => state === "blocked"))
      expect(rowOf(one.name)?.reason, one.name).toContain(one.blocked_on);
  });

  it("keeps the error in the log of what failed", async () => {
    for (const one of expected.filter(({ expect: state }) => state === "fail")) {
      const [row] = await database.sql<{ token: number }[]>`
        select b.token from build b join version v on v.id = b.version_id
        join package p on p.id = v.package_id
        where p.name = ${canonicalName(one.name)} and b.stands`;
      const path = logKey(row?.token ?? 0);
      const response = await fetch(`${farm.siteUrl}/${path}`);
      expect(await response.text(), one.name).toContain(one.log_contains);
    }
  });

  it("finds the system packages that a wheel needs", async () => {
    for (const one of expected.filter((each) => each.apt_dependencies_include !== undefined)) {
      const [file] = await database.sql<{ apt: string[] }[]>`
        select f.apt_dependencies as apt from file f join version v on v.id = f.version_id
        join package p on p.id = v.package_id where p.name = ${canonicalName(one.name)}`;
      expect(file?.apt, one.name).toEqual(
        expect.arrayContaining([...(one.apt_dependencies_include ?? [])]),
      );
    }
  });

  it("is installed by pip in hash-checking mode, and imports", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ww-hashes-"));
    try {
      const lines = await database.sql<{ line: string }[]>`
        select p.name || '==' || v.version || ' --hash=sha256:' || f.sha256 as line
        from file f join version v on v.id = f.version_id join package p on p.id = v.package_id
        where p.name in ('jinja2', 'markupsafe', 'cffi')`;
      const requirements = join(folder, "requirements.txt");
      writeFileSync(requirements, lines.map(({ line }) => `${line}\n`).join(""));
      const site = await farm.pipInstall("--require-hashes", "-r", requirements);
      const code =
        "import jinja2, markupsafe._speedups, _cffi_backend; print(jinja2.Template('{{ 6 * 7 }}').render())";
      expect(await python(code, site)).toBe("42");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("goes on with what was blocked when the dependency is published", {
    timeout: 240_000,
  }, async () => {
    const [later] = manifest().later;
    const [row] = await database.sql<{ name: string }[]>`select name from target`;
    // The one later wheel is for CPython 3.11 only: on another interpreter nothing can change.
    const isFor311 = row?.name.startsWith("cp311-") ?? false;
    if (later === undefined || !isFor311) return;
    const path = join(corpus ?? "", later.file);
    upstream.publish({
      filename: path.slice(path.lastIndexOf("/") + 1),
      contents: readFileSync(path),
    });
    report = await farm.until(
      "msgpack is built",
      ({ rows }) => rows.some((each) => each.package === "msgpack" && each.state === "built"),
      200_000,
    );
    report = await farm.untilIdle();
    expect(rowOf("httptools")?.state).toBe("blocked");
  });
});

function corpusTable(
  rows: readonly { package: string; expected: string; real: string; why: string }[],
): string {
  const line = (cells: readonly string[]) =>
    cells.map((cell, at) => cell.padEnd([24, 10, 10][at] ?? 0)).join(" ");
  return [
    line(["package", "expected", "real", "why or what"]),
    ...rows.map((row) => line([row.package, row.expected, row.real, row.why.slice(0, 110)])),
  ].join("\n");
}
