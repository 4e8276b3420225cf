/**
 * Reads the log of one build to its end, as it is written, for the watcher. The master remembers nothing of who reads, so
 * whatever was lost is asked for again from the same position.
 */
import { setTimeout as delay } from "node:timers/promises";
import { cutLine } from "../../protocol/model/finished-log.ts";
import type { MasterWatcher } from "../../protocol/watching/master-watcher.ts";
import { toError } from "../../supervisor/index.ts";

export interface LogNews {
  /** What the build has said next. */
  readonly text: string;
  /** Why nothing comes now; null: it comes. */
  readonly trouble: string | null;
  /** There is no more, now or later. */
  readonly isEnd: boolean;
}

/** The answer comes when there is more, at the latest after this. */
const WAIT_MS = 10_000;
/** Beyond that, for the way. */
const ANSWER_MS = 10_000;
const AGAIN_MS = 1_000;

/** Ends with the log, or when `signal` is aborted. */
export async function followLog(
  ask: MasterWatcher["ask"],
  token: number,
  signal: AbortSignal,
  tell: (news: LogNews) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let position = 0;
  // A function: the compiler would take the first look for the last.
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    let trouble: string;
    try {
      const question = { token, slave: null, position, waitMs: WAIT_MS };
      const answer = await ask("LOG", question, WAIT_MS + ANSWER_MS);
      if (isOver()) return;
      const { part, isForNow } = answer;
      if (part !== null) {
        position = part.nextPosition;
        const cut = part.skippedBytes === 0 ? "" : cutLine(part.skippedBytes);
        const text = cut + decoder.decode(part.data, { stream: true });
        tell({ text, trouble: null, isEnd: part.isEnd });
        if (part.isEnd) return;
        continue;
      }
      trouble = answer.trouble ?? "the master gives no log and no reason";
      tell({ text: "", trouble, isEnd: !isForNow });
      if (!isForNow) return;
    } catch (error) {
      if (isOver()) return;
      tell({ text: "", trouble: toError(error).message, isEnd: false });
    }
    await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined);
  }
}
