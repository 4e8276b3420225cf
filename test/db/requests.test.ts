/** Requests as they are asked for from another process: each of them, with what it really gives. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requests } from "../../db/requests.ts";
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
    expect(await run(sql, "upstreamSerial", null)).toBe(0);
    const changed = [
      { name: "pkg", spelling: "Pkg", serial: 7 },
      { name: "gone", spelling: "gone", serial: 8 },
    ];
    await run(sql, "recordListing", { projects: changed });
    await run(sql, "recordChanges", { from: 0, to: 9, projects: changed });
    expect(await run(sql, "unreadProjects", { limit: 10 })).toEqual([
      { name: "pkg", seenSerial: 7, attempts: 0 },
      { name: "gone", seenSerial: 8, attempts: 0 },
    ]);
    await run(sql, "postponeProject", { name: "gone", delayMs: 0.5, isCounted: true });
    await recordProject(sql, "gone", [release("1.0")], 8);
    const releases = [
      release("1.0", { requiresPython: ">=3.8", upstreamTags: ["cp39-cp39-win32"] }),
      release("2.0", { yanked: "broken", releasedAt: null }),
      release("3.0rc1", { isPrerelease: true, sdist: null, skip: "binary only" }),
    ];
    await recordProject(sql, "pkg", releases, 9);

    const slave = await hello(sql, "a", [target(11), target(12)]);
    expect(await run(sql, "findDelivery", { token: 999_999 })).toBeNull();
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
    await run(sql, "markPlaced", {
      fileIds: files.map((file) => file.id),
      logTokens: logs.map((log) => log.token),
    });
    expect(await run(sql, "referencedBlobs", { sha256s: [hash("m2.0"), hash("no")] })).toEqual([
      hash("m2.0"),
    ]);

    expect(await run(sql, "simplePage", { name: "unheard-of" })).toBeNull();
    expect((await run(sql, "simplePage", { name: "pkg" }))?.files[0]).toMatchObject({
      filename: "pkg-2.0-py3-none-any.whl",
      uploadedAt: expect.closeTo(Date.now(), -6) as number,
    });
    expect(await run(sql, "simpleNames", null)).toEqual(["gone", "pkg"]);
    expect(await run(sql, "projectPage", { name: "unheard-of" })).toBeNull();
    const page = await run(sql, "projectPage", { name: "pkg" });
    expect(
      page?.releases.map((each) => [each.version, each.releasedAt, each.builds[0]?.state]),
    ).toEqual([
      ["3.0rc1", Date.UTC(2024, 0, 4), undefined],
      ["2.0", null, "built"],
      ["1.0", Date.UTC(2024, 0, 2), "blocked"],
    ]);
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
    await run(sql, "releaseLeases", { slaveId: slave.slaveId, tokens: [first], retry });

    await run(sql, "recordRemoval", { name: "gone", serial: 10 });
    await run(sql, "pagesWritten", {
      pages: await run(sql, "duePages", { gatherMs: 0, limit: 50 }),
    });
    const withdrawn = await run(sql, "withdrawnFiles", { limit: 10 });
    expect(withdrawn.map((file) => file.package)).toEqual(["gone"]);
    await run(sql, "markRemoved", { fileIds: withdrawn.map((file) => file.id) });
    expect(
      await run(sql, "addWanted", { requirements: [{ name: "pkg", text: "pkg>=1" }] }),
    ).toEqual({ added: 1, known: 0 });
    await run(sql, "resetSerial", null);
    const explained = await run(sql, "explainQueue", { package: "Pkg", version: null });
    expect(explained).toMatchObject({ package: "pkg", isKnown: true, versions: 3 });
    const projects = [{ name: "pkg", downloads: 1_000 }];
    expect(await run(sql, "setPopularity", { projects })).toEqual({ changed: 1 });
    expect(await run(sql, "sleepingSlaves", null)).toEqual([]);
    expect(await run(sql, "wakeSlaves", { label: "a" })).toBe(0);
    expect(await run(sql, "queueHealth", null)).toEqual({ trouble: null });

    expect([...requestsRun].sort()).toEqual(Object.keys(requests).sort());
  });
});
