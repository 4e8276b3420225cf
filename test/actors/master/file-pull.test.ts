/** The ranges of files under way, from senders of every kind, in a time of their own. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { FilePull } from "../../../actors/master/file-pull.ts";
import { SharedCredit, TransferWindow } from "../../../actors/master/transfer-window.ts";
import type { StagedFile } from "../../../web/storage.ts";
import { randomOf } from "../../support/seeded-random.ts";

const MIB = 1024 * 1024;
const retryMs = 1_000;
const largest = 24 * MIB;
const source = Buffer.alloc(largest);

/** A file that takes what is in order and sees that it is what was sent. */
class Arrived implements StagedFile {
  lengthBytes = 0;
  async append(bytes: Uint8Array): Promise<void> {
    await turn();
    expect(bytes.byteOffset - source.byteOffset).toBe(this.lengthBytes);
    this.lengthBytes += bytes.length;
  }
  sha256 = () => "";
  sync = () => Promise.resolve();
  reset = () => Promise.resolve();
  close = () => Promise.resolve();
}

/** A file of that many bytes with a window of its own; `asked` has what was asked for, in order. */
function pullOf(sizeBytes: number, credit = new SharedCredit(), identity = "slave") {
  const window = new TransferWindow(credit.accountOf(identity), retryMs);
  const asked: { readonly offset: number; readonly lengthBytes: number }[] = [];
  const staged = new Arrived();
  const fetch = (offset: number, lengthBytes: number) => asked.push({ offset, lengthBytes }) > 0;
  const pull = new FilePull({ sizeBytes, staged, window, fetch, wrote: () => undefined });
  return { pull, window, asked, staged };
}

const bytesOf = ({ offset, lengthBytes }: { offset: number; lengthBytes: number }) =>
  source.subarray(offset, offset + lengthBytes);

it("a late range that comes twice is not held against its sender, and does not look quick", () => {
  const { pull, window, asked } = pullOf(4 * MIB);
  pull.ask(0);
  const second = asked[1] ?? { offset: 0, lengthBytes: 0 };
  expect(second.offset).toBeGreaterThan(0);
  expect(pull.expire(retryMs + 1, retryMs)).toBe(true);
  pull.ask(retryMs + 1);
  const before = window.rangeBytes;
  expect(pull.take(second.offset, bytesOf(second), retryMs + 2)).toBe("taken");
  expect(window.rangeBytes).toBe(before);
  expect(pull.take(second.offset, bytesOf(second), retryMs + 3)).toBe("repeated");
  expect(pull.take(4 * MIB, bytesOf(second), retryMs + 3)).toBe("unasked");
});

it("whoever withholds the first range keeps no memory by the others, and is asked for that one alone", () => {
  const credit = new SharedCredit();
  const { pull, asked } = pullOf(16 * MIB, credit);
  const another = credit.accountOf("another");
  let now = 0;
  let seen = 0;
  const answerAllButFirst = () => {
    for (const range of asked.slice(seen))
      if (range.offset > 0) expect(pull.take(range.offset, bytesOf(range), now)).toBe("taken");
    seen = asked.length;
  };
  for (; now <= 3 * retryMs + 200; now += 100) {
    pull.expire(now, retryMs);
    pull.ask(now);
    answerAllButFirst();
  }
  // Asked a third time, and only that.
  expect(asked.at(-1)?.offset).toBe(0);
  const total = asked.length;
  for (; now <= 6 * retryMs; now += 100) {
    pull.expire(now, retryMs);
    pull.ask(now);
  }
  expect(asked.length).toBe(total);
  // All of the credit is there for another, but for that one range.
  let free = 0;
  while (another.take(MIB / 4)) free += MIB / 4;
  expect(free).toBeGreaterThanOrEqual(31 * MIB);
});

it("one identity takes no more of the shared credit than it leaves to others", () => {
  const credit = new SharedCredit();
  const greedy = credit.accountOf("greedy");
  let taken = 0;
  while (greedy.take(MIB)) taken += 1;
  expect(taken).toBeGreaterThanOrEqual(16);
  const other = credit.accountOf("other");
  let left = 0;
  while (other.take(MIB)) left += 1;
  expect(left).toBeGreaterThanOrEqual(taken / 2);
  greedy.give(taken * MIB);
  other.give(left * MIB);
  let again = 0;
  while (greedy.take(MIB)) again += 1;
  expect(again).toBe(taken);
});

