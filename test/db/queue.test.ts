/** The build queue: the frontier, leases with fencing tokens, settling; and the queue against its definition. */
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { openConnection, type Sql } from "../../db/connection.ts";
import type { RequestArgs } from "../../db/requests.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import {
  absentMs,
  compared,
  emptyTables,
  hello,
  lease,
  leaseMs,
  queue,
  recordProject,
  release,
  retry,
  run,
  settle,
  type TestSlave,
  target,
  wheel,
} from "../support/queue-fixture.ts";
import { FarmHistory, stepKinds } from "../support/queue-history.ts";

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = database.sql;
}, 60_000);
afterAll(() => database.end());
beforeEach(async () => {
  await emptyTables(sql);
  await sql`
    update configuration set follow = 'all', build_order = 'newest', upstream_serial = 0,
      upstream_wheels = 'ignore'`;
});

/** What is kept step by step is what the definition says from scratch. */
async function expectDefinition(): Promise<void> {
  const { is, mustBe } = await compared(sql);
  expect(is).toEqual(mustBe);
}

async function take(slave: TestSlave): Promise<{ token: number; version: string; target: string }> {
  const picked = await lease(sql, slave);
  if (picked === null) throw new Error("nothing to lease");
  return picked.order;
}

describe("the frontier", () => {
  it("offers a version that nobody attempted for the lowest-ranked target only", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    await hello(sql, "a", [target(12), target(9), target(11)]);
    expect(await queue(sql)).toEqual(["1.0 cp39-linux_x86_64 ready"]);
  });

  it("offers nothing more after a wheel that covers all targets", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11), target(12)]);
    const { token } = await take(slave);
    const settled = await settle(sql, slave, token, {}, [wheel("1.0", "py3-none-any")]);
    expect(settled.outcome).toBe("published");
    expect(await queue(sql)).toEqual([]);
  });

  it("offers all targets left after a success with specific tags", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11), target(12), target(13)]);
    const { token } = await take(slave);
    await settle(sql, slave, token, {}, [wheel("1.0", "cp311-cp311-linux_x86_64")]);
    expect(await queue(sql)).toEqual([
      "1.0 cp312-linux_x86_64 ready",
      "1.0 cp313-linux_x86_64 ready",
    ]);
  });

  it("offers the next target after a failure, and none after the last", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11), target(12)]);
    await settle(sql, slave, (await take(slave)).token, { cause: "build-failed" });
    expect(await queue(sql)).toEqual(["1.0 cp312-linux_x86_64 ready"]);
    await settle(sql, slave, (await take(slave)).token, { cause: "build-failed" });
    expect(await queue(sql)).toEqual([]);
  });

  it("leaves out targets that Requires-Python does not admit, versions without an sdist, and skipped ones", async () => {
    await recordProject(sql, "pkg", [
      release("1.0", { requiresPython: ">=3.12" }),
      release("2.0", { sdist: null, skip: "binary only" }),
    ]);
    await hello(sql, "a", [target(11), target(12)]);
    expect(await queue(sql)).toEqual(["1.0 cp312-linux_x86_64 ready"]);
  });

  it("hands out the newest release first, and a higher priority before that", async () => {
    await recordProject(sql, "pkg", [release("1.0"), release("2.0"), release("3.0")]);
    await sql`update version set priority = 1 where version = '1.0'`;
    const slave = await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [release("1.0"), release("2.0"), release("3.0")], 2);
    const order = [];
    for (let at = 0; at < 3; at += 1) {
      const { version, token } = await take(slave);
      order.push(version);
      await settle(sql, slave, token, {}, [wheel(version, "py3-none-any")]);
    }
    expect(order).toEqual(["1.0", "3.0", "2.0"]);
  });
});

