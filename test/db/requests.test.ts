/** Requests as they are asked for from another process: each of them, with what it really gives. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requests } from "../../db/requests.ts";
import { unknownClient } from "../../protocol/accesslog/user-agent.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import {
  absentMs,
  hash,
  hello,
  lease,
  leaseMs,
  recordProject,
  release,
  requestsRun,
  retry,
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

describe("a request and what it gives", () => {
  it("cross to another process and back as they are, each of them", async () => {
    const { sql } = database;
    await run(sql, "ping", null);
    expect(
      await run(sql, "configureFarm", { follow: "all", order: "newest", upstreamWheels: "ignore" }),
    ).toEqual({
      changed: false,
    });
    expect(await run(sql, "configureIndex", { mergeUpstream: false })).toEqual({
      isChanged: false,
    });
    const index = { index: "http://127.0.0.1/simple" };
    expect(await run(sql, "followIndex", index)).toEqual({ isOther: false, hasChangelog: false });
    await run(sql, "foundChangelog", null);
    expect(await run(sql, "followIndex", index)).toEqual({ isOther: false, hasChangelog: true });
    expect(await run(sql, "upstreamSerial", null)).toBe(0);
    const changed = [
      { name: "pkg", spelling: "Pkg", serial: 7 },
      { name: "gone", spelling: "gone", serial: 8 },
    ];
    await run(sql, "recordListing", { projects: changed });
    await run(sql, "recordChanges", { from: 0, to: 9, projects: changed });
    const isNew = { attempts: 0, isKnown: false, isLook: false, page: null };
    expect(await run(sql, "unreadProjects", { limit: 10 })).toEqual([
      { name: "pkg", seenSerial: 7, ...isNew },
      { name: "gone", seenSerial: 8, ...isNew },
    ]);
    await run(sql, "recordLateChanges", { projects: changed });
    const validators = { etag: '"1"', modified: null };
    await run(sql, "listingTaken", validators);
    expect(await run(sql, "listingValidators", null)).toEqual(validators);
    await run(sql, "lookAtWanted", null);
    await run(sql, "postponeProject", { name: "gone", delayMs: 0.5, isCounted: true });
    await recordProject(sql, "gone", [release("1.0")], 8);
    const releases = [
      release("1.0", { requiresPython: ">=3.8", upstreamTags: ["cp39-cp39-win32"] }),
      release("2.0", { yanked: "broken", releasedAt: null }),
      release("3.0rc1", { isPrerelease: true, sdist: null, skip: "binary only" }),
    ];
    await recordProject(sql, "pkg", releases, 9);
    expect(await run(sql, "listedNames", { after: "", limit: 10 })).toEqual(["gone", "pkg"]);
    await run(sql, "lookAt", { names: ["gone"] });
    expect(await run(sql, "unreadProjects", { limit: 10 })).toMatchObject([
      { name: "gone", isLook: true, isKnown: true, page: { etag: null, serial: null } },
    ]);
    await run(sql, "recordUnchanged", { name: "gone", serial: 9, lookAgainMs: null });
    expect(await run(sql, "unreadProjects", { limit: 10 })).toEqual([]);

    const slave = await hello(sql, "a", [target(11), target(12)]);
    expect(await run(sql, "findDelivery", { token: 999_999 })).toBeNull();
    expect(await run(sql, "findLogs", { token: 999_999, slave: null })).toEqual([]);
    const held: number[] = [];
    const takeBuild = async (name: string, version: string): Promise<number> => {
      const picked = await lease(sql, slave, held);
      expect(picked?.order).toMatchObject({ package: name, version });
      held.push(picked?.order.token ?? 0);
      return picked?.order.token ?? 0;
    };
    const second = await takeBuild("pkg", "1.0");
    const third = await takeBuild("gone", "1.0");
    const first = await takeBuild("pkg", "2.0");
    expect(await lease(sql, slave, [first, second, third])).toBeNull();
    await run(sql, "renewLeases", {
      renewals: [{ token: first, slaveId: slave.slaveId }],
      leaseMs,
    });
    expect(await run(sql, "extendLeases", { graceMs: 1_000 })).toBe(3);
    expect(await run(sql, "openTokens", { tokens: [first, 999_999] })).toEqual([first]);
    expect(await run(sql, "findDelivery", { token: first })).toMatchObject({ version: "2.0" });

    await run(sql, "settleBuild", {
      token: first,
      slaveId: slave.slaveId,
      result: { cause: "built", message: "", missing: [], durationMs: 1.5 },
      files: [wheel("2.0", "py3-none-any")],
      log: { sha256: hash("log"), sizeBytes: 3 },
      retry,
    });
    await settle(sql, slave, second, { cause: "dependency-missing", missing: ["gone>1.0"] });
    await settle(sql, slave, third, {}, [wheel("gone", "py3-none-any")]);
    const { files, logs } = await run(sql, "unplaced", { token: null, limit: 10 });
    expect([files.length, logs.length]).toEqual([2, 1]);
    const fileIds = files.map((file) => file.id);
    const [unsigned] = await run(sql, "provenanceFacts", { fileIds });
    expect(unsigned).toMatchObject({
      draft: null,
      facts: { package: "pkg", version: "2.0", token: first, isImport: false },
    });
    const drafted = { fileId: unsigned?.facts.fileId ?? 0, sha256: hash("provenance") };
    expect(await run(sql, "draftProvenance", drafted)).toBe(hash("provenance"));
    await run(sql, "dropDraft", { ...drafted, sha256: hash("another") });
    await run(sql, "markSigned", { signed: [drafted] });
    const key = { id: hash("key"), certificate: "PEM" };
    expect(await run(sql, "signWith", key)).toMatchObject([key]);
    await run(sql, "markPlaced", {
      fileIds,
      logTokens: logs.map((log) => log.token),
    });
    expect(await run(sql, "referencedBlobs", { sha256s: [hash("m2.0"), hash("no")] })).toEqual([
      hash("m2.0"),
    ]);
    expect(await run(sql, "unsignedFiles", { package: null, after: 0, limit: 10 })).toMatchObject([
      { package: "gone" },
    ]);

    expect(await simplePageOf(sql, "unheard-of")).toBeUndefined();
    expect(await run(sql, "upstreamListing", { packageId: 0 })).toBeNull();
    expect((await simplePageOf(sql, "pkg"))?.files[0]).toMatchObject({
      filename: "pkg-2.0-py3-none-any.whl",
      uploadedAt: expect.closeTo(Date.now(), -6) as number,
    });
    expect(await run(sql, "simpleNames", { after: "", limit: 1 })).toEqual({
      names: ["gone"],
      owed: ["gone"],
    });
    expect(await run(sql, "simpleNames", { after: "gone", limit: 10 })).toEqual({
      names: ["pkg"],
      owed: ["pkg"],
    });
    const noted = await run(sql, "rootChanges", { after: "", limit: 10 });
    expect(noted).toMatchObject([
      { name: "gone", isListed: true, isOwed: true },
      { name: "pkg", isListed: true, isOwed: true },
    ]);
    const gone = noted[0] ?? { name: "", generation: 0 };
    await run(sql, "rootWritten", { changes: [{ name: "gone", generation: gone.generation }] });
    expect(await run(sql, "rootChanges", { after: "", limit: 10 })).toEqual(noted.slice(1));
    const heads = await run(sql, "projectPages", { names: ["pkg", "unheard-of"] });
    expect(heads).toMatchObject([{ name: "pkg", releaseCount: 3 }]);
    expect(await run(sql, "projectSpellings", { name: "pkg" })).toEqual(["Pkg"]);
    const [told] = await run(sql, "projectBuilds", { names: ["pkg"] });
    expect(told?.builds).toMatchObject([
      { version: "1.0", cause: "dependency-missing" },
      { version: "2.0", cause: "built", hasLog: true },
    ]);
    const [shown = [], none] = await run(sql, "projectReleases", {
      stretches: ["pkg", "unheard-of"].map((name) => ({ name, from: 0, limit: 10 })),
    });
    expect(none).toEqual([]);
    expect(shown.map((each) => [each.version, each.releasedAt, each.builds[0]?.state])).toEqual([
      ["3.0rc1", Date.UTC(2024, 0, 4), undefined],
      ["2.0", null, "built"],
      ["1.0", Date.UTC(2024, 0, 2), "blocked"],
    ]);
    const figures = await run(sql, "farmFigures", null);
    expect(figures.asOf).toEqual(expect.closeTo(Date.now(), -6));
    expect(figures.farm).toMatchObject({ packages: 2, files: 2, builds: 3 });
    expect(await run(sql, "farmMetrics", null)).toMatchObject({
      serial: 9,
      unread: 0,
      slaves: [{ id: slave.slaveId }],
    });
    const at = figures.asOf;
    const samples = [{ kind: "farm" as const, subject: 0, figures: [1.5, null] }];
    await run(sql, "recordFigures", { at, samples });
    expect(await run(sql, "thinHistory", { at, steps: 10, rows: 10 })).toBe(false);
    const question = { kind: "farm" as const, subject: 0, stepS: 10 as const, after: null };
    expect((await run(sql, "historyOf", question)).points).toMatchObject([
      { average: [1.5, null] },
    ]);
    expect(await run(sql, "foldTallies", { limit: 1_000 })).toBeGreaterThan(0);
    const home = await run(sql, "homePage", null);
    expect(home).toMatchObject({ packages: 2, files: 2, queue: { blocked: 1 } });
    expect(home.recentBuilds.map((build) => build.durationMs)).toEqual([5, 5, 1.5]);
    expect(await run(sql, "queueReport", null)).toMatchObject({ unread: 0, blocked: 1 });

    await run(sql, "requestPage", { pages: [{ kind: "home", key: "" }] });
    const due = await run(sql, "duePages", { gatherMs: 0, limit: 50 });
    expect(due.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["simple", "home", "root"]));
    await run(sql, "pagesWritten", { pages: due });
    await run(sql, "releaseBlocked", null);
    await run(sql, "sweepQueue", { retry, absentMs });
    await run(sql, "releaseLeases", {
      slaveId: slave.slaveId,
      tokens: [first],
      isPassed: false,
      retry,
    });

    await run(sql, "recordRemoval", { name: "gone", serial: 10, restMs: 0 });
    await run(sql, "pagesWritten", {
      pages: await run(sql, "duePages", { gatherMs: 0, limit: 50 }),
    });
    const withdrawn = await run(sql, "withdrawnFiles", { limit: 10 });
    expect(withdrawn.map((file) => file.package)).toEqual(["gone"]);
    await run(sql, "markRemoved", { fileIds: withdrawn.map((file) => file.id) });
    expect(
      await run(sql, "addWanted", {
        requirements: [{ name: "pkg", text: "pkg>=1" }],
        withDeps: true,
        withBuildDeps: false,
      }),
    ).toEqual({ added: 1, known: 0 });
    await run(sql, "deriveWants", null);
    expect(await run(sql, "removeWanted", { requirements: ["pkg>=1"] })).toEqual({ removed: 1 });
    await run(sql, "yieldNames", { fileIds: [] });
    await run(sql, "resetSerial", null);
    expect(await run(sql, "farmFailures", null)).toEqual([]);
    expect(await run(sql, "queuePage", null)).toMatchObject({ building: [] });
    const statistics = await run(sql, "statisticsPage", null);
    // Asked again, the days that are over are not counted again.
    expect((await run(sql, "statisticsPage", null)).causes).toEqual(statistics.causes);
    const explained = await run(sql, "explainQueue", { package: "Pkg", version: null });
    expect(explained).toMatchObject({ package: "pkg", isKnown: true, versions: 3 });
    const projects = [{ name: "pkg", downloads: 1_000 }];
    expect(await run(sql, "setPopularity", { projects })).toEqual({ changed: 1 });
    expect(await run(sql, "sleepingSlaves", null)).toEqual([]);
    expect(await run(sql, "asleepSlaves", null)).toEqual([]);
    expect(await run(sql, "endedBuilds", { limit: 2 })).toMatchObject([
      { token: 2, cause: "built", files: [] },
      { token: 1, cause: "dependency-missing", slave: "a", slaveId: 1 },
    ]);
    const asleep = { slaves: { label: "*" }, action: "sleep", why: "by a person" } as const;
    expect(await run(sql, "steerSlaves", asleep)).toHaveLength(1);
    expect(await run(sql, "asleepSlaves", null)).toMatchObject([
      { by: "person", why: "by a person" },
    ]);
    expect(await run(sql, "listSlaves", null)).toMatchObject([
      { asleep: { by: "person", why: "by a person" }, build: null },
    ]);
    expect(await run(sql, "queueHealth", null)).toEqual({ trouble: null });

    const said = await run(sql, "changePackage", {
      package: "pkg",
      versions: ["1.0", "2.0"],
      isCreation: false,
      skip: { reason: "by hand" },
      yank: { reason: null },
      aliases: [],
      summary: null,
      releasedAt: Date.UTC(2024, 1, 1),
      priority: 2,
    });
    expect(said).toMatchObject({ outcome: "changed", versions: 2 });
    expect(await run(sql, "lookUp", { package: "pkg", versions: ["1.0", "7"] })).toMatchObject({
      found: { package: "pkg", versions: 1 },
      missing: ["7"],
    });
    await run(sql, "openSite", { madeBy: "1", missing: [] });
    await run(sql, "startRebuild", { kinds: ["simple"], reason: "asked for" });
    const stretch = await run(sql, "nextOfRebuild", { limit: 1 });
    expect(stretch).toMatchObject({ kind: "simple", names: ["gone"] });
    if (stretch !== null) await run(sql, "rebuildAdvanced", stretch);
    expect(await run(sql, "rebuilds", null)).toContainEqual(
      expect.objectContaining({ kind: "simple", after: "gone", done: 1, total: 2 }),
    );
    const page = { kind: "project" as const, key: "pkg", generation: 1 };
    await run(sql, "pagesFailed", { failures: [{ page, reason: "no room" }] });
    expect(await run(sql, "failingPages", null)).toMatchObject({ count: 1, reason: "no room" });
    expect(await run(sql, "tendPages", null)).toBe(false);
    expect(await run(sql, "searchList", { after: "", limit: 10 })).toEqual([["pkg", 0, 0]]);
    const builds = { package: "pkg", versions: [], isOfBuildsOnly: true, skip: null };
    expect(await run(sql, "removePackage", builds)).toMatchObject({ outcome: "removed", files: 1 });
    expect(await run(sql, "addTarget", { spec: target(14), rank: null })).toEqual({
      isNew: true,
      rank: 3014,
    });
    const skip = { name: target(14).name, skip: { reason: "no slave" }, rank: 7 };
    expect(await run(sql, "changeTarget", skip)).toEqual({ outcome: "changed", isChanged: true });
    expect((await run(sql, "listTargets", null))[0]).toMatchObject({ rank: 7, skip: "no slave" });

    const hook = { name: "chat", events: ["disk-low"], patterns: ["^pkg$"], action: "x" };
    await run(sql, "setHooks", { hooks: [hook] });
    await run(sql, "announceEvent", { event: "disk-low", message: "full" });
    const [owed] = await run(sql, "dueDeliveries", { busy: [] });
    expect(owed).toMatchObject({
      hook: "chat",
      event: "disk-low",
      tries: 0,
      body: { message: "full" },
    });
    await run(sql, "putOffDelivery", { id: owed?.id ?? 0, delayMs: 60_000 });
    expect(await run(sql, "dueDeliveries", { busy: [] })).toEqual([]);
    await run(sql, "disableHook", { hook: "chat", reason: "gone" });
    expect(await run(sql, "trimDeliveries", { keep: 10 })).toEqual({
      dropped: [],
      disabled: [{ hook: "chat", reason: "gone" }],
    });
    await run(sql, "endDelivery", { id: owed?.id ?? 0 });

    const ops = { name: "ops", right: "watch" as const, sha256: "0".repeat(64) };
    expect(await run(sql, "createToken", { ...ops, lifetimeMs: null })).toEqual({
      outcome: "created",
    });
    expect(await run(sql, "checkToken", { sha256: ops.sha256 })).toEqual({
      name: "ops",
      right: "watch",
    });
    expect(await run(sql, "listTokens", null)).toMatchObject([
      { name: "ops", state: "valid", usedAt: expect.closeTo(Date.now(), -6) as number },
    ]);
    expect(await run(sql, "revokeToken", { name: "ops" })).toEqual({ isRevoked: true, known: [] });

    const visit = {
      source: "5f0d3a3e-6a55-4f0c-8a53-5c1f6f8f2a10",
      sequence: 1,
      acknowledged: 0,
      batch: {
        kinds: ["download" as const],
        ats: [Date.now()],
        addresses: ["192.0.2.7"],
        packages: ["pkg"],
        filenames: ["pkg-2.0-py3-none-any.whl"],
        paths: [null],
        clientOf: [0],
        clients: [unknownClient],
      },
    };
    expect(await run(sql, "recordAccess", visit)).toBe("stored");
    expect(await run(sql, "tendAccessLog", null)).toBe(0);
    expect(await run(sql, "countedDownloads", { after: "" })).toEqual({
      projects: [{ name: "pkg", downloads: 1 }],
      next: null,
    });
    const owned = [{ filename: "own-1-py3-none-any.whl", sha256: hash("own") }];
    const { delivery } = await run(sql, "openImport", {
      key: hash("key"),
      package: "own",
      version: "1",
      sortKey: release("1").sortKey,
      target: null,
      files: owned.map((file) => ({ ...file, tags: ["py3-none-any"] })),
      productVersion: "1",
      host: "workshop",
    });
    const imported = await run(sql, "settleImport", {
      token: delivery?.token ?? 0,
      slaveId: delivery?.slaveId ?? 0,
      package: "own",
      displayName: "own",
      version: "1",
      sortKey: release("1").sortKey,
      isPrerelease: false,
      target: delivery?.target ?? "",
      message: "",
      durationMs: 0,
      files: [
        { ...wheel("1", "py3-none-any"), filename: owned[0]?.filename ?? "", sha256: hash("own") },
      ],
      log: null,
    });
    expect(imported?.outcome).toBe("published");
    const token = delivery?.token ?? 0;
    expect(await run(sql, "importedFiles", { token, files: owned })).toMatchObject([
      { state: "unplaced" },
    ]);

    const order = {
      at: Date.now(),
      by: "alice@host piw pause",
      via: "local",
      what: "pause scribe",
      isDone: true,
      outcome: "paused: scribe",
    };
    const ordered = { key: "5f0d3a3e-6a55-4f0c-8a53-5c1f6f8f2a11", order };
    await run(sql, "keepOrder", ordered);
    await run(sql, "keepOrder", ordered);
    const [kept, ...others] = await run(sql, "listOrders", { limit: 10, before: null });
    expect([kept, others]).toEqual([{ ...order, id: expect.any(Number) as number }, []]);
    expect(await run(sql, "listOrders", { limit: 10, before: kept?.id ?? 0 })).toEqual([]);

    expect([...requestsRun].sort()).toEqual(Object.keys(requests).sort());
  });
});
