/**
 * Ties a system to its process: signals, stray errors, exit code. Only `bin` calls it, after
 * `startSystem`; tests and libraries must not, since the handlers are the whole process's.
 */
import { toError } from "./exit-reason.ts";
import { currentScope } from "./scope.ts";
import type { System } from "./system.ts";

export interface ProcessSupervisionOptions {
  /** After this long an ordered stop is given up and the process exits with 1. Default 35,000. */
  readonly deadlineMs?: number;
}

/** What still holds the event loop this long after the end (a lingering socket) is left behind. */
const lingerMs = 2_000;

/**
 * SIGINT and SIGTERM stop the system in order, a second one exits at once. An uncaught exception or
 * unhandled rejection that began inside an actor is that actor's crash, or is only logged when the actor
 * has ended; any other stops the system in order with exit code 1, as does a root that gave up.
 *
 * Returns a function that takes the handlers off again.
 */
export function superviseProcess(
  system: System,
  options: ProcessSupervisionOptions = {},
): () => void {
  const { deadlineMs = 35_000 } = options;
  const { logger } = system;
  let isStopping = false;
  let isWatching = true;

  const stop = (exitCode: number): void => {
    if (exitCode !== 0) process.exitCode = exitCode;
    if (isStopping) return;
    isStopping = true;
    setTimeout(() => process.exit(1), deadlineMs).unref();
    void system.stop();
  };

  const onSignal = (signal: NodeJS.Signals): void => {
    if (isStopping) process.exit(signal === "SIGINT" ? 130 : 143);
    logger.info({ signal }, "stopping");
    stop(0);
  };

  const onStray = (thrown: unknown): void => {
    const error = toError(thrown);
    const scope = currentScope();
    if (!scope) {
      logger.error({ err: error }, "an error that is no actor's: stopping");
      stop(1);
    } else if (!scope.isLive || !scope.owner.crash(error)) {
      logger.warn({ err: error, actor: scope.owner.path }, "an ended actor left an error behind");
    }
  };

  const handlers = {
    SIGINT: onSignal,
    SIGTERM: onSignal,
    uncaughtException: onStray,
    unhandledRejection: onStray,
  };
  for (const [event, handler] of Object.entries(handlers)) process.on(event, handler);

  void system.terminated.then((reason) => {
    if (!isWatching) return;
    isStopping = true;
    if (reason.kind === "error") {
      process.exitCode = 1;
      logger.error({ err: reason.error }, "the system gave up");
    }
    setTimeout(() => process.exit(), lingerMs).unref();
  });

  return () => {
    isWatching = false;
    for (const [event, handler] of Object.entries(handlers)) process.off(event, handler);
  };
}
