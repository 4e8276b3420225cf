/** What an actor weighs: ten thousand of them in a process that does nothing else. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { dispatch, type Ref, spawn, start } from "nact";
import { createActor, fromTransition } from "xstate";
import { dynamicSupervisor } from "../../supervisor/index.ts";
import { type Findings, median } from "../frame.ts";
import { type Contender, figure, rounded } from "../rounds.ts";
import { playOnce } from "./apart.ts";
import { type MemberMessages, startCrowd } from "./crowd.ts";
import { heapBytes } from "./heap.ts";
import { NACT, PLAIN, PlainActor, RUNTIME, withSystem, XSTATE } from "./stage.ts";

const CROWD = 10_000;
/** Made before the others are weighed, so that what all of them share is not counted. */
const WARM_UP = 100;
const ROUNDS = 3;

interface CrowdWeight {
  readonly idleBytesPerActor: number;
  readonly usedBytesPerActor: number;
}

export async function memoryQuestion(signal: AbortSignal): Promise<Findings> {
  const weights = new Map<string, CrowdWeight[]>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, weight] of await playOnce("memory", crowds(), signal))
      weights.set(name, [...(weights.get(name) ?? []), weight]);
  }
  const bytes = (name: string, which: keyof CrowdWeight): number =>
    median((weights.get(name) ?? []).map((weight) => weight[which]));
  const idleBytes = (name: string): number => bytes(name, "idleBytesPerActor");
  return {
    tables: [
      {
        title: "memory per actor, of 10,000: heap after collection, bytes",
        head: ["", "idle", "after one message", `idle / ${NACT}`],
        rows: [...weights.keys()].map((name) => [
          name,
          figure(idleBytes(name)),
          figure(bytes(name, "usedBytesPerActor")),
          rounded(idleBytes(name) / idleBytes(NACT)).toString(),
        ]),
      },
    ],
    notes: [],
    figures: {
      idleBytesPerActor: Math.round(idleBytes(RUNTIME)),
      idleBytesPerActorToNact: rounded(idleBytes(RUNTIME) / idleBytes(NACT)),
    },
    aims: [],
  };
}

export const crowds = (): Contender<CrowdWeight>[] => [
  { name: RUNTIME, play: weighOwn },
  { name: NACT, play: weighNact },
  { name: PLAIN, play: weighPlain },
  { name: XSTATE, play: weighXstate },
];

async function weighOwn(): Promise<CrowdWeight> {
  return await withSystem(
    [dynamicSupervisor("warm"), dynamicSupervisor("crowd")],
    async (system) =>
      await weigh(
        async (place, size, handled) => {
          await startCrowd((_path, spec) => system.startChild(`/${place}`, spec), size, handled);
        },
        () => {
          for (let n = 0; n < CROWD; n += 1)
            system.ref<MemberMessages>(`/crowd/member-${n}`).tell("NOTE");
        },
      ),
  );
}

async function weighNact(): Promise<CrowdWeight> {
  const systems = { warm: start(), crowd: start() };
  let crowd: Ref<"note">[] = [];
  return await weigh(
    (place, size, handled) => {
      const note = (_state: undefined, _message: "note"): undefined => {
        handled();
      };
      crowd = Array.from({ length: size }, (_, n) => spawn(systems[place], note, `member-${n}`));
    },
    () => {
      for (const one of crowd) dispatch(one, "note");
    },
  );
}

async function weighPlain(): Promise<CrowdWeight> {
  let crowd: PlainActor<"note">[] = [];
  return await weigh(
    (_place, size, handled) => {
      crowd = Array.from({ length: size }, () => new PlainActor<"note">(handled));
    },
    () => {
      for (const one of crowd) one.send("note");
    },
  );
}

async function weighXstate(): Promise<CrowdWeight> {
  let crowd: { send(event: { readonly type: "NOTE" }): void }[] = [];
  return await weigh(
    (_place, size, handled) => {
      const logic = fromTransition((state: undefined) => {
        handled();
        return state;
      }, undefined);
      crowd = Array.from({ length: size }, () => createActor(logic).start());
    },
    () => {
      for (const one of crowd) one.send({ type: "NOTE" });
    },
  );
}

async function weigh(
  make: (place: "warm" | "crowd", size: number, handled: () => void) => Promise<void> | void,
  tellAll: () => void,
): Promise<CrowdWeight> {
  let handled = 0;
  const count = (): void => {
    handled += 1;
  };
  await make("warm", WARM_UP, count);
  const beforeBytes = await heapBytes();
  await make("crowd", CROWD, count);
  const idleBytes = await heapBytes();
  tellAll();
  while (handled < CROWD) await nextTurn();
  const usedBytes = await heapBytes();
  return {
    idleBytesPerActor: (idleBytes - beforeBytes) / CROWD,
    usedBytesPerActor: (usedBytes - beforeBytes) / CROWD,
  };
}
