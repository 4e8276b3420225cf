/**
 * What `piw-add --with-deps` and `--with-build-deps` bring, in a farm of real processes on the sample
 * upstream: dependencies are known only once a slave has built what needs them.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import type { FarmReport } from "../../protocol/model/status.ts";
import { packSdist, type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { python, TestFarm } from "../support/test-farm.ts";

const run = promisify(execFile);
const bin = (name: string) => new URL(`../../dist/bin/${name}.js`, import.meta.url).pathname;
const PROCESSES_MS = 240_000;

let database: TestDatabase | undefined;
let upstream: SampleUpstream | undefined;
let farm: TestFarm | undefined;

async function startFarm(): Promise<
  Required<{ database: TestDatabase; upstream: SampleUpstream; farm: TestFarm }>
> {
  database = await createTestDatabase();
  upstream = await startSampleUpstream();
  farm = new TestFarm({ dsn: database.dsn, upstream, master: ["--follow", "wanted"] });
  await farm.startMaster();
  await farm.startSlave();
  await farm.until("the slave is here", ({ slaves }) => slaves === 1);
  return { database, upstream, farm };
}

afterEach(async () => {
  await farm?.end();
  await upstream?.close();
  await database?.end();
  [farm, upstream, database] = [undefined, undefined, undefined];
}, 60_000);

async function tool(name: "piw-add" | "piw-remove", ...args: string[]): Promise<string> {
  const address = farm?.importAddress ?? "";
  const { stdout } = await run(process.execPath, [bin(name), "--import-queue", address, ...args]);
  return stdout;
}

/** What is built, of what the farm wants now. */
const built = ({ rows }: FarmReport) =>
  rows
    .filter(({ state }) => state === "built")
    .map((row) => `${row.package.replace("wheelwright-", "")} ${row.version}`)
    .sort();

const untilBuilt = (what: readonly string[]) =>
  farm?.until(
    `built: ${what.join(", ")}`,
    (report) =>
      built(report).join() === what.join() &&
      report.ready + report.leased + report.waiting + report.unpublished === 0,
    120_000,
  );

describe("piw-add --with-deps", { timeout: PROCESSES_MS }, () => {
  it("brings what a wheel needs at run time, follows its releases, and lets it go", async () => {
    const { farm, upstream, database } = await startFarm();
    expect(await tool("piw-add", "--with-deps", "wheelwright-cart", "wheelwright-axle")).toBe(
      "2 added\n",
    );
    // The axle needs the hub to be built only, but the cart needs it too.
    await untilBuilt(["axle 1.0.0", "cart 3.1.0", "hub 1.2.0", "spoke 2.0.1"]);
    expect(
      await database.sql`select requirement, origins from derived_want order by requirement`,
    ).toEqual([
      { requirement: "wheelwright-hub>=1.2", origins: ["wheelwright-cart 3.1.0"] },
      { requirement: "wheelwright-spoke~=2.0", origins: ["wheelwright-cart 3.1.0"] },
    ]);
    const site = await farm.pipInstall("wheelwright-cart", "wheelwright-hub", "wheelwright-spoke");
    expect(await python("import wheelwright_cart; print('imported')", site)).toBe("imported");

    // Within the requirement it is followed; what is beyond it is not built.
    upstream.publish(release("wheelwright_hub", "1.3.0"));
    upstream.publish(release("wheelwright_spoke", "3.0.0"));
    await untilBuilt(["axle 1.0.0", "cart 3.1.0", "hub 1.3.0", "spoke 2.0.1"]);

    // A master that was killed knows it still; what is taken back goes with what followed from it.
    await farm.kill("master");
    await farm.startMaster();
    await farm.until("the master is back", ({ followed }) => followed);
    expect(await tool("piw-remove", "--wanted", "--yes", "wheelwright-cart")).toContain("1 ");
    await expect
      .poll(() => database.sql`select requirement from derived_want`, { timeout: 30_000 })
      .toEqual([]);
    upstream.publish(release("wheelwright_hub", "1.4.0"));
    upstream.publish(release("wheelwright_axle", "1.1.0"));
    await untilBuilt(["axle 1.1.0"]);
    const kept = await database.sql<{ filename: string }[]>`
      select filename from file where removed_at is null order by filename`;
    expect(kept.map(({ filename }) => filename.replace(/-(py3|cp3).*$/, ""))).toEqual([
      "wheelwright_axle-1.0.0",
      "wheelwright_axle-1.1.0",
      "wheelwright_cart-3.1.0",
      "wheelwright_hub-1.2.0",
      "wheelwright_hub-1.3.0",
      "wheelwright_spoke-2.0.1",
    ]);
  });
});

describe("piw-add --with-build-deps", { timeout: PROCESSES_MS }, () => {
  it("brings what is needed to build, also of a build that fails, and what that needs in turn", async () => {
    const { database, upstream } = await startFarm();
    // It needs the cart to be built, which needs hub and spoke at run time; and it never builds.
    upstream.publish(failing("wagon", ["wheelwright-cart>=3"]));
    expect(await tool("piw-add", "--with-build-deps", "wheelwright-axle", "wagon")).toBe(
      "2 added\n",
    );
    await untilBuilt(["axle 1.0.0", "cart 3.1.0", "hub 1.2.0", "spoke 2.0.1"]);
    expect(
      await database.sql`select requirement, origins from derived_want order by requirement`,
    ).toEqual([
      { requirement: "wheelwright-cart>=3", origins: ["wagon 1.0 (build)"] },
      {
        requirement: "wheelwright-hub>=1.2",
        origins: ["wheelwright-axle 1.0.0 (build)", "wheelwright-cart 3.1.0"],
      },
      { requirement: "wheelwright-spoke~=2.0", origins: ["wheelwright-cart 3.1.0"] },
    ]);
    expect(await tool("piw-add", "--with-build-deps", "wheelwright-axle")).toBe(
      "0 added, 1 known already\n",
    );
  });
});

const release = (name: string, version: string) => slowSdist({ name, version });

function failing(name: string, requires: readonly string[]) {
  const texts = {
    "PKG-INFO": `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\n`,
    "pyproject.toml": `[build-system]\nrequires = ${JSON.stringify(requires)}\nbuild-backend = "backend"\nbackend-path = ["."]\n`,
    "backend.py": "def build_wheel(*_):\n    raise RuntimeError('no wagon')\n",
  };
  const entries = Object.entries(texts).map(([path, text]) => ({ path, data: Buffer.from(text) }));
  return { filename: `${name}-1.0.tar.gz`, contents: packSdist(entries, `${name}-1.0`) };
}
