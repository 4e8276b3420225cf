/** One question to a running master over one of its local links, for the command line tools. */
import { connectEndpoint } from "../protocol/transport/index.ts";
import {
  type BodyOf,
  type ClientEndpoint,
  EndpointError,
  type Link,
  type LinkMessages,
  type Logger,
  type ReplyOf,
} from "../supervisor/index.ts";

export interface Question<Q extends LinkMessages, A extends LinkMessages, K extends keyof Q> {
  readonly link: Link<Q, A>;
  readonly address: string;
  readonly type: K;
  readonly body: BodyOf<Q, K>;
  /** For the connection and the answer together. */
  readonly waitMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Connects, asks, closes.
 *
 * @throws Error when no master answers at the address in time, or with the master's reason when it refuses
 */
export async function askMaster<
  Q extends LinkMessages,
  A extends LinkMessages,
  K extends keyof Q & string,
>(question: Question<Q, A, K>): Promise<ReplyOf<Q, K>> {
  const { address, link, waitMs } = question;
  const endsAt = performance.now() + waitMs;
  const connection = connect(question);
  try {
    await withDeadline(connection.isUp, question.signal, waitMs, () => {
      throw new Error(
        `no master answers at ${address}: is piw-master running, with this --${link.name}-queue?`,
      );
    });
    const leftMs = Math.max(1, Math.ceil(endsAt - performance.now()));
    return await connection.endpoint.ask(question.type, question.body, leftMs);
  } catch (error) {
    throw explained(error, address);
  } finally {
    await connection.endpoint.close();
  }
}

interface Connection<Q extends LinkMessages> {
  readonly endpoint: ClientEndpoint<Q>;
  /** Resolves at the first session; rejects when the master refuses one. */
  readonly isUp: Promise<void>;
}

function connect<Q extends LinkMessages, A extends LinkMessages, K extends keyof Q>(
  question: Question<Q, A, K>,
): Connection<Q> {
  const { promise, resolve, reject } = withResolvers();
  const endpoint = connectEndpoint(question.link, {
    address: question.address,
    handlers: {
      up: resolve,
      message: () => {},
      down: (reason) => {
        // A silent or absent master may still come; one that refuses will go on refusing.
        if (reason.startsWith("refused")) {
          reject(new EndpointError("refused", reason));
        }
      },
    },
    log: question.logger,
  });
  return { endpoint, isUp: promise };
}

function withResolvers(): {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: Error) => void;
} {
  let resolve = (): void => {};
  let reject = (_error: Error): void => {};
  const promise = new Promise<void>((whenDone, whenFailed) => {
    resolve = whenDone;
    reject = whenFailed;
  });
  return { promise, resolve, reject };
}

async function withDeadline(
  work: Promise<void>,
  signal: AbortSignal,
  waitMs: number,
  late: () => never,
): Promise<void> {
  let stop = (): void => {};
  const ended = new Promise<"late" | "stopped">((resolve) => {
    const timer = setTimeout(() => resolve("late"), waitMs);
    const abort = (): void => resolve("stopped");
    signal.addEventListener("abort", abort);
    stop = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    };
  });
  try {
    const outcome = await Promise.race([work, ended]);
    if (outcome === "late") {
      late();
    }
    signal.throwIfAborted();
  } finally {
    stop();
  }
}

function explained(error: unknown, address: string): unknown {
  if (!(error instanceof EndpointError)) {
    return error;
  }
  switch (error.code) {
    case "timeout":
      return new Error(`the master at ${address} did not answer in time`);
    case "gone":
    case "closed":
      return new Error(`the master at ${address} went away before it answered`);
    case "refused":
      return new Error(`the master says: ${error.message}`);
  }
}
