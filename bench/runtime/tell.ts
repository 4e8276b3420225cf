/** Tells: one sender to one actor, a burst that is handled to its end; without and with a body. */
import { dispatch, spawn } from "nact";
import { createActor, fromTransition } from "xstate";
import { child, defineActor } from "../../supervisor/index.ts";
import { atLeast, type Findings } from "../frame.ts";
import { Gate } from "../gate.ts";
import { Comparison, type Contender, rounded } from "../rounds.ts";
import { playApart } from "./apart.ts";
import {
  NACT,
  PLAIN,
  PlainActor,
  PRODUCTION,
  perSecond,
  RUNTIME,
  withNact,
  withSystem,
  XSTATE,
} from "./stage.ts";

const COUNT = 100_000;
const ROUNDS = 11;
const AIM = 5;

interface Reading {
  readonly n: number;
  readonly name: string;
}
interface CounterMessages {
  NOTE(): void;
  READ(reading: Reading): void;
}
interface Count {
  /** Also makes the body be used. */
  sum: number;
  left: number;
}

const counter = defineActor<CounterMessages, () => void, Count & { done: () => void }>({
  name: "counts what it is told",
  mailbox: { bound: COUNT },
  init: (_ctx, done) => ({ sum: 0, left: COUNT, done }),
  handle: {
    NOTE: (state) => {
      if (--state.left === 0) state.done();
    },
    READ: (state, { n }) => {
      state.sum += n;
      if (--state.left === 0) state.done();
    },
  },
});

const reading = (n: number): Reading => ({ n, name: "sensor" });

export const tellers = (): Contender[] => [
  ownTell(RUNTIME, false, true),
  nactTell(false),
  plainTell(false),
  xstateTell(false),
];
export const tellersWithBody = (): Contender[] => [
  ownTell(RUNTIME, true, true),
  ownTell(PRODUCTION, true, false),
  nactTell(true),
  plainTell(true),
  xstateTell(true),
];

export async function tellQuestion(signal: AbortSignal): Promise<Findings> {
  const bare = new Comparison(await playApart("tell", tellers(), ROUNDS, signal));
  const withBody = new Comparison(
    await playApart("tell-with-body", tellersWithBody(), ROUNDS, signal),
  );
  const ratio = rounded(bare.ratio(RUNTIME, NACT));
  const ratioWithBody = rounded(withBody.ratio(RUNTIME, NACT));
  return {
    tables: [
      bare.table("tell, one sender to one actor, no body", "per second", NACT),
      withBody.table("tell, with a body of two fields", "per second", NACT),
    ],
    notes: [
      `Tells: bursts of ${COUNT.toLocaleString("en-US")}, from the first tell to the last handled.`,
      "xstate handles an event inside of `send`, in the sender's own time: it has no mailbox to drain.",
    ],
    figures: {
      tellPerSecond: Math.round(bare.median(RUNTIME)),
      tellToNact: ratio,
      tellWithBodyToNact: ratioWithBody,
      tellToPlain: rounded(bare.ratio(RUNTIME, PLAIN)),
      tellToXstate: rounded(bare.ratio(RUNTIME, XSTATE)),
    },
    aims: [
      atLeast("tellToNact", ratio, AIM, "times"),
      atLeast("tellWithBodyToNact", ratioWithBody, AIM, "times"),
    ],
  };
}

function ownTell(name: string, hasBody: boolean, freezes: boolean): Contender {
  return {
    name,
    play: async (signal) => {
      const gate = new Gate();
      return await withSystem(
        [child("counter", counter, gate.open)],
        async (system) => {
          const ref = system.ref<CounterMessages>("/counter");
          const startedAtMs = performance.now();
          if (hasBody) for (let n = 0; n < COUNT; n += 1) ref.tell("READ", reading(n));
          else for (let n = 0; n < COUNT; n += 1) ref.tell("NOTE");
          await gate.passed(signal);
          return perSecond(COUNT, startedAtMs);
        },
        { freezes },
      );
    },
  };
}

/** What all the others do with a message. */
function counting(done: () => void): (message: Reading | "note") => void {
  const count: Count = { sum: 0, left: COUNT };
  return (message) => {
    if (message !== "note") count.sum += message.n;
    if (--count.left === 0) done();
  };
}

function nactTell(hasBody: boolean): Contender {
  return {
    name: NACT,
    play: async (signal) =>
      await withNact(async (system) => {
        const gate = new Gate();
        const handle = counting(gate.open);
        const actor = spawn(
          system,
          (_state: undefined, message: Reading | "note"): undefined => {
            handle(message);
          },
          "counter",
        );
        const startedAtMs = performance.now();
        for (let n = 0; n < COUNT; n += 1) dispatch(actor, hasBody ? reading(n) : "note");
        await gate.passed(signal);
        return perSecond(COUNT, startedAtMs);
      }),
  };
}

function plainTell(hasBody: boolean): Contender {
  return {
    name: PLAIN,
    play: async (signal) => {
      const gate = new Gate();
      const actor = new PlainActor(counting(gate.open));
      const startedAtMs = performance.now();
      for (let n = 0; n < COUNT; n += 1) actor.send(hasBody ? reading(n) : "note");
      await gate.passed(signal);
      return perSecond(COUNT, startedAtMs);
    },
  };
}

function xstateTell(hasBody: boolean): Contender {
  type Event = { type: "NOTE" } | { type: "READ"; reading: Reading };
  return {
    name: XSTATE,
    play: async (signal) => {
      const gate = new Gate();
      const handle = counting(gate.open);
      const logic = fromTransition((state: undefined, event: Event) => {
        handle(event.type === "READ" ? event.reading : "note");
        return state;
      }, undefined);
      const actor = createActor(logic).start();
      const startedAtMs = performance.now();
      for (let n = 0; n < COUNT; n += 1) {
        actor.send(hasBody ? { type: "READ", reading: reading(n) } : { type: "NOTE" });
      }
      await gate.passed(signal);
      actor.stop();
      return perSecond(COUNT, startedAtMs);
    },
  };
}
