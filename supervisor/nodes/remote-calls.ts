/**
 * What actors of this node say to those of another one: tells, questions with their answers, watches, pinned
 * refs. Gives the `Receiver` behind a remote path, so that refs need not know where somebody lives.
 */
import { randomInt } from "node:crypto";
import type { TellResult } from "../actor-ref.ts";
import type { PendingAsk } from "../ask.ts";
import type { AskErrorCode } from "../ask-error.ts";
import { Refusal } from "../ask-error.ts";
import type { DeadLetterReason } from "../dead-letters.ts";
import type { ExitReason } from "../exit-reason.ts";
import type { Envelope } from "../mailbox.ts";
import type { Protocol } from "../protocol.ts";
import type { Receiver, Runtime } from "../runtime.ts";
import type { NodeChannel } from "./node-channel.ts";
import type { Item } from "./node-message.ts";

interface OpenCall {
  readonly path: string;
  readonly type: string;
  readonly ask: PendingAsk | undefined;
  readonly settleSend: ((result: TellResult) => void) | undefined;
  /** Of the letter that carries it. */
  readonly number: number;
  /** On the monotonic clock of this node; infinite where there is none. */
  readonly deadlineAtMs: number;
}

/** Less than this may be any wait for the next turn. */
const waitThatMattersMs = 10;
/** Where the letter of a question says how long its asker waits. */
const waitAt = 5;

export interface CallsOptions {
  readonly node: string;
  readonly runtime: Runtime;
  protocols(path: string): Protocol | undefined;
  channel(): NodeChannel;
}

