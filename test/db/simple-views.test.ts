/** What the index says of a project, from what the database knows: its own files, upstream's, and whose name it is. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { RequestArgs } from "../../db/requests.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { publishedName, publishFiles } from "../support/published-files.ts";
import {
  emptyTables,
  hash,
  hello,
  lease,
  release,
  run,
  settle,
  simplePageOf,
  target,
  wheel,
} from "../support/queue-fixture.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, 60_000);
afterAll(() => database.end());

type Standing = NonNullable<RequestArgs<"recordProject">["standing"]>;
type Listed = NonNullable<Standing["files"]>[number];

const sql = () => database.sql;
const nothing: Standing = { status: null, tracks: [], alternateLocations: [], files: null };
const PAGE = "https://index.test/simple/pkg/";

const listed = (filename: string, version: string): Listed => ({
  filename,
  version,
  url: `https://files.test/${filename}`,
  sha256: hash(filename),
  sizeBytes: 5,
  requiresPython: null,
  metadataSha256: null,
  provenanceUrl: null,
  yanked: null,
  uploadedAt: Date.UTC(2024, 1, 1),
});

const record = (standing: Standing | undefined, releases = [release("1.0")], serial = 1) =>
  run(sql(), "recordProject", {
    ...{ name: "pkg", displayName: "Pkg", summary: "", serial, releases },
    ...(standing === undefined ? {} : { standing }),
  });

/** A wheel of version 1.0 in its place. */
async function publish(): Promise<void> {
  const slave = await hello(sql(), "s", [target(11)]);
  const picked = await lease(sql(), slave);
  await settle(sql(), slave, picked?.order.token ?? 0, {}, [wheel("1.0", "py3-none-any")]);
  const { files } = await run(sql(), "unplaced", { token: null, limit: 10 });
  await run(sql(), "markPlaced", { fileIds: files.map((file) => file.id), logTokens: [] });
}

const view = () => simplePageOf(sql(), "pkg");
const merge = (mergeUpstream: boolean) => run(sql(), "configureIndex", { mergeUpstream });

async function owed(): Promise<string[]> {
  const due = await run(sql(), "duePages", { gatherMs: 0, limit: 50 });
  return due.map(({ kind, key }) => `${kind} ${key}`).sort();
}
const allWritten = () => sql()`delete from page_request`;

beforeEach(async () => {
  await emptyTables(sql());
  await merge(false);
  await run(sql(), "followIndex", { index: "https://index.test/simple" });
});

describe("the page of a project", () => {
  it("is the same whatever stretches its files come in, and beside others", async () => {
    await publishFiles(sql(), { packages: 3, releases: 3, filesPerRelease: 2 });
    const names = [1, 2, 3].map((at) => publishedName(at));
    for (const name of names) {
      const whole = await simplePageOf(sql(), name);
      expect(whole?.files).toHaveLength(6);
      for (const limit of [1, 2, 5, 6])
        expect(await simplePageOf(sql(), name, limit)).toEqual(whole);
    }
    const together = await run(sql(), "simplePages", { names, after: null, limit: 5_000 });
    expect(together.files).toHaveLength(18);
    expect(together.after).toBeNull();
  });

  it("is not there before its first file is in its place", async () => {
    await record(nothing);
    expect(await view()).toBeUndefined();
    await publish();
    expect((await view())?.files.map((file) => file.filename)).toEqual([
      "pkg-1.0-py3-none-any.whl",
    ]);
  });

  it("says that upstream's page owns its name, or who upstream says does", async () => {
    await record(nothing);
    await publish();
    expect((await view())?.upstream).toMatchObject({ tracks: [PAGE], alternateLocations: [] });
    await record({ ...nothing, tracks: ["https://pypi.test/simple/pkg/"] });
    expect((await view())?.upstream?.tracks).toEqual(["https://pypi.test/simple/pkg/"]);
  });

  it("names the same locations as upstream does, and upstream", async () => {
    await record({ ...nothing, alternateLocations: ["https://other.test/simple/pkg/"] });
    await publish();
    expect((await view())?.upstream?.alternateLocations).toEqual([
      "https://other.test/simple/pkg/",
      PAGE,
    ]);
  });

  it("of the farm's own project says nothing of upstream", async () => {
    await record({ ...nothing, status: { status: "archived", reason: "" } });
    await publish();
    await sql()`update package set source = 'local'`;
    expect(await view()).toMatchObject({ files: [{ version: "1.0" }], upstream: null });
  });

  it("has the status that upstream gives, is asked for when that changes, and not when nothing does", async () => {
    await record(nothing);
    await publish();
    await allWritten();
    const archived: Standing = { ...nothing, status: { status: "archived", reason: "done" } };
    await record(archived);
    expect(await owed()).toContain("simple pkg");
    expect((await view())?.upstream?.status).toEqual(archived.status);
    await allWritten();
    await record(archived);
    expect(await owed()).toEqual([]);
    await record(nothing);
    expect((await view())?.upstream?.status).toBeNull();
  });

  it("of a quarantined project stands and offers nothing", async () => {
    await merge(true);
    const status = { status: "quarantined" as const, reason: "malware" };
    await record({ ...nothing, status, files: [listed("pkg-1.0.tar.gz", "1.0")] });
    await publish();
    expect(await view()).toEqual({
      name: "pkg",
      files: [],
      upstream: { tracks: [PAGE], alternateLocations: [], status, files: [] },
    });
  });

  it("forgets what upstream said when upstream has it no more", async () => {
    await merge(true);
    const files = [listed("pkg-1.0.tar.gz", "1.0")];
    const status = { status: "archived" as const, reason: "" };
    await record({ ...nothing, status, tracks: ["https://p.test/pkg/"], files });
    await publish();
    await run(sql(), "recordRemoval", { name: "pkg", serial: 5, restMs: 0 });
    const [row] = await sql()`
      select project_status, tracks, (select count(*)::int from upstream_listing) as lists
      from package`;
    expect(row).toEqual({ project_status: null, tracks: [], lists: 0 });
  });
});

