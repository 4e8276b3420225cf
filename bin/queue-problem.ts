/** Why nobody answers at a local queue's address, where the file system can tell. */
import { accessSync, constants, statSync } from "node:fs";

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
