/** What is wrong with the address of a master's queue: why it is none, or, where the file system can tell, why nobody answers. */
import { accessSync, constants, statSync } from "node:fs";
import { ConfigurationError } from "../config/configuration-error.ts";
import { EndpointConfigError } from "../protocol/transport/index.ts";

/**
 * @param link where the address is from: `--LINK-queue`
 * @throws ConfigurationError for an address that cannot work
 */
export function openQueue<E>(link: string, address: string, connect: () => E): E {
  try {
    return connect();
  } catch (error) {
    if (!(error instanceof EndpointConfigError)) throw error;
    // What the transport says of tcp speaks of keys, which the other links do not have.
    const isLocalOnly = link !== "control" && address.startsWith("tcp:");
    const reason = isLocalOnly ? "this link is local: use ipc or loopback" : error.message;
    throw new ConfigurationError(`--${link}-queue: ${reason}`);
  }
}

/** A line for the user; undefined where nothing is wrong with the address itself. */
export function queueProblem(address: string): string | undefined {
  if (!address.startsWith("ipc://")) return undefined;
  const path = address.slice("ipc://".length);
  try {
    if (!statSync(path).isSocket()) return `${path} is no socket: nobody can be asked there`;
    // To connect is to write.
    accessSync(path, constants.W_OK);
    return undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === "EACCES"
      ? `this user may not use ${path}: it is for the master's user and group`
      : undefined;
  }
}
