/**
 * Begins a page thread whose program is TypeScript, for development and tests: Node 20 reads none by itself, and a
 * loader that is given as an option does not reach a thread's first file. The built program does not need it.
 */
import { workerData } from "node:worker_threads";
import { register } from "tsx/esm/api";

register();
await import(workerData.program);
