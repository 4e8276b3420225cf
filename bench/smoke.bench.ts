/**
 * How long does a version take from its appearing upstream to its wheel being installable, and how much of
 * that is not the build itself? The farm in dev mode beside the bare `pip wheel` on the same sdist, by
 * turns in the same run.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Interpreter, probeInterpreter } from "../actors/slave/interpreter.ts";
import { masterTimes } from "../config/times.ts";
import { type SampleUpstream, startSampleUpstream } from "../samples/index.ts";
import { barePipWheel } from "./bare-pip.ts";
import { type BenchFarm, startBenchFarm } from "./bench-farm.ts";
import { untilPolled, untilQuiet, type WalkInstants, walkOnce } from "./build-walk.ts";
import { below, type Findings, median, runBench } from "./frame.ts";
import { tinySdist } from "./tiny-sdist.ts";

const ROUNDS = 9;
const PACKAGE = "wwbench";
const AIM_MS = 1_000;

interface Round {
  readonly bareMs: number;
  readonly farmMs: number;
  readonly instants: WalkInstants;
}

interface Place {
  readonly farm: BenchFarm;
  readonly upstream: SampleUpstream;
  readonly interpreter: Interpreter;
}

/** [what happens, from, to]: one after the other they are the whole walk. */
const stages = [
  ["wait for the next poll of the changelog", "publishedAt", "noticedAt"],
  ["changelog taken up, project asked for", "noticedAt", "readAt"],
  ["release recorded, slave woken, lease begun", "readAt", "leasedAt"],
  ["order on its way to the slave", "leasedAt", "orderedAt"],
  ["folders made, sdist asked for", "orderedAt", "fetchedAt"],
  ["sdist fetched, pip, wheel checked, outbox", "fetchedAt", "builtAt"],
  ["files pulled and verified", "builtAt", "settledAt"],
  ["settled, placed under public names", "settledAt", "placedAt"],
  ["page written", "placedAt", "writtenAt"],
  ["page and wheel served", "writtenAt", "installableAt"],
] as const satisfies readonly (readonly [string, keyof WalkInstants, keyof WalkInstants])[];

await runBench("smoke", async (signal) => {
  const interpreter = await probeInterpreter("python3", { signal });
  const upstream = await startSampleUpstream({ files: [] });
  try {
    const farm = await startBenchFarm({ upstream }, signal);
    try {
      return await measure({ farm, upstream, interpreter }, signal);
    } finally {
      await farm.end();
    }
  } finally {
    await upstream.close();
  }
});

async function measure(place: Place, signal: AbortSignal): Promise<Findings> {
  // The first of both warms Python's caches; of the farm it is what a farm just started does.
  const first = await measureRound(place, 0, signal);
  const rounds: Round[] = [];
  for (let number = 1; number <= ROUNDS; number += 1)
    rounds.push(await measureRound(place, number, signal));
  return findings(first, rounds);
}

/** The bare command before and after, so that what else the machine does falls on both alike. */
async function measureRound(place: Place, number: number, signal: AbortSignal): Promise<Round> {
  const { farm, upstream, interpreter } = place;
  const version = `1.${number}`;
  const sdist = tinySdist(PACKAGE, version);
  const bare = () =>
    barePipWheel(
      {
        interpreter,
        package: PACKAGE,
        sdist,
        upstreamIndex: upstream.simpleUrl,
        farmIndex: `${farm.siteUrl}/simple`,
        folder: farm.folder,
      },
      signal,
    );
  const walk = async () => {
    await untilQuiet(farm, signal);
    await untilPolled(upstream, signal);
    await delay(phaseMs(number), undefined, { signal });
    const walked = await walkOnce({ farm, upstream, package: PACKAGE, version, sdist, signal });
    await untilQuiet(farm, signal);
    return walked;
  };
  const before = await bare();
  const walked = await walk();
  const after = await bare();
  if (before.wheelSha256 !== walked.wheelSha256)
    throw new Error(`round ${number}: the farm's wheel is not that of the bare pip`);
  const { instants } = walked;
  return {
    bareMs: (before.durationMs + after.durationMs) / 2,
    farmMs: instants.installableAt - instants.publishedAt,
    instants,
  };
}

/**
 * When to publish after a poll: spread evenly over the poll interval, so that the wait for the next one is
 * that of versions which come at any time, and the same in every run.
 */
function phaseMs(number: number): number {
  return (((number + ROUNDS - 0.5) % ROUNDS) / ROUNDS) * masterTimes(true).cloudGazerPollMs;
}

function findings(first: Round, rounds: readonly Round[]): Findings {
  const medianOf = (value: (round: Round) => number): number =>
    Math.round(median(rounds.map(value)));
  const added = ({ farmMs, bareMs }: Round): number => farmMs - bareMs;
  const stageMs = stages.map(([, from, to]) =>
    medianOf(({ instants }) => instants[to] - instants[from]),
  );
  const pollWait = ({ instants }: Round): number => instants.noticedAt - instants.publishedAt;
  const figures = {
    farmMs: medianOf(({ farmMs }) => farmMs),
    bareMs: medianOf(({ bareMs }) => bareMs),
    addedMs: medianOf(added),
    pollWaitMs: medianOf(pollWait),
    addedAfterNoticeMs: medianOf((round) => added(round) - pollWait(round)),
    firstAddedAfterNoticeMs: Math.round(added(first) - pollWait(first)),
    rounds: rounds.length,
  };
  return {
    tables: [
      {
        title: "Each round, in ms",
        head: ["round", "bare pip", "farm", "added", "of it wait for poll", "the rest"],
        rows: rounds.map((round, index) => [
          `${index + 1}`,
          ...[round.bareMs, round.farmMs, added(round), pollWait(round)].map(whole),
          whole(added(round) - pollWait(round)),
        ]),
      },
      {
        title: "Where the farm's time goes: medians, in ms",
        head: ["step", "takes", "since publish"],
        rows: stages.map(([what, , to], index) => [
          what,
          whole(stageMs[index] ?? Number.NaN),
          whole(medianOf(({ instants }) => instants[to] - instants.publishedAt)),
        ]),
      },
    ],
    notes: [
      "added: the farm's time less the bare pip's, which ran before and after it in the same round.",
      "The step of pip holds the bare time.",
      "Each step's median is its own: they need not add up.",
      "Versions appear at instants spread evenly over the poll interval of dev mode.",
    ],
    figures,
    aims: [below("addedMs", figures.addedMs, AIM_MS, "ms")],
  };
}

function whole(value: number): string {
  return String(Math.round(value));
}
