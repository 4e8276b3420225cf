/**
 * Makes ipc sockets that only their owner and group can open. ZeroMQ makes them with the process's umask
 * and removes whatever lay there before; here the socket is made in a private directory beside its place, given
 * its mode, and renamed into place, so that it never stands open and a living server is never robbed.
 */
import { chmodSync, lstatSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { basename, dirname, join } from "node:path";
import { EndpointConfigError } from "./endpoint-config-error.ts";

/** Linux holds 108 bytes with the final zero. */
const LONGEST_PATH_BYTES = 107;
const MODE = 0o660;

/**
 * Binds with `bind(endpoint)` and returns what removes the socket file again.
 * @throws EndpointConfigError where another process listens there, or the place cannot be used.
 */
export async function bindIpc(path: string, bind: (endpoint: string) => void): Promise<() => void> {
  const folder = dirname(path);
  await refuseOccupied(path);
  let workshop: string;
  try {
    workshop = mkdtempSync(join(folder, ".w"));
  } catch (error) {
    throw new EndpointConfigError(
      `ipc://${path}: cannot make a socket in ${folder}: ${messageOf(error)}`,
      { cause: error },
    );
  }
  try {
    const made = join(workshop, "s");
    if (Math.max(Buffer.byteLength(made), Buffer.byteLength(path)) > LONGEST_PATH_BYTES) {
      throw new EndpointConfigError(
        `ipc://${path}: the path is too long for a socket; ${LONGEST_PATH_BYTES} bytes is the limit ` +
          `(and ${basename(workshop).length + 3} for ${folder}/…)`,
      );
    }
    bind(`ipc://${made}`);
    chmodSync(made, MODE);
    const { ino } = statSync(made);
    renameSync(made, path);
    return () => {
      removeOwn(path, ino);
    };
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}

/** Only our own socket: by now another process may have put its own there. */
function removeOwn(path: string, ino: number): void {
  try {
    if (statSync(path).ino === ino) rmSync(path, { force: true });
  } catch {
    // It is gone already.
  }
}

async function refuseOccupied(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new EndpointConfigError(`ipc://${path}: something that is no socket lies there`);
  }
  if (await isListening(path)) {
    throw new EndpointConfigError(`ipc://${path} is in use by another process`);
  }
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    const answer = (listening: boolean) => {
      probe.destroy();
      resolve(listening);
    };
    probe.once("connect", () => {
      answer(true);
    });
    // Refused: nobody holds it. Anything else (no permission, say) is a living server's business.
    probe.once("error", (error: NodeJS.ErrnoException) => {
      answer(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
