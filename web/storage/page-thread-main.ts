/** The program of a page thread (page-thread.ts): does one piece of work after the other, and says how it went. */
import { parentPort } from "node:worker_threads";
import { systemCode } from "./disk.ts";
import { type Replacing, replacePages } from "./replace-pages.ts";

export interface ThreadQuestion {
  readonly number: number;
  readonly work: Replacing;
}

export type ThreadAnswer = { readonly number: number } & (
  | { readonly written: number }
  | { readonly failure: { readonly message: string; readonly code: string } }
);

parentPort?.on("message", ({ number, work }: ThreadQuestion) => {
  parentPort?.postMessage(answer(number, work));
});

function answer(number: number, work: Replacing): ThreadAnswer {
  try {
    return { number, written: replacePages(work) };
  } catch (error) {
    // An error loses its code on the way.
    const message = error instanceof Error ? error.message : String(error);
    return { number, failure: { message, code: systemCode(error) } };
  }
}
