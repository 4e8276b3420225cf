/**
 * The importing tool's side of the import link: says IMPORT again and again until the master says what became
 * of it, and answers FETCH meanwhile. A master that goes away and comes back is told the same again; it
 * knows an import by its wheels.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type ImportAnswers, type ImportQuestions, importLink } from "../protocol/links/import.ts";
import type { ImportOrder, ImportOutcome } from "../protocol/links/wheel-import.ts";
import { connectEndpoint } from "../protocol/transport/index.ts";
import {
  type BodyOf,
  type ClientEndpoint,
  EndpointError,
  type Logger,
} from "../supervisor/index.ts";
import { openQueue, queueProblem } from "./queue-problem.ts";
import type { OfferedFile } from "./wheel-offer.ts";

interface ImportSession {
  readonly address: string;
  readonly order: ImportOrder;
  /** By the names in the order; the log too. */
  readonly files: ReadonlyMap<string, OfferedFile>;
  /** Without a word of the master for so long it is given up. */
  readonly waitMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Bytes that were sent so far, also what was sent twice. */
  onSent(sentBytes: number): void;
}

/** Longer than the master takes to say that nothing is known yet. */
const ANSWER_MS = 30_000;
const PAUSE_MS = 200;

type Ended = Exclude<ImportOutcome, { readonly state: "pending" }>;

/**
 * @throws ConfigurationError for an address that cannot work
 * @throws Error of one line when the master is away, or refuses the connection; the same import may then be
 * said again
 */
export async function importWheels(session: ImportSession): Promise<Ended> {
  const { address, signal, waitMs } = session;
  let heardAt = performance.now();
  const link = { isUp: false };
  let wasUp = false;
  const refusals: string[] = [];
  let sentBytes = 0;
  const heard = (): void => {
    heardAt = performance.now();
  };
  const endpoint: ClientEndpoint<ImportQuestions> = openQueue("import", address, () =>
    connectEndpoint<ImportQuestions, ImportAnswers>(importLink, {
      address,
      log: session.logger,
      handlers: {
        up: () => {
          link.isUp = true;
          wasUp = true;
          heard();
        },
        message: async ({ body }) => {
          heard();
          sentBytes += await send(session, endpoint, body);
          session.onSent(sentBytes);
        },
        down: (reason) => {
          link.isUp = false;
          // A silent or absent master may still come; one that refuses will go on refusing.
          if (reason.startsWith("refused")) refusals.push(reason);
        },
      },
    }),
  );
  try {
    for (;;) {
      signal.throwIfAborted();
      for (const refusal of refusals) throw new Error(`the master says: ${refusal}`);
      if (performance.now() - heardAt > waitMs) throw new Error(silence(address, wasUp));
      if (link.isUp) {
        const outcome = await ask(session, endpoint);
        if (outcome !== undefined) heard();
        if (outcome !== undefined && outcome.state !== "pending") return outcome;
      }
      await delay(PAUSE_MS, undefined, { signal });
    }
  } finally {
    await endpoint.close();
  }
}

const silence = (address: string, wasUp: boolean): string =>
  wasUp
    ? `the master at ${address} went away before it said what became of it: run the same again, nothing is done twice`
    : (queueProblem(address) ??
      `no master answers at ${address}: is piw-master running, with this --import-queue?`);

/** Undefined: no answer, ask again. */
async function ask(
  { order, waitMs, signal }: ImportSession,
  endpoint: ClientEndpoint<ImportQuestions>,
): Promise<ImportOutcome | undefined> {
  const stopped = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
  stopped.catch(() => undefined);
  try {
    return await Promise.race([
      endpoint.ask("IMPORT", order, Math.min(waitMs, ANSWER_MS)),
      stopped,
    ]);
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    if (error.code === "refused" && !error.message.includes("ask again"))
      throw new Error(`the master says: ${error.message}`, { cause: error });
    return undefined;
  }
}

/** Gives how many bytes were sent. */
async function send(
  { files }: ImportSession,
  endpoint: ClientEndpoint<ImportQuestions>,
  { token, filename, offset, lengthBytes }: BodyOf<ImportAnswers, "FETCH">,
): Promise<number> {
  const file = files.get(filename);
  if (file === undefined) {
    endpoint.send("MISSING", { token, filename, reason: "it was not offered" });
    return 0;
  }
  try {
    const data = await file.read(offset, lengthBytes);
    // Where it does not get out the master asks again.
    return endpoint.send("CHUNK", { token, filename, offset, data }) === "sent" ? data.length : 0;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    endpoint.send("MISSING", { token, filename, reason: reason.slice(0, 1_000) });
    return 0;
  }
}
