/**
 * What upstream's projects go through, and what happens to the master on the way: in the end the farm knows what
 * upstream has, whichever way it follows. Beside upstream.test.ts, which is about upstreams that do wrong.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openConnection } from "../../db/connection.ts";
import {
  changelogResponse,
  fault,
  type Misbehaviour,
  type SampleUpstream,
  type SampleUpstreamOptions,
  startSampleUpstream,
} from "../../samples/index.ts";
import { seededRandom } from "../../supervisor/index.ts";
import { emptySdist } from "../protocol/upstream/harness.ts";
import { LocalMaster, type LocalMasterOptions } from "../support/local-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
let master: LocalMaster;

const times = {
  cloudGazerPollMs: 40,
  listingMs: 40,
  lookAgainMs: 80,
  upstreamBackoffMaxMs: 200,
  pageGatherMs: 200,
};

beforeEach(async () => {
  database = await createTestDatabase();
}, 60_000);
afterEach(async () => {
  await master.end();
  await upstream.close();
  await database.end();
}, 60_000);

async function start(
  options: SampleUpstreamOptions,
  more: Partial<LocalMasterOptions["upstream"]> = {},
): Promise<void> {
  upstream = await startSampleUpstream(options);
  await startMaster(more);
}

async function startMaster(more: Partial<LocalMasterOptions["upstream"]> = {}): Promise<void> {
  const { simpleUrl, xmlrpcUrl, jsonUrl } = upstream;
  master = await LocalMaster.start({
    dsn: database.dsn,
    upstream: { simpleUrl, xmlrpcUrl, jsonUrl, ...more },
    slaves: 0,
    times,
  });
}

/** A wheel that nobody opens. */
const wheel = (name: string, version: string) => ({
  filename: `${name}-${version}-py3-none-any.whl`,
  contents: Buffer.from(`${name} ${version}`),
});

/** What the farm has of upstream: `name version`, and what is to be said of it. */
async function known(): Promise<string[]> {
  const rows = await database.sql<
    { name: string; version: string; skip: string | null; yanked: string | null }[]
  >`
    select p.name, v.version, v.skip, v.yanked from version v join package p on p.id = v.package_id
    where v.skip is distinct from 'deleted' and p.skip is null`;
  return rows
    .map(({ name, version, skip, yanked }) => describeRelease(name, version, skip, yanked))
    .sort();
}

const describeRelease = (
  name: string,
  version: string,
  skip: string | null,
  yanked: string | null,
): string =>
  [name, version, skip ?? "", yanked === null ? "" : `yanked ${yanked}`].join(" ").trim();

const untilKnown = async (...releases: string[]): Promise<void> => {
  const expected = [...releases].sort();
  let last: string[] = [];
  await master
    .until("the farm knows what upstream has", async () => {
      last = await known();
      return last.length === expected.length && last.every((each, at) => each === expected[at]);
    })
    .catch((error: unknown) => {
      expect(last).toEqual(expected);
      throw error;
    });
};

const serial = async (): Promise<number | undefined> => {
  const [row] = await database.sql<{ serial: number }[]>`
    select upstream_serial as serial from configuration`;
  return row?.serial;
};

const aliases = async (): Promise<string[]> => {
  const rows = await database.sql<{ alias: string }[]>`select alias from package_alias`;
  return rows.map(({ alias }) => alias).sort();
};

const displayName = async (name: string): Promise<string | undefined> => {
  const [row] = await database.sql<{ display: string }[]>`
    select display_name as display from package where name = ${name}`;
  return row?.display;
};

/** An upstream of each kind that is followed in another way. */
const kinds: [string, SampleUpstreamOptions][] = [
  ["a changelog", {}],
  ["serials in its listing", { speaksXmlRpc: false }],
  ["JSON pages without serials", { speaksXmlRpc: false, saysSerials: false }],
  [
    "plain HTML pages without validators",
    { speaksXmlRpc: false, saysSerials: false, saysValidators: false, simpleFormats: ["html"] },
  ],
];

