/** Starts the worker of a threaded actor, from the built program or from its sources. */
import { Worker, type WorkerOptions } from "node:worker_threads";
import type { ThreadStart } from "./packet.ts";

/** What a worker is given; `program` is for whoever loads sources. */
export interface ThreadData {
  readonly program: string;
  readonly start: ThreadStart;
}

const isSource = (url: string) => url.endsWith(".ts");

/** The program of a thread, beside this file. */
const ownProgram = new URL(
  isSource(import.meta.url) ? "./thread-main.ts" : "./thread-main.js",
  import.meta.url,
);

/**
 * Names a module as it is called where this program runs: a built program has only `.js`, whatever its
 * sources wrote in `new URL("./x.ts", import.meta.url)`.
 */
export function runnableUrl(module: URL, program: URL = ownProgram): string {
  return isSource(program.href) ? module.href : module.href.replace(/\.ts$/, ".js");
}

/** @throws DataCloneError where the args cannot be cloned. */
export function startWorker(
  program: URL | undefined,
  start: ThreadStart,
  options: Pick<WorkerOptions, "resourceLimits" | "name">,
): Worker {
  const main = program ?? ownProgram;
  const workerData: ThreadData = { program: main.href, start };
  const entry = isSource(main.href) ? new URL("./from-source.js", import.meta.url) : main;
  // Flags of the main program are not for every thread: a test runner's or a debugger's would stop it.
  return new Worker(entry, { ...options, workerData, execArgv: [] });
}
