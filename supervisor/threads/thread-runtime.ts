/**
 * What the runtime of the parent is to an incarnation in a thread: refs, watches and dead letters go to the
 * parent; the clock, the dispatcher and timers are the thread's own.
 */
import type { ActorRef, TellResult } from "../actor-ref.ts";
import type { PendingAsk } from "../ask.ts";
import { type Clock, systemClock } from "../clock.ts";
import { type DeadLetterReason, DeadLetters } from "../dead-letters.ts";
import { DeathWatch, type Watcher } from "../death-watch.ts";
import { Dispatcher } from "../dispatcher.ts";
import { toError } from "../exit-reason.ts";
import { Gauges } from "../gauges.ts";
import type { Logger } from "../logger.ts";
import type { Envelope } from "../mailbox.ts";
import { RemoteNodes } from "../nodes/nodes.ts";
import { makeRef } from "../path-ref.ts";
import { seededRandom } from "../random.ts";
import { type Listing, Registry, type Subscriber } from "../registry.ts";
import type { Receiver, Runtime } from "../runtime.ts";
import { SupervisionError } from "../supervision-error.ts";
import { Tracer } from "../tracing.ts";
import type { Outbox } from "./outbox.ts";
import type { Saying } from "./packet.ts";
import { fromPlainError, type PlainError } from "./plain-error.ts";

interface OpenCall {
  readonly path: string;
  readonly type: string;
  readonly ask: PendingAsk | undefined;
  readonly settleSend: ((result: TellResult) => void) | undefined;
}

export class ThreadRuntime implements Runtime {
  readonly clock: Clock = systemClock;
  readonly logger: Logger;
  readonly dispatcher: Dispatcher;
  readonly undelivered: DeadLetters;
  readonly deathWatch: DeathWatch;
  readonly tracer = new Tracer();
  readonly receivers = new Map<string, Receiver>();
  readonly gauges = new Gauges();
  readonly registry: Registry;
  readonly remoteNodes: RemoteNodes;
  readonly border = undefined;
  /** Every body is a copy as it is. */
  readonly freezesMessages = false;
  readonly #outbox: Outbox;
  readonly #incarnation: number;
  readonly #calls = new Map<number, OpenCall>();
  #lastCall = 0;

  constructor(outbox: Outbox, logger: Logger, incarnation: number) {
    this.#outbox = outbox;
    this.logger = logger;
    this.#incarnation = incarnation;
    this.dispatcher = new Dispatcher((error) =>
      logger.error({ err: toError(error) }, "a turn threw; this is an error of the runtime"),
    );
    this.undelivered = new ParentDeadLetters(this.clock, logger, outbox);
    this.deathWatch = new ParentDeathWatch(outbox);
    this.registry = new ParentRegistry(this, outbox);
    this.remoteNodes = new ParentPaths(this, (path) => this.#receiver(path));
  }

  nextIncarnation(): number {
    return this.#incarnation;
  }

  random(path: string): () => number {
    return seededRandom(this.#incarnation, path);
  }

  ref<M>(path: string): ActorRef<M> {
    return makeRef<M>(this, path);
  }

  pin<M>(ref: ActorRef<M>): ActorRef<M> {
    throw notHere("pin", ref.path);
  }

  startChild<M>(supervisorPath: string): Promise<ActorRef<M>> {
    return Promise.reject(notHere("startChild", supervisorPath));
  }

  stopChild(path: string): Promise<void> {
    return Promise.reject(notHere("stopChild", path));
  }

  restartChild<M>(path: string): Promise<ActorRef<M>> {
    return Promise.reject(notHere("restartChild", path));
  }

  /** Orders reach the threads' actors from outside only. */
  isToldToQuit(): boolean {
    return false;
  }

  deleteChild(path: string): void {
    throw notHere("deleteChild", path);
  }

  /** What came back for the actor's own calls: call, whether it is a value, value or error. */
  answered(answers: readonly unknown[]): void {
    for (let at = 0; at < answers.length; at += 3) {
      const [call, isValue, value] = answers.slice(at, at + 3) as [number, boolean, unknown];
      const open = this.#calls.get(call);
      this.#calls.delete(call);
      if (open?.settleSend) open.settleSend(isValue ? (value as TellResult) : "dead");
      else if (isValue) open?.ask?.answer(value);
      else open?.ask?.refuse(fromPlainError(value as PlainError));
    }
  }

  /** What it said could not be cloned. */
  unsayable(saying: Saying, error: Error): void {
    const [kind, first, second] = saying;
    if (kind === "tell") this.undelivered.record(first, second, "unsendable");
    else if (kind === "log") this.#outbox.say(["log", saying[1], {}, {}, saying[4]]);
    else if (kind === "send" || kind === "ask") {
      const call = this.#calls.get(first);
      this.#calls.delete(first);
      if (!call) return;
      this.undelivered.record(call.path, call.type, "unsendable");
      call.settleSend?.("dead");
      call.ask?.fail("failed", `the message cannot be sent: ${error.message}`, error);
    }
  }

  /** Everybody lives elsewhere, as seen from here. */
  #receiver(path: string): Receiver {
    return {
      id: path.slice(path.lastIndexOf("/") + 1),
      isOpen: true,
      isAlive: true,
      incarnationNumber: 0,
      deliver: (envelope) => this.#deliver(path, envelope),
      deliverWhenRoom: (envelope) => this.#deliverWhenRoom(path, envelope),
    };
  }

  #deliver(path: string, { type, body, ask }: Envelope): TellResult {
    if (this.#outbox.isFull) {
      this.undelivered.record(path, type, "mailbox-full");
      ask?.fail("rejected", "too much is on its way out of its thread");
      return "rejected";
    }
    if (!ask) {
      this.#outbox.say(["tell", path, type, body]);
      return "queued";
    }
    const call = this.#open({ path, type, ask, settleSend: undefined });
    ask.onGivenUp = () => {
      this.#calls.delete(call);
      this.#outbox.say(["giveUp", call]);
    };
    this.#outbox.say(["ask", call, path, type, ask.timeoutMs, body]);
    return "queued";
  }

