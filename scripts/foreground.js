/**
 * Runs the real program in the foreground: the same terminal, its exit code handed on.
 *
 * It gets a process group of its own, since Ctrl-C goes to every process of the terminal's group, and
 * npm passes it on once more: the program would be told twice and its own children (PostgreSQL) at the
 * same moment. So it is told here, once. Should this process be killed, the program notices that
 * its channel is closed and stops by itself.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { root } from "./chore.js";

/** The same signal again within this time is the same key press. */
const SAME_PRESS_MS = 1_000;

/**
 * @param {string[]} nodeArgs script and, before it, options for Node
 * @param {string[]} args
 * @param {string} [cwd]
 * @returns {Promise<number>} the exit code; 128 + n when signal n ended it
 */
export function runForeground(nodeArgs, args, cwd = root) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeArgs, ...args], {
      cwd,
      stdio: ["inherit", "inherit", "inherit", "ipc"],
      detached: true,
    });
    const toldAt = new Map();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
      process.on(signal, () => {
        const now = Date.now();
        if (now - (toldAt.get(signal) ?? 0) > SAME_PRESS_MS) {
          toldAt.set(signal, now);
          child.kill(signal);
        }
      });
    }
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}
