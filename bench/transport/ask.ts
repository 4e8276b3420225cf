/** Remote asks at several depths, beside raw ZeroMQ with one frame per call; and what one alone takes. */
import { atLeast, atMost, type Findings } from "../frame.ts";
import { askForMs } from "../in-flight.ts";
import { Comparison, figure, playRounds, quantile, rounded } from "../rounds.ts";
import {
  type Caller,
  type Callers,
  CURVE,
  IPC,
  RAW,
  RAW_IPC,
  REF,
  REF_CURVE,
  TCP,
} from "./callers.ts";

const DEPTHS = [1, 8, 64, 512];
const DEEPEST = 512;
const ROUNDS = 5;
const ROUND_MS = 300;
const AIM = 3;
/** Per cent that CURVE may cost. */
const CURVE_AIM = 20;

export async function askQuestion(callers: Callers, signal: AbortSignal): Promise<Findings> {
  const all: readonly Caller[] = [...callers.raw, ...callers.endpoints, ...callers.refs];
  const latencies = new Map<string, number[]>(all.map(({ name }) => [name, []]));
  const rates = new Map<number, Comparison>();
  for (const depth of DEPTHS) {
    const contenders = all.map(({ name, ask }) => ({
      name,
      play: async () =>
        await askForMs(depth, ROUND_MS, depth === 1 ? timed(ask, latencies.get(name)) : ask),
    }));
    rates.set(depth, new Comparison(await playRounds(contenders, ROUNDS, signal)));
  }
  const deepest = rates.get(DEEPEST);
  if (deepest === undefined) throw new Error("nothing was asked");
  const ratio = rounded(deepest.ratio(TCP, RAW));
  const ipcRatio = rounded(deepest.ratio(IPC, RAW_IPC));
  const curveCost = rounded((1 - deepest.ratio(CURVE, TCP)) * 100);
  const refRatio = rounded(deepest.ratio(REF, RAW));
  const refCurveCost = rounded((1 - deepest.ratio(REF_CURVE, REF)) * 100);
  const latency = (name: string, share: number): number =>
    quantile(latencies.get(name) ?? [], share);
  return {
    tables: [
      ...[...rates].map(([depth, result]) =>
        result.table(`ask, ${depth} in flight`, "per second", RAW),
      ),
      {
        title: "ask, 1 in flight: how long it takes, in ms",
        head: ["", "median", "p99"],
        rows: all.map(({ name }) => [
          name,
          ...[0.5, 0.99].map((share) => figure(latency(name, share))),
        ]),
      },
    ],
    notes: [
      "Remote refs: an ask of an actor of another node, in order, acknowledged, sent again where it is lost.",
      "Raw: one msgpack frame per call, nothing checked. Endpoints: validated on arrival, question and answer.",
    ],
    figures: {
      rawAskPerSecond: Math.round(deepest.median(RAW)),
      askPerSecond: Math.round(deepest.median(TCP)),
      askToRaw: ratio,
      askToRawOverIpc: ipcRatio,
      refAskPerSecond: Math.round(deepest.median(REF)),
      refAskToRaw: refRatio,
      curveCostPercent: curveCost,
      refCurveCostPercent: refCurveCost,
      askLatencyMs: rounded(latency(TCP, 0.5)),
      askLatencyP99Ms: rounded(latency(TCP, 0.99)),
      rawAskLatencyMs: rounded(latency(RAW, 0.5)),
    },
    aims: [
      atLeast("askToRaw", ratio, AIM, "times"),
      atLeast("refAskToRaw", refRatio, AIM, "times"),
      atMost("curveCostPercent", curveCost, CURVE_AIM, "%"),
      atMost("refCurveCostPercent", refCurveCost, CURVE_AIM, "%"),
    ],
  };
}

const timed =
  (ask: Caller["ask"], samples: number[] | undefined): Caller["ask"] =>
  async (n) => {
    const askedAtMs = performance.now();
    const answer = await ask(n);
    samples?.push(performance.now() - askedAtMs);
    return answer;
  };
