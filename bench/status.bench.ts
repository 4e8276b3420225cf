/**
 * What does the status stream cost a master with 5,000 slaves? They say IDLE as often as busy ones say BUSY (every 30 s),
 * each with the figures of its machine. By turns, in one run: nobody listens, a monitor reads, and one has stopped reading
 * (SIGSTOP). Measured is the processor time of the master's process, and its memory. With an argument: that many slaves.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { controlLink } from "../protocol/links/control.ts";
import { codec, connectEndpoint } from "../protocol/transport/index.ts";
import { startSampleUpstream } from "../samples/index.ts";
import { silentLogger } from "../supervisor/index.ts";
import { type Child, startChild } from "./bench-child.ts";
import { type BenchFarm, startBenchFarm } from "./bench-farm.ts";
import { below, type Findings, median, runBench } from "./frame.ts";
import { rounded } from "./rounds.ts";
import type { CrowdOrder, CrowdSays, ListenerOrder, ListenerSays } from "./slaves/words.ts";

const SLAVES = Number(process.argv[2] ?? 5_000);
const PER_PROCESS = 1_000;
const EVERY_MS = 30_000;
const TURNS = 7;
const TURN_MS = 10_000;
const TICKS_PER_SECOND = 100;
const TARGET = "cp311-linux_x86_64";

type Crowd = Child<CrowdOrder, CrowdSays>;
type Listener = Child<ListenerOrder, ListenerSays>;
type Way = "nobody" | "reads" | "stopped";
const ways = ["nobody", "reads", "stopped"] as const satisfies readonly Way[];

await runBench("status", async (signal) => {
  const upstream = await startSampleUpstream({ files: [] });
  try {
    const farm = await startBenchFarm({ upstream, hasSlave: false }, signal);
    try {
      return await measure(farm, signal);
    } finally {
      await farm.end();
    }
  } finally {
    await upstream.close();
  }
});

async function measure(farm: BenchFarm, signal: AbortSignal): Promise<Findings> {
  const crowds: Crowd[] = Array.from({ length: Math.ceil(SLAVES / PER_PROCESS) }, () =>
    startChild<CrowdOrder, CrowdSays>("slaves-crowd-child", signal),
  );
  const listener: Listener = startChild<ListenerOrder, ListenerSays>(
    "status-listener-child",
    signal,
  );
  try {
    await Promise.all(
      crowds.map((crowd, at) => {
        const here = crowd.said("here");
        const first = at * PER_PROCESS;
        const count = Math.min(PER_PROCESS, SLAVES - first);
        const address = farm.slaveQueue;
        crowd.tell({ type: "connect", way: "slaves", address, first, count, target: TARGET });
        return here;
      }),
    );
    await Promise.all(
      crowds.map((crowd) => {
        const paced = crowd.said("paced");
        crowd.tell({ type: "pace", everyMs: EVERY_MS });
        return paced;
      }),
    );
    const trees = await measureTrees(farm.controlQueue);
    // All have spoken once at their new pace.
    await delay(EVERY_MS, undefined, { signal });
    const shares: Record<Way, number[]> = { nobody: [], reads: [], stopped: [] };
    const memory: Record<Way, number[]> = { nobody: [], reads: [], stopped: [] };
    let events = 0;
    for (let turn = 0; turn < TURNS; turn += 1)
      for (const way of turn % 2 === 0 ? ways : ways.toReversed()) {
        if (way !== "nobody") {
          const listening = listener.said("listening");
          listener.tell({ type: "listen", address: farm.statusQueue });
          await listening;
        }
        if (way === "stopped") process.kill(listener.pid, "SIGSTOP");
        const before = cpuSeconds(farm.masterPid);
        const startedAt = performance.now();
        await delay(TURN_MS, undefined, { signal });
        const seconds = (performance.now() - startedAt) / 1_000;
        shares[way].push(((cpuSeconds(farm.masterPid) - before) / seconds) * 100);
        memory[way].push(residentBytes(farm.masterPid));
        if (way === "stopped") process.kill(listener.pid, "SIGCONT");
        if (way !== "nobody") {
          const silent = listener.said("silent");
          listener.tell({ type: "deaf" });
          const { heard } = await silent;
          if (way === "reads") events += heard / seconds / TURNS;
        }
      }
    return findings({ shares, memory, events, trees });
  } finally {
    process.kill(listener.pid, "SIGCONT");
    await Promise.all([...crowds, listener].map((child) => child.end()));
  }
}

interface Tree {
  readonly bytes: number;
  readonly ms: number;
}

/** What a monitor's look at the tree takes, with all sessions and without. */
async function measureTrees(address: string): Promise<{ whole: Tree; short: Tree }> {
  const control = connectEndpoint(controlLink, {
    address,
    log: silentLogger,
    handlers: { up: () => undefined, message: () => undefined, down: () => undefined },
  });
  const ask = async (sessions: boolean): Promise<Tree> => {
    const startedAt = performance.now();
    const answer = await control.ask("TREE", { sessions }, 60_000);
    return { ms: performance.now() - startedAt, bytes: codec.encode(answer).length };
  };
  try {
    for (let left = 100; left > 0; left -= 1) {
      const isUp = await ask(false).then(
        () => true,
        () => false,
      );
      if (isUp) break;
      await delay(100);
    }
    return { whole: await ask(true), short: await ask(false) };
  } finally {
    await control.close();
  }
}