  /** The parent waits for room; what is on the way to it is bounded as for `tell`. */
  #deliverWhenRoom(path: string, { type, body }: Envelope): Promise<TellResult> {
    if (this.#outbox.isFull) {
      this.undelivered.record(path, type, "mailbox-full");
      return Promise.resolve("rejected");
    }
    return new Promise((settleSend) => {
      const call = this.#open({ path, type, ask: undefined, settleSend });
      this.#outbox.say(["send", call, path, type, body]);
    });
  }

  #open(call: OpenCall): number {
    this.#lastCall += 1;
    this.#calls.set(this.#lastCall, call);
    return this.#lastCall;
  }
}

const notHere = (call: string, what: string) =>
  new SupervisionError("in-thread", `${call}(${what}): not from inside a worker thread`);

/** Gives refs the parent as the receiver of everything. */
class ParentPaths extends RemoteNodes {
  readonly #receiver: (path: string) => Receiver;

  constructor(runtime: Runtime, receiver: (path: string) => Receiver) {
    super(runtime, { name: "thread", protocols: () => undefined });
    this.#receiver = receiver;
  }

  override receiver(path: string): Receiver {
    return this.#receiver(path);
  }

  /** The death watch has told the parent. */
  override watch(): void {}
  override unwatch(): void {}
}

/** Counted and logged where all others are. */
class ParentDeadLetters extends DeadLetters {
  readonly #outbox: Outbox;

  constructor(clock: Clock, logger: Logger, outbox: Outbox) {
    super(clock, logger);
    this.#outbox = outbox;
  }

  override record(path: string, type: string, reason: DeadLetterReason): void {
    this.#outbox.bury(path, type, reason);
  }
}

/** Here it is only remembered who watches; the parent watches in the actor's name. */
class ParentDeathWatch extends DeathWatch {
  readonly #outbox: Outbox;

  constructor(outbox: Outbox) {
    super((path) => outbox.say(["unwatch", path]));
    this.#outbox = outbox;
  }

  override watch(watcher: Watcher, path: string, type: string): void {
    super.watch(watcher, path, type, true);
    this.#outbox.say(["watch", path]);
  }
}

/** Names are given in the parent. Who has one cannot be asked from here at once. */
class ParentRegistry extends Registry {
  readonly #outbox: Outbox;

  constructor(runtime: Runtime, outbox: Outbox) {
    super(runtime);
    this.#outbox = outbox;
  }

  override register(name: string): void {
    this.#outbox.say(["register", name]);
  }

  override unregister(name: string): void {
    this.#outbox.say(["unregister", name]);
  }

  override listing<M>(name: string): Listing<M> {
    throw notHere("listing", name);
  }

  override subscribe(_subscriber: Subscriber, name: string): void {
    throw notHere("subscribe", name);
  }
}
