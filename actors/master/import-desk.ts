/**
 * The import desk: where piw-import brings wheels that were built elsewhere. It takes what Mr. Chase passes
 * on, walks each import from its wheels to the index (`import-walk.ts`), several at once, and stands between
 * File Juggler, who asks for chunks, and the tool that has them. It keeps no truth of its own: after a crash
 * the tool says IMPORT again.
 */
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { ImportAnswers, ImportQuestions } from "../../protocol/links/import.ts";
import type { ToImportDesk } from "../../protocol/links/tasks/import-desk.ts";
import {
  type ImportOrder,
  type ImportOutcome,
  type WheelImportQuestions,
  wheelImportMessages,
} from "../../protocol/links/wheel-import.ts";
import type { Token } from "../../protocol/model/build.ts";
import {
  type ActorContext,
  type ActorRef,
  defineActor,
  type MessageOf,
  type Peer,
  toError,
} from "../../supervisor/index.ts";
import type { EndpointMessages, PeerMessages } from "./endpoint.ts";
import { type ImportMeans, walkImport } from "./import-walk.ts";

type FromTool = MessageOf<WheelImportQuestions>;
type Reply = Parameters<PeerMessages<ImportQuestions>["PEER_MESSAGE"]>[0]["reply"];

export interface ImportDeskMessages extends ToImportDesk {
  FROM_TOOL(body: {
    readonly peer: Peer;
    readonly message: FromTool;
    readonly reply?: Reply;
  }): void;
  /** A connection of the import link has ended. */
  TOOL_GONE(peer: Peer): void;
  /** What became of an import long ago: who has not asked by now asks anew. */
  FORGET(body: { readonly key: string }): void;
}

export interface ImportDeskArgs extends ImportMeans {
  readonly link: ActorRef<EndpointMessages<ImportAnswers>>;
}

/** One import under way, or what became of it. */
interface Run {
  readonly key: string;
  /** Who brings it, the latest last. */
  readonly tools: Map<string, Peer>;
  readonly outcome: Promise<ImportOutcome>;
  isOver: boolean;
}

interface State {
  readonly args: ImportDeskArgs;
  readonly runs: Map<string, Run>;
  /** Keys of `runs`. */
  readonly keys: Map<Token, string>;
}

type Context = ActorContext<ImportDeskMessages>;

/** Others wait: each pulls files of its own. */
const MAX_RUNS = 8;
/** IMPORT is answered after this, also when nothing is known yet. */
const ANSWER_MS = 5_000;
const FORGET_MS = 60_000;

/** What Mr. Chase passes on. */
export const isOfImport = (message: MessageOf<ImportQuestions>): message is FromTool =>
  Object.hasOwn(wheelImportMessages, message.type);

export const importDesk = defineActor<ImportDeskMessages, ImportDeskArgs, State>({
  name: "takes wheels that were built elsewhere",
  // Each may be a chunk of 1 MiB; one that finds no room is asked for again.
  mailbox: { bound: 500 },
  control: ["TOOL_GONE"],
  init: (_ctx, args) => ({ args, runs: new Map(), keys: new Map() }),
  handle: {
    FROM_TOOL(state, { peer, message, reply }, ctx) {
      if (message.type === "IMPORT") {
        const run = runOf(state, ctx, message.body);
        run?.tools.set(peer.id, peer);
        ctx.run(async (signal) => {
          await answer(run, reply, signal);
          // Once told it is old: what is asked later is asked of the database.
          if (run?.isOver === true) ctx.self.tell("FORGET", { key: run.key });
        });
        return;
      }
      const run = state.runs.get(state.keys.get(message.body.token) ?? "");
      if (run?.tools.has(peer.id) !== true) return;
      const { fileJuggler } = state.args;
      if (message.type === "CHUNK") fileJuggler.tell("CHUNK", message.body);
      else fileJuggler.tell("MISSING", message.body);
    },
    TOOL_GONE({ runs }, { id }) {
      for (const run of runs.values()) run.tools.delete(id);
    },
    FETCH({ args, runs, keys }, body) {
      const run = runs.get(keys.get(body.token) ?? "");
      const peer = run && [...run.tools.values()].at(-1);
      if (peer !== undefined) args.link.tell("SEND", { peer, message: { type: "FETCH", body } });
    },
    FORGET({ runs, keys }, { key }) {
      if (runs.get(key)?.isOver !== true) return;
      runs.delete(key);
      for (const [token, of] of keys) if (of === key) keys.delete(token);
    },
  },
});

/** The run of these wheels; undefined where there are too many others. */
function runOf(state: State, ctx: Context, order: ImportOrder): Run | undefined {
  const key = keyOf(order);
  const known = state.runs.get(key);
  if (known !== undefined) return known;
  if ([...state.runs.values()].filter((run) => !run.isOver).length >= MAX_RUNS) return undefined;
  const tools = new Map<string, Peer>();
  const outcome = walkImport(ctx, state.args, {
    key,
    order,
    isBrought: () => tools.size > 0,
    opened: (token) => state.keys.set(token, key),
  });
  const run: Run = { key, tools, outcome, isOver: false };
  state.runs.set(key, run);
  ctx.run(async () => {
    await outcome;
    run.isOver = true;
    // Kept for a moment, for whoever is just about to ask again; who comes later begins anew.
    if (tools.size > 0) ctx.after(FORGET_MS, "FORGET", { key });
    else ctx.self.tell("FORGET", { key });
  });
  return run;
}

/** An import is known by its wheels: said again, by whomever, it is the same one. */
function keyOf({ package: name, version, target, files }: ImportOrder): string {
  const wheels = files.map((file) => [file.filename, file.sha256]).sort();
  return createHash("sha256")
    .update(JSON.stringify([name, version, target, wheels]))
    .digest("hex");
}

async function answer(run: Run | undefined, reply: Reply, signal: AbortSignal): Promise<void> {
  const late = new AbortController();
  const pending = delay(ANSWER_MS, { state: "pending" } as const, {
    signal: AbortSignal.any([signal, late.signal]),
  });
  pending.catch(() => undefined);
  try {
    const value = await Promise.race(run === undefined ? [pending] : [run.outcome, pending]);
    reply?.({ value });
  } catch (error) {
    if (!signal.aborted) reply?.({ error: toError(error).message });
  } finally {
    late.abort();
  }
}
