/** The process of one contender of the bench `runtime`; started by `runtime/apart.ts`, ends with its channel. */
import type { ChildAnswer } from "./runtime/apart.ts";
import { duels } from "./runtime/duels.ts";

const gone = new AbortController();
process.once("disconnect", () => {
  gone.abort();
  // What a contender may have left running must not keep this process.
  process.exit();
});

const [duel = "", contender = ""] = process.argv.slice(2);
const player = duels[duel]?.().find(({ name }) => name === contender);

process.on("message", () => {
  void play().then((answer) => process.send?.(answer));
});

async function play(): Promise<ChildAnswer<unknown>> {
  if (player === undefined) return { error: `no ${contender} in ${duel}` };
  try {
    return { value: await player.play(gone.signal) };
  } catch (error) {
    return { error: `${contender}, ${duel}: ${String(error)}` };
  }
}
