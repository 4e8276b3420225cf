/** From a crash to the first message that the next incarnation handles. */
import { dispatch, spawn } from "nact";
import { type Clock, child, defineActor, systemClock } from "../../supervisor/index.ts";
import { below, type Findings } from "../frame.ts";
import { Gate } from "../gate.ts";
import { type Contender, figure, quantile, rounded } from "../rounds.ts";
import { playApart } from "./apart.ts";
import { NACT, RUNTIME, withNact, withSystem } from "./stage.ts";

const SAMPLES = 100;
const ROUNDS = 4;
const AIM_MS = 2;

/** Of one crash. */
interface Sample {
  readonly tookMs: number;
  /** The back-off of the supervisor, as waited: Node's timers know no less than a millisecond. */
  readonly backoffMs: number;
  readonly initMs: number;
}

export const patients = (): Contender<Sample[]>[] => [
  { name: RUNTIME, play: ownRestarts },
  { name: NACT, play: nactRestarts },
];

export async function restartQuestion(signal: AbortSignal): Promise<Findings> {
  const rounds = await playApart("restart", patients(), ROUNDS, signal);
  const own = (rounds.get(RUNTIME) ?? []).flat();
  const nact = (rounds.get(NACT) ?? []).flat().map(({ tookMs }) => tookMs);
  const added = own.map(({ tookMs, backoffMs, initMs }) => tookMs - backoffMs - initMs);
  const medianMs = rounded(quantile(added, 0.5));
  const row = (name: string, values: readonly number[]): string[] => [
    name,
    ...[0.5, 0.99, 1].map((share) => figure(quantile(values, share))),
  ];
  return {
    tables: [
      {
        title: "restart: crash to the first message handled by the next incarnation, in ms",
        head: ["", "median", "p99", "highest"],
        rows: [
          row(`${RUNTIME}, less its init and its back-off`, added),
          row(
            `${RUNTIME}, back-off of next to nothing`,
            own.map(({ tookMs }) => tookMs),
          ),
          row(`${NACT}, reset in onCrash`, nact),
        ],
      },
    ],
    notes: [`Restarts: ${own.length} of each; nact's reset has no init, stop or back-off.`],
    figures: {
      restartMs: medianMs,
      restartP99Ms: rounded(quantile(added, 0.99)),
      nactResetMs: rounded(quantile(nact, 0.5)),
    },
    aims: [below("restartMs", medianMs, AIM_MS, "ms")],
  };
}

interface PatientMessages {
  CRASH(): void;
  NOTE(): void;
}

async function ownRestarts(signal: AbortSignal): Promise<Sample[]> {
  const samples: Sample[] = [];
  let [crashedAtMs, initMs, backoffMs] = [0, 0, 0];
  let gate = new Gate();
  const patient = defineActor<PatientMessages>({
    name: "crashes when told",
    async init() {
      const startedAtMs = performance.now();
      await Promise.resolve();
      initMs = performance.now() - startedAtMs;
    },
    handle: {
      CRASH: () => {
        crashedAtMs = performance.now();
        throw new Error("on purpose");
      },
      NOTE: () => {
        samples.push({ tookMs: performance.now() - crashedAtMs, backoffMs, initMs });
        gate.open();
      },
    },
  });
  const clock: Clock = {
    ...systemClock,
    setTimer(delayMs, callback) {
      // Nothing else waits for so short a time.
      if (delayMs > 0.01) return systemClock.setTimer(delayMs, callback);
      const setAtMs = performance.now();
      return systemClock.setTimer(delayMs, () => {
        backoffMs = performance.now() - setAtMs;
        callback();
      });
    },
  };
  return await withSystem(
    [child("patient", patient, undefined)],
    async (system) => {
      const ref = system.ref<PatientMessages>("/patient");
      while (samples.length < SAMPLES) {
        gate = new Gate();
        ref.tell("CRASH");
        ref.tell("NOTE");
        await gate.passed(signal);
      }
      return samples;
    },
    { clock },
  );
}

async function nactRestarts(signal: AbortSignal): Promise<Sample[]> {
  return await withNact(async (system) => {
    const samples: Sample[] = [];
    let crashedAtMs = 0;
    let gate = new Gate();
    const patient = spawn(
      system,
      (_state: undefined, message: "crash" | "note"): undefined => {
        if (message === "crash") {
          crashedAtMs = performance.now();
          throw new Error("on purpose");
        }
        samples.push({ tookMs: performance.now() - crashedAtMs, backoffMs: 0, initMs: 0 });
        gate.open();
      },
      "patient",
      { onCrash: (_message, _error, ctx) => ctx.reset },
    );
    while (samples.length < SAMPLES) {
      gate = new Gate();
      dispatch(patient, "crash");
      dispatch(patient, "note");
      await gate.passed(signal);
    }
    return samples;
  });
}
