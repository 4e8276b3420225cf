/**
 * The thread that reads wheels while they arrive (`arrival-reader.ts` starts it): behind each transfer it unpacks what is there
 * already, so that little is left to check when the last byte has come. It has a buffer and a place in each file; it keeps no contents.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { getPriority, setPriority } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { parentPort } from "node:worker_threads";
import { ArrivingZip } from "../../protocol/packaging/arriving-zip.ts";
import type { ArrivalOrder, ArrivalSays } from "./arrival-reader.ts";

interface Arrival {
  readonly file: number;
  readonly zip: ArrivingZip;
  readTo: number;
  knownTo: number;
  isEnding: boolean;
}

const PIECE_BYTES = 256 * 1024;
const NICE = 5;

// Of this thread alone (Linux): where processors are scarce what it does can wait, and the master's event loop cannot.
if (process.platform === "linux" && parentPort !== null && getPriority() < NICE) setPriority(NICE);

const port = parentPort;
const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
const arrivals = new Map<number, Arrival>();
let isReading = false;
/** An order has come since the last round. */
let isAnyNew = false;

port?.on("message", (order: ArrivalOrder) => {
  take(order);
  isAnyNew = true;
  if (!isReading) void readAll();
});

function take(order: ArrivalOrder): void {
  if (order.type === "begin") {
    begin(order.id, order.path);
    return;
  }
  const arrival = arrivals.get(order.id);
  if (order.type === "end" && arrival === undefined) say({ id: order.id, seen: [] });
  if (arrival === undefined) return;
  if (order.type === "grew") arrival.knownTo = order.lengthBytes;
  else if (order.type === "end") arrival.isEnding = true;
  else forget(order.id, arrival);
}

function begin(id: number, path: string): void {
  try {
    const file = openSync(path, "r");
    arrivals.set(id, { file, zip: new ArrivingZip(), readTo: 0, knownTo: 0, isEnding: false });
  } catch {
    // The check of the whole will find out, and say so.
  }
}

/** A piece of each in turn, until all that is there was read. */
async function readAll(): Promise<void> {
  isReading = true;
  for (let isAnyRead = true; isAnyRead || isAnyNew; ) {
    isAnyRead = false;
    isAnyNew = false;
    for (const [id, arrival] of [...arrivals]) {
      if (await readNext(id, arrival)) isAnyRead = true;
    }
    // Orders come between two rounds.
    await nextTurn();
  }
  isReading = false;
}

async function readNext(id: number, arrival: Arrival): Promise<boolean> {
  const { zip } = arrival;
  const lengthBytes = Math.min(PIECE_BYTES, arrival.knownTo - arrival.readTo);
  if (lengthBytes > 0 && !zip.isOver) {
    try {
      const got = readSync(arrival.file, buffer, 0, lengthBytes, arrival.readTo);
      if (got === 0) throw new Error("shorter than it was said to be");
      arrival.readTo += got;
      await zip.take(buffer.subarray(0, got));
    } catch {
      zip.close();
    }
    return true;
  }
  if (arrival.isEnding) {
    say({ id, seen: zip.seen });
    forget(id, arrival);
  }
  return false;
}

function forget(id: number, { file, zip }: Arrival): void {
  arrivals.delete(id);
  zip.close();
  closeSync(file);
}

const say = (words: ArrivalSays): void => port?.postMessage(words);
