/**
 * The threads that put pages in their places (replace-pages.ts): two for the process, whatever storages it has open,
 * so that small pages do not wait until a list of many megabytes is compressed and on disk. A thread is started when
 * it has something to do, and keeps the process alive only while it has. One that ends is started anew for what
 * comes next; what it had in hand fails.
 */
import { Worker } from "node:worker_threads";
import type { ThreadAnswer, ThreadQuestion } from "./page-thread-main.ts";
import type { NewPage, Replacing } from "./replace-pages.ts";

/** Work of more bytes is for the second thread. */
const LARGE_BYTES = 4 * 1024 ** 2;

/** Returns how many pages were written; throws what the system said, with its code. */
export function replaceInThread(work: Replacing): Promise<number> {
  let sizeBytes = 0;
  for (const page of work.pages) sizeBytes += sizeOf(page);
  return (sizeBytes > LARGE_BYTES ? forLarge : forSmall).ask(work);
}

/** When nothing is in hand: whoever gives up what it asked for has not ended it. Rejects for nothing. */
export async function pagesSettled(): Promise<void> {
  await Promise.all([forSmall.settled(), forLarge.settled()]);
}

const sizeOf = ({ contents }: NewPage): number =>
  typeof contents === "object" && "file" in contents ? contents.sizeBytes : contents.length;

interface Waiting {
  readonly resolve: (written: number) => void;
  readonly reject: (error: Error) => void;
}

class PageThread {
  #worker: Worker | undefined;
  #next = 0;
  readonly #waiting = new Map<number, Waiting>();
  readonly #inHand = new Set<Promise<number>>();

  ask(work: Replacing): Promise<number> {
    const asked = new Promise<number>((resolve, reject) => {
      const number = this.#next++;
      const worker = this.#open();
      const [sent, memory] = encoded(work);
      worker.postMessage({ number, work: sent } satisfies ThreadQuestion, memory);
      this.#waiting.set(number, { resolve, reject });
      worker.ref();
    });
    this.#inHand.add(asked);
    const end = (): void => {
      this.#inHand.delete(asked);
    };
    asked.then(end, end);
    return asked;
  }

  async settled(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.allSettled(this.#inHand);
  }

  #open(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = startWorker();
    this.#worker = worker;
    worker.on("message", (answer: ThreadAnswer) => this.#take(worker, answer));
    worker.on("error", (error) => this.#drop(worker, error));
    worker.on("exit", () => this.#drop(worker, new Error("the thread that writes pages ended")));
    return worker;
  }

  #take(worker: Worker, answer: ThreadAnswer): void {
    const waiting = this.#waiting.get(answer.number);
    this.#waiting.delete(answer.number);
    if (this.#waiting.size === 0) worker.unref();
    if ("written" in answer) waiting?.resolve(answer.written);
    else {
      const { message, code } = answer.failure;
      waiting?.reject(Object.assign(new Error(message), { code }));
    }
  }

  #drop(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const lost = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of lost) reject(error);
  }
}

/** Text goes over as bytes whose memory is handed over, which costs less than to copy it there and encode it here. */
function encoded({ pages, temporary }: Replacing): [Replacing, ArrayBuffer[]] {
  const memory: ArrayBuffer[] = [];
  const sent = pages.map((page) => {
    if (typeof page.contents !== "string") return page;
    const contents = encoder.encode(page.contents);
    memory.push(contents.buffer);
    return { ...page, contents };
  });
  return [{ pages: sent, temporary }, memory];
}
const encoder = new TextEncoder();

const forSmall = new PageThread();
const forLarge = new PageThread();

function startWorker(): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  const program = new URL(`./page-thread-main.${isSource ? "ts" : "js"}`, import.meta.url);
  // Flags of the main program are not for the thread: a test runner's or a debugger's would stop it.
  return new Worker(isSource ? new URL("./from-source.js", import.meta.url) : program, {
    name: "pages",
    workerData: { program: program.href },
    execArgv: [],
  });
}
