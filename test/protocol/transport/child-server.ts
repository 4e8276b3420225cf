/**
 * A server in a process of its own, for tests that kill it. Prints its address and the number of each NOTE that
 * it hears; a negative number makes its event loop stand still for so many milliseconds.
 */

import { bindEndpoint } from "../../../protocol/transport/index.ts";
import { silentLogger } from "../../../supervisor/index.ts";
import { readOptions } from "./child-process.ts";
import { echoLink } from "./echo-link.ts";

const [address, options] = readOptions();
const say = (line: string) => process.stdout.write(`${line}\n`);
const { serverKeys } = options;
const server = await bindEndpoint(echoLink, {
  address,
  ...(serverKeys && {
    keys: {
      secret: serverKeys.secret,
      isAuthorised: (key: string) => key === serverKeys.authorised,
    },
  }),
  log: silentLogger,
  heartbeatMs: options.heartbeatMs ?? 100,
  handlers: {
    opened: () => undefined,
    closed: () => undefined,
    message: (_peer, message) => {
      if (message.type !== "NOTE") return;
      const { n } = message.body;
      if (n < 0) say("stands still");
      if (n < 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, -n);
      say(`heard ${n}`);
    },
  },
});
say(`bound ${server.address}`);
