/**
 * How much garbage a process that carries files lets come together before V8 goes through its whole heap. ZeroMQ's frames are
 * memory outside of that heap and count towards the next collection of it: by default one follows each 16 MiB or so, for files of
 * 100 MiB at every turn. Up to 64 MiB V8 frees them with its small collections, where the large one is not faster. Called
 * at the start of piw-master and piw-slave.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";

const GARBAGE_BYTES = 64 * 1024 * 1024;
/** V8's own rule goes from 10 to 300, by how busy it thinks the program is. */
const PERCENT = { least: 20, most: 400 };
/** The heap of a master grows with its slaves, within minutes. */
const LOOK_MS = 15_000;

export function gatherGarbage(): void {
  adjust();
  setInterval(adjust, LOOK_MS).unref();
}

/** V8 knows only a share of the heap, not a size. */
function adjust(): void {
  const { used_heap_size: usedBytes } = getHeapStatistics();
  const percent = Math.round((GARBAGE_BYTES * 100) / usedBytes);
  const bounded = Math.min(PERCENT.most, Math.max(PERCENT.least, percent));
  setFlagsFromString(`--heap-growing-percent=${bounded}`);
}
