/**
 * Each message in and out of the actors whose name or path matches a pattern (`--debug TASK`). A hook is
 * called synchronously and costs nothing while there is none; one that throws is removed.
 */
import { type NamePattern, namePattern } from "./name-pattern.ts";

export interface TraceEvent {
  /** `in`: taken from the mailbox; `out`: answered; `tell`: sent by it; `crash`: the message ended it. */
  readonly direction: "in" | "out" | "tell" | "crash";
  readonly path: string;
  readonly incarnation: number;
  /** To whom, for `tell`. */
  readonly to?: string;
  readonly type: string;
  readonly body: unknown;
}

export type TraceHook = (event: TraceEvent) => void;

interface Installed {
  readonly matches: NamePattern;
  readonly hook: TraceHook;
}

export class Tracer {
  readonly #installed = new Map<string, Installed>();
  /** Numbers hooks, so that pattern and hook make one key. */
  readonly #hookIds = new WeakMap<TraceHook, number>();
  #lastHookId = 0;
  #isActive = false;

  /** Asked before an event is even made. */
  get isActive(): boolean {
    return this.#isActive;
  }

  /** A hook sees an event once, however many of its patterns match. */
  install(pattern: string, hook: TraceHook): () => void {
    const hookId = this.#hookIds.get(hook) ?? ++this.#lastHookId;
    this.#hookIds.set(hook, hookId);
    const key = `${hookId} ${pattern}`;
    this.#installed.set(key, { matches: namePattern(pattern), hook });
    this.#isActive = true;
    return () => this.#remove(key);
  }

  emit(id: string, event: TraceEvent): void {
    const called = new Set<TraceHook>();
    for (const [key, { matches, hook }] of this.#installed) {
      if (called.has(hook) || !matches(id, event.path)) continue;
      called.add(hook);
      try {
        hook(event);
      } catch {
        this.#remove(key);
      }
    }
  }

  #remove(key: string): void {
    this.#installed.delete(key);
    this.#isActive = this.#installed.size > 0;
  }
}
