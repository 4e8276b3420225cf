/**
 * Hands the messages of one incarnation to its thread and settles what comes back. At most `window` user
 * messages are under way, so that the thread never waits for the next one; those that it has not begun
 * still belong to the mailbox: they count there, and return to its front when the thread ends, when PAUSE
 * parks the actor, or when it is stopped.
 */
import { PendingAsk } from "../ask.ts";
import type { DeadLetterReason } from "../dead-letters.ts";
import { describeExit, type ExitReason, type Terminated } from "../exit-reason.ts";
import type { IncarnationHost } from "../incarnation-host.ts";
import type { Loop } from "../loop.ts";
import type { Envelope, Lane, TakenAhead } from "../mailbox.ts";
import type { LoopOwner } from "../message-loop.ts";
import { SupervisionError } from "../supervision-error.ts";
import type { TraceEvent } from "../tracing.ts";
import type { FromThread, Outcome, PlainEnd, ToThread } from "./packet.ts";
import { fromPlainError, type PlainError, toPlainReason, whyNotCloneable } from "./plain-error.ts";
import type { Thread } from "./thread.ts";
import { ThreadAsks } from "./thread-asks.ts";
import type { ThreadSettings } from "./thread-behaviour.ts";
import { TERMINATED } from "./thread-errands.ts";

/** Named so in errors; no message of anybody. */
const stateCall = "getState";

/** A message that was sent to the thread and has not been handled. */
interface Flight {
  readonly slot: number;
  readonly envelope: Envelope;
  readonly lane: Exclude<Lane, "lifecycle">;
  /** 0 for what was told. */
  readonly ask: number;
  isTakenBack: boolean;
}

export class ThreadLoop implements Loop, TakenAhead {
  /** The thread waits for its handler itself, before it runs `stop`. */
  readonly isBusy = false;
  /** Its turns are over as soon as they have begun. */
  readonly willLook = false;
  readonly #owner: LoopOwner;
  readonly #host: IncarnationHost;
  readonly #thread: Thread;
  readonly #window: number;
  /** By slot, in the order in which they were sent. */
  readonly #flights = new Map<number, Flight>();
  readonly #freeSlots: number[];
  readonly #asks: ThreadAsks;
  #usersSent = 0;
  #usersTakenBack = 0;
  #usersInFlight = 0;
  /** Of those in flight. */
  #takenBack = 0;
  #toldPaused = false;
  #isHeld = true;
  #reason: ExitReason | undefined;

