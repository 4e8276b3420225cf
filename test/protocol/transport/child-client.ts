/**
 * A client in a process of its own, for tests that kill, stop or end it. Prints a line for what happens; `close` on stdin ends it.
 * Started with an address and, as JSON, options: keys, and whether it is talkative.
 */

import { connectEndpoint } from "../../../protocol/transport/index.ts";
import { EndpointError, silentLogger } from "../../../supervisor/index.ts";
import { readOptions } from "./child-process.ts";
import { echoLink } from "./echo-link.ts";

const [address, options] = readOptions();
const say = (line: string) => process.stdout.write(`${line}\n`);
let isUp = false;
const client = connectEndpoint(echoLink, {
  address,
  ...(options.clientKeys ? { keys: options.clientKeys } : { identity: "local:child" }),
  log: silentLogger,
  heartbeatMs: options.heartbeatMs ?? 100,
  retryMs: { min: 10, max: 100 },
  handlers: {
    up: () => {
      isUp = true;
      say("up");
      if (options.isTalkative) void ask();
    },
    down: (reason) => {
      isUp = false;
      say(`down ${reason}`);
    },
    message: (message) => {
      say(message.type);
    },
  },
});

/** A question that nobody answers in time. */
async function ask(): Promise<void> {
  try {
    await client.ask("HUSH", {}, 60_000);
    say("answered");
  } catch (error) {
    say(`ask ${error instanceof EndpointError ? error.code : "failed"}`);
  }
}

let n = 0;
const talking = setInterval(() => {
  if (!options.isTalkative || !isUp) return;
  n += 1;
  client.send("NOTE", { n });
}, 5);

process.stdin.once("data", () => {
  clearInterval(talking);
  process.stdin.destroy();
  client.send("NOTE", { n: 1 });
  void client.close().then(() => say("closed"));
});