describe("leases", () => {
  it("gives a build to one slave only, and the same one again to a slave that asks holding nothing", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const first = await hello(sql, "a", [target(11)]);
    const second = await hello(sql, "b", [target(11)]);
    const { token } = await take(first);
    expect(await lease(sql, second)).toBeNull();
    expect((await take(first)).token).toBe(token);
  });

  it("puts a lost build back at once the first time, later with a delay, and gives it up at last", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    await take(slave);
    await hello(sql, "a", [target(11)]);
    expect(await queue(sql)).toEqual(["1.0 cp311-linux_x86_64 ready"]);
    await take(slave);
    await hello(sql, "a", [target(11)]);
    expect(await queue(sql)).toEqual(["1.0 cp311-linux_x86_64 waiting"]);
    await sql`update work set not_before = now()`;
    await sql`update retry set not_before = now()`;
    expect(await run(sql, "sweepQueue", { retry, absentMs })).toEqual({ expired: 0, due: 1 });
    await take(slave);
    await hello(sql, "a", [target(11)]);
    expect(await queue(sql)).toEqual([]);
    const [row] = await sql`select cause, outcome, stands from build order by token desc limit 1`;
    expect(row).toEqual({ cause: "slave-lost", outcome: "failed", stands: true });
  });

  it("says which renewals hold no lease any more", async () => {
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    const { token } = await take(slave);
    await sql`update package set skip = 'gone'`;
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")], 2);
    expect(await queue(sql)).toEqual(["2.0 cp311-linux_x86_64 cancelled"]);
    const renewed = await run(sql, "renewLeases", {
      renewals: [token, 999_999].map((each) => ({ token: each, slaveId: slave.slaveId })),
      leaseMs: 1_000,
    });
    expect(renewed).toEqual({ lost: [token, 999_999] });
  });

  it("takes back an expired lease that nobody else has, and drops one that somebody has", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const first = await hello(sql, "a", [target(11)]);
    const { token } = await take(first);
    await sql`update lease set expires_at = now() - interval '1 second'`;
    await run(sql, "sweepQueue", { retry, absentMs });
    expect((await hello(sql, "a", [target(11)], { running: [token] })).drop).toEqual([]);
    expect(await queue(sql)).toEqual(["1.0 cp311-linux_x86_64 leased"]);
    await sql`update lease set expires_at = now() - interval '1 second'`;
    await run(sql, "sweepQueue", { retry, absentMs });
    await sql`update retry set not_before = now()`;
    await sql`update work set not_before = now()`;
    await run(sql, "sweepQueue", { retry, absentMs });
    const second = await hello(sql, "b", [target(11)]);
    await take(second);
    expect((await hello(sql, "a", [target(11)], { running: [token] })).drop).toEqual([token]);
  });
});

