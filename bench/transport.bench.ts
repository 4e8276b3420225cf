/**
 * What does a question to another process cost, and how many can be asked a second? Endpoints, plain and
 * with CURVE, beside raw zeromq.js with one frame per call, between the same two processes.
 */
import { runBench, together } from "./frame.ts";
import { askQuestion } from "./transport/ask.ts";
import { openCallers } from "./transport/callers.ts";
import { startEchoProcess } from "./transport/echo-process.ts";
import { tellQuestion } from "./transport/tell.ts";

await runBench("transport", async (signal) => {
  const echo = await startEchoProcess(signal);
  try {
    const callers = await openCallers(echo, signal);
    try {
      return together([
        await askQuestion(callers, signal),
        await tellQuestion(callers, echo, signal),
      ]);
    } finally {
      await callers.close();
    }
  } finally {
    await echo.end();
  }
});
