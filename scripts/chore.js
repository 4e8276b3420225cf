/** What the chores share: where the repository is, how a chore says that it cannot be done, a quiet child. */
import { spawn } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Its message is all that the user sees. */
export class ChoreError extends Error {}

/**
 * Runs a command to its end and keeps what it says.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<{ code: number, output: string }>} code -1: it could not be started
 */
export function runQuietly(command, args, env = process.env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    const parts = [];
    child.stdout.on("data", (part) => parts.push(part));
    child.stderr.on("data", (part) => parts.push(part));
    const end = (code, more) =>
      resolve({ code, output: Buffer.concat(parts).toString("utf8") + more });
    child.on("error", (error) => end(-1, String(error)));
    child.on("close", (code, signal) =>
      end(code ?? 1, signal === null ? "" : `ended by ${signal}`),
    );
  });
}