describe("what a review found", () => {
  it("renews a lease for the slave that has it only", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    const other = await hello(sql, "b", [target(11)]);
    const { token } = await take(slave);
    const renewals = [{ token, slaveId: other.slaveId }];
    expect(await run(sql, "renewLeases", { renewals, leaseMs })).toEqual({ lost: [token] });
  });

  it("does not wait for a target whose slaves are all gone, and takes it up when one is back", async () => {
    await hello(sql, "old", [target(9)]);
    const slave = await hello(sql, "new", [target(12)]);
    await sql`update slave set last_seen_at = now() - interval '2 hours' where identity = 'old'`;
    await run(sql, "sweepQueue", { retry, absentMs });
    while (await run(sql, "requeueStep", { limit: 100 }));
    await recordProject(sql, "pkg", [release("1.0")]);
    expect(await queue(sql)).toEqual(["1.0 cp312-linux_x86_64 ready"]);
    expect((await take(slave)).target).toBe("cp312-linux_x86_64");
    await hello(sql, "new", [target(12)]);
    await hello(sql, "old", [target(9)]);
    expect(await queue(sql)).toEqual(["1.0 cp39-linux_x86_64 ready"]);
  });

  it("builds a release again that was withdrawn and came back, under a build tag", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    const { token } = await take(slave);
    await settle(sql, slave, token, {}, [wheel("1.0", "py3-none-any")]);
    await recordProject(sql, "pkg", [], 2);
    await recordProject(sql, "pkg", [release("1.0")], 3);
    const again = await lease(sql, slave);
    expect(again?.order).toMatchObject({ version: "1.0", buildTag: "1" });
  });

  it("does not hand out a cancelled lease again", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    await take(slave);
    await recordProject(sql, "pkg", [], 2);
    expect(await lease(sql, slave)).toBeNull();
  });

  it("keeps two slaves of one key apart by their slots", async () => {
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")]);
    const one = await hello(sql, "a", [target(11)]);
    const { token } = await take(one);
    const { slaveId, targetIds } = await run(sql, "helloSlave", {
      identity: "a",
      slot: "other",
      label: "a",
      productVersion: "1",
      host: { os: "", board: "", hostname: "", cores: 1 },
      targets: [target(11)],
      running: [],
      finished: [],
      leaseMs,
      retry,
    });
    expect(slaveId).not.toBe(one.slaveId);
    const other = await take({ identity: "a", slaveId, targetIds });
    expect(other.token).not.toBe(token);
    expect(await queue(sql)).toEqual([
      "1.0 cp311-linux_x86_64 leased",
      "2.0 cp311-linux_x86_64 leased",
    ]);
  });

  it("sees the releases of a project that is recorded while a target arrives", async () => {
    const other = openConnection(database.dsn);
    try {
      for (let round = 0; round < 10; round += 1) {
        const specifier = `>=3.${round % 9}`;
        await Promise.all([
          recordProject(sql, `pkg${round}`, [release("1.0", { requiresPython: specifier })], 1),
          hello(other, "a", [target(11 + (round % 3), `platform_${round}`)]),
        ]);
        while (await run(sql, "requeueStep", { limit: 100 }));
        await expectDefinition();
        const [missing] = await sql`
          select 1 from requires_python q cross join target t
          where not exists (select from requires_admits a
                            where a.requires_id = q.id and a.target_id = t.id)`;
        expect(missing).toBeUndefined();
      }
    } finally {
      await other.end();
    }
  });

  it("settles a result that comes after it was given up for its lost slaves", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    const { token } = await take(slave);
    await sql`insert into retry (version_id, target_id, attempts, not_before, cause)
      select version_id, target_id, ${retry.maxAttempts}, now(), 'slave-lost' from lease`;
    await hello(sql, "a", [target(11)]);
    expect(await queue(sql)).toEqual([]);
    expect((await hello(sql, "a", [target(11)], { finished: [token] })).drop).toEqual([]);
    const settled = await settle(sql, slave, token, {}, [wheel("1.0", "py3-none-any")]);
    expect(settled.outcome).toBe("published");
  });
});

