/** Ten thousand actors: spawned, each told one message, and what their number costs the one who has them. */
import { dispatch, type Ref, spawn } from "nact";
import { createActor, fromTransition } from "xstate";
import { child, defineActor, dynamicSupervisor, type System } from "../../supervisor/index.ts";
import type { Findings } from "../frame.ts";
import { Gate } from "../gate.ts";
import { Comparison, type Contender, rounded } from "../rounds.ts";
import { playApart } from "./apart.ts";
import {
  NACT,
  PLAIN,
  PlainActor,
  perSecond,
  RUNTIME,
  withNact,
  withSystem,
  XSTATE,
} from "./stage.ts";

const CROWD = 10_000;
const ROUNDS = 3;
/** Messages to the one who has them. nact is given few: each costs it two milliseconds. */
const TO_PARENT = 20_000;
const TO_NACT_PARENT = 200;

export interface MemberMessages {
  NOTE(): void;
}
export const member = defineActor<MemberMessages, () => void, () => void>({
  name: "one of many",
  init: (_ctx, handled) => handled,
  handle: {
    NOTE: (handled) => {
      handled();
    },
  },
});

export const spawners = (): Contender[] => [ownSpawn(), nactSpawn(), plainSpawn(), xstateSpawn()];
export const fanOuts = (): Contender[] => [
  ownFanOut(),
  nactFanOut(),
  plainFanOut(),
  xstateFanOut(),
];
export const parents = (): Contender[] => [ownParent(), nactParent()];

export async function crowdQuestion(signal: AbortSignal): Promise<Findings> {
  const spawned = new Comparison(await playApart("spawn", spawners(), ROUNDS, signal));
  const fanOut = new Comparison(await playApart("fan-out", fanOuts(), ROUNDS, signal));
  const ofParents = new Comparison(await playApart("parent-of-many", parents(), ROUNDS, signal));
  return {
    tables: [
      spawned.table("spawn of 10,000 actors", "ms", NACT),
      fanOut.table("fan-out of one message to 10,000 actors", "ms", NACT),
      ofParents.table("tell to an actor that has started 10,000 others", "per second", NACT),
    ],
    notes: [
      "Spawned actors of the runtime have a supervisor and have been through `init`; the others were only made.",
      "Those that xstate spawns have no parent.",
    ],
    figures: {
      spawnMs: rounded(spawned.median(RUNTIME)),
      spawnToNact: rounded(spawned.ratio(RUNTIME, NACT)),
      fanOutMs: rounded(fanOut.median(RUNTIME)),
      fanOutToNact: rounded(fanOut.ratio(RUNTIME, NACT)),
      tellToParentOfManyToNact: rounded(ofParents.ratio(RUNTIME, NACT)),
    },
    aims: [],
  };
}

export async function startCrowd(
  start: System["startChild"],
  size: number,
  handled: () => void,
): Promise<void> {
  const members = Array.from({ length: size }, (_, n) =>
    start<MemberMessages>("/crowd", child(`member-${n}`, member, handled)),
  );
  await Promise.all(members);
}

/** Opens the gate when it was called so many times. */
function afterCalls(count: number, gate: Gate): () => void {
  let left = count;
  return () => {
    if (--left === 0) gate.open();
  };
}

const nothing = (): undefined => undefined;
const msSince = (startedAtMs: number): number => performance.now() - startedAtMs;

// ---- spawn --------------------------------------------------------------------------------------

const ownSpawn = (): Contender => ({
  name: RUNTIME,
  play: async () =>
    await withSystem([dynamicSupervisor("crowd")], async (system) => {
      const startedAtMs = performance.now();
      await startCrowd((path, spec) => system.startChild(path, spec), CROWD, nothing);
      return msSince(startedAtMs);
    }),
});

const nactSpawn = (): Contender => ({
  name: NACT,
  play: async () =>
    await withNact(async (system) => {
      const startedAtMs = performance.now();
      for (let n = 0; n < CROWD; n += 1) spawn(system, nothing, `member-${n}`);
      return await Promise.resolve(msSince(startedAtMs));
    }),
});

const plainSpawn = (): Contender => ({
  name: PLAIN,
  play: async () => {
    const startedAtMs = performance.now();
    Array.from({ length: CROWD }, () => new PlainActor<"note">(nothing));
    return await Promise.resolve(msSince(startedAtMs));
  },
});

