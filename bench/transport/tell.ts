/** Notes to the other process that nobody answers: `send` of an endpoint beside a PUSH of one frame each. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ClientEndpoint } from "../../supervisor/index.ts";
import type { Findings } from "../frame.ts";
import { Comparison, type Contender, playRounds, rounded } from "../rounds.ts";
import { job, LAST, type ToServer } from "./bench-link.ts";
import { type Callers, CURVE, PUSH, TCP } from "./callers.ts";
import type { EchoProcess } from "./echo-process.ts";
import { pushNotes } from "./raw-client.ts";

const COUNT = 40_000;
const ROUNDS = 5;

export async function tellQuestion(
  callers: Callers,
  echo: EchoProcess,
  signal: AbortSignal,
): Promise<Findings> {
  /** From the first one sent to the last one counted there. */
  const contender = (name: string, tellAll: () => Promise<void>): Contender => ({
    name,
    play: async () => {
      const counted = echo.counted();
      const startedAtMs = performance.now();
      const [notes] = await Promise.all([counted, tellAll()]);
      if (notes !== COUNT) throw new Error(`${name}: ${notes} of ${COUNT} notes have come`);
      return (COUNT / (performance.now() - startedAtMs)) * 1_000;
    },
  });
  const contenders = [
    contender(PUSH, async () => {
      await pushNotes(callers.push, COUNT);
    }),
    ...callers.endpoints.map(({ name, endpoint }) =>
      contender(name, async () => {
        await tellAll(endpoint, signal);
      }),
    ),
  ];
  const result = new Comparison(await playRounds(contenders, ROUNDS, signal));
  return {
    tables: [result.table("tell: notes that nobody answers", "per second", PUSH)],
    notes: ["Where an outbox is full, the teller waits a turn of the event loop and tries again."],
    figures: {
      tellPerSecond: Math.round(result.median(TCP)),
      tellToRawPush: rounded(result.ratio(TCP, PUSH)),
      tellOverCurveToRawPush: rounded(result.ratio(CURVE, PUSH)),
    },
    aims: [],
  };
}

async function tellAll(endpoint: ClientEndpoint<ToServer>, signal: AbortSignal): Promise<void> {
  for (let n = 1; n <= COUNT; n += 1) {
    const note = job(n === COUNT ? LAST : n);
    for (let result = endpoint.send("NOTE", note); result !== "sent"; ) {
      if (result === "gone") throw new Error("the session has ended");
      signal.throwIfAborted();
      await nextTurn();
      result = endpoint.send("NOTE", note);
    }
  }
}
