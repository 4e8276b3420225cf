/**
 * Readiness: answers /readyz, for load balancers and whoever restarts programs: whether this master works on its database, and whether the
 * disk of the site can be reached. Open to everyone, so it says words and no more. That the process lives is
 * said by the web server itself (/healthz): it is to be restarted where nobody answers, not where the database is away.
 */
import { defineActor } from "../../supervisor/index.ts";
import type { Mount } from "../../web/server.ts";
import type { Storage } from "../../web/storage.ts";
import type { DatabaseRef } from "./database.ts";

export interface ReadinessArgs {
  readonly mount: Mount;
  readonly database: DatabaseRef;
  readonly storage: Storage;
}

/**
 * - `database`: it does not answer, or it is another master's by now (then this one is about to end).
 * - `storage`: the output folder cannot be reached.
 */
export type NotReady = "database" | "storage";

type NoMessages = Readonly<Record<never, never>>;

interface State {
  readonly args: ReadinessArgs;
  last: { readonly atMs: number; readonly reasons: Promise<readonly NotReady[]> } | undefined;
  /** One look at a disk that hangs holds a thread: there is never a second one. */
  look: Promise<boolean> | undefined;
  leave: () => void;
}

const FRESH_MS = 1_000;
const PATIENCE_MS = 2_000;

export const readiness = defineActor<NoMessages, ReadinessArgs, State>({
  name: "answers /readyz",
  init(_ctx, args) {
    const state: State = { args, last: undefined, look: undefined, leave: () => undefined };
    state.leave = args.mount.serve(async (_request, response) => {
      const reasons = await current(state);
      const isReady = reasons.length === 0;
      const body = `${JSON.stringify({ ready: isReady, reasons })}\n`;
      response.writeHead(isReady ? 200 : 503, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
      });
      response.end(body);
    });
    return state;
  },
  handle: {},
  stop: (state) => state.leave(),
});

function current(state: State): Promise<readonly NotReady[]> {
  const now = performance.now();
  if (state.last === undefined || now - state.last.atMs >= FRESH_MS)
    state.last = { atMs: now, reasons: lookAtAll(state) };
  return state.last.reasons;
}

async function lookAtAll(state: State): Promise<readonly NotReady[]> {
  const [isAnswered, isStored] = await Promise.all([lookAtDatabase(state.args), isThere(state)]);
  return [...(isAnswered ? [] : ["database" as const]), ...(isStored ? [] : ["storage" as const])];
}

/** Each session of a master begins by asking whether the database is still its own. */
const lookAtDatabase = ({ database }: ReadinessArgs): Promise<boolean> =>
  database.ask("ping", null, { timeoutMs: PATIENCE_MS }).then(
    () => true,
    () => false,
  );

async function isThere(state: State): Promise<boolean> {
  state.look ??= state.args.storage
    .room()
    .then(
      () => true,
      () => false,
    )
    .finally(() => {
      state.look = undefined;
    });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), PATIENCE_MS);
  });
  try {
    return await Promise.race([state.look, late]);
  } finally {
    clearTimeout(timer);
  }
}
