/** Two actors that tell each other in turn: what a message costs that finds its receiver asleep. */
import { dispatch, type Ref, spawn } from "nact";
import { createActor, fromTransition } from "xstate";
import { type ActorRef, child, defineActor } from "../../supervisor/index.ts";
import type { Findings } from "../frame.ts";
import { Gate } from "../gate.ts";
import { Comparison, type Contender, rounded } from "../rounds.ts";
import { playApart } from "./apart.ts";
import {
  NACT,
  PLAIN,
  PLAIN_MICROTASKS,
  PlainActor,
  perSecond,
  RUNTIME,
  withNact,
  withSystem,
  XSTATE,
} from "./stage.ts";

const ROUNDS = 5;
/** Messages both ways together. */
const COUNT = 20_000;

interface PlayerMessages {
  BALL(left: number): void;
}
interface PlayerArgs {
  readonly other: string;
  readonly done: () => void;
}

const player = defineActor<
  PlayerMessages,
  PlayerArgs,
  { other: ActorRef<PlayerMessages>; done: () => void }
>({
  name: "gives the ball back",
  init: (ctx, { other, done }) => ({ other: ctx.ref(other), done }),
  handle: {
    BALL: (state, left) => {
      if (left === 0) state.done();
      else state.other.tell("BALL", left - 1);
    },
  },
});

export const players = (): Contender[] => [
  ownGame(),
  nactGame(),
  plainGame(PLAIN, setImmediate),
  plainGame(PLAIN_MICROTASKS, queueMicrotask),
  xstateGame(),
];

export async function pingPongQuestion(signal: AbortSignal): Promise<Findings> {
  const result = new Comparison(await playApart("ping-pong", players(), ROUNDS, signal));
  return {
    tables: [result.table("ping-pong between two actors", "messages per second", NACT)],
    notes: [],
    figures: {
      pingPongPerSecond: Math.round(result.median(RUNTIME)),
      pingPongToNact: rounded(result.ratio(RUNTIME, NACT)),
      pingPongToPlain: rounded(result.ratio(RUNTIME, PLAIN)),
    },
    aims: [],
  };
}

function ownGame(): Contender {
  return {
    name: RUNTIME,
    play: async (signal) => {
      const gate = new Gate();
      const players = [
        child("ping", player, { other: "/pong", done: gate.open }),
        child("pong", player, { other: "/ping", done: gate.open }),
      ];
      return await withSystem(players, async (system) => {
        const startedAtMs = performance.now();
        system.ref<PlayerMessages>("/ping").tell("BALL", COUNT);
        await gate.passed(signal);
        return perSecond(COUNT, startedAtMs);
      });
    },
  };
}

function nactGame(): Contender {
  interface Ball {
    readonly left: number;
    readonly to: Ref<Ball>;
  }
  return {
    name: NACT,
    play: async (signal) =>
      await withNact(async (system) => {
        const gate = new Gate();
        // A ref of nact's own context has any type.
        const make = (name: string, own: () => Ref<Ball>): Ref<Ball> =>
          spawn(
            system,
            (_state: undefined, { left, to }: Ball): undefined => {
              if (left === 0) gate.open();
              else dispatch(to, { left: left - 1, to: own() });
            },
            name,
          ) as Ref<Ball>;
        const ping: Ref<Ball> = make("ping", () => ping);
        const pong: Ref<Ball> = make("pong", () => pong);
        const startedAtMs = performance.now();
        dispatch(ping, { left: COUNT, to: pong });
        await gate.passed(signal);
        return perSecond(COUNT, startedAtMs);
      }),
  };
}

function plainGame(name: string, schedule: (turn: () => void) => void): Contender {
  return {
    name,
    play: async (signal) => {
      const gate = new Gate();
      const hit = (other: () => PlainActor<number>) => (left: number) => {
        if (left === 0) gate.open();
        else other().send(left - 1);
      };
      const ping: PlainActor<number> = new PlainActor(
        hit(() => pong),
        schedule,
      );
      const pong: PlainActor<number> = new PlainActor(
        hit(() => ping),
        schedule,
      );
      const startedAtMs = performance.now();
      ping.send(COUNT);
      await gate.passed(signal);
      return perSecond(COUNT, startedAtMs);
    },
  };
}

function xstateGame(): Contender {
  interface Ball {
    readonly type: "BALL";
    readonly left: number;
  }
  return {
    name: XSTATE,
    play: async (signal) => {
      const gate = new Gate();
      const logic = (other: () => { send(ball: Ball): void }) =>
        fromTransition((state: undefined, { left }: Ball) => {
          if (left === 0) gate.open();
          else other().send({ type: "BALL", left: left - 1 });
          return state;
        }, undefined);
      const ping: { send(ball: Ball): void } = createActor(logic(() => pong)).start();
      const pong: { send(ball: Ball): void } = createActor(logic(() => ping)).start();
      const startedAtMs = performance.now();
      ping.send({ type: "BALL", left: COUNT });
      await gate.passed(signal);
      return perSecond(COUNT, startedAtMs);
    },
  };
}