/** Of all threads. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function residentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(found?.[1]) * 1_024;
}

function findings(found: {
  readonly shares: Readonly<Record<Way, readonly number[]>>;
  readonly memory: Readonly<Record<Way, readonly number[]>>;
  readonly events: number;
  readonly trees: { readonly whole: Tree; readonly short: Tree };
}): Findings {
  const { shares, memory, events, trees } = found;
  // Turn by turn, beside the turn of the same time without a listener.
  const beside = (way: Way): number =>
    median(shares[way].map((share, turn) => share - (shares.nobody[turn] ?? 0)));
  const figures = {
    slaves: SLAVES,
    eventsPerSecond: rounded(events),
    nobodyPercent: rounded(median([...shares.nobody])),
    readsPercent: rounded(median([...shares.reads])),
    stoppedPercent: rounded(median([...shares.stopped])),
    streamPercent: rounded(beside("reads")),
    stoppedReaderPercent: rounded(beside("stopped")),
    stoppedReaderMB: rounded((median([...memory.stopped]) - median([...memory.nobody])) / 1e6),
    treeKB: rounded(trees.short.bytes / 1_000),
    treeMs: rounded(trees.short.ms),
    wholeTreeKB: rounded(trees.whole.bytes / 1_000),
    wholeTreeMs: rounded(trees.whole.ms),
  };
  return {
    tables: [
      {
        title: `${SLAVES} slaves, each with a word every ${EVERY_MS / 1_000} s`,
        head: ["", "processor time of the master, % of a core", "beyond nobody, by turns"],
        rows: [
          ["nobody listens", `${figures.nobodyPercent}`, ""],
          ["a monitor reads", `${figures.readsPercent}`, `${figures.streamPercent}`],
          ["a monitor has stopped", `${figures.stoppedPercent}`, `${figures.stoppedReaderPercent}`],
        ],
      },
      {
        title: "The tree",
        head: ["", "kB", "ms"],
        rows: [
          ["as monitors ask for it", `${figures.treeKB}`, `${figures.treeMs}`],
          ["with all sessions", `${figures.wholeTreeKB}`, `${figures.wholeTreeMs}`],
        ],
      },
    ],
    notes: [
      `${figures.eventsPerSecond} events a second; ${TURNS} turns of ${TURN_MS / 1_000} s of each kind; medians.`,
      `With a monitor that has stopped the master's resident set is ${figures.stoppedReaderMB} MB larger.`,
    ],
    figures,
    aims: [
      below("streamPercent", figures.streamPercent, 5, "% of a core"),
      below("stoppedReaderPercent", figures.stoppedReaderPercent, 5, "% of a core"),
      below("stoppedReaderMB", figures.stoppedReaderMB, 10, "MB"),
      below("treeKB", figures.treeKB, 100, "kB"),
    ],
  };
}
