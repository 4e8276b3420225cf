/**
 * One other node as this one sees it, over all connections to it. States and their exits:
 *
 *     away -> up          (a connection came and both sides have said SYNC)
 *     away -> down        (nobody came within `awayMs`: what waited is lost, watchers are told)
 *     up   -> away        (the connection is gone; letters wait and are sent again in the next one)
 *     down -> up          (a connection came all the same, however late; a new stream begins)
 *
 * The owner of a connection (an actor with an endpoint, a worker's port, a test) calls `up`, `received`
 * and `down`. Every letter arrives once and in order as long as both nodes live; across a restart of the
 * other node letters without acknowledgement are sent to the new one, so one may be seen by both lives.
 */
import { randomBytes } from "node:crypto";
import type { CancelTimer, Clock } from "../clock.ts";
import type { SendResult } from "../endpoint.ts";
import type { Logger } from "../logger.ts";
import { InStream } from "./in-stream.ts";
import type { Item, NodeMessage } from "./node-message.ts";
import { type Batch, type Bound, OutStream } from "./out-stream.ts";

/** Letters that may be under way, and that the receiver keeps when they come before their turn. */
const window = 4_096;
/** Letters in one message, so that one message is never huge. */
const batchSize = 64;
/** Answers, ends of watched actors and the like that may wait beside what the bound admits. */
const mostDue = 100_000;
/** Whatever their number: a thousand letters of a megabyte must not wait in memory. */
const mostBytes = 64 * 1024 * 1024;
/** Of these and what is due. Much more: an answer that is refused costs the other node all that it asked. */
const mostDueBytes = 512 * 1024 * 1024;
/** An acknowledgement goes out at the latest after so many letters. */
const acknowledgeEvery = 512;
const retryFullMs = 20;
/** SYNC is said again after this, as long as the other one was not heard. */
const syncMs = 100;
/** Letters are sent again after four times what an acknowledgement takes, within these bounds. */
const firstRepeatMs = 250;
const lastRepeatMs = 10_000;
/** So many acknowledgements of the same number mean that the letter after it was lost. */
const repeatAfterSame = 2;

export interface ChannelOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** What this node says of itself. */
  readonly greeting: string;
  /** Why the other node, going by its greeting, is not to be spoken to. */
  refuses(greeting: string): string | undefined;
  readonly awayMs: number;
  /** Letters that may wait. */
  readonly bound: number;
}

/** What a channel tells those who speak through it. */
export interface ChannelUser {
  /** An item has come, in order. Must not throw. */
  take(item: Item): void;
  /**
   * The other node began anew: of what it had taken before (letters up to `taken`) nothing more comes. Gives
   * for each letter that still waits what the new life is to get in its place.
   */
  renewed(taken: number): (item: Item) => Item;
  /** Given up: these letters were never taken. All that is open with the other node has ended. */
  gone(lost: readonly Item[]): void;
  /** The item cannot be encoded; what is to be sent in its place. */
  unsendable(item: Item, error: Error): Item;
  /** These go out now, perhaps not for the first time: gives them with what depends on the time that they have waited. */
  leaving(items: readonly Item[]): readonly Item[];
}

export class NodeChannel {
  readonly name: string;
  readonly #options: ChannelOptions;
  readonly #user: ChannelUser;
  readonly #in = new InStream(window);
  /** Streams of this life of this node. */
  readonly #life = randomBytes(9).toString("base64url");
  #streams = 0;
  #out: OutStream;
  #state: "away" | "up" | "down" = "away";
  #send: ((message: NodeMessage) => SendResult) | undefined;
  #isHeard = false;
  #isFlushDue = false;
  #unacknowledged = 0;
  #refusal: string | undefined;
  #syncSaidAtMs = Number.NEGATIVE_INFINITY;
  #repeatMs = firstRepeatMs;
  /** One letter at a time is timed, to know how long an acknowledgement takes. */
  #timed: { readonly number: number; readonly atMs: number } | undefined;
  #roundTripMs = 0;
  #baseAtTimer = 0;
  #sameAcknowledged = 0;
  #cancelRepeat: CancelTimer | undefined;
  #cancelRetry: CancelTimer | undefined;
  #cancelAway: CancelTimer | undefined;
  #isClosed = false;
  readonly #counts = { sent: 0, received: 0, repeated: 0, resent: 0, lost: 0, newsLost: 0 };