describe("order and coverage", () => {
  const configure = async (order: "newest" | "oldest" | "popular", upstreamWheels = "ignore") => {
    const wheels = upstreamWheels === "count" ? "count" : "ignore";
    await run(sql, "configureFarm", { follow: "all", order, upstreamWheels: wheels });
    while (await run(sql, "requeueStep", { limit: 100 }));
  };

  it("goes by popularity in steps of two, by age within a step, and by priority before all that", async () => {
    const slave = await hello(sql, "a", [target(11)]);
    for (const name of ["rare", "some", "more"])
      await recordProject(sql, name, [release("1.0"), release("2.0")]);
    await configure("popular");
    const projects = [
      { name: "rare", downloads: 3 },
      { name: "some", downloads: 1_000_000 },
      { name: "more", downloads: 1_040_000 },
      { name: "unheard-of", downloads: 5 },
    ];
    expect(await run(sql, "setPopularity", { projects })).toEqual({ changed: 3 });
    // The same step: nothing is written.
    const doubled = projects.map((one) => ({ ...one, downloads: one.downloads + 1 }));
    const [unmoved] = await sql<{ xmin: string }[]>`select max(xmin::text) as xmin from work`;
    await run(sql, "setPopularity", { projects: doubled.slice(1) });
    expect((await sql`select max(xmin::text) as xmin from work`)[0]).toEqual(unmoved);
    await run(sql, "changePackage", {
      package: "rare",
      versions: ["1.0"],
      isCreation: false,
      skip: null,
      yank: null,
      aliases: [],
      summary: null,
      releasedAt: null,
      priority: 1,
    });
    const order: string[] = [];
    const held: number[] = [];
    for (let at = 0; at < 6; at += 1) {
      const picked = await lease(sql, slave, held);
      held.push(picked?.order.token ?? 0);
      order.push(`${picked?.order.package} ${picked?.order.version}`);
    }
    expect(order).toEqual(["rare 1.0", "more 2.0", "some 2.0", "more 1.0", "some 1.0", "rare 2.0"]);
  });

  it("builds nothing for a target that upstream has a wheel for, where those count", async () => {
    await hello(sql, "a", [target(11), target(12)]);
    await recordProject(sql, "pkg", [
      release("1.0"),
      release("2.0", { upstreamTags: ["cp311-cp311-linux_x86_64"] }),
      release("3.0", { upstreamTags: ["py3-none-any"] }),
    ]);
    const all = ["1.0", "2.0", "3.0"].map((version) => `${version} cp311-linux_x86_64 ready`);
    expect(await queue(sql)).toEqual(all);
    await configure("newest", "count");
    expect(await queue(sql)).toEqual([
      "1.0 cp311-linux_x86_64 ready",
      "2.0 cp312-linux_x86_64 ready",
    ]);
    await recordProject(sql, "pkg", [release("1.0", { upstreamTags: ["py3-none-any"] })], 2);
    expect(await queue(sql)).toEqual([]);
    await configure("newest");
    expect(await queue(sql)).toEqual(["1.0 cp311-linux_x86_64 ready"]);
  });
});

describe("what is told to whoever waits", () => {
  it("is how many builds came for a target, and where the first of them is", async () => {
    const heard: string[] = [];
    const ear = openConnection(database.dsn, {
      onNotify: (_channel, payload) => heard.push(payload),
    });
    try {
      await ear`listen work`;
      const slave = await hello(sql, "a", [target(11)]);
      await recordProject(sql, "pkg", [release("1.0"), release("3.0"), release("2.0")]);
      await vi.waitFor(() => expect(heard).toHaveLength(1));
      const [row] = await sql<{ ord: number; version_id: number }[]>`
        select w.ord, w.version_id from work w join version v on v.id = w.version_id
        where v.version = '3.0'`;
      expect(heard).toEqual([`${slave.targetIds[0]} 3 ${row?.ord} ${row?.version_id}`]);
    } finally {
      await ear.end();
    }
  });

  it("lets the next pick go on below the last one, also among equals, and loses none", async () => {
    const slave = await hello(sql, "a", [target(11)]);
    const versions = Array.from({ length: 9 }, (_, at) => `${at + 1}.0`);
    const releases = versions.map((version) => release(version, { releasedAt: null }));
    await recordProject(sql, "pkg", releases);
    const given = new Set<string>();
    let below: RequestArgs<"leaseBuild">["below"] = {};
    const holding: number[] = [];
    for (let at = 0; at < 9; at += 1) {
      const picked = await run(sql, "leaseBuild", {
        ...{ slaveId: slave.slaveId, targetIds: slave.targetIds, holding: [...holding] },
        ...{ leaseMs, below },
      });
      if (picked?.place == null) throw new Error("nothing to lease");
      holding.push(picked.order.token);
      given.add(picked.order.version);
      below = { [picked.targetId]: picked.place };
    }
    expect(given.size).toBe(9);
  });
});

