/** How far long work is: a line that is rewritten on a terminal, one every ten seconds elsewhere. */

const EVERY_MS = 10_000;
const REDRAW_MS = 100;

export interface Progress {
  show(line: string): void;
  /** Leaves nothing of the rewritten line. */
  clear(): void;
}

/** To standard error, so that standard output has the outcome alone. */
export function openProgress(
  output: Pick<NodeJS.WriteStream, "isTTY" | "write"> = process.stderr,
): Progress {
  const everyMs = output.isTTY ? REDRAW_MS : EVERY_MS;
  let shownAt = performance.now() - (output.isTTY ? EVERY_MS : 0);
  let isDrawn = false;
  return {
    show(line) {
      if (performance.now() - shownAt < everyMs) return;
      shownAt = performance.now();
      isDrawn = output.isTTY;
      output.write(output.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
    },
    clear() {
      if (isDrawn) output.write("\r\u001b[K");
      isDrawn = false;
    },
  };
}