  constructor(owner: LoopOwner, host: IncarnationHost, thread: Thread, settings: ThreadSettings) {
    this.#owner = owner;
    this.#host = host;
    this.#thread = thread;
    this.#window = settings.window;
    this.#freeSlots = Array.from({ length: thread.slots }, (_, at) => thread.slots - 1 - at);
    this.#asks = new ThreadAsks(
      (givenUp) => thread.post({ givenUp }),
      (type) => host.runtime.undelivered.record(host.path, type, "late-reply"),
    );
    host.mailbox.ahead = this;
    thread.errands.attach(host);
    thread.attach({
      received: (packet) => this.#received(packet),
      state: () => this.#state(),
      ended: (reason) => this.#threadEnded(reason),
    });
    this.#hold();
  }

  get busyMs(): number {
    return this.#thread.isOver ? 0 : this.#thread.shared.handlingMs;
  }

  idle(): Promise<void> {
    return Promise.resolve();
  }

  // ---- to the thread --------------------------------------------------------------------------

  turn(): void {
    if (!this.#owner.isRunning() || this.#owner.endedItself()) return;
    const packet: ToThread = {};
    this.#host.runtime.gauges.look();
    this.#answerCalls();
    this.#tellPaused(packet);
    const flights: Flight[] = [];
    while (this.#freeSlots.length > 0) {
      const envelope = this.#host.mailbox.take(this.#takesUsers);
      if (!envelope) break;
      const flight = this.#admit(envelope, packet);
      if (flight) flights.push(flight);
    }
    if (flights.length > 0) packet.messages = toMessages(flights);
    this.#send(packet, flights);
    this.#hold();
  }

  /** The state is in the thread: it can be shown, and not be replaced from here. */
  #answerCalls(): void {
    const { mailbox, path } = this.#host;
    for (let call = mailbox.takeCall(); call; call = mailbox.takeCall()) {
      call.run(this.#thread, () => {
        throw new SupervisionError("in-thread", `${path}: its state is in a worker thread`);
      });
    }
  }

  #state(): Promise<unknown> {
    const { runtime, path } = this.#host;
    const ask = new PendingAsk(runtime.clock, path, stateCall, { timeoutMs: Infinity });
    this.#thread.post({ states: [this.#asks.open(stateCall, ask)] });
    return ask.promise;
  }

  get #isParked(): boolean {
    return this.#host.isPaused && this.#host.behaviour.pause === "park";
  }

  get #takesUsers(): boolean {
    return !this.#isParked && this.#usersInFlight < this.#window;
  }

  #tellPaused(packet: ToThread): void {
    const { isPaused } = this.#host;
    if (this.#toldPaused === isPaused) return;
    this.#toldPaused = isPaused;
    packet.paused = isPaused;
    if (this.#isParked) this.#putBack("user");
  }

  /** What becomes of a message whose turn it is; undefined where it does not go to a handler. */
  #admit(envelope: Envelope, packet: ToThread): Flight | undefined {
    const { type, ask, guard } = envelope;
    const verdict = guard?.admit(this.#owner.number) ?? "take";
    if (verdict === "drop") return undefined;
    if (verdict === "stale") {
      this.#deadLetter(type, "stale-incarnation");
      ask?.fail("dead", "that incarnation has ended");
      return undefined;
    }
    if (type === TERMINATED) {
      packet.ends ??= [];
      packet.ends.push(toPlainEnd(envelope));
      return undefined;
    }
    if (ask?.isSettled) {
      this.#deadLetter(type, "expired");
      return undefined;
    }
    const slot = this.#freeSlots.pop() ?? 0;
    const lane = this.#host.behaviour.control.has(type) ? "control" : "user";
    const id = ask ? this.#asks.open(type, ask) : 0;
    const flight: Flight = { slot, envelope, lane, ask: id, isTakenBack: false };
    this.#thread.shared.sent(slot);
    this.#flights.set(slot, flight);
    if (lane === "user") {
      this.#usersSent += 1;
      this.#usersInFlight += 1;
    }
    this.#trace("in", type, envelope.body);
    return flight;
  }

  #send(packet: ToThread, flights: readonly Flight[]): void {
    if (packet.paused === undefined && !packet.messages && !packet.ends) return;
    try {
      this.#thread.post(packet);
    } catch {
      // Something in it cannot be cloned: all but that goes.
      const good = flights.filter((flight) => this.#isCloneable(flight));
      this.#thread.post({ ...packet, messages: toMessages(good) });
      this.#owner.wake();
    }
  }

  #isCloneable(flight: Flight): boolean {
    const { type, body, ask } = flight.envelope;
    const error = whyNotCloneable(body);
    if (!error) return true;
    this.#take(flight);
    this.#land(flight);
    this.#deadLetter(type, "unsendable");
    ask?.fail("failed", `the message cannot be sent to its thread: ${error.message}`, error);
    return false;
  }

  // ---- from the thread ------------------------------------------------------------------------

  #received({ done, handled = 0, answers }: FromThread): void {
    for (let n = 0; n < handled; n++) this.#host.countHandled();
    for (const slot of done ?? []) {
      const flight = this.#flights.get(slot);
      if (flight) this.#land(flight);
    }
    if (answers) this.#answered(answers);
    if (done) this.#owner.wake();
    this.#hold();
  }

  #answered(answers: readonly unknown[]): void {
    for (let at = 0; at < answers.length; at += 3) {
      const outcome = answers[at + 1] as Outcome;
      const value = answers[at + 2];
      const result = outcome === "error" ? fromPlainError(value as PlainError) : value;
      const type = this.#asks.settle(answers[at] as number, outcome, result);
      if (type !== undefined && type !== stateCall) this.#trace("out", type, result);
    }
  }

  /** Its slot is free again. */
  #land(flight: Flight): void {
    this.#flights.delete(flight.slot);
    this.#freeSlots.push(flight.slot);
    if (flight.isTakenBack) this.#takenBack -= 1;
    if (flight.lane === "user") this.#usersInFlight -= 1;
  }

  // ---- what was taken ahead -------------------------------------------------------------------

  get count(): number {
    return (this.#usersSent - this.#usersTakenBack - this.#thread.shared.begun) | 0;
  }

  takeOldest(): Envelope | undefined {
    for (const flight of this.#flights.values()) {
      if (flight.lane === "user" && this.#take(flight)) return flight.envelope;
    }
    return undefined;
  }

  /** Takes a message back; false when the thread has begun it, or it was taken back before. */
  #take(flight: Flight): boolean {
    if (!this.#thread.shared.takeBack(flight.slot)) return false;
    flight.isTakenBack = true;
    this.#takenBack += 1;
    if (flight.lane === "user") this.#usersTakenBack += 1;
    this.#asks.forget(flight.ask);
    return true;
  }

  #putBack(...lanes: readonly Flight["lane"][]): void {
    for (const lane of lanes) {
      const flights = [...this.#flights.values()].filter((flight) => flight.lane === lane);
      const envelopes = flights.filter((f) => this.#take(f)).map((f) => f.envelope);
      if (this.#host.isOpen) this.#host.mailbox.putBack(lane, envelopes);
      else for (const envelope of envelopes) this.#lost(envelope);
    }
  }

  #lost({ type, ask }: Envelope): void {
    this.#deadLetter(type, ask?.isSettled ? "expired" : "stopped");
    ask?.fail("dead", "it has ended");
  }

  // ---- end ------------------------------------------------------------------------------------

  closing(reason: ExitReason): void {
    this.#reason = reason;
    this.#putBack("control", "user");
    if (reason.kind === "error") {
      this.#asks.failAll("crashed", reason.error.message, reason.error);
    }
  }

  async ended(): Promise<void> {
    const why = this.#reason ? ` (${describeExit(this.#reason)})` : "";
    this.#asks.failAll("dead", `it has ended${why}`);
    await this.#thread.terminate();
    if (this.#host.mailbox.ahead === this) this.#host.mailbox.ahead = undefined;
  }

  /** The actor ended by itself, or its thread died. What it had begun is lost, nothing else. */
  #threadEnded(reason: ExitReason): void {
    if (!this.#owner.isRunning()) {
      if (reason.kind === "error" && this.#reason?.kind !== "error") {
        this.#host.log.error({ err: reason.error }, "its thread ended while it was stopped");
      }
      return;
    }
    this.#putBack("control", "user");
    if (reason.kind === "normal" || reason.kind === "shutdown") {
      this.#owner.context.exit(reason.kind);
      return;
    }
    const error =
      reason.kind === "error"
        ? reason.error
        : new Error(`${this.#host.path}: did not stop in time (${describeExit(reason)})`);
    for (const flight of this.#flights.values()) {
      if (flight.isTakenBack) continue;
      this.#host.countHandled();
      this.#trace("crash", flight.envelope.type, error);
    }
    this.#owner.crash(error);
  }

  /** The process lives on for what is under way, and for nothing else of a thread. */
  #hold(): void {
    const isHeld = this.#flights.size > this.#takenBack || this.#asks.size > 0;
    if (this.#isHeld === isHeld) return;
    this.#isHeld = isHeld;
    this.#thread.hold(isHeld);
  }

  #trace(direction: TraceEvent["direction"], type: string, body: unknown): void {
    const { runtime, id, path } = this.#host;
    if (!runtime.tracer.isActive) return;
    runtime.tracer.emit(id, { direction, path, incarnation: this.#owner.number, type, body });
  }

  #deadLetter(type: string, reason: DeadLetterReason): void {
    this.#host.runtime.undelivered.record(this.#host.path, type, reason);
  }
}

function toMessages(flights: readonly Flight[]): unknown[] {
  const messages: unknown[] = [];
  for (const { slot, ask, envelope } of flights) {
    messages.push(slot, ask, envelope.type, envelope.body);
  }
  return messages;
}

function toPlainEnd({ body }: Envelope): PlainEnd {
  const { path, incarnation, reason } = body as Terminated;
  return { path, incarnation, reason: toPlainReason(reason) };
}