describe("settling", () => {
  it("gives the stored outcome when it is said twice, and changes nothing then", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    const { token } = await take(slave);
    const once = await settle(sql, slave, token, {}, [wheel("1.0", "py3-none-any")]);
    const twice = await settle(sql, slave, token, { cause: "build-failed" });
    expect(twice).toEqual(once);
    expect(await sql`select 1 from file`).toHaveLength(1);
  });

  it("lets a late result win where nothing has settled, and takes the lease from the other", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const first = await hello(sql, "a", [target(11)]);
    const second = await hello(sql, "b", [target(11)]);
    const late = (await take(first)).token;
    await sql`update lease set expires_at = now() - interval '1 second'`;
    await run(sql, "sweepQueue", { retry, absentMs });
    const other = (await take(second)).token;
    const settled = await settle(sql, first, late, {}, [wheel("1.0", "py3-none-any")]);
    expect(settled.outcome).toBe("published");
    expect(
      await run(sql, "renewLeases", {
        renewals: [{ token: other, slaveId: second.slaveId }],
        leaseMs,
      }),
    ).toEqual({ lost: [other] });
    const beaten = await settle(sql, second, other, {}, [wheel("1.0", "py3-none-any", "other")]);
    expect(beaten.outcome).toBe("superseded");
    expect(await sql`select 1 from file`).toHaveLength(1);
  });

  it("refuses a result of a slave that was not given the build", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    const thief = await hello(sql, "b", [target(11)]);
    const { token } = await take(slave);
    await expect(settle(sql, thief, token, {})).rejects.toThrow("another slave");
  });

  it("never overwrites a name that stands with other contents", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11), target(12)]);
    await settle(sql, slave, (await take(slave)).token, {}, [wheel("1.0", "cp311-none-any")]);
    const again = await settle(sql, slave, (await take(slave)).token, {}, [
      wheel("1.0", "cp311-none-any", "different"),
    ]);
    expect(again.outcome).toBe("superseded");
    const files = await sql<{ sha256: string }[]>`select sha256 from file`;
    expect(files.map((file) => file.sha256)).toEqual([wheel("1.0", "cp311-none-any").sha256]);
  });

  it("publishes nothing of a version that was removed meanwhile", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    const { token } = await take(slave);
    await recordProject(sql, "pkg", [], 2);
    const settled = await settle(sql, slave, token, {}, [wheel("1.0", "py3-none-any")]);
    expect(settled.outcome).toBe("cancelled");
    expect(await sql`select 1 from file`).toHaveLength(0);
    expect(await queue(sql)).toEqual([]);
  });

  it("goes on with a blocked build when the farm has built the requirement itself, on any target", async () => {
    const slave = await hello(sql, "a", [target(11)]);
    const arm = await hello(sql, "arm", [target(11, "linux_aarch64")]);
    await recordProject(sql, "lib", [release("1.0")]);
    await recordProject(sql, "pkg", [release("2.0")]);
    const { token } = await take(slave);
    await settle(sql, slave, token, { cause: "dependency-missing", missing: ["lib>=1"] });
    await sql`update version set changed_at = '-infinity'`;
    expect(await run(sql, "releaseBlocked", null)).toBe(0);
    await sql`update target set is_active = id = ${arm.targetIds[0] ?? 0}`;
    await recordProject(sql, "lib", [release("1.0", { requiresPython: ">=3" })], 2);
    const other = await take(arm);
    await settle(sql, arm, other.token, {}, [wheel("1.0", "cp311-cp311-linux_aarch64")]);
    expect(await run(sql, "releaseBlocked", null)).toBe(1);
    expect(await sql`select 1 from blocked`).toHaveLength(0);
  });

  it("looks at each release once: what does not meet a requirement is not in the way of others", async () => {
    const slave = await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [release("1.0")]);
    const { token } = await take(slave);
    await settle(sql, slave, token, { cause: "dependency-missing", missing: ["lib>=9"] });
    await recordProject(sql, "lib", [release("1.0")]);
    await sql`update version set changed_at = changed_at + interval '123 microseconds'`;
    expect(await run(sql, "releaseBlocked", null)).toBe(0);
    const looked = await sql`
      select from blocked b join package p on p.name = b.name
      join version v on v.package_id = p.id where v.changed_at > b.since`;
    expect(looked).toHaveLength(0);
  });

  it("blocks on a missing requirement until a release that satisfies it arrives", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    const { token } = await take(slave);
    const settled = await settle(sql, slave, token, {
      cause: "dependency-missing",
      missing: ["Cython>=3"],
    });
    expect(settled.outcome).toBe("blocked");
    await recordProject(sql, "cython", [release("2.0", { sdist: null, skip: "binary only" })]);
    expect(await run(sql, "releaseBlocked", null)).toBe(0);
    await recordProject(sql, "cython", [release("3.0", { sdist: null, skip: "binary only" })], 2);
    // Version 2.0 is gone from upstream now, and 3.0 is binary only: neither is built, one is enough.
    expect(await run(sql, "releaseBlocked", null)).toBe(1);
    expect(await queue(sql)).toEqual(["1.0 cp311-linux_x86_64 ready"]);
  });
});

