/**
 * Networks that break while builds run and files are on their way: for each seed a farm whose two slaves reach the
 * master through proxies that cut, stall, half-open, slow down and turn away, in an order and at moments that the seed
 * gives. Afterwards each build counts once and every published file has its hash.
 *
 * WHEELWRIGHT_FAULT_SEEDS says which: `7` or `1-20`. Default: one.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { startSampleUpstream } from "../../samples/index.ts";
import { LinkProxy } from "../support/link-proxy.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { randomOf } from "../support/seeded-random.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

const [from = 1, to = from] = (process.env["WHEELWRIGHT_FAULT_SEEDS"] ?? "1")
  .split("-")
  .map(Number);
const seeds = Array.from({ length: to - from + 1 }, (_, at) => from + at);

const PACKAGES = 6;
const SLAVES = 2;
const PAYLOAD_BYTES = 4 * 1024 ** 2;
const BUILD_MS = 700;
/** So slow that a fault finds something on its way. */
const PIECE_DELAY_MS = 15;
/** Faults go on for so long, however quick the farm is. */
const SHORTEST_MS = 8_000;
const PATIENCE_MS = 150_000;

type Random = () => number;

/** What a network does, and how it mends. Silence ends a session after 8 s: some faults are longer. */
const faults: readonly {
  readonly name: string;
  readonly apply: (link: LinkProxy, random: Random) => Promise<void>;
}[] = [
  {
    name: "cut",
    apply: async (link) => {
      link.cut();
    },
  },
  {
    name: "stall",
    apply: async (link, random) => {
      link.stall();
      await delay(300 + 10_000 * random() ** 2);
      link.resume();
    },
  },
  {
    name: "half-open",
    apply: async (link, random) => {
      link.halfOpen(random() < 0.5 ? "slave" : "master");
    },
  },
  {
    name: "slow",
    apply: async (link, random) => {
      link.delayMs = 20 + 80 * random();
      await delay(500 + 1_500 * random());
      link.delayMs = PIECE_DELAY_MS;
    },
  },
  {
    name: "away",
    apply: async (link, random) => {
      link.isClosedToNewcomers = true;
      link.cut();
      await delay(300 + 2_000 * random());
      link.isClosedToNewcomers = false;
    },
  },
];

it.each(seeds)(
  "seed %i: each build counts once, and each file has its hash",
  { timeout: PATIENCE_MS + 90_000 },
  async (seed) => {
    const random = randomOf(seed);
    const database = await createTestDatabase();
    const upstream = await startSampleUpstream({
      files: Array.from({ length: PACKAGES }, (_, at) =>
        slowSdist({
          name: `faulty${at + 1}`,
          version: "1.0",
          buildMs: BUILD_MS,
          payloadBytes: PAYLOAD_BYTES,
        }),
      ),
    });
    const farm = new TestFarm({ dsn: database.dsn, upstream });
    const links: LinkProxy[] = [];
    const done: string[] = [];
    try {
      await farm.startMaster();
      const ports = farm.linkPorts;
      for (let slave = 1; slave <= SLAVES; slave += 1) {
        const [slaveLink, fileLink] = [
          await LinkProxy.start(ports.slave),
          await LinkProxy.start(ports.file),
        ];
        links.push(slaveLink, fileLink);
        for (const link of [slaveLink, fileLink]) link.delayMs = PIECE_DELAY_MS;
        await farm.startSlave(slave, { slave: slaveLink.port, file: fileLink.port });
      }
      const published = async (): Promise<number> => {
        const [row] = await database.sql<{ count: number }[]>`
          select count(*)::int as count from file where placed_at is not null`;
        return row?.count ?? 0;
      };
      await farm.until("a build runs", ({ leased }) => leased > 0);
      const endAt = performance.now() + SHORTEST_MS;
      while (performance.now() < endAt || (await published()) < PACKAGES / 2) {
        if (performance.now() > endAt + PATIENCE_MS) break;
        await delay(200 + 600 * random());
        const link = links[Math.floor(random() * links.length)];
        const fault = faults[Math.floor(random() * faults.length)];
        if (link === undefined || fault === undefined) continue;
        done.push(fault.name);
        await fault.apply(link, random);
      }
      for (const link of links) link.delayMs = 0;
      const report = await farm.untilIdle(PATIENCE_MS);
      expect(report.rows.map(({ state }) => state)).toEqual(Array(PACKAGES).fill("built"));
      const counted = await database.sql<{ package: string; count: number }[]>`
        select p.name as package, count(*)::int from build b
        join version v on v.id = b.version_id join package p on p.id = v.package_id
        where b.stands group by 1`;
      expect(counted.map(({ count }) => count)).toEqual(Array(PACKAGES).fill(1));
      const files = await database.sql<{ filename: string; sha256: string }[]>`
        select filename, sha256 from file`;
      expect(files).toHaveLength(PACKAGES);
      for (const { filename, sha256 } of files) {
        const [project = ""] = filename.split("-");
        const folder = join(farm.output, "simple", project);
        expect(readdirSync(folder).filter((name) => name.endsWith(".whl"))).toEqual([filename]);
        const bytes = readFileSync(join(folder, filename));
        expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
      }
      expect(await database.sql`select 1 from lease`).toEqual([]);
      // Cut off for too long or not, the programs themselves went on.
      expect(
        ["master" as const, "slave-1" as const, "slave-2" as const].filter(
          (part) => !farm.isRunning(part),
        ),
      ).toEqual([]);
      expect(done.length).toBeGreaterThan(3);
    } catch (error) {
      throw new Error(`seed ${seed}, after ${done.join(", ")}`, { cause: error });
    } finally {
      for (const link of links) await link.close();
      await farm.end();
      await upstream.close();
      await database.end();
    }
  },
);
