/** What upstream does wrong: the following goes on, and nothing that it says is believed too quickly. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { LocalMaster } from "../support/local-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
let master: LocalMaster;

const sdists = (...names: string[]) => names.map((name) => slowSdist({ name, version: "1.0" }));

const recorded = async (): Promise<string[]> => {
  const rows = await database.sql<{ name: string }[]>`
    select distinct p.name from version v join package p on p.id = v.package_id order by 1`;
  return rows.map((row) => row.name);
};

const serials = async () => {
  const [row] = await database.sql<{ serial: number }[]>`
    select upstream_serial as serial from configuration`;
  return row?.serial;
};

beforeEach(async () => {
  database = await createTestDatabase();
}, 60_000);
afterEach(async () => {
  await master.end();
  await upstream.close();
  await database.end();
}, 60_000);

it("a project that cannot be had holds up no other, and is not taken for removed", async () => {
  upstream = await startSampleUpstream({ files: sdists("alder", "birch", "cedar") });
  upstream.onRequest = ({ path }) =>
    path.startsWith("/simple/alder/") ? { kind: "answer", answer: { status: 503 } } : undefined;
  master = await LocalMaster.start({ dsn: database.dsn, upstream, slaves: 0 });
  await master.until("the others are recorded", async () => (await recorded()).length === 2);
  upstream.publish(slowSdist({ name: "dogwood", version: "1.0" }));
  await master.until("news are followed", async () => (await recorded()).includes("dogwood"));
  const [row] = await database.sql<{ attempts: number }[]>`
    select read_attempts as attempts from package where name = 'alder'`;
  expect(row?.attempts).toBe(0);
  upstream.onRequest = undefined;
  await master.until("it is recorded at last", async () => (await recorded()).includes("alder"));
});

it("a serial out of all proportion is passed over, and what comes after it is heard", async () => {
  upstream = await startSampleUpstream({ files: sdists("alder") });
  master = await LocalMaster.start({ dsn: database.dsn, upstream, slaves: 0 });
  await master.until("it is recorded", async () => (await recorded()).length === 1);
  const before = (await serials()) ?? 0;
  const row = ["hostile", "1.0", 1, "create", before + 2_000_000_000]
    .map((value) => `<value>${typeof value === "number" ? `<i8>${value}</i8>` : value}</value>`)
    .join("");
  const array = (values: string) => `<value><array><data>${values}</data></array></value>`;
  let asked = 0;
  upstream.onRequest = ({ body }) => {
    if (!body.includes("changelog_since_serial")) return undefined;
    asked += 1;
    const answer = `<?xml version="1.0"?><methodResponse><params><param>${array(array(row))}</param></params></methodResponse>`;
    return {
      kind: "answer",
      answer: { headers: { "content-type": "text/xml" }, body: answer },
    };
  };
  await master.until("it was told so twice", () => asked >= 2);
  expect(await serials()).toBe(before);
  upstream.onRequest = undefined;
  upstream.publish(slowSdist({ name: "birch", version: "1.0" }));
  await master.until("news are followed", async () => (await recorded()).includes("birch"));
});

it("upstream restored with lower serials is listed anew", async () => {
  upstream = await startSampleUpstream({ files: sdists("alder"), firstSerial: 2_000 });
  master = await LocalMaster.start({ dsn: database.dsn, upstream, slaves: 0 });
  await master.until("it is recorded", async () => (await recorded()).length === 1);
  const port = Number(new URL(upstream.url).port);
  await upstream.close();
  upstream = await startSampleUpstream({ files: sdists("alder", "birch"), firstSerial: 10, port });
  await master.until("all is read anew", async () => (await recorded()).includes("birch"));
  expect(await serials()).toBe(upstream.lastSerial);
});
