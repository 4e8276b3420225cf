/**
 * How does a master do with 5,000 slaves? Each is an endpoint on a ZeroMQ socket of its own, a thousand to a process,
 * all idle at a real piw-master on a real database. Measured: from the recording of a new version to BUILD at an idle
 * slave; from a person's SLEEP, WAKE, SKIP or KILL to the socket of a slave in the middle of a build; the master's memory
 * for each slave, beside a raw ROUTER with as many raw peers; messages a second when all ask for work at once. With an
 * argument: that many slaves.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { requests } from "../db/requests.ts";
import { startSampleUpstream } from "../samples/index.ts";
import { type Child, startChild } from "./bench-child.ts";
import { type BenchFarm, startBenchFarm } from "./bench-farm.ts";
import { below, type Findings, median, runBench } from "./frame.ts";
import { quantile, rounded } from "./rounds.ts";
import { Tellings, timesToHear } from "./slaves/steering.ts";
import {
  type CrowdOrder,
  type CrowdSays,
  nowUs,
  type RawOrder,
  type RawSays,
} from "./slaves/words.ts";

const SLAVES = Number(process.argv[2] ?? 5_000);
const PER_PROCESS = 1_000;
const VERSIONS = 300;
/** Slaves that build, and are told something. */
const STEERED = 60;
/** Between two versions: each is to find the master at rest. */
const PAUSE_MS = 20;
const TARGET = "cp311-linux_x86_64";
/** Garbage of the arrivals is collected meanwhile: the least of what is seen counts. */
const SETTLE_MS = 15_000;
const BUILD_PATIENCE_MS = 60_000;

type Crowd = Child<CrowdOrder, CrowdSays>;

await runBench("slaves", async (signal) => {
  const upstream = await startSampleUpstream({ files: [] });
  try {
    const raw = await measureRaw(signal);
    const farm = await startBenchFarm({ upstream, hasSlave: false }, signal);
    try {
      return await measure(farm, raw, signal);
    } finally {
      await farm.end();
    }
  } finally {
    await upstream.close();
  }
});

/** Bytes of memory that a raw ROUTER takes for each peer. */
async function measureRaw(signal: AbortSignal): Promise<number> {
  const router = startChild<RawOrder, RawSays>("slaves-raw-child", signal);
  const crowds = startCrowds(signal, () => undefined);
  try {
    const { address } = await router.said("bound");
    const before = await settledBytes(router.pid, signal);
    await gather(crowds, "raw", address);
    return ((await settledBytes(router.pid, signal)) - before) / SLAVES;
  } finally {
    await Promise.all([router, ...crowds].map((child) => child.end()));
  }
}

async function measure(farm: BenchFarm, rawBytes: number, signal: AbortSignal): Promise<Findings> {
  const builds = new Map<string, number>();
  const builders: string[] = [];
  const tellings = new Tellings();
  const crowds = startCrowds(signal, (says) => {
    if (says.type === "told") tellings.add(says.label, says.what, says.atUs);
    if (says.type !== "build") return;
    builds.set(says.package, says.atUs);
    builders.push(says.label);
  });
  try {
    const before = await settledBytes(farm.masterPid, signal);
    const startedAt = performance.now();
    await gather(crowds, "slaves", farm.slaveQueue);
    const gatherSeconds = (performance.now() - startedAt) / 1_000;
    const bytes = ((await settledBytes(farm.masterPid, signal)) - before) / SLAVES;
    const askedAt = performance.now();
    const answered = await Promise.all(
      crowds.map((crowd) => {
        const answer = crowd.said("answered");
        crowd.tell({ type: "ask" });
        return answer;
      }),
    );
    const askSeconds = (performance.now() - askedAt) / 1_000;
    const messages = answered.reduce((sum, answer) => sum + answer.messages, 0);
    const latencies = await arrivals(farm, builds, signal);
    const steered = builders.slice(0, STEERED);
    const heardMs = await timesToHear(farm.controlQueue, steered, tellings, signal);
    const rate = messages / askSeconds;
    return findings({ rawBytes, bytes, gatherSeconds, rate, latencies, heardMs });
  } finally {
    await Promise.all(crowds.map((child) => child.end()));
  }
}

function startCrowds(signal: AbortSignal, heard: (says: CrowdSays) => void): Crowd[] {
  return Array.from({ length: Math.ceil(SLAVES / PER_PROCESS) }, () =>
    startChild<CrowdOrder, CrowdSays>("slaves-crowd-child", signal, heard),
  );
}