const xstateSpawn = (): Contender => ({
  name: XSTATE,
  play: async () => {
    const logic = fromTransition(nothing, undefined);
    const startedAtMs = performance.now();
    Array.from({ length: CROWD }, () => createActor(logic).start());
    return await Promise.resolve(msSince(startedAtMs));
  },
});

// ---- fan-out ------------------------------------------------------------------------------------

const ownFanOut = (): Contender => ({
  name: RUNTIME,
  play: async (signal) =>
    await withSystem([dynamicSupervisor("crowd")], async (system) => {
      const gate = new Gate();
      const handled = afterCalls(CROWD, gate);
      await startCrowd((path, spec) => system.startChild(path, spec), CROWD, handled);
      const refs = Array.from({ length: CROWD }, (_, n) =>
        system.ref<MemberMessages>(`/crowd/member-${n}`),
      );
      const startedAtMs = performance.now();
      for (const ref of refs) ref.tell("NOTE");
      await gate.passed(signal);
      return msSince(startedAtMs);
    }),
});

const nactFanOut = (): Contender => ({
  name: NACT,
  play: async (signal) =>
    await withNact(async (system) => {
      const gate = new Gate();
      const handled = afterCalls(CROWD, gate);
      const note = (_state: undefined, _message: "note"): undefined => {
        handled();
      };
      const refs = Array.from({ length: CROWD }, (_, n) => spawn(system, note, `member-${n}`));
      const startedAtMs = performance.now();
      for (const ref of refs) dispatch(ref, "note");
      await gate.passed(signal);
      return msSince(startedAtMs);
    }),
});

const plainFanOut = (): Contender => ({
  name: PLAIN,
  play: async (signal) => {
    const gate = new Gate();
    const handled = afterCalls(CROWD, gate);
    const actors = Array.from({ length: CROWD }, () => new PlainActor<"note">(handled));
    const startedAtMs = performance.now();
    for (const actor of actors) actor.send("note");
    await gate.passed(signal);
    return msSince(startedAtMs);
  },
});

const xstateFanOut = (): Contender => ({
  name: XSTATE,
  play: async (signal) => {
    const gate = new Gate();
    const handled = afterCalls(CROWD, gate);
    const logic = fromTransition((state: undefined) => {
      handled();
      return state;
    }, undefined);
    const actors = Array.from({ length: CROWD }, () => createActor(logic).start());
    const startedAtMs = performance.now();
    for (const actor of actors) actor.send({ type: "NOTE" });
    await gate.passed(signal);
    return msSince(startedAtMs);
  },
});

// ---- the one who has them -----------------------------------------------------------------------

const ownParent = (): Contender => {
  interface ParentMessages {
    BEAR(): Promise<void>;
    NOTE(): void;
  }
  const parent = defineActor<ParentMessages, () => void, () => void>({
    name: "starts many others",
    mailbox: { bound: TO_PARENT },
    init: (_ctx, handled) => handled,
    handle: {
      BEAR: async (_state, _body, ctx) => {
        await startCrowd((path, spec) => ctx.startChild(path, spec), CROWD, nothing);
      },
      NOTE: (handled) => {
        handled();
      },
    },
  });
  return {
    name: RUNTIME,
    play: async (signal) => {
      const gate = new Gate();
      const children = [
        dynamicSupervisor("crowd"),
        child("parent", parent, afterCalls(TO_PARENT, gate)),
      ];
      return await withSystem(children, async (system) => {
        const ref = system.ref<ParentMessages>("/parent");
        await ref.ask("BEAR", undefined, { timeoutMs: 60_000 });
        const startedAtMs = performance.now();
        for (let n = 0; n < TO_PARENT; n += 1) ref.tell("NOTE");
        await gate.passed(signal);
        return perSecond(TO_PARENT, startedAtMs);
      });
    },
  };
};

const nactParent = (): Contender => ({
  name: NACT,
  play: async (signal) =>
    await withNact(async (system) => {
      const gate = new Gate();
      const handled = afterCalls(TO_NACT_PARENT, gate);
      const parent: Ref<"note"> = spawn(
        system,
        (_state: undefined, _message: "note"): undefined => {
          handled();
        },
        "parent",
      );
      for (let n = 0; n < CROWD; n += 1) spawn(parent, nothing, `member-${n}`);
      const startedAtMs = performance.now();
      for (let n = 0; n < TO_NACT_PARENT; n += 1) dispatch(parent, "note");
      await gate.passed(signal);
      return perSecond(TO_NACT_PARENT, startedAtMs);
    }),
});