it("a lost range is asked for again also where those behind it have filled a window that has shrunk", async () => {
  const { pull, window, asked, staged } = pullOf(8 * MIB);
  let now = 0;
  for (; now < 3 * retryMs; now += 100) {
    if (pull.expire(now, retryMs)) for (let at = 0; at < 10; at += 1) window.shrink();
    pull.ask(now);
    for (const range of asked) if (range.offset > 0) pull.take(range.offset, bytesOf(range), now);
  }
  expect(asked.filter(({ offset }) => offset === 0).length).toBeGreaterThan(1);
  const isWhole = () => staged.lengthBytes === 8 * MIB;
  for (; now < 60 * retryMs && !isWhole(); now += 100) {
    for (const range of asked) pull.take(range.offset, bytesOf(range), now);
    for (let at = 0; at < 40; at += 1) await turn();
    pull.expire(now, retryMs);
    pull.ask(now);
  }
  expect(isWhole()).toBe(true);
});

/** How long after it was asked for a range comes, in ms; none: never. As often as there are entries. */
type Answers = (range: { offset: number; lengthBytes: number }, nowMs: number) => number[];

interface Kind {
  readonly name: string;
  readonly isHonest: boolean;
  readonly answersOf: (random: () => number) => Answers;
}

const kinds: readonly Kind[] = [
  { name: "quick", isHonest: true, answersOf: (random) => () => [random() * 20] },
  {
    name: "slow",
    isHonest: true,
    answersOf: () => {
      let freeAtMs = 0;
      // 2 MiB a second, one after the other.
      return ({ lengthBytes }, nowMs) => {
        freeAtMs = Math.max(freeAtMs, nowMs) + (lengthBytes / (2 * MIB)) * 1_000;
        return [freeAtMs - nowMs];
      };
    },
  },
  {
    name: "losing",
    isHonest: true,
    answersOf: (random) => () => (random() < 0.05 ? [] : [random() * 50]),
  },
  {
    name: "late",
    isHonest: true,
    answersOf: (random) => () => [random() < 0.1 ? random() * 3 * retryMs : random() * 50],
  },
  { name: "repeating", isHonest: true, answersOf: (random) => () => [5, random() * 2 * retryMs] },
  { name: "silent", isHonest: false, answersOf: () => () => [] },
  {
    name: "withholding the first range",
    isHonest: false,
    answersOf:
      (random) =>
      ({ offset }) =>
        offset === 0 ? [] : [random() * 10],
  },
];

it.each([1, 2, 3, 4])(
  "slow, stalled and lying senders take neither the memory nor the time of the others (seed %i)",
  async (seed) => {
    const random = randomOf(seed);
    const credit = new SharedCredit();
    let due: { readonly atMs: number; deliver(): void }[] = [];
    let now = 0;
    const senders = Array.from({ length: 48 }, (_, at) => {
      const kind = kinds[at % 3 === 0 ? kinds.length - 1 : Math.floor(random() * kinds.length)];
      if (kind === undefined) throw new Error("no such kind");
      const sizeBytes = 4 * MIB + Math.floor(random() * (largest - 4 * MIB));
      // All that mean harm have the same key.
      const identity = kind.isHonest ? `slave-${at}` : "hostile";
      const made = pullOf(sizeBytes, credit, identity);
      const answers = kind.answersOf(random);
      let seen = 0;
      const answer = (): void => {
        for (const range of made.asked.slice(seen))
          for (const afterMs of answers(range, now))
            due.push({
              atMs: now + afterMs,
              deliver() {
                made.pull.take(range.offset, bytesOf(range), now);
                if (kind.isHonest) return;
                const lie = { offset: Math.floor(random() * sizeBytes), lengthBytes: 10 };
                expect(made.pull.take(lie.offset, bytesOf(lie), now)).not.toBe("taken");
              },
            });
        seen = made.asked.length;
      };
      return { ...made, kind, sizeBytes, answer };
    });
    const honest = senders.filter(({ kind }) => kind.isHonest);
    const missing = () =>
      honest.flatMap(({ kind, staged, sizeBytes }) =>
        staged.lengthBytes === sizeBytes ? [] : [kind.name],
      );
    for (; now < 300 * retryMs && missing().length > 0; now += 50) {
      for (const { pull, window, answer } of senders) {
        if (now % 250 === 0 && pull.expire(now, retryMs)) window.shrink();
        pull.ask(now);
        answer();
      }
      const arriving = due.filter(({ atMs }) => atMs <= now);
      due = due.filter(({ atMs }) => atMs > now);
      for (const { deliver } of arriving) deliver();
      for (let at = 0; at < 10; at += 1) await turn();
    }
    expect(missing()).toEqual([]);
  },
  60_000,
);