describe.each(kinds)("an index with %s", (kind, options) => {
  it("is followed through all that becomes of a project", async () => {
    await start({ ...options, files: [wheel("alder", "1.0")] });
    await untilKnown("alder 1.0 binary only");
    upstream.publish(emptySdist("alder", "1.0"));
    await untilKnown("alder 1.0");
    // The last event of a log that is quiet from then on.
    upstream.publish(emptySdist("Birch_Tree", "1.0"));
    await untilKnown("alder 1.0", "birch-tree 1.0");
    upstream.publish(emptySdist("birch.tree", "2.0"));
    await untilKnown("alder 1.0", "birch-tree 1.0", "birch-tree 2.0");
    upstream.yank("alder", "1.0", "it bites");
    await untilKnown("alder 1.0  yanked it bites", "birch-tree 1.0", "birch-tree 2.0");
    upstream.unyank("alder", "1.0");
    upstream.removeRelease("birch-tree", "1.0");
    await untilKnown("alder 1.0", "birch-tree 2.0");
    upstream.removeProject("birch-tree");
    await untilKnown("alder 1.0");
    upstream.publish(emptySdist("BIRCH-tree", "3.0"));
    await untilKnown("alder 1.0", "birch-tree 3.0");
    if (kind === "a changelog")
      expect(await aliases()).toEqual(["BIRCH-tree", "Birch_Tree", "birch.tree"]);
    expect(await displayName("birch-tree")).toBe("BIRCH-tree");
  });
});

