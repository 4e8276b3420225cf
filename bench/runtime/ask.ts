/** Asks, one after the other and many in flight, beside nact's `query` and a promise in a plain queue. */
import { dispatch, query, type Ref, spawn } from "nact";
import { type ActorRef, child, defineActor } from "../../supervisor/index.ts";
import { atLeast, type Findings } from "../frame.ts";
import { askAll } from "../in-flight.ts";
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
} from "./stage.ts";

const ROUNDS = 9;
const SEQUENTIAL = 20_000;
const IN_FLIGHT = 512;
const MANY = 40_000;
/** Of nact's rate: no slower, where a hundredth is within the noise of a round. */
const AIM = 1;
const TIMEOUT_MS = 5_000;

interface EchoMessages {
  ECHO(n: number): number;
}
const echo = defineActor<EchoMessages>({
  name: "answers with what it was asked",
  init: () => undefined,
  handle: { ECHO: (_state, n) => n },
});

interface Query {
  readonly sender: Ref<number>;
  readonly n: number;
}
interface Question {
  readonly n: number;
  readonly resolve: (n: number) => void;
}

export const askers = (): Contender[] => contenders(1, SEQUENTIAL);
export const askersInFlight = (): Contender[] => contenders(IN_FLIGHT, MANY);

export async function askQuestion(signal: AbortSignal): Promise<Findings> {
  const sequential = new Comparison(await playApart("ask", askers(), ROUNDS, signal));
  const inFlight = new Comparison(
    await playApart("ask-in-flight", askersInFlight(), ROUNDS, signal),
  );
  const ratio = rounded(sequential.ratio(RUNTIME, NACT));
  const ratioInFlight = rounded(inFlight.ratio(RUNTIME, NACT));
  return {
    tables: [
      sequential.table("ask, one after the other", "per second", NACT),
      inFlight.table(`ask, ${IN_FLIGHT} in flight`, "per second", NACT),
    ],
    notes: ["Asks have a deadline of 5 s, also nact's; those of the plain queue have none."],
    figures: {
      askPerSecond: Math.round(sequential.median(RUNTIME)),
      askInFlightPerSecond: Math.round(inFlight.median(RUNTIME)),
      askToNact: ratio,
      askInFlightToNact: ratioInFlight,
      askToPlain: rounded(sequential.ratio(RUNTIME, PLAIN)),
      askInFlightToPlain: rounded(inFlight.ratio(RUNTIME, PLAIN)),
    },
    aims: [
      atLeast("askToNact", ratio, AIM, "times"),
      atLeast("askInFlightToNact", ratioInFlight, AIM, "times"),
    ],
  };
}

function contenders(depth: number, total: number): Contender[] {
  const measure = async (ask: (n: number) => Promise<unknown>): Promise<number> => {
    const startedAtMs = performance.now();
    await askAll(depth, total, ask);
    return perSecond(total, startedAtMs);
  };
  const plain = (name: string, schedule: (turn: () => void) => void): Contender => ({
    name,
    play: async () => {
      const actor = new PlainActor<Question>(({ n, resolve }) => {
        resolve(n);
      }, schedule);
      return await measure(
        async (n) =>
          await new Promise<number>((resolve) => {
            actor.send({ n, resolve });
          }),
      );
    },
  });
  return [
    {
      name: RUNTIME,
      play: async () =>
        await withSystem([child("echo", echo, undefined)], async (system) => {
          const ref: ActorRef<EchoMessages> = system.ref("/echo");
          return await measure((n) => ref.ask("ECHO", n));
        }),
    },
    {
      name: NACT,
      play: async () =>
        await withNact(async (system) => {
          const actor = spawn(
            system,
            (_state: undefined, { sender, n }: Query): undefined => {
              dispatch(sender, n);
            },
            "echo",
          );
          return await measure((n) =>
            query(actor, (sender: Ref<number>): Query => ({ sender, n }), TIMEOUT_MS),
          );
        }),
    },
    plain(PLAIN, setImmediate),
    plain(PLAIN_MICROTASKS, queueMicrotask),
  ];
}
