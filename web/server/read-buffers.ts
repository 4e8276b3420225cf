/**
 * The memory through which files go to their readers, used again and again. Bounded: who comes when all large
 * buffers are with slow readers gets a small one of his own.
 */
const LARGE_BYTES = 256 * 1_024;
const SMALL_BYTES = 16 * 1_024;
const MAX_LARGE = 128;
/** That many are kept for the next reader. */
const MAX_IDLE = 16;

const idle: Buffer[] = [];
let lent = 0;

/** Give it back when nothing reads or writes it any more. */
export function takeBuffer(): Buffer {
  if (lent >= MAX_LARGE) return Buffer.allocUnsafeSlow(SMALL_BYTES);
  lent += 1;
  return idle.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES);
}

export function giveBack(buffer: Buffer): void {
  if (buffer.length < LARGE_BYTES) return;
  lent -= 1;
  if (idle.length < MAX_IDLE) idle.push(buffer);
}