describe("a changelog", () => {
  it("with names and versions that are over-long goes on behind them", async () => {
    const long = "x".repeat(201);
    const contents = Buffer.from("");
    const ofLongName = (filename: string) => ({
      filename,
      contents,
      project: long,
      version: "1.0",
    });
    await start({ files: [emptySdist("alder", "1.0"), ofLongName("a.tar.gz")] });
    await untilKnown("alder 1.0");
    upstream.publish(ofLongName("b.tar.gz"));
    const version = `1.${"2".repeat(200)}`;
    const filename = `alder-${version}.tar.gz`;
    upstream.publish({ filename, contents, project: "alder", version });
    upstream.publish(emptySdist("birch", "1.0"));
    await untilKnown("alder 1.0", "birch 1.0");
    await master.until("its serial moves", async () => (await serial()) === upstream.lastSerial);
  });

  it("whose rows come late, behind others that were taken up, loses none of them", async () => {
    await start({ files: [emptySdist("alder", "1.0"), emptySdist("birch", "1.0")] });
    await untilKnown("alder 1.0", "birch 1.0");
    // What alder's transaction does is not to be seen before it is committed.
    const page = await (await fetch(`${upstream.simpleUrl}/alder/`)).text();
    upstream.publish(emptySdist("alder", "2.0"));
    const late = new Set(upstream.changelog.slice(-2).map((row) => row.serial));
    upstream.publish(emptySdist("birch", "2.0"));
    const read = upstream.lastSerial;
    upstream.onRequest = ({ path, body }) => {
      if (path.startsWith("/simple/alder/"))
        return {
          kind: "answer",
          answer: {
            headers: { "content-type": "text/html", "x-pypi-last-serial": `${read}` },
            body: page,
          },
        };
      const since = /changelog_since_serial.*<int>(\d+)</s.exec(body)?.[1];
      if (since === undefined) return undefined;
      const rows = upstream.changelog.filter(
        (row) => row.serial > Number(since) && !late.has(row.serial),
      );
      const headers = { "content-type": "text/xml" };
      return { kind: "answer", answer: { headers, body: changelogResponse(rows) } };
    };
    await untilKnown("alder 1.0", "birch 1.0", "birch 2.0");
    await master.until("its serial moved on", async () => (await serial()) === read);
    upstream.onRequest = undefined;
    await untilKnown("alder 1.0", "alder 2.0", "birch 1.0", "birch 2.0");
  });

  it.each([1, 2])(
    "whose rows come late around a restart of the master or of its Cloud Gazer loses none (seed %i)",
    async (seed) => {
      const random = seededRandom(seed, "late rows");
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
      await start({ files: [emptySdist("alder", "1.0"), emptySdist("birch", "1.0")] });
      const releases = ["alder 1.0", "birch 1.0"];
      await untilKnown(...releases);
      for (let step = 2; step < 6; step += 1) {
        const page = await (await fetch(`${upstream.simpleUrl}/alder/`)).text();
        const before = upstream.lastSerial;
        upstream.publish(emptySdist("alder", `${step}.0`));
        const late = upstream.lastSerial;
        // By half alder is read meanwhile, as of a serial beyond the row that nobody has seen.
        upstream.publish(emptySdist(pick(["alder", "birch"]), `${step}.1`));
        const last = upstream.changelog.at(-1)?.name ?? "";
        releases.push(`alder ${step}.0`, `${last} ${step}.1`);
        upstream.publish(emptySdist("birch", `${step}.2`));
        releases.push(`birch ${step}.2`);
        const to = upstream.lastSerial;
        upstream.onRequest = ({ path, body }) => {
          if (path.startsWith("/simple/alder/")) {
            const headers = { "content-type": "text/html", "x-pypi-last-serial": `${to}` };
            return { kind: "answer", answer: { headers, body: page } };
          }
          const since = /changelog_since_serial.*<int>(\d+)</s.exec(body)?.[1];
          if (since === undefined) return undefined;
          const rows = upstream.changelog.filter(
            ({ serial: each }) => each > Number(since) && (each <= before || each > late),
          );
          const headers = { "content-type": "text/xml" };
          return { kind: "answer", answer: { headers, body: changelogResponse(rows) } };
        };
        await master.until("its serial moved on", async () => (await serial()) === to);
        await master.until("what was told was read", async () => {
          const [row] = await database.sql<{ unread: number }[]>`
            select count(*)::int as unread from package where read_serial < seen_serial`;
          return row?.unread === 0;
        });
        const crash = () =>
          master.system.crash("/services/upstream/cloud-gazer", new Error("on purpose"));
        const when = pick(["while the master is away", "before a crash", "after a crash"]);
        if (when === "while the master is away") await master.end();
        if (when === "after a crash") crash();
        upstream.onRequest = undefined;
        if (when === "before a crash") crash();
        if (when === "while the master is away") await startMaster();
        await untilKnown(...releases);
      }
    },
  );

  it("of many long answers is caught up with, also where one of them is cut", async () => {
    await start({ files: [emptySdist("alder", "1.0")], firstSerial: 1_000 });
    await untilKnown("alder 1.0");
    const from = upstream.lastSerial;
    const rows = Array.from({ length: 4_500 }, (_, at) => ({
      name: `Far.${at % 30}`,
      version: "1.0",
      at: 1,
      action: "new release",
      serial: from + 1 + at,
    }));
    let cut = 0;
    upstream.onRequest = ({ body }) => {
      const since = /changelog_since_serial.*<int>(\d+)</s.exec(body)?.[1];
      if (since === undefined) return undefined;
      const answer = changelogResponse(
        rows.filter(({ serial: each }) => each > Number(since)).slice(0, 1_000),
      );
      // Of the third answer only a half comes at first.
      const isCut = cut === 0 && Number(since) === from + 2_000;
      if (isCut) cut += 1;
      const text = isCut ? answer.slice(0, answer.length / 2) : answer;
      return { kind: "answer", answer: { headers: { "content-type": "text/xml" }, body: text } };
    };
    await master.until("all is taken up", async () => (await serial()) === from + rows.length);
    expect(cut).toBe(1);
    const found = await database.sql<{ name: string; display: string; seen: number }[]>`
      select name, display_name as display, seen_serial as seen from package
      where name like 'far-%' order by seen_serial`;
    expect([...found]).toEqual(
      rows.slice(-30).map(({ name, serial: seen }) => ({
        name: name.toLowerCase().replace(".", "-"),
        display: name,
        seen,
      })),
    );
    upstream.onRequest = undefined;
  });

  it("that is out of order and cut off is not relied on: what it left out is listed", async () => {
    await start({ files: [emptySdist("alder", "1.0")], firstSerial: 1_000 });
    await untilKnown("alder 1.0");
    const from = upstream.lastSerial;
    upstream.publish(emptySdist("birch", "1.0"));
    // A full answer, without birch, whose serials go beyond it and back.
    const rows = Array.from({ length: 50_000 }, (_, at) => ({
      name: "alder",
      version: "1.0",
      at: 1,
      action: "docs update",
      serial: from + 1 + ((at * 7) % 40_000),
    }));
    const body = changelogResponse(rows);
    let isTold = false;
    upstream.onRequest = (request) => {
      if (isTold || !request.body.includes("changelog_since_serial")) return undefined;
      isTold = true;
      return { kind: "answer", answer: { headers: { "content-type": "text/xml" }, body } };
    };
    let moved: number | undefined;
    await master.until("its serial moves", async () => {
      moved = await serial();
      return moved !== from;
    });
    await untilKnown("alder 1.0", "birch 1.0");
    expect(moved).toBe(upstream.lastSerial);
    await untilKnown("alder 1.0", "birch 1.0");
  });
});

describe("an index that is followed by its pages", () => {
  it("says of most that they are unchanged, and is not asked for descriptions then", async () => {
    await start(
      { files: [emptySdist("alder", "1.0")], saysSerials: false },
      { xmlrpcUrl: undefined },
    );
    await untilKnown("alder 1.0");
    let unconditional = 0;
    const asked: string[] = [];
    upstream.onRequest = ({ path, headers }) => {
      asked.push(path);
      if (path.startsWith("/simple/") && headers["if-none-match"] === undefined) unconditional += 1;
      return undefined;
    };
    const looks = () => asked.filter((path) => path === "/simple/alder/").length;
    await master.until("it was looked at three times", () => looks() >= 3);
    expect(unconditional).toBe(0);
    expect(asked.filter((path) => path.startsWith("/pypi"))).toEqual([]);
  });

  it("without hashes gives versions that cannot be built, and says why", async () => {
    await start(
      { files: [emptySdist("alder", "1.0")], saysSerials: false, simpleFormats: ["html"] },
      { xmlrpcUrl: undefined, jsonUrl: undefined },
    );
    await untilKnown("alder 1.0");
    upstream.onRequest = ({ path }) =>
      path === "/simple/alder/"
        ? {
            kind: "answer",
            answer: {
              headers: { "content-type": "text/html" },
              body: '<html><body><a href="alder-1.0.tar.gz">alder-1.0.tar.gz</a></body></html>',
            },
          }
        : undefined;
    await untilKnown("alder 1.0 no hash");
  });
});

