/** Whose turn it is among the transfers that wait. */
import { expect, it } from "vitest";
import { TRANSFERS_AT_ONCE, TransferQueue } from "../../../actors/master/transfer-queue.ts";

function takeAll(queue: TransferQueue): number[] {
  const begun: number[] = [];
  for (let next = queue.next(); next !== undefined; next = queue.next()) begun.push(next);
  return begun;
}

it("turns go round by identity: whoever has a thousand builds keeps nobody waiting", () => {
  const queue = new TransferQueue();
  for (let token = 1; token <= 1_000; token += 1) queue.add("greedy", token);
  const others = Array.from({ length: 100 }, (_, at) => 2_000 + at);
  for (const token of others) queue.add(`slave-${token}`, token);
  const first = takeAll(queue);
  expect(first).toHaveLength(TRANSFERS_AT_ONCE);
  expect(first.filter((token) => token <= 1_000)).toHaveLength(1);
  // Each end lets one more begin: after 37 of them all others have had their turn.
  const begun = [...first];
  for (const token of first.slice(0, 37)) {
    queue.ended(token);
    begun.push(...takeAll(queue));
  }
  expect(others.filter((token) => begun.includes(token))).toHaveLength(100);
});

it("of one identity so many run at once that others find room, and all come to their turn in order", () => {
  const queue = new TransferQueue();
  for (let token = 1; token <= 40; token += 1) queue.add("alone", token);
  const first = takeAll(queue);
  expect(first).toEqual(Array.from({ length: 16 }, (_, at) => at + 1));
  queue.add("other", 100);
  expect(takeAll(queue)).toEqual([100]);
  const begun = [...first];
  for (const token of begun) {
    queue.ended(token);
    begun.push(...takeAll(queue));
  }
  expect(begun).toEqual(Array.from({ length: 40 }, (_, at) => at + 1));
  expect(queue.isRunning(40)).toBe(false);
});

it("an end that is told twice, or of what waits, makes no room that there is not", () => {
  const queue = new TransferQueue();
  for (let token = 1; token <= 20; token += 1) queue.add("one", token);
  takeAll(queue);
  queue.ended(1);
  queue.ended(1);
  queue.ended(19);
  expect(takeAll(queue)).toEqual([17]);
});