describe("with upstream's files beside the farm's", () => {
  const theirs = [
    listed("pkg-0.9.tar.gz", "0.9"),
    listed("pkg-1.0-py3-none-any.whl", "1.0"),
    listed("pkg-1.0-cp39-cp39-win32.whl", "1.0"),
  ];

  it("a page lists both, the farm's where both have one of a name", async () => {
    await merge(true);
    await record({ ...nothing, files: theirs });
    await publish();
    const page = await view();
    expect(page?.files.map((file) => file.sha256)).toEqual([wheel("1.0", "py3-none-any").sha256]);
    expect(page?.upstream?.files).toEqual([theirs[0], theirs[2]]);
  });

  it("a page is asked for when upstream's files change, and only then", async () => {
    await merge(true);
    await record({ ...nothing, files: theirs });
    await publish();
    await allWritten();
    await record({ ...nothing, files: theirs });
    expect(await owed()).toEqual([]);
    await record({ ...nothing, files: [...theirs, listed("pkg-1.1.tar.gz", "1.1")] });
    expect(await owed()).toContain("simple pkg");
    expect((await view())?.upstream?.files).toHaveLength(3);
  });

  it("the farm's own project has an empty page when it has no file, so that nobody is sent elsewhere for it", async () => {
    await record(nothing);
    await publish();
    await sql()`update package set source = 'local'`;
    await sql()`update file set removed_at = now()`;
    expect(await view()).toBeUndefined();
    await allWritten();
    await merge(true);
    expect(await view()).toEqual({ name: "pkg", files: [], upstream: null });
    // It has to be written, and taken away when upstream's are not listed any more.
    expect(await owed()).toEqual(["simple pkg"]);
    await allWritten();
    await merge(false);
    expect(await owed()).toEqual(["simple pkg"]);
  });

  it("projects with files are read anew when it begins, and lists are not shown when it ends", async () => {
    await record(nothing);
    await publish();
    await run(sql(), "recordChanges", {
      ...{ from: 0, to: 1 },
      projects: [{ name: "other", spelling: "other", serial: 1 }],
    });
    await run(sql(), "recordProject", {
      ...{ name: "other", displayName: "other", summary: "", serial: 1 },
      releases: [],
    });
    expect(await run(sql(), "unreadProjects", { limit: 10 })).toEqual([]);
    expect(await merge(true)).toEqual({ isChanged: true });
    expect(await run(sql(), "unreadProjects", { limit: 10 })).toMatchObject([
      { name: "pkg", isLook: true, page: { etag: null, modified: null } },
    ]);
    await record({ ...nothing, files: theirs });
    expect((await view())?.upstream?.files).toHaveLength(2);
    expect(await run(sql(), "unreadProjects", { limit: 10 })).toEqual([]);
    expect(await merge(true)).toEqual({ isChanged: false });
    await merge(false);
    expect((await view())?.upstream?.files).toEqual([]);
  });
});

describe("what the root page has to catch up with", () => {
  const noted = () => run(sql(), "rootChanges", { after: "", limit: 10 });

  it("is noted with the file that came, and said to be early while its page is owed", async () => {
    await record(nothing);
    await publish();
    expect(await noted()).toMatchObject([{ name: "pkg", isListed: true, isOwed: true }]);
    const due = await run(sql(), "duePages", { gatherMs: 0, limit: 50 });
    await run(sql(), "pagesWritten", { pages: due.filter(({ kind }) => kind === "simple") });
    expect(await noted()).toMatchObject([{ name: "pkg", isListed: true, isOwed: false }]);
    expect(await owed()).toContain("root ");
  });

  it("stays noted when it changes again while the page is written", async () => {
    await record(nothing);
    await publish();
    const [first] = await noted();
    await run(sql(), "recordRemoval", { name: "pkg", serial: 5, restMs: 0 });
    await run(sql(), "rootWritten", {
      changes: [{ name: "pkg", generation: first?.generation ?? 0 }],
    });
    const [again] = await noted();
    expect(again).toMatchObject({ name: "pkg", isListed: false });
    await run(sql(), "rootWritten", {
      changes: [{ name: "pkg", generation: again?.generation ?? 0 }],
    });
    expect(await noted()).toEqual([]);
  });

  it("comes with the whole of it first, where that was asked for", async () => {
    for (const key of ["0", "*", ""])
      await run(sql(), "requestPage", { pages: [{ kind: "root", key }] });
    expect((await noted()).map((change) => change.name)).toEqual(["*", "0"]);
    expect(await owed()).toEqual(["root "]);
  });
});