export class RemoteCalls {
  readonly #options: CallsOptions;
  readonly #open = new Map<number, OpenCall>();
  /** With the number of the letter that said so. */
  readonly #watched = new Map<string, number>();
  readonly #forgotten: FinalizationRegistry<number>;
  // Not from 1 on: what was meant for a former life of this node must not fit a question of this one.
  #ids = randomInt(2 ** 40);
  #pins = randomInt(2 ** 40);

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#forgotten = new FinalizationRegistry(
      (pin) => void options.channel().postDue(["unpin", pin]),
    );
  }

  /** Questions and `send`s that wait. */
  get openCalls(): number {
    return this.#open.size;
  }

  /** Whoever lives at `path` over there. */
  receiver(path: string): Receiver {
    return this.#makeReceiver(path, 0);
  }

  /** The incarnation that lives there when this letter arrives; nobody else ever. */
  pinned(path: string): Receiver {
    this.#pins += 1;
    const pin = this.#pins;
    this.#options.channel().postDue(["pin", pin, path]);
    const receiver = this.#makeReceiver(path, pin);
    this.#forgotten.register(receiver, pin);
    return receiver;
  }

  /** Wants to be told of the end of `path`. */
  watch(path: string): void {
    if (this.#watched.has(path)) return;
    const result = this.#options.channel().postDue(["watch", path]);
    if (typeof result === "number") this.#watched.set(path, result);
    else queueMicrotask(() => this.#terminated(path, 0, { kind: "noconnection" }));
  }

  unwatch(path: string): void {
    if (this.#watched.delete(path)) this.#options.channel().postDue(["unwatch", path]);
  }

  // ---- what comes back -------------------------------------------------------------------------

  /** True where the item was one for here. */
  take(item: Item): boolean {
    const [kind, first, second, third, fourth] = item;
    switch (kind) {
      case "ok":
        this.#answered(first, (call) => {
          if (call.settleSend) call.settleSend(tellResultOf(second));
          else if (call.ask?.answer(second) === false) this.#dead(call, "late-reply");
        });
        return true;
      case "refused":
        this.#answered(first, (call) =>
          call.ask?.refuse(new Refusal(textOf(second), { code: textOf(third), data: fourth })),
        );
        return true;
      case "error":
        this.#answered(first, (call) => call.ask?.fail(codeOf(second), textOf(third)));
        return true;
      case "ended":
        if (typeof first === "string" && this.#watched.delete(first)) {
          const incarnation = typeof second === "number" ? second : 0;
          this.#terminated(first, incarnation, reasonOf(third, fourth));
        }
        return true;
      default:
        return false;
    }
  }

  /** The other node began anew: what it had taken up to letter `taken` is never answered. */
  renewed(taken: number): void {
    for (const [id, call] of [...this.#open]) {
      if (call.number <= taken) this.#fail(id, call, "the node began anew");
    }
    this.#endWatches(taken);
  }

  /** Out of reach: nothing is answered any more. */
  gone(lost: readonly Item[]): void {
    for (const item of lost) {
      if (item[0] !== "tell") continue;
      const [, path, , type] = item;
      this.#options.runtime.undelivered.record(
        this.#pathHere(textOf(path)),
        textOf(type),
        "no-connection",
      );
    }
    for (const [id, call] of [...this.#open]) this.#fail(id, call, "the node is out of reach");
    this.#endWatches(Number.POSITIVE_INFINITY);
  }

  /** The item cannot be encoded: its asker or the dead letters hear of it. */
  unsendable(item: Item, error: Error): Item {
    const [kind, first, second, third] = item;
    if (kind === "ask" || kind === "send") {
      this.#answered(first, (call) => {
        this.#dead(call, "unsendable");
        call.settleSend?.("dead");
        call.ask?.fail("failed", `the message cannot be sent: ${error.message}`);
      });
    } else if (kind === "tell") {
      this.#options.runtime.undelivered.record(
        this.#pathHere(textOf(first)),
        textOf(third),
        "unsendable",
      );
    } else if (kind === "ok") {
      return ["error", first, "failed", `the answer cannot be sent: ${error.message}`];
    } else if (kind === "refused" && item.length > 4) {
      // Its data is what has no encoding.
      return ["refused", first, second, third];
    }
    return ["void"];
  }

  /** A deadline travels as what is left of it: time that a question has waited here is not given over there once more. */
  leaving(items: readonly Item[]): readonly Item[] {
    const nowMs = this.#options.runtime.clock.monotonicMs();
    const leftMs = (item: Item): number | undefined => this.#leftMs(item, nowMs);
    // Nearly always all of them go out at once, as they are.
    if (items.every((item) => leftMs(item) === undefined)) return items;
    return items.map((item) => {
      const left = leftMs(item);
      return left === undefined
        ? item
        : [...item.slice(0, waitAt), left, ...item.slice(waitAt + 1)];
    });
  }

  /** Of a question that has waited for so long that it matters. */
  #leftMs(item: Item, nowMs: number): number | undefined {
    const id = item[0] === "ask" ? item[1] : undefined;
    const call = typeof id === "number" ? this.#open.get(id) : undefined;
    const waitMs = call?.ask?.timeoutMs ?? Number.POSITIVE_INFINITY;
    if (call === undefined || waitMs === Number.POSITIVE_INFINITY) return undefined;
    const leftMs = call.deadlineAtMs - nowMs;
    return waitMs - leftMs < waitThatMattersMs ? undefined : Math.max(1, Math.round(leftMs));
  }

  // ---- own -------------------------------------------------------------------------------------

  #makeReceiver(path: string, pin: number): Receiver {
    const deliver = (envelope: Envelope) => this.#deliver(path, pin, envelope);
    const deliverWhenRoom = (envelope: Envelope) => this.#deliverWhenRoom(path, pin, envelope);
    return {
      id: path.slice(path.lastIndexOf("/") + 1),
      // Whether anybody lives there is known over there only.
      isOpen: true,
      isAlive: true,
      incarnationNumber: 0,
      deliver,
      deliverWhenRoom,
    };
  }

  #deliver(path: string, pin: number, { type, body, ask }: Envelope): TellResult {
    const protocol = this.#options.protocols(path);
    if (ask) return this.#ask(path, pin, type, body, ask, protocol);
    const item = withBody(["tell", path, pin, type], body);
    const channel = this.#options.channel();
    if (protocol?.lossy.has(type)) return channel.news(item) ? "queued" : "dropped";
    return this.#posted(channel.post(item), path, type);
  }

  #ask(
    path: string,
    pin: number,
    type: string,
    body: unknown,
    ask: PendingAsk,
    protocol: Protocol | undefined,
  ): TellResult {
    const id = this.#nextId();
    const { timeoutMs } = ask;
    const waitMs = Number.isFinite(timeoutMs) ? timeoutMs : 0;
    const deadlineAtMs = this.#options.runtime.clock.monotonicMs() + timeoutMs;
    const number = this.#options
      .channel()
      .post(withBody(["ask", id, path, pin, type, waitMs], body));
    if (typeof number === "number") {
      if (protocol) ask.checkAnswer = (value) => protocol.checkReply(type, value);
      ask.onGivenUp = () => this.#cancel(id);
      this.#open.set(id, { path, type, ask, settleSend: undefined, number, deadlineAtMs });
      return "queued";
    }
    if (number === "full") ask.fail("rejected", "too much waits to be sent to its node");
    else ask.fail("noconnection", "its node is out of reach");
    return this.#posted(number, path, type);
  }

  #deliverWhenRoom(path: string, pin: number, { type, body }: Envelope): Promise<TellResult> {
    const id = this.#nextId();
    const number = this.#options.channel().post(withBody(["send", id, path, pin, type], body));
    if (typeof number !== "number") return Promise.resolve(this.#posted(number, path, type));
    return new Promise((settleSend) => {
      const deadlineAtMs = Number.POSITIVE_INFINITY;
      this.#open.set(id, { path, type, ask: undefined, settleSend, number, deadlineAtMs });
    });
  }

  #posted(result: number | "full" | "down", path: string, type: string): TellResult {
    if (typeof result === "number") return "queued";
    const reason = result === "full" ? "mailbox-full" : "no-connection";
    this.#options.runtime.undelivered.record(this.#pathHere(path), type, reason);
    return result === "full" ? "rejected" : "dead";
  }

  #cancel(id: number): void {
    const call = this.#open.get(id);
    if (call === undefined) return;
    this.#open.delete(id);
    const channel = this.#options.channel();
    if (!channel.withdraw(call.number)) channel.postDue(["cancel", id]);
  }

  #answered(id: unknown, how: (call: OpenCall) => void): void {
    const call = typeof id === "number" ? this.#open.get(id) : undefined;
    if (typeof id !== "number" || call === undefined) {
      this.#options.runtime.undelivered.record(`${this.#options.node}:`, "(answer)", "late-reply");
      return;
    }
    this.#open.delete(id);
    how(call);
  }

  #fail(id: number, call: OpenCall, why: string): void {
    this.#open.delete(id);
    call.settleSend?.("dead");
    call.ask?.fail("noconnection", why);
  }

  /** Those that the other node had been told of, with letters up to `taken`. */
  #endWatches(taken: number): void {
    for (const [path, number] of [...this.#watched]) {
      if (number > taken) continue;
      this.#watched.delete(path);
      this.#terminated(path, 0, { kind: "noconnection" });
    }
  }

  #terminated(path: string, incarnation: number, reason: ExitReason): void {
    this.#options.runtime.deathWatch.terminated(this.#pathHere(path), incarnation, reason);
  }

  #dead({ path, type }: OpenCall, reason: DeadLetterReason): void {
    this.#options.runtime.undelivered.record(this.#pathHere(path), type, reason);
  }

  #pathHere(path: string): string {
    return `${this.#options.node}:${path}`;
  }

  #nextId(): number {
    this.#ids += 1;
    return this.#ids;
  }
}

/** `undefined` has no encoding that every codec shares: a message without a body has none on the wire. */
export const withBody = (head: readonly unknown[], body: unknown): Item =>
  body === undefined ? head : [...head, body];

/** What comes from another node may be anything, also what has no conversion to a text. */
const textOf = (value: unknown): string =>
  typeof value === "string" ? value : `a ${typeof value}`;

const tellResults: readonly TellResult[] = ["queued", "rejected", "dropped", "dead"];
const tellResultOf = (value: unknown): TellResult =>
  tellResults.find((result) => result === value) ?? "dead";

const codes: readonly AskErrorCode[] = [
  "timeout",
  "dead",
  "crashed",
  "aborted",
  "rejected",
  "failed",
  "noconnection",
];
const codeOf = (value: unknown): AskErrorCode => codes.find((code) => code === value) ?? "failed";

/** An error does not travel, its message does. */
function reasonOf(kind: unknown, text: unknown): ExitReason {
  switch (kind) {
    case "normal":
    case "killed":
    case "noconnection":
    case "noproc":
      return { kind };
    case "shutdown":
      return typeof text === "string" ? { kind, cause: new Error(text) } : { kind };
    default:
      return { kind: "error", error: new Error(textOf(text)) };
  }
}
