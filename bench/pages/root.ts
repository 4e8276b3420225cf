/**
 * What does one change cost the root of the index at the size of PyPI? The names are made up, as long as PyPI's;
 * the storage is on a real disk, beside the system's temporary files. A part of the bench `pages`.
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { RootIndex } from "../../web/index/root-index.ts";
import { openLocalStorage } from "../../web/storage.ts";
import { below, type Findings, median } from "../frame.ts";

/** As many as PyPI has. */
export const PROJECTS = 740_000;
const ROUNDS = 15;
const MIB = 1024 ** 2;

export interface Cost {
  readonly wallMs: number;
  /** Of all threads: what is compressed is so beside the event loop. */
  readonly processorMs: number;
  readonly holdMs: number;
  readonly peakMiB: number;
}

export async function measureRoot(signal: AbortSignal): Promise<Findings> {
  const output = await mkdtemp(join(tmpdir(), "bench-root-"));
  try {
    const storage = await openLocalStorage(output);
    const root = new RootIndex(storage);
    const names = madeUpNames();
    const baseMiB = process.memoryUsage.rss() / MIB;
    const first = await costOf(() => root.make(stretches(names)));
    const changes: Cost[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      signal.throwIfAborted();
      // One comes, one goes, anywhere.
      const known = names[(round * 49_999) % names.length] ?? "";
      const change: [string, boolean] = round % 2 === 0 ? [`${known}-x`, true] : [known, false];
      changes.push(await costOf(() => root.change(new Map([change]))));
    }
    const restarted = new RootIndex(storage);
    const restart = await costOf(async () => {
      if (!(await restarted.isMade())) throw new Error("the root is made no more");
      await restarted.change(new Map());
    });
    const sizes = await Promise.all(
      ["index.html", "index.html.gz", "index.v1+json", "index.v1+json.gz"].map(async (name) => [
        name,
        `${((await stat(join(output, "simple", name))).size / MIB).toFixed(1)} MiB`,
      ]),
    );
    const each = (of: (cost: Cost) => number) => Math.round(median(changes.map(of)));
    const worst = (of: (cost: Cost) => number) => Math.round(Math.max(...changes.map(of)));
    const processorMs = each((cost) => cost.processorMs);
    return {
      tables: [
        {
          title: `The root of the index with ${PROJECTS.toLocaleString("en")} projects`,
          head: ["", "processor ms", "wall ms", "event loop held ms", "memory over the base, MiB"],
          rows: [
            ["made as a whole", ...line(first, baseMiB)],
            [
              `one change, median of ${ROUNDS}`,
              String(processorMs),
              String(each((cost) => cost.wallMs)),
              String(each((cost) => cost.holdMs)),
              String(Math.round(each((cost) => cost.peakMiB) - baseMiB)),
            ],
            [
              "one change, worst",
              String(worst((cost) => cost.processorMs)),
              String(worst((cost) => cost.wallMs)),
              String(worst((cost) => cost.holdMs)),
              String(Math.round(worst((cost) => cost.peakMiB) - baseMiB)),
            ],
            ["after a restart", ...line(restart, baseMiB)],
          ],
        },
        { title: "What is served", head: ["file", "size"], rows: sizes },
      ],
      notes: ["Each writes both renderings and their gzip, and waits until they are on disk."],
      figures: {
        rootChangeProcessorMs: processorMs,
        rootChangeWallMs: each((cost) => cost.wallMs),
        rootChangeHoldMs: each((cost) => cost.holdMs),
        rootMakeProcessorMs: Math.round(first.processorMs),
        rootMakeWallMs: Math.round(first.wallMs),
      },
      aims: [below("one change in the root, processor time", processorMs, 200, "ms")],
    };
  } finally {
    await rm(output, { recursive: true, force: true });
  }
}

const line = ({ processorMs, wallMs, holdMs, peakMiB }: Cost, baseMiB: number): string[] => [
  String(Math.round(processorMs)),
  String(Math.round(wallMs)),
  String(Math.round(holdMs)),
  String(Math.round(peakMiB - baseMiB)),
];

export async function costOf(work: () => Promise<unknown>): Promise<Cost> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let peakMiB = 0;
  const look = (): void => {
    peakMiB = Math.max(peakMiB, process.memoryUsage.rss() / MIB);
  };
  const watch = setInterval(look, 20);
  delay.enable();
  const [startedAt, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  const wallMs = performance.now() - startedAt;
  look();
  delay.disable();
  clearInterval(watch);
  return { wallMs, processorMs: (user + system) / 1_000, holdMs: delay.max / 1e6, peakMiB };
}

/** Canonical names, 15 characters long in the mean as on PyPI, in order. */
export function madeUpNames(): string[] {
  const words =
    "py data flow test lib core api tool kit net graph bot ml sdk web cloud async type".split(" ");
  const names = new Set<string>();
  let seed = 7;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  while (names.size < PROJECTS) {
    const letters = Array.from({ length: 6 + next(13) }, () => String.fromCharCode(97 + next(26)));
    const some = Array.from({ length: next(2) }, () => words[next(words.length)] ?? "");
    names.add([letters.join(""), ...some].join("-"));
  }
  return [...names].sort();
}

async function* stretches(names: readonly string[]) {
  for (let from = 0; from < names.length; from += 20_000) {
    await Promise.resolve();
    yield names.slice(from, from + 20_000);
  }
}
