/**
 * What an `ActorCell` runs for a threaded actor: `init` starts the thread and waits until the actor there is
 * ready, `makeLoop` sends it its messages, `stop` ends it. The state of an incarnation is its thread.
 */
import {
  type Behaviour,
  IGNORE,
  type Overflow,
  type PauseKind,
  type UntypedContext,
  type UntypedHandler,
} from "../actor-definition.ts";
import type { ExitReason } from "../exit-reason.ts";
import type { IncarnationHost } from "../incarnation-host.ts";
import type { Loop } from "../loop.ts";
import type { LoopOwner } from "../message-loop.ts";
import type { ThreadTraits } from "./packet.ts";
import { Thread } from "./thread.ts";
import { ThreadLoop } from "./thread-loop.ts";

export interface ThreadSettings {
  readonly module: URL;
  readonly exportName: string;
  readonly maxMemoryMb: number | undefined;
  readonly unresponsiveMs: number;
  readonly window: number;
  readonly program: URL | undefined;
  readonly shutdownMs: number | undefined;
}

export class ThreadBehaviour implements Behaviour {
  /** All of this is the definition's, and learnt from the thread. */
  name: string;
  pause: PauseKind = "never";
  bound = 10_000;
  overflow: Overflow = "reject";
  control: ReadonlySet<string> = new Set();
  handlerTimeoutMs = 0;
  /** They are in the thread. */
  readonly handlers: ReadonlyMap<string, UntypedHandler> = new Map();
  readonly #settings: ThreadSettings;

  constructor(name: string, settings: ThreadSettings) {
    this.name = name;
    this.#settings = settings;
  }

  async init(ctx: UntypedContext, args: unknown): Promise<unknown> {
    const thread = new Thread(ctx, args, this.#settings);
    const traits = await thread.started();
    if (traits === IGNORE) return IGNORE;
    this.#learn(traits);
    return thread;
  }

  makeLoop(owner: LoopOwner, host: IncarnationHost, state: unknown): Loop {
    host.mailbox.resize(this.bound, this.overflow);
    return new ThreadLoop(owner, host, state as Thread, this.#settings);
  }

  /** A promise, which `getState` waits for. */
  snapshot(state: unknown): Promise<unknown> {
    return (state as Thread).state();
  }

  async stop(state: unknown, reason: ExitReason): Promise<void> {
    await (state as Thread).close(reason);
  }

  #learn(traits: ThreadTraits): void {
    this.name = traits.name;
    this.pause = traits.pause;
    this.bound = traits.bound;
    this.overflow = traits.overflow;
    this.control = new Set(traits.control);
    this.handlerTimeoutMs = traits.handlerTimeoutMs;
  }
}
