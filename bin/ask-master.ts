/** Questions to a running master over its control, import or log link, for the command line tools. */
import { type ImportAnswers, type ImportQuestions, importLink } from "../protocol/links/import.ts";
import { type ClientKeys, connectEndpoint } from "../protocol/transport/index.ts";
import {
  type BodyOf,
  type ClientEndpoint,
  EndpointError,
  type Link,
  type LinkMessages,
  type Logger,
  type ReplyOf,
} from "../supervisor/index.ts";
import { openQueue, queueProblem } from "./queue-problem.ts";

export interface MasterAddress<Q extends LinkMessages, A extends LinkMessages> {
  readonly link: Link<Q, A>;
  readonly address: string;
  /** Where the link may be of another machine. */
  readonly keys?: ClientKeys | undefined;
  /** For each answer, the first one with the connection. */
  readonly waitMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Mr. Chase, for the tools that change what the farm knows. */
export const importMaster = (
  values: { readonly "import-queue": string; readonly wait: number },
  { logger, signal }: Pick<MasterAddress<LinkMessages, LinkMessages>, "logger" | "signal">,
): MasterAddress<ImportQuestions, ImportAnswers> => ({
  link: importLink,
  address: values["import-queue"],
  waitMs: values.wait,
  logger,
  signal,
});

/** Asks one question after the other; rejects like `askMaster`. */
export type Ask<Q extends LinkMessages> = <K extends keyof Q & string>(
  type: K,
  body: BodyOf<Q, K>,
) => Promise<ReplyOf<Q, K>>;

/**
 * Connects, has `work` ask what it wants, closes. What is asked when a signal comes is given up: the
 * master may still do it.
 *
 * @throws ConfigurationError for an address that cannot work
 * @throws Error when no master answers at the address in time, or with the master's reason when it refuses
 */
export async function withMaster<Q extends LinkMessages, A extends LinkMessages, T>(
  master: MasterAddress<Q, A>,
  work: (ask: Ask<Q>) => Promise<T>,
): Promise<T> {
  const { address, link, signal, waitMs } = master;
  const connectBy = performance.now() + waitMs;
  const connection = connect(master);
  let isFirst = true;
  const ask: Ask<Q> = async (type, body) => {
    try {
      const leftMs = isFirst ? Math.max(1, Math.ceil(connectBy - performance.now())) : waitMs;
      isFirst = false;
      return await unlessAborted(connection.endpoint.ask(type, body, leftMs), signal);
    } catch (error) {
      throw explained(error, address);
    }
  };
  try {
    await withDeadline(connection.isUp, signal, waitMs, () => {
      throw new Error(
        queueProblem(address) ??
          `no master answers at ${address}: is piw-master running, with this --${link.name}-queue?`,
      );
    });
    return await work(ask);
  } catch (error) {
    throw explained(error, address);
  } finally {
    await connection.endpoint.close();
  }
}

/** One question: connects, asks, closes. @throws Error as `withMaster` */
export function askMaster<
  Q extends LinkMessages,
  A extends LinkMessages,
  K extends keyof Q & string,
>({
  type,
  body,
  ...master
}: MasterAddress<Q, A> & { readonly type: K; readonly body: BodyOf<Q, K> }): Promise<
  ReplyOf<Q, K>
> {
  return withMaster(master, (ask) => ask(type, body));
}

async function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    stop = () => signal.removeEventListener("abort", abort);
  });
  try {
    return await Promise.race([answer, aborted]);
  } finally {
    stop();
    // An answer that nobody waits for any more ends with the connection.
    answer.catch(() => {});
  }
}

interface Connection<Q extends LinkMessages> {
  readonly endpoint: ClientEndpoint<Q>;
  /** Resolves at the first session; rejects when the master refuses one. */
  readonly isUp: Promise<void>;
}

function connect<Q extends LinkMessages, A extends LinkMessages>(
  master: MasterAddress<Q, A>,
): Connection<Q> {
  const { promise, resolve, reject } = withResolvers();
  const endpoint = openQueue(master.link.name, master.address, () =>
    connectEndpoint(master.link, {
      address: master.address,
      ...(master.keys && { keys: master.keys }),
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
      log: master.logger,
    }),
  );
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
      return new Error(
        `the master at ${address} did not answer in time (--wait): what was asked may still be done`,
      );
    case "gone":
    case "closed":
      return new Error(`the master at ${address} went away before it answered`);
    case "refused":
      return new Error(`the master says: ${error.message}`);
  }
}