async function gather(
  crowds: readonly Crowd[],
  way: "slaves" | "raw",
  address: string,
): Promise<void> {
  await Promise.all(
    crowds.map((crowd, at) => {
      const here = crowd.said("here");
      const first = at * PER_PROCESS;
      const count = Math.min(PER_PROCESS, SLAVES - first);
      crowd.tell({ type: "connect", way, address, first, count, target: TARGET });
      return here;
    }),
  );
}

/** Versions that arrive one after another. In ms, from before it is recorded to BUILD at a slave. */
async function arrivals(
  { sql }: BenchFarm,
  builds: ReadonlyMap<string, number>,
  signal: AbortSignal,
): Promise<number[]> {
  const latencies: number[] = [];
  for (let at = 0; at < VERSIONS; at += 1) {
    const name = `arrival-${at}`;
    const startedUs = nowUs();
    await requests.recordProject.run(sql, {
      name,
      displayName: name,
      summary: "",
      serial: 1_000_000 + at,
      releases: [releaseOf(name)],
    });
    const deadlineAt = performance.now() + BUILD_PATIENCE_MS;
    while (!builds.has(name)) {
      if (performance.now() > deadlineAt) throw new Error(`nobody was told to build ${name}`);
      await delay(2, undefined, { signal });
    }
    latencies.push(((builds.get(name) ?? 0) - startedUs) / 1_000);
    await delay(PAUSE_MS, undefined, { signal });
  }
  return latencies;
}

function releaseOf(name: string) {
  return {
    version: "1.0",
    spelling: "1.0",
    sortKey: "0001",
    isPrerelease: false,
    releasedAt: null,
    requiresPython: null,
    yanked: null,
    sdist: {
      filename: `${name}-1.0.tar.gz`,
      url: `http://127.0.0.1:9/${name}-1.0.tar.gz`,
      sha256: "1".repeat(64),
      sizeBytes: 20_000,
    },
    skip: null,
    upstreamTags: [],
  };
}

async function settledBytes(pid: number, signal: AbortSignal): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  const endAt = performance.now() + SETTLE_MS;
  while (performance.now() < endAt) {
    least = Math.min(least, residentBytes(pid));
    await delay(250, undefined, { signal });
  }
  return least;
}

/** Of the system's account of it; not a number where there is none. */
function residentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(found?.[1]) * 1_024;
}

function findings(found: {
  readonly rawBytes: number;
  readonly bytes: number;
  readonly gatherSeconds: number;
  readonly rate: number;
  readonly latencies: readonly number[];
  readonly heardMs: readonly number[];
}): Findings {
  const { rawBytes, bytes, gatherSeconds, rate, latencies, heardMs } = found;
  const figures = {
    slaves: SLAVES,
    buildMedianMs: rounded(median(latencies)),
    buildP99Ms: rounded(quantile(latencies, 0.99)),
    buildWorstMs: rounded(Math.max(...latencies)),
    steerMedianMs: rounded(median(heardMs)),
    steerWorstMs: rounded(Math.max(...heardMs)),
    memoryKB: rounded(bytes / 1_000),
    rawMemoryKB: rounded(rawBytes / 1_000),
    memoryBeyondRawKB: rounded((bytes - rawBytes) / 1_000),
    messagesPerSecond: Math.round(rate),
    gatherSeconds: rounded(gatherSeconds),
  };
  return {
    tables: [
      {
        title: `${SLAVES} slaves, idle`,
        head: ["", "value"],
        rows: [
          ["from a version to BUILD, ms: median", `${figures.buildMedianMs}`],
          ["the same, 99 of 100", `${figures.buildP99Ms}`],
          ["the same, worst", `${figures.buildWorstMs}`],
          [
            "from SLEEP, WAKE, SKIP, KILL to the slave in mid-build, ms: median",
            `${figures.steerMedianMs}`,
          ],
          ["the same, worst", `${figures.steerWorstMs}`],
          ["memory of the master for a slave, kB", `${figures.memoryKB}`],
          ["memory of a raw ROUTER for a peer, kB", `${figures.rawMemoryKB}`],
          ["all ask for work: messages a second", `${figures.messagesPerSecond}`],
          ["until all had arrived and slept, s", `${figures.gatherSeconds}`],
        ],
      },
    ],
    notes: [
      `${VERSIONS} versions one after another; the time begins before the version is recorded, so its transaction is in it.`,
      "Memory is the resident set, the least of 15 s, before and after. Each question for work is one of the database.",
    ],
    figures,
    aims: [
      below("buildP99Ms", figures.buildP99Ms, 100, "ms"),
      below("steerWorstMs", figures.steerWorstMs, 1_000, "ms"),
      below("memoryBeyondRawKB", figures.memoryBeyondRawKB, 25, "kB"),
    ],
  };
}
