/**
 * What the two ends of a threaded actor say to each other. All that one turn of an event loop has to say
 * goes in one packet, since a message to a thread costs much more than what is in it. Lists are flat
 * (four or three places for each entry), which costs the structured clone least.
 */
import type { Overflow, PauseKind } from "../actor-definition.ts";
import type { DeadLetterReason } from "../dead-letters.ts";
import type { PlainError, PlainReason } from "./plain-error.ts";

/** What the thread is started with. */
export interface ThreadStart {
  /** The module with the definition, as a URL. */
  readonly module: string;
  readonly exportName: string;
  readonly args: unknown;
  readonly path: string;
  readonly incarnation: number;
  readonly shutdownMs: number;
  readonly unresponsiveMs: number;
  readonly slots: number;
  readonly shared: SharedArrayBuffer;
}

/** What of a definition concerns the mailbox, which is the parent's. */
export interface ThreadTraits {
  readonly name: string;
  readonly pause: PauseKind;
  readonly bound: number;
  readonly overflow: Overflow;
  readonly control: readonly string[];
  readonly handlerTimeoutMs: number;
}

/** A `Terminated` on its way into the thread. */
export interface PlainEnd {
  readonly path: string;
  readonly incarnation: number;
  readonly reason: PlainReason;
}

export interface ToThread {
  /** Comes before the messages. */
  paused?: boolean;
  /** Slot, ask (0: it was told), type, body. */
  messages?: unknown[];
  /** Asks whose asker waits no longer. */
  givenUp?: number[];
  ends?: PlainEnd[];
  /** Asks for the state. */
  states?: number[];
  /** Answers to the actor's own calls: call, whether it is a value, value or `PlainError`. */
  answers?: unknown[];
  /** So many sayings have been heard since this was last said. */
  heard?: number;
  close?: PlainReason;
}

/** What an actor says to others than its askers, in the order in which it said it. */
export type Saying =
  | readonly ["tell", path: string, type: string, body: unknown]
  | readonly ["send", call: number, path: string, type: string, body: unknown]
  | readonly ["ask", call: number, path: string, type: string, timeoutMs: number, body: unknown]
  | readonly ["giveUp", call: number]
  | readonly ["watch" | "unwatch", path: string]
  | readonly ["register" | "unregister", name: string]
  | readonly ["log", level: LogLevel, fields: object, errors: PlainErrors, message: string]
  | ["dead", path: string, type: string, reason: DeadLetterReason, count: number]
  | readonly ["degraded", reason: string | undefined]
  /** It has been told to end: what comes now is said while it ends. */
  | readonly ["closing"];

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";
/** Of the fields of a log line, those that are errors. */
export type PlainErrors = Readonly<Record<string, PlainError>>;

/** How the start went. */
export type Started =
  | { readonly kind: "ready"; readonly traits: ThreadTraits }
  | { readonly kind: "ignored" }
  | { readonly kind: "failed"; readonly error: PlainError };

/** How a question of the parent's was settled: `gone` when its asker had given up before. */
export type Outcome = "value" | "error" | "gone";

export interface FromThread {
  started?: Started;
  /** Slots that are free again. */
  done?: number[];
  /** Messages that were handled since the last packet, the actor's own timers among them. */
  handled?: number;
  says?: Saying[];
  /** Ask, outcome, value or `PlainError`. */
  answers?: unknown[];
  /** Comes last: the incarnation is over. */
  ended?: PlainReason;
}
