/** The whole walk of a build, with the sample upstream: from the changelog to `pip install`. */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FarmReport } from "../../protocol/model/status.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { logKey } from "../../web/public-key.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { python, TestFarm } from "../support/test-farm.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
let farm: TestFarm;
let report: FarmReport;

beforeAll(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream();
  farm = new TestFarm({ dsn: database.dsn, upstream });
  await farm.startMaster();
  await farm.startSlave();
  await farm.until("the slave is here", ({ slaves }) => slaves === 1);
  report = await farm.untilIdle(180_000);
}, 240_000);

afterAll(async () => {
  await farm.end();
  await upstream.close();
  await database.end();
}, 60_000);

const states = (from: FarmReport) =>
  Object.fromEntries(from.rows.map((row) => [`${row.package} ${row.version}`, row.state]));

describe("the farm with the sample upstream", () => {
  it("builds what can be built and says why not of the rest", () => {
    expect(states(report)).toEqual({
      "wheelwright-axle 1.0.0": "built",
      "wheelwright-cart 3.1.0": "built",
      "wheelwright-felloe 1.0.0": "built",
      "wheelwright-felloe 1.1.0": "built",
      "wheelwright-hub 1.2.0": "built",
      "wheelwright-linchpin 0.1.0": "failed",
      "wheelwright-rim 0.3.0": "built",
      "wheelwright-spoke 2.0.1": "built",
    });
    const failed = report.rows.find((row) => row.package === "wheelwright-linchpin");
    expect(failed?.reason).toContain("PINS_PER_WHEEL");
  });

  it("serves wheels that pip installs and Python imports", async () => {
    const folder = await farm.pipInstall("wheelwright-spoke");
    expect(await python("import wheelwright_spoke; print('imported')", folder)).toBe("imported");
  });

  it("lists each wheel with a hash that its bytes have, and its metadata beside it", async () => {
    const response = await fetch(`${farm.indexUrl}wheelwright-axle/`, {
      headers: { accept: "application/vnd.pypi.simple.v1+json" },
    });
    const page = (await response.json()) as {
      files: { url: string; hashes: { sha256: string }; "core-metadata": { sha256: string } }[];
    };
    expect(page.files).toHaveLength(1);
    for (const file of page.files) {
      const url = new URL(file.url, `${farm.indexUrl}wheelwright-axle/`);
      expect(await sha256Of(url)).toBe(file.hashes.sha256);
      url.pathname += ".metadata";
      expect(await sha256Of(url)).toBe(file["core-metadata"].sha256);
    }
  });

  it("has no page for a project without a wheel", async () => {
    expect((await fetch(`${farm.indexUrl}wheelwright-linchpin/`)).status).toBe(404);
    expect((await fetch(`${farm.siteUrl}/project/wheelwright-linchpin/`)).status).toBe(200);
  });

  it("publishes the log of every build", async () => {
    const rows = await database.sql<{ token: number; cause: string }[]>`
      select token, cause from build where stands order by token`;
    for (const { token, cause } of rows) {
      const path = logKey(token);
      const response = await fetch(`${farm.siteUrl}/${path}`);
      expect(response.status).toBe(200);
      const body = Buffer.from(await response.arrayBuffer());
      const text = (body[0] === 0x1f ? gunzipSync(body) : body).toString();
      if (cause !== "built") expect(text).toContain("PINS_PER_WHEEL");
      expect(text.length).toBeGreaterThan(50);
    }
  });

  it("marks a yanked release, and leaves its wheel to be had", async () => {
    upstream.yank("wheelwright-axle", "1.0.0", "a test");
    await expect
      .poll(async () => (await fetch(`${farm.indexUrl}wheelwright-axle/`)).text(), {
        timeout: 20_000,
      })
      .toContain('data-yanked="a test"');
  });

  it("leaves no staging and no lease behind", async () => {
    expect(await database.sql`select 1 from lease`).toHaveLength(0);
    expect(await database.sql`select 1 from work`).toHaveLength(0);
  });

  it("withdraws the files of a release that upstream removed", async () => {
    upstream.removeProject("wheelwright-spoke");
    await expect
      .poll(async () => (await fetch(`${farm.indexUrl}wheelwright-spoke/`)).status, {
        timeout: 30_000,
      })
      .toBe(404);
  });
});

async function sha256Of(url: URL): Promise<string> {
  const response = await fetch(url);
  return createHash("sha256")
    .update(Buffer.from(await response.arrayBuffer()))
    .digest("hex");
}