it("another index than before is read anew, and what it does not have goes", async () => {
  await start({ files: [emptySdist("alder", "1.0"), emptySdist("birch", "1.0")] });
  await untilKnown("alder 1.0", "birch 1.0");
  await master.end();
  await upstream.close();
  // Its serials are lower, and its pages may have the same marks.
  upstream = await startSampleUpstream({ files: [emptySdist("birch", "2.0")], firstSerial: 10 });
  await startMaster();
  await untilKnown("birch 2.0");
});

describe("whatever happens on the way", () => {
  const garbled: Misbehaviour[] = [
    { kind: "answer", answer: { status: 503, headers: { "retry-after": "0" } } },
    { kind: "answer", answer: { status: 429, headers: { "retry-after": "0" } } },
    { kind: "answer", answer: { status: 500 } },
    {
      kind: "answer",
      answer: {
        headers: { "content-type": "text/xml" },
        body: fault(-32500, "HTTPTooManyRequests: Limit may reset in 0 seconds."),
      },
    },
    { kind: "answer", answer: { headers: { "content-type": "text/html" }, body: "<html>log in" } },
    { kind: "cut" },
    { kind: "hang-up" },
  ];

  it.each(kinds.flatMap(([kind, options]) => [1, 2].map((seed) => [kind, seed, options] as const)))(
    "an index with %s is known in the end (seed %i)",
    async (kind, seed, options) => {
      const random = seededRandom(seed, kind);
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
      await start({ ...options, files: [emptySdist("alder", "1.0")] });
      await untilKnown("alder 1.0");
      const admin = openConnection(database.adminDsn);
      const [place] = await database.sql<{ name: string }[]>`select current_database() as name`;
      /** What upstream has: project -> version -> why it is yanked. */
      const model = new Map<string, Map<string, string | null>>([
        ["alder", new Map([["1.0", null]])],
      ]);
      const change = (step: number): void => {
        const project = pick(["alder", "birch", "cedar", "dogwood"]);
        const releases = model.get(project);
        const versions = [...(releases?.keys() ?? [])];
        const version = versions[Math.floor(random() * versions.length)];
        const what = pick([
          "publish",
          "publish",
          "publish",
          "yank",
          "unyank",
          "release",
          "project",
        ]);
        if (what === "publish" || releases === undefined || version === undefined) {
          const fresh = `${step + 2}.0`;
          upstream.publish(emptySdist(project, fresh));
          model.set(project, new Map([...(releases ?? []), [fresh, null]]));
        } else if (what === "yank") {
          upstream.yank(project, version, `reason ${step}`);
          releases.set(version, `reason ${step}`);
        } else if (what === "unyank") {
          upstream.unyank(project, version);
          releases.set(version, null);
        } else if (what === "release") {
          upstream.removeRelease(project, version);
          releases.delete(version);
        } else {
          upstream.removeProject(project);
          model.delete(project);
        }
      };
      try {
        for (let step = 0; step < 40; step += 1) {
          change(step);
          const trouble = pick(["none", "crash", "backend", "upstream", "upstream"]);
          if (trouble === "crash")
            master.system.crash("/services/upstream/cloud-gazer", new Error("on purpose"));
          if (trouble === "backend")
            await admin`
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname = ${place?.name ?? ""} and application_name like 'wheelwright oracle%'`;
          if (trouble === "upstream") {
            upstream.onRequest = () => (random() < 0.5 ? pick(garbled) : undefined);
            let asked = 0;
            const hook = upstream.onRequest;
            upstream.onRequest = (request) => {
              asked += 1;
              return hook(request);
            };
            await master.until("it was asked for something", () => asked >= 2);
            upstream.onRequest = undefined;
          }
        }
      } finally {
        await admin.end();
      }
      await untilKnown(
        ...[...model].flatMap(([project, releases]) =>
          [...releases].map(([version, yanked]) => describeRelease(project, version, null, yanked)),
        ),
      );
    },
  );
});
