/** Memory of an actor that is given ten times what it can do. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { dispatch, spawn } from "nact";
import { child, defineActor } from "../../supervisor/index.ts";
import { below, type Findings } from "../frame.ts";
import { type Contender, figure, rounded } from "../rounds.ts";
import { playOnce } from "./apart.ts";
import { heapBytes } from "./heap.ts";
import { NACT, RUNTIME, withNact, withSystem } from "./stage.ts";

/** Messages in a turn of the event loop, of which one can be handled. */
const OVERLOAD = 10;
const LASTS_MS = 5_000;
const LOOK_EVERY_MS = 1_000;
const AIM_MIB = 5;
const MIB = 1024 * 1024;

interface OverloadWeight {
  /** Every second; the heap after a collection. */
  readonly heapBytes: readonly number[];
  readonly residentBytes: readonly number[];
  readonly offered: number;
  readonly handled: number;
}

interface Load {
  readonly numbers: readonly number[];
}
interface SlowMessages {
  WORK(load: Load): Promise<void>;
}

export async function overloadQuestion(signal: AbortSignal): Promise<Findings> {
  const weights = await playOnce("overload", overloaded(), signal);
  const growthMiB = (name: string): number =>
    rounded(growth(weights.get(name)?.heapBytes ?? []) / MIB);
  return {
    tables: [
      {
        title: "ten times overload, bodies of 1 kB: growth from the first second to the fifth, MiB",
        head: ["", "heap", "resident", "heap at the end", "offered", "handled"],
        rows: [...weights].map(([name, weight]) => [
          name,
          figure(growth(weight.heapBytes) / MIB),
          figure(growth(weight.residentBytes) / MIB),
          figure((weight.heapBytes.at(-1) ?? Number.NaN) / MIB),
          figure(weight.offered),
          figure(weight.handled),
        ]),
      },
    ],
    notes: [
      "Overload: each turn of the event loop offers ten messages to an actor that handles one in it.",
      "The runtime's mailbox holds 10,000 and rejects the rest; the sender is told.",
    ],
    figures: {
      overloadGrowthMiB: growthMiB(RUNTIME),
      nactOverloadGrowthMiB: growthMiB(NACT),
    },
    aims: [below("overloadGrowthMiB", growthMiB(RUNTIME), AIM_MIB, "MiB")],
  };
}

export const overloaded = (): Contender<OverloadWeight>[] => [
  {
    name: RUNTIME,
    play: async () => {
      const progress = { handled: 0 };
      const slow = defineActor<SlowMessages>({
        name: "one message in a turn",
        init: () => undefined,
        handle: {
          WORK: async () => {
            await nextTurn();
            progress.handled += 1;
          },
        },
      });
      return await withSystem([child("slow", slow, undefined)], async (system) => {
        const ref = system.ref<SlowMessages>("/slow");
        return await overload(progress, (load) => {
          ref.tell("WORK", load);
        });
      });
    },
  },
  {
    name: NACT,
    play: async () =>
      await withNact(async (system) => {
        const progress = { handled: 0 };
        const slow = spawn(
          system,
          // nact itself handles one message in a turn.
          (_state: undefined, _load: Load): undefined => {
            progress.handled += 1;
          },
          "slow",
        );
        return await overload(progress, (load) => {
          dispatch(slow, load);
        });
      }),
  },
];

async function overload(
  progress: { readonly handled: number },
  offer: (load: Load) => void,
): Promise<OverloadWeight> {
  const heap: number[] = [];
  const resident: number[] = [];
  const startedAtMs = performance.now();
  let offered = 0;
  while (heap.length < LASTS_MS / LOOK_EVERY_MS) {
    for (let n = 0; n < OVERLOAD; n += 1) {
      offered += 1;
      offer({ numbers: new Array<number>(128).fill(offered) });
    }
    if (performance.now() - startedAtMs >= (heap.length + 1) * LOOK_EVERY_MS) {
      heap.push(await heapBytes());
      resident.push(process.memoryUsage().rss);
    }
    await nextTurn();
  }
  return { heapBytes: heap, residentBytes: resident, offered, handled: progress.handled };
}

const growth = (bytes: readonly number[]): number =>
  (bytes.at(-1) ?? Number.NaN) - (bytes[0] ?? Number.NaN);
