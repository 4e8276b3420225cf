/**
 * The program of a worker thread: loads the module of a threaded actor, runs that actor and nothing else,
 * and speaks with `Thread` in the parent. Started by `start-worker.ts` only.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { AnyDefinition } from "../child-spec.ts";
import { behaviour } from "../child-spec.ts";
import { toError } from "../exit-reason.ts";
import { beatMs } from "./beat.ts";
import { Outbox } from "./outbox.ts";
import type { ToThread } from "./packet.ts";
import { toPlainError } from "./plain-error.ts";
import { SharedState } from "./shared-state.ts";
import type { ThreadData } from "./start-worker.ts";
import { ThreadHost } from "./thread-host.ts";
import { ThreadLogger } from "./thread-logger.ts";
import { ThreadRuntime } from "./thread-runtime.ts";

const { start } = workerData as ThreadData;
const port = parentPort;
if (!port) throw new Error("this program runs in a worker thread only");

const outbox = new Outbox(port, (saying, error) => runtime.unsayable(saying, error));
const shared = new SharedState(start.slots, start.shared);
const runtime = new ThreadRuntime(outbox, new ThreadLogger(outbox), start.incarnation);

/** What was said before `process.exit` arrives all the same. */
process.on("exit", () => outbox.flush());

try {
  const exported = (await import(start.module)) as Readonly<Record<string, unknown>>;
  const definition = findDefinition(exported);
  const host = new ThreadHost(start, definition, runtime, outbox, shared);
  const crash = (thrown: unknown) => host.crash(toError(thrown));
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
  const { handlerTimeoutMs } = host.behaviour;
  setInterval(() => shared.beat(), beatMs(start.unresponsiveMs, handlerTimeoutMs) / 2).unref();
  port.on("message", (packet: ToThread) => host.received(packet));
  port.on("messageerror", (error) => crash(error));
  await host.start(start.args);
} catch (thrown) {
  outbox.started({ kind: "failed", error: toPlainError(thrown) });
  outbox.flush();
}

function findDefinition(exported: Readonly<Record<string, unknown>>): AnyDefinition {
  const found = exported[start.exportName];
  if (typeof found === "object" && found !== null && behaviour in found) {
    return found as unknown as AnyDefinition;
  }
  const why = found === undefined ? "has no such export" : "exports something else under it";
  throw new TypeError(`${start.path}: ${start.module} ${why}: ${start.exportName}`);
}