describe("who is waited for", () => {
  const requeue = async () => {
    while (await run(sql, "requeueStep", { limit: 100 }));
  };

  it("is whoever asks again after a time in which nobody was heard of", async () => {
    await hello(sql, "gone", [target(9)]);
    const slave = await hello(sql, "a", [target(11)]);
    await sql`update slave set last_seen_at = now() - interval '2 hours'`;
    // While the farm rests nobody is listened to, so nobody is given up.
    await run(sql, "sweepQueue", { retry, absentMs: null });
    expect(await sql`select from target where is_active`).toHaveLength(2);
    await run(sql, "sweepQueue", { retry, absentMs });
    await requeue();
    await recordProject(sql, "pkg", [release("1.0")]);
    expect(await queue(sql)).toEqual(["1.0 cp39-linux_x86_64 ready"]);
    await lease(sql, slave);
    await requeue();
    expect(await queue(sql)).toEqual(["1.0 cp311-linux_x86_64 ready"]);
    await expectDefinition();
  });

  it("is nobody who has been asleep for long", async () => {
    const broken = await hello(sql, "broken", [target(9), target(11)]);
    await hello(sql, "sound", [target(11)]);
    await recordProject(sql, "pkg", [release("1.0")]);
    expect(await queue(sql)).toEqual(["1.0 cp39-linux_x86_64 ready"]);
    await sql`
      update slave set asleep_since = now() - interval '2 hours', asleep_by = 'farm',
        last_seen_at = now()
      where id = ${broken.slaveId}`;
    await run(sql, "sweepQueue", { retry, absentMs });
    await requeue();
    expect(await queue(sql)).toEqual(["1.0 cp311-linux_x86_64 ready"]);
    const awake = { slaves: { label: "broken" }, action: "wake", why: "" } as const;
    expect(await run(sql, "steerSlaves", awake)).toHaveLength(1);
    await requeue();
    expect(await queue(sql)).toEqual(["1.0 cp39-linux_x86_64 ready"]);
    await expectDefinition();
  });
});

describe("a build tag", () => {
  it("is above all that are taken, and a build whose names are all withdrawn is not offered again at once", async () => {
    const slave = await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [release("1.0")]);
    const named = (tag: string) => ({
      ...wheel("1.0", "py3-none-any", tag),
      filename: `pkg-1.0-${tag}-py3-none-any.whl`,
    });
    const first = await take(slave);
    await settle(sql, slave, first.token, {}, [named("7local")]);
    const builds = { package: "pkg", versions: [], isOfBuildsOnly: true, skip: null };
    await run(sql, "removePackage", builds);
    const again = await lease(sql, slave);
    expect(again?.order.buildTag).toBe("8");
    const settled = await settle(sql, slave, again?.order.token ?? 0, {}, [named("7local")]);
    expect(settled.outcome).toBe("again");
    expect(await queue(sql)).toEqual(["1.0 cp311-linux_x86_64 waiting"]);
    await expectDefinition();
  });
});

