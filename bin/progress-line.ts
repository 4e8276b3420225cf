/** One line at the terminal that says how far something is; nothing where nobody looks. */

/** A terminal is written to at most so often. */
const INTERVAL_MS = 200;

export interface ProgressLine {
  show(text: string): void;
  /** Before other lines, and at the end. */
  clear(): void;
}

export function progressLine(): ProgressLine {
  const isSeen = process.stderr.isTTY;
  let shownAt = 0;
  let isShown = false;
  return {
    show(text) {
      const now = performance.now();
      if (!isSeen || now - shownAt < INTERVAL_MS) return;
      shownAt = now;
      isShown = true;
      process.stderr.write(`\r\u001b[K${text}`);
    },
    clear() {
      if (isShown) process.stderr.write("\r\u001b[K");
      isShown = false;
    },
  };
}
