/**
 * What does the runtime cost, and what does it keep under load? Tells, asks, ping-pong, crowds, restarts,
 * QUIT and memory, each beside raw nact (used directly, as its manual has it), a plain queue and xstate.
 */
import { runBench, together } from "./frame.ts";
import { askQuestion } from "./runtime/ask.ts";
import { crowdQuestion } from "./runtime/crowd.ts";
import { memoryQuestion } from "./runtime/memory.ts";
import { overloadQuestion } from "./runtime/overload.ts";
import { pingPongQuestion } from "./runtime/ping-pong.ts";
import { quitQuestion } from "./runtime/quit.ts";
import { restartQuestion } from "./runtime/restart.ts";
import { tellQuestion } from "./runtime/tell.ts";

const questions = {
  tell: tellQuestion,
  ask: askQuestion,
  "ping-pong": pingPongQuestion,
  crowd: crowdQuestion,
  restart: restartQuestion,
  quit: quitQuestion,
  memory: memoryQuestion,
  overload: overloadQuestion,
};

/** Named as arguments: only these. */
const wanted = process.argv.slice(2);

await runBench("runtime", async (signal) => {
  const unknown = wanted.find((name) => !Object.hasOwn(questions, name));
  if (unknown !== undefined)
    throw new Error(`no question "${unknown}"; there are: ${Object.keys(questions).join(", ")}`);
  const parts = [];
  for (const [name, question] of Object.entries(questions)) {
    if (wanted.length === 0 || wanted.includes(name)) parts.push(await question(signal));
  }
  return together(parts);
});
