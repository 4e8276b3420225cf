/** How much memory is really in use; in processes that were started with `--expose-gc`. */
import { setImmediate as nextTurn } from "node:timers/promises";

/** Of the JavaScript heap, after what is no longer needed was collected. */
export async function heapBytes(): Promise<number> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("node wants --expose-gc");
  // What the turn in hand still holds is free after it; what has a finaliser only the second time.
  await nextTurn();
  void gc();
  await nextTurn();
  void gc();
  return process.memoryUsage().heapUsed;
}
