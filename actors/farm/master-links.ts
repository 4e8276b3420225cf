/**
 * What the farm asks of its own master, over the same links as every tool: a report, and what is wanted.
 * Used by the watcher and to know when the master serves.
 */
import { setTimeout as delay } from "node:timers/promises";
import { controlLink } from "../../protocol/links/control.ts";
import { type ImportQuestions, importLink } from "../../protocol/links/import.ts";
import type { FarmReport } from "../../protocol/model/status.ts";
import { connectEndpoint, type TransportLog } from "../../protocol/transport/index.ts";
import { type ClientEndpoint, EndpointError } from "../../supervisor/index.ts";

/** The master answers a report within 8 s, or says that it cannot. */
const ANSWER_MS = 10_000;
const RETRY_MS = 100;

export interface Reporter {
  /** @throws EndpointError */
  report(): Promise<FarmReport>;
  close(): Promise<void>;
}

export function connectReporter(address: string, log: TransportLog): Reporter {
  const endpoint = connectEndpoint(controlLink, { address, handlers: silent, log, retryMs });
  return {
    report: () => endpoint.ask("REPORT", {}, ANSWER_MS),
    close: () => endpoint.close(),
  };
}

/** Asks for reports until one fits; the master may not be there yet. @throws when `signal` is aborted. */
export async function waitForReport(
  address: string,
  fits: (report: FarmReport) => boolean,
  signal: AbortSignal,
  log: TransportLog,
): Promise<void> {
  const reporter = connectReporter(address, log);
  try {
    for (;;) {
      const report = await reporter.report().catch(() => undefined);
      if (report !== undefined && fits(report)) return;
      await delay(RETRY_MS, undefined, { signal });
    }
  } finally {
    await reporter.close();
  }
}

/**
 * Adds requirements to what is to be built; again until the master takes them.
 * @throws Error with the master's reason when it refuses them, and when `signal` is aborted.
 */
export async function want(
  address: string,
  requirements: readonly string[],
  signal: AbortSignal,
  log: TransportLog,
): Promise<void> {
  const endpoint = connectEndpoint(importLink, { address, handlers: silent, log, retryMs });
  try {
    await untilTaken(endpoint, requirements, signal);
  } finally {
    await endpoint.close();
  }
}

async function untilTaken(
  endpoint: ClientEndpoint<ImportQuestions>,
  requirements: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      await endpoint.ask(
        "WANT",
        { requirements: [...requirements], withDeps: false, withBuildDeps: false },
        ANSWER_MS,
      );
      return;
    } catch (error) {
      if (error instanceof EndpointError && error.code === "refused")
        throw new Error(`the master says: ${error.message}`, { cause: error });
    }
    await delay(RETRY_MS, undefined, { signal });
  }
}

/** Whether the master is there shows in the answers. */
const silent = { up: () => undefined, message: () => undefined, down: () => undefined };
const retryMs = { min: 20, max: 500 };
