/** The two halves of the reliable lane alone, under every interleaving of what a network and its users can do. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InStream } from "../../../supervisor/nodes/in-stream.ts";
import type { Item } from "../../../supervisor/nodes/node-message.ts";
import { type Batch, OutStream } from "../../../supervisor/nodes/out-stream.ts";

/** Small, so that few steps reach every edge. */
const window = 4;
const bound = { letters: 9, bytes: 10_000 };
const batchSize = 3;

/** A lane over a network of which a test decides what arrives, how often and when. */
class Lane {
  readonly out = new OutStream("s", window);
  readonly in = new InStream(window);
  readonly pushed: number[] = [];
  readonly given: number[] = [];
  refused = 0;
  letters: Batch[] = [];
  acknowledgements: number[] = [];

  constructor() {
    this.in.begin("s", 1);
  }

  push(): void {
    const number = this.out.push(["tell", this.pushed.length + 1], bound);
    if (number === undefined) this.refused += 1;
    else {
      this.pushed.push(this.pushed.length + 1);
      expect(number).toBe(this.pushed.length);
    }
  }

  /** What a flush does, of which the transport takes the first `most` batches. */
  send(most: number): void {
    for (let count = 0; count < most; count += 1) {
      const batch = this.out.next(batchSize);
      if (batch === undefined) return;
      this.letters.push(batch);
      this.out.sent(batch.items.length);
    }
  }

  repeat(): void {
    const batch = this.out.oldest(batchSize);
    if (batch !== undefined) this.letters.push(batch);
  }

  /** Stays on the network where it will come again. */
  deliver(at: number, isKept: boolean): void {
    const batch = pick(this.letters, at, isKept);
    if (batch === undefined) return;
    this.in.accept(batch.first, batch.items, (item) => this.given.push(numberOf(item)));
  }

  acknowledge(): void {
    this.acknowledgements.push(this.in.received);
  }

  deliverAcknowledgement(at: number, isKept: boolean): void {
    const received = pick(this.acknowledgements, at, isKept);
    if (received !== undefined) this.out.acknowledge(received);
  }

  /** A new connection: both say SYNC. What the one before carried may still come, or not. */
  reconnect(isForgotten: boolean): void {
    if (isForgotten) {
      this.letters = [];
      this.acknowledgements = [];
    }
    this.out.acknowledge(this.in.received);
    this.out.rewind();
  }

  /** Nothing is lost from now on. */
  heal(): void {
    for (let round = 0; this.out.size > 0; round += 1) {
      if (round > 100) throw new Error(`${this.out.size} letters never arrive`);
      this.repeat();
      this.send(100);
      while (this.letters.length > 0) this.deliver(0, false);
      this.acknowledgements = [];
      this.acknowledge();
      this.deliverAcknowledgement(0, false);
    }
  }
}

function pick<T>(network: T[], at: number, isKept: boolean): T | undefined {
  if (network.length === 0) return undefined;
  const index = at % network.length;
  return isKept ? network[index] : network.splice(index, 1)[0];
}

const numberOf = (item: Item) => Number(item[1]);

const place = fc.nat(20);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ do: "push" } as const) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      most: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("deliver" as const), at: place, isKept: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lose" as const), at: place }) },
  { weight: 3, arbitrary: fc.constant({ do: "acknowledge" } as const) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("take" as const), at: place, isKept: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.constant({ do: "repeat" } as const) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("reconnect" as const), isForgotten: fc.boolean() }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function take(lane: Lane, next: Step): void {
  switch (next.do) {
    case "push":
      lane.push();
      return;
    case "send":
      lane.send(next.most);
      return;
    case "deliver":
      lane.deliver(next.at, next.isKept);
      return;
    case "lose":
      pick(lane.letters, next.at, false);
      return;
    case "acknowledge":
      lane.acknowledge();
      return;
    case "take":
      lane.deliverAcknowledgement(next.at, next.isKept);
      return;
    case "repeat":
      lane.repeat();
      return;
    case "reconnect":
      lane.reconnect(next.isForgotten);
  }
}

describe("the reliable lane", () => {
  it("59: gives on a beginning of what was said, in order and without repetition, whatever is lost, repeated, overtaken or connected anew; and all of it in the end", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const lane = new Lane();
        for (const next of steps) {
          take(lane, next);
          expect(lane.given).toEqual(lane.pushed.slice(0, lane.given.length));
          // Nothing is forgotten that was not given on, and no more waits than may.
          expect(lane.out.base - 1).toBeLessThanOrEqual(lane.in.received);
          expect(lane.in.received).toBe(lane.given.length);
          expect(lane.out.size).toBeLessThanOrEqual(bound.letters);
          expect(lane.out.underWay).toBeLessThanOrEqual(window);
          expect(lane.out.base + lane.out.size - 1).toBe(lane.pushed.length);
        }
        lane.heal();
        expect(lane.given).toEqual(lane.pushed);
      }),
      { numRuns: 2_000 },
    );
  });

  it("refuses a letter beyond its bound, and has room again when letters are acknowledged", () => {
    const lane = new Lane();
    for (let n = 0; n < bound.letters + 3; n += 1) lane.push();
    expect(lane.refused).toBe(3);
    lane.heal();
    lane.push();
    expect(lane.refused).toBe(3);
  });

  it("believes no acknowledgement of letters that were never sent, nor an old one, and sends all others again over a new connection", () => {
    const out = new OutStream("s", window);
    for (let n = 0; n < 6; n += 1) out.push(["tell", n], bound);
    expect(out.acknowledge(1)).toBe(false);
    out.sent(out.next(2)?.items.length ?? 0);
    expect(out.acknowledge(3)).toBe(false);
    expect(out.acknowledge(6)).toBe(false);
    expect(out.acknowledge(2)).toBe(true);
    expect(out.acknowledge(1)).toBe(false);
    expect(out.acknowledge(0)).toBe(false);
    expect(out.size).toBe(4);
    // Sent over the connection before, acknowledged over this one.
    out.sent(out.next(2)?.items.length ?? 0);
    out.rewind();
    expect(out.next(9)?.first).toBe(3);
    expect(out.acknowledge(4)).toBe(true);
    expect(out.next(9)).toEqual({
      first: 5,
      items: [
        ["tell", 4],
        ["tell", 5],
      ],
    });
  });

  it("keeps no letters that are further ahead than the window, nor more than the window holds", () => {
    const lane = new InStream(window);
    lane.begin("s", 1);
    const given: number[] = [];
    const items = (first: number, count: number): Item[] =>
      Array.from({ length: count }, (_, at) => ["tell", first + at]);
    const accept = (first: number, count: number) =>
      lane.accept(first, items(first, count), (item) => given.push(numberOf(item)));
    accept(2, 50);
    expect(given).toEqual([]);
    accept(1, 1);
    expect(given).toEqual([1, 2, 3, 4]);
    expect(lane.received).toBe(4);
    expect(accept(3, 4)).toBe(2);
    expect(given).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