/** Without what they need in turn. */
const alone = { withDeps: false, withBuildDeps: false };

describe("the wanted set", () => {
  it("selects the newest release that satisfies the requirement for each target", async () => {
    await run(sql, "configureFarm", {
      follow: "wanted",
      order: "newest",
      upstreamWheels: "ignore",
    });
    await run(sql, "addWanted", { requirements: [{ name: "pkg", text: "pkg<3" }], ...alone });
    await recordProject(sql, "pkg", [
      release("1.0"),
      release("2.0", { requiresPython: ">=3.12" }),
      release("3.0"),
    ]);
    await hello(sql, "a", [target(11), target(12)]);
    const rows = await sql<{ version: string }[]>`
      select version from version where wanted order by sort_key`;
    expect(rows.map((row) => row.version)).toEqual(["1.0", "2.0"]);
  });

  it("says which requirements nothing satisfies, and not those that are for other machines", async () => {
    await run(sql, "configureFarm", {
      follow: "wanted",
      order: "newest",
      upstreamWheels: "ignore",
    });
    const texts = ["pkg>9", "pkg==1.0", "gone", 'winonly; sys_platform == "win32"'];
    const requirements = texts.map((text) => ({ name: /^\w+/.exec(text)?.[0] ?? "", text }));
    await run(sql, "addWanted", { requirements, ...alone });
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")]);
    await hello(sql, "a", [target(11)]);
    const { unsatisfied } = await run(sql, "queueReport", null);
    expect(unsatisfied).toEqual(["gone", "pkg>9"]);
  });
});

describe("many at once", () => {
  it("leaves the queue equal to its definition, and every build given out once", {
    timeout: 60_000,
  }, async () => {
    const versions = Array.from({ length: 40 }, (_, at) => `${at + 1}.0`);
    await recordProject(
      sql,
      "pkg",
      versions.map((version) => release(version)),
    );
    const connections = Array.from({ length: 6 }, () => openConnection(database.dsn));
    const given: string[] = [];
    try {
      await Promise.all(
        connections.map(async (connection, at) => {
          const minor = [11, 12, 13][at % 3] ?? 11;
          const slave = await hello(connection, `s${at}`, [target(minor), target(11)]);
          for (let round = 0; round < 25; round += 1) {
            // One of them records the project again and again, with and without some versions.
            if (at === 5) {
              const kept = round % 2 === 0 ? versions : versions.slice(3);
              const releases = kept.map((version) => release(version));
              await recordProject(connection, "pkg", releases, round + 2);
              continue;
            }
            const picked = await lease(connection, slave);
            if (picked === null) continue;
            const { token, version, target: name } = picked.order;
            given.push(`${version} ${name}`);
            const [python = ""] = name.split("-");
            const files =
              round % 3 === 0 ? [] : [wheel(version, `${python}-${python}-linux_x86_64`)];
            const cause = files.length === 0 ? "build-failed" : "built";
            await settle(connection, slave, token, { cause }, files);
          }
        }),
      );
    } finally {
      for (const connection of connections) await connection.end();
    }
    await expectDefinition();
    const [double] = await sql`
      select 1 from build where stands group by version_id, target_id having count(*) > 1`;
    expect(double).toBeUndefined();
    expect(given.length).toBeGreaterThan(40);
  });
});

describe("the queue against its definition", () => {
  const histories = fc.array(
    fc.record({ kind: fc.constantFrom(...stepKinds), a: fc.nat(11), b: fc.nat(3) }),
    { minLength: 5, maxLength: 50 },
  );

  it("equals it after any history", { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        await emptyTables(sql);
        await sql`update configuration set build_order = 'newest', upstream_wheels = 'ignore'`;
        const history = new FarmHistory(sql, database.dsn);
        await history.begin();
        for (const step of steps) {
          await history.step(step);
          await expectDefinition();
        }
      }),
      { numRuns: 60 },
    );
  });
});
