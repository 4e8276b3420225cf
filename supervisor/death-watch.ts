/**
 * Death watch: who wants to be told when somebody ends for good. A watch belongs to the watching
 * incarnation and fires once. Restarts do not fire it.
 */
import type { ExitReason, Terminated } from "./exit-reason.ts";
import type { Guard } from "./mailbox.ts";

/** The watching incarnation. */
export interface Watcher {
  deliverTerminated(type: string, body: Terminated, guard: Guard): void;
}

class Watch implements Guard {
  readonly type: string;
  isActive = true;
  readonly #onDelivered: (watch: Watch) => void;
  constructor(type: string, onDelivered: (watch: Watch) => void) {
    this.type = type;
    this.#onDelivered = onDelivered;
  }

  /** An undone watch is not delivered, even when it had fired already. */
  admit(): "take" | "drop" {
    if (!this.isActive) return "drop";
    this.isActive = false;
    this.#onDelivered(this);
    return "take";
  }
}

export class DeathWatch {
  readonly #byPath = new Map<string, Map<Watcher, Watch>>();
  /** The watches of a watcher by path, fired ones too until they are delivered. */
  readonly #byWatcher = new Map<Watcher, Map<string, Watch>>();
  readonly #onUnwatched: (path: string) => void;

  /** `onUnwatched`: the last watcher of a path has lost interest, before the watch fired. */
  constructor(onUnwatched: (path: string) => void = () => undefined) {
    this.#onUnwatched = onUnwatched;
  }

  /** A second watch of the same path by the same watcher changes nothing. */
  watch(watcher: Watcher, path: string, type: string, isAlive: boolean): void {
    const own = this.#byWatcher.get(watcher) ?? new Map<string, Watch>();
    if (own.get(path)?.isActive) return;
    const watch = new Watch(type, (delivered) => {
      if (own.get(path) === delivered) own.delete(path);
    });
    own.set(path, watch);
    this.#byWatcher.set(watcher, own);
    if (!isAlive) {
      watcher.deliverTerminated(type, { path, incarnation: 0, reason: { kind: "noproc" } }, watch);
      return;
    }
    const watchers = this.#byPath.get(path) ?? new Map<Watcher, Watch>();
    watchers.set(watcher, watch);
    this.#byPath.set(path, watchers);
  }

  unwatch(watcher: Watcher, path: string): void {
    const own = this.#byWatcher.get(watcher);
    const watch = own?.get(path);
    if (!watch) return;
    watch.isActive = false;
    own?.delete(path);
    this.#forgetPath(watcher, path);
  }

  /** The watcher's incarnation has ended. */
  forget(watcher: Watcher): void {
    for (const [path, watch] of this.#byWatcher.get(watcher) ?? []) {
      watch.isActive = false;
      this.#forgetPath(watcher, path);
    }
    this.#byWatcher.delete(watcher);
  }

  terminated(path: string, incarnation: number, reason: ExitReason): void {
    const watchers = this.#byPath.get(path);
    if (!watchers) return;
    this.#byPath.delete(path);
    for (const [watcher, watch] of watchers) {
      watcher.deliverTerminated(watch.type, { path, incarnation, reason }, watch);
    }
  }

  #forgetPath(watcher: Watcher, path: string): void {
    const watchers = this.#byPath.get(path);
    watchers?.delete(watcher);
    if (watchers?.size !== 0) return;
    this.#byPath.delete(path);
    this.#onUnwatched(path);
  }
}
