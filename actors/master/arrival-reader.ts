/**
 * Reads wheels while they arrive, in a thread of its own (`arrival-thread.ts`), so that their check has little left to do at
 * the end. It only ever saves work: where the thread ends, or reads too slowly to be worth waiting for, nothing was seen, and the check
 * unpacks everything itself. Called by transfers; part of the wheel checker.
 */
import { Worker } from "node:worker_threads";
import type { SeenEntry } from "../../protocol/packaging/arriving-zip.ts";

/** A wheel on its way. */
export interface Arriving {
  /** So much of it is in the file. */
  grew(lengthBytes: number): void;
  /** All is there: what was seen of it. Never rejects. */
  seen(): Promise<readonly SeenEntry[]>;
  /** It is given up. Repeatable, also after its end. */
  stop(): void;
}

export type ArrivalOrder =
  | { readonly type: "begin"; readonly id: number; readonly path: string }
  | { readonly type: "grew"; readonly id: number; readonly lengthBytes: number }
  | { readonly type: "end" | "stop"; readonly id: number };

export interface ArrivalSays {
  readonly id: number;
  readonly seen: readonly SeenEntry[];
}

/** A thread that has not caught up by then hangs, or is of no use. */
const PATIENCE_MS = 60_000;
/** More at once share the thread so thinly that none is ahead; each has a file open. */
const MOST_AT_ONCE = 32;

const notFollowed: Arriving = {
  grew: () => undefined,
  seen: () => Promise.resolve([]),
  stop: () => undefined,
};

export class ArrivalReader {
  readonly #url: URL;
  readonly #arriving = new Set<number>();
  readonly #waiting = new Map<number, (seen: readonly SeenEntry[]) => void>();
  #thread: Worker | undefined;
  #lastId = 0;

  constructor(url: URL) {
    this.#url = url;
  }

  /** A file of which nothing, or its beginning, is there. */
  follow(path: string): Arriving {
    if (this.#arriving.size >= MOST_AT_ONCE) return notFollowed;
    const thread = this.#thread ?? this.#start();
    this.#thread = thread;
    this.#lastId += 1;
    const id = this.#lastId;
    this.#arriving.add(id);
    const tell = (order: ArrivalOrder): void => {
      // Of one whose thread has ended the next thread knows nothing.
      if (this.#thread === thread && this.#arriving.has(id)) thread.postMessage(order);
    };
    tell({ type: "begin", id, path });
    return {
      grew: (lengthBytes) => tell({ type: "grew", id, lengthBytes }),
      seen: () =>
        new Promise((resolve) => {
          if (this.#thread !== thread || !this.#arriving.has(id)) {
            resolve([]);
            return;
          }
          const timer = setTimeout(() => void thread.terminate(), PATIENCE_MS);
          this.#waiting.set(id, (entries) => {
            clearTimeout(timer);
            resolve(entries);
          });
          tell({ type: "end", id });
        }),
      stop: () => {
        tell({ type: "stop", id });
        this.#end(id, []);
      },
    };
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  #start(): Worker {
    // Flags of the main program are not for every thread.
    const thread = new Worker(this.#url, { execArgv: [] });
    // The programs end when their trees have, whatever this one still reads.
    thread.unref();
    thread.on("message", ({ id, seen }: ArrivalSays) => this.#end(id, seen));
    // What ended it is told by its end.
    thread.on("error", () => undefined);
    thread.on("exit", () => {
      if (this.#thread !== thread) return;
      this.#thread = undefined;
      for (const id of [...this.#arriving]) this.#end(id, []);
    });
    return thread;
  }

  #end(id: number, seen: readonly SeenEntry[]): void {
    this.#arriving.delete(id);
    this.#waiting.get(id)?.(seen);
    this.#waiting.delete(id);
  }
}