  constructor(name: string, options: ChannelOptions, user: ChannelUser) {
    this.name = name;
    this.#options = options;
    this.#user = user;
    this.#out = this.#newStream();
    this.#waitAway();
  }

  get state(): "away" | "up" | "down" {
    return this.#state;
  }

  /** Why the other node is connected and yet not spoken to. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Letters sent and received, received twice, sent again, given up; news lost while away. */
  counters(): Readonly<Record<string, number>> {
    return { ...this.#counts, waiting: this.#out.size, waitingBytes: this.#out.bytes };
  }

  // ---- for the owner of the connection ---------------------------------------------------------

  /** A connection stands. `send` must be safe to call until `down`. A newer one replaces an older. */
  up(send: (message: NodeMessage) => SendResult): void {
    if (this.#isClosed) return;
    this.#send = send;
    this.#isHeard = false;
    this.#repeatMs = firstRepeatMs;
    this.#out.rewind();
    this.#sendSync();
    this.#armRepeat();
  }

  /** A message of the present connection, checked by the link. */
  received(message: NodeMessage): void {
    if (this.#isClosed || this.#send === undefined) return;
    if (message.type === "SYNC") {
      this.#takeSync(message.body);
      return;
    }
    // Before both have said SYNC nothing is known to be meant for this life of this node.
    if (!this.#isHeard) {
      this.#askForSync();
      return;
    }
    switch (message.type) {
      case "LETTERS": {
        const { stream, to, first, items } = message.body;
        if (stream === this.#in.id && to === this.#out.id) this.#takeLetters(first, items);
        else this.#askForSync();
        return;
      }
      case "ACK":
        this.#takeAcknowledgement(message.body);
        return;
      case "NEWS":
        this.#user.take(message.body.item);
    }
  }

  /** The connection is gone; another may follow. */
  down(reason: string): void {
    if (this.#send === undefined) return;
    this.#send = undefined;
    this.#isHeard = false;
    this.#cancelRepeat?.();
    this.#cancelRepeat = undefined;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    if (this.#state !== "up") return;
    this.#state = "away";
    this.#options.log.warn({ node: this.name, reason }, "a node is away");
    this.#waitAway();
  }

  // ---- for those who speak through it ----------------------------------------------------------

  /** Queues a letter: its number, `full` where no more may wait, `down` where nobody is there. */
  post(item: Item): number | "full" | "down" {
    return this.#post(item, { letters: this.#options.bound, bytes: mostBytes });
  }

  /**
   * As `post`, for what is owed to the other node (an answer, an end) or takes back what was said: the bound
   * of what actors say does not hold for it. Beyond 100,000 more the other node is given up: it waits for
   * answers that would never come.
   */
  postDue(item: Item): number | "full" | "down" {
    const bound = { letters: this.#options.bound + mostDue, bytes: mostDueBytes };
    const result = this.#post(item, bound);
    if (typeof result !== "number") this.#counts.lost += 1;
    if (result === "full") this.#beginAnew("too much is owed to it");
    return result;
  }

  /** Takes a letter back. False where it was sent already. */
  withdraw(number: number): boolean {
    if (!this.#out.isUnsent(number)) return false;
    this.#out.replace(number, ["void"]);
    return true;
  }

  #post(item: Item, bound: Bound): number | "full" | "down" {
    if (this.#state === "down" || this.#isClosed) return "down";
    const number = this.#out.push(item, bound);
    if (number === undefined) return "full";
    this.#flushSoon();
    return number;
  }

  /** Says something that may be lost. False where it surely was. */
  news(item: Item): boolean {
    if (this.#state === "up" && this.#trySend({ type: "NEWS", body: { item } }) === "sent")
      return true;
    this.#counts.newsLost += 1;
    return false;
  }

  /** The system ends: nothing more is sent or taken. */
  close(): void {
    this.#isClosed = true;
    this.#send = undefined;
    this.#cancelRepeat?.();
    this.#cancelRetry?.();
    this.#cancelAway?.();
    this.#user.gone(this.#out.takeAll());
  }

  // ---- connection ------------------------------------------------------------------------------

  #takeSync(body: Extract<NodeMessage, { type: "SYNC" }>["body"]): void {
    const { node, stream, base, known, heard } = body;
    if (this.#isRefused(node)) return;
    if (known?.stream === this.#out.id) this.#out.acknowledge(known.received);
    // What the other one has not heard of in this connection is sent from the beginning.
    else this.#out.rewind();
    if (stream !== this.#in.id) {
      const isRenewal = this.#in.id !== "";
      this.#in.begin(stream, base);
      this.#unacknowledged = 0;
      if (isRenewal) {
        this.#options.log.warn({ node: this.name }, "a node began anew");
        this.#out.rewrite(this.#user.renewed(this.#out.base - 1));
        this.#out.rewind();
      }
    }
    const wasHeard = this.#isHeard;
    this.#isHeard = true;
    if (!heard || !wasHeard) this.#sendSync();
    if (this.#state !== "up") {
      this.#state = "up";
      this.#cancelAway?.();
      this.#options.log.info({ node: this.name }, "a node is connected");
    }
    this.#flushSoon();
  }

  #isRefused(greeting: string): boolean {
    const refusal = this.#options.refuses(greeting);
    if (refusal !== undefined && refusal !== this.#refusal)
      this.#options.log.error({ node: this.name, refusal }, "a node is not spoken to");
    this.#refusal = refusal;
    return refusal !== undefined;
  }

  /** Something came that is not for the present streams: the other one is to say SYNC. Not for each of a burst. */
  #askForSync(): void {
    this.#isHeard = false;
    if (this.#options.clock.monotonicMs() - this.#syncSaidAtMs >= syncMs) this.#sendSync();
    this.#armRepeat();
  }

  #sendSync(): void {
    const { id, received } = this.#in;
    this.#syncSaidAtMs = this.#options.clock.monotonicMs();
    this.#trySend({
      type: "SYNC",
      body: {
        node: this.#options.greeting,
        stream: this.#out.id,
        base: this.#out.base,
        known: id === "" ? null : { stream: id, received },
        heard: this.#isHeard,
      },
    });
  }

  #waitAway(): void {
    this.#cancelAway?.();
    this.#cancelAway = this.#options.clock.setTimer(this.#options.awayMs, () => this.#giveUp());
  }

  #giveUp(): void {
    if (this.#state === "up" || this.#isClosed) return;
    this.#state = "down";
    this.#beginAnew(`out of reach for ${this.#options.awayMs} ms`);
  }

  /** All that was promised to the other node is off; a new stream tells it so. */
  #beginAnew(reason: string): void {
    const lost = this.#out.takeAll();
    this.#counts.lost += lost.length;
    this.#out = this.#newStream();
    this.#timed = undefined;
    this.#options.log.error({ node: this.name, lost: lost.length, reason }, "a node is given up");
    this.#user.gone(lost);
    if (this.#send === undefined) return;
    this.#isHeard = false;
    this.#sendSync();
    this.#armRepeat();
  }

  #newStream(): OutStream {
    this.#streams += 1;
    return new OutStream(`${this.#life}.${this.#streams}`, window);
  }

  // ---- letters ---------------------------------------------------------------------------------

  #takeLetters(first: number, items: readonly Item[]): void {
    this.#counts.received += items.length;
    const repeated = this.#in.accept(first, items, (item) => this.#user.take(item));
    this.#counts.repeated += repeated;
    this.#unacknowledged += items.length;
    if (this.#unacknowledged >= acknowledgeEvery) this.#acknowledge();
    else this.#flushSoon();
  }

  #takeAcknowledgement({ stream, received }: { stream: string; received: number }): void {
    if (stream !== this.#out.id) return;
    if (this.#out.acknowledge(received)) {
      this.#learnRoundTrip(received);
      this.#sameAcknowledged = 0;
      this.#flush();
    } else if (received === this.#out.base - 1 && this.#out.underWay > 0) {
      this.#sameAcknowledged += 1;
      if (this.#sameAcknowledged >= repeatAfterSame) this.#repeatOldest();
    }
  }

  /** Smoothed as TCP does it (RFC 6298, without the variance). */
  #learnRoundTrip(received: number): void {
    if (this.#timed !== undefined && this.#timed.number <= received) {
      const tookMs = this.#options.clock.monotonicMs() - this.#timed.atMs;
      this.#timed = undefined;
      this.#roundTripMs = this.#roundTripMs === 0 ? tookMs : 0.8 * this.#roundTripMs + 0.2 * tookMs;
    }
    this.#repeatMs = Math.min(lastRepeatMs, Math.max(firstRepeatMs, 4 * this.#roundTripMs));
  }

  #acknowledge(): void {
    const { id: stream, received } = this.#in;
    if (this.#trySend({ type: "ACK", body: { stream, received } }) === "sent")
      this.#unacknowledged = 0;
  }

  /** Once for all that the present turn of the event loop has to say: promises first, then this. */
  #flushSoon(): void {
    if (this.#isFlushDue || this.#state !== "up" || !this.#isHeard) return;
    this.#isFlushDue = true;
    queueMicrotask(() => process.nextTick(() => this.#flush()));
  }

  #flush(): void {
    this.#isFlushDue = false;
    if (this.#state !== "up" || this.#send === undefined || !this.#isHeard) return;
    for (let batch = this.#out.next(batchSize); batch; batch = this.#out.next(batchSize)) {
      const { count, result } = this.#sendBatch(batch);
      if (count > 0 && this.#timed === undefined)
        this.#timed = { number: batch.first, atMs: this.#options.clock.monotonicMs() };
      this.#out.sent(count);
      this.#counts.sent += count;
      if (result === "full") this.#retrySoon();
      if (result !== "sent") break;
    }
    if (this.#unacknowledged > 0) this.#acknowledge();
    this.#armRepeat();
  }

  /** How many of the letters were sent, from the first on. What does not fit into one message goes in halves. */
  #sendBatch({ first, items }: Batch): { readonly count: number; readonly result: SendResult } {
    try {
      const leaving = this.#user.leaving(items);
      const body = { stream: this.#out.id, to: this.#in.id, first, items: leaving };
      const result = this.#send?.({ type: "LETTERS", body }) ?? "gone";
      return { count: result === "sent" ? items.length : 0, result };
    } catch (thrown) {
      if (items.length <= 1) return this.#sendReplacement(first, items[0], thrown);
      const middle = Math.ceil(items.length / 2);
      const begun = this.#sendBatch({ first, items: items.slice(0, middle) });
      if (begun.result !== "sent") return begun;
      const { count, result } = this.#sendBatch({
        first: first + middle,
        items: items.slice(middle),
      });
      return { count: middle + count, result };
    }
  }

  /** A letter that has no encoding, or fits into no message: numbers stay without gaps. */
  #sendReplacement(first: number, item: Item | undefined, thrown: unknown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    if (item === undefined || item[0] === "void") {
      // Then it is not the letter: the next connection tries again.
      this.#options.log.error({ err: error, node: this.name }, "letters cannot be sent");
      return { count: 0, result: "gone" } as const;
    }
    const replacement = this.#user.unsendable(item, error);
    this.#out.replace(first, replacement);
    return this.#sendBatch({ first, items: [replacement] });
  }

  #retrySoon(): void {
    this.#cancelRetry ??= this.#options.clock.setTimer(retryFullMs, () => {
      this.#cancelRetry = undefined;
      this.#flush();
    });
  }

  /** While something is not acknowledged, or the other one was not heard yet, it is said again. */
  #armRepeat(): void {
    if (this.#cancelRepeat || this.#send === undefined) return;
    if (this.#isHeard && this.#out.underWay === 0) return;
    this.#baseAtTimer = this.#out.base;
    const delayMs = this.#isHeard ? this.#repeatMs : syncMs;
    this.#cancelRepeat = this.#options.clock.setTimer(delayMs, () => {
      this.#cancelRepeat = undefined;
      this.#repeat();
      this.#armRepeat();
    });
  }

  #repeat(): void {
    if (!this.#isHeard) {
      this.#sendSync();
      return;
    }
    // A full outbox is slow, not lossy: copies would only make it slower.
    if (this.#out.base !== this.#baseAtTimer || this.#cancelRetry) return;
    this.#repeatMs = Math.min(lastRepeatMs, this.#repeatMs * 2);
    this.#repeatOldest();
  }

  #repeatOldest(): void {
    this.#sameAcknowledged = 0;
    // An acknowledgement of a letter that was sent twice says nothing of the time that it took.
    this.#timed = undefined;
    const batch = this.#out.oldest(batchSize);
    if (batch === undefined) return;
    this.#counts.resent += batch.items.length;
    this.#sendBatch(batch);
  }

  #trySend(message: NodeMessage): SendResult {
    try {
      return this.#send?.(message) ?? "gone";
    } catch (error) {
      this.#options.log.warn({ err: error, node: this.name }, "a node message could not be sent");
      return "gone";
    }
  }
}
