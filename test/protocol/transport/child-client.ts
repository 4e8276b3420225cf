/** A client in a process of its own, for tests that kill, stop or end it. Prints a line for what happens; `close` on stdin ends it. */

import { connectEndpoint } from "../../../protocol/transport/index.ts";
import { silentLogger } from "../../../supervisor/index.ts";
import { echoLink } from "./echo-link.ts";

const say = (line: string) => process.stdout.write(`${line}\n`);
const client = connectEndpoint(echoLink, {
  address: process.argv[2] ?? "",
  identity: "local:child",
  log: silentLogger,
  heartbeatMs: 100,
  retryMs: { min: 10, max: 100 },
  handlers: {
    up: () => say("up"),
    down: (reason) => say(`down ${reason}`),
    message: (message) => say(message.type),
  },
});
process.stdin.once("data", () => {
  process.stdin.destroy();
  client.send("NOTE", { n: 1 });
  void client.close().then(() => say("closed"));
});
