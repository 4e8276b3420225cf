/**
 * Actors in worker threads, for work that would hold the event loop: hashing, unpacking, solving. Trees
 * use `threadChild` where they would use `child`; everything else about such an actor is as for any other.
 *
 * Its mailbox, its supervision and its place in the tree are here, in the parent; its handlers, one at a
 * time, run in a thread of its own, and so does its state. A restart is a fresh thread.
 *
 * What differs, because another thread shares no memory:
 *
 * - Bodies, answers and args are copied (structured clone). Functions, refs and open things do not pass:
 *   the asker gets AskError `failed`, a tell is a dead letter `unsendable`. Send paths, and use `ctx.ref`.
 * - `tell` inside the thread says `queued` before the parent has delivered it. `ctx.pin` and the calls
 *   that start or stop children throw SupervisionError `in-thread`.
 * - To kill is to kill: a handler that loops for ever ends with its thread (`unresponsiveMs`, the
 *   definition's `handlerTimeoutMs`, `shutdownMs`). Then `stop` does not run, and answers given within the
 *   last turn (64 messages or 5 ms) may be lost; their askers get AskError `crashed`.
 * - Never open a ZeroMQ socket there: a thread that ends while it owns one ends the whole process
 *   (zeromq.js#411). Work that must not share the process at all belongs in a child process.
 */
import { fileURLToPath } from "node:url";
import type { Behaviour } from "../actor-definition.ts";
import type { ActorDefinition } from "../child-spec.ts";
import { behaviour, type ChildOptions, type ChildSpec } from "../child-spec.ts";
import { ThreadBehaviour } from "./thread-behaviour.ts";

export interface ThreadOptions extends ChildOptions {
  /** The name under which `module` exports the definition. Default `actor`. */
  readonly exportName?: string;
  /**
   * Most of the thread's JavaScript heap, in MiB; beyond it the thread ends and the actor restarts.
   * Buffers lie outside of that heap and are not counted. Default: Node's own limit.
   */
  readonly maxMemoryMb?: number;
  /**
   * A thread whose event loop stands still for so long is terminated. Default 30,000; a shorter
   * `handlerTimeoutMs` of the definition holds too. Raise it for handlers that compute for longer.
   */
  readonly unresponsiveMs?: number;
  /**
   * User messages that may be under way to the thread, so that the way costs no time. Default 256: some
   * turns of the thread, which reports after each.
   */
  readonly window?: number;
  /**
   * The runtime's program in the thread (`supervisor/threads/thread-main`), for programs that are bundled.
   * It and `module` must come from one build. Default: the one beside this file.
   */
  readonly program?: URL;
}

/** The protocol of a definition. */
type MessagesOf<D> = D extends ActorDefinition<infer M, never> ? M : never;
/** The arguments that its child spec passes on. */
type ArgsOf<D> = D extends ActorDefinition<object, infer A> ? A : never;

/**
 * An actor in a worker thread as a child. Name its definition as a type, so that nothing of it is loaded
 * here: `threadChild<typeof actor>("hasher", new URL("./hasher.ts", import.meta.url), args)` with
 * `import type { actor } from "./hasher.ts"`. In a built program `.ts` at the end of the URL means `.js`.
 *
 * What the definition says of mailbox, PAUSE and control messages is known once the first `init` has
 * settled; what is told to it before waits under the defaults (10,000 messages, all in the user lane).
 *
 * @throws TypeError when an option cannot be meant.
 */
export function threadChild<D>(
  id: string,
  module: URL,
  args: NoInfer<ArgsOf<D>>,
  options: ThreadOptions = {},
): ChildSpec<MessagesOf<D>> {
  const {
    exportName = "actor",
    maxMemoryMb,
    unresponsiveMs = 30_000,
    window = 256,
    program,
    ...childOptions
  } = options;
  if (module.protocol !== "file:") throw new TypeError(`${id}: ${module.href} is no file`);
  if (!(unresponsiveMs >= 1)) throw new TypeError(`${id}: unresponsiveMs is not a duration`);
  if (!(Number.isInteger(window) && window >= 1))
    throw new TypeError(`${id}: window holds nothing`);
  if (maxMemoryMb !== undefined && !(maxMemoryMb > 0)) {
    throw new TypeError(`${id}: maxMemoryMb is no size`);
  }
  const name = `${exportName} of ${fileURLToPath(module)}`;
  const inner: Behaviour = new ThreadBehaviour(name, {
    module,
    exportName,
    maxMemoryMb,
    unresponsiveMs,
    window,
    program,
    shutdownMs: childOptions.shutdownMs,
  });
  const definition = { name, [behaviour]: inner };
  return { kind: "worker", id, definition, args, options: childOptions };
}
