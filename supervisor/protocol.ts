/**
 * The declared protocol of an actor: its message types as values, so that what comes from another node can
 * be checked before a handler sees it. Made by `declareProtocol` (`protocol/links`), which also gives the
 * types that refs and handlers use; looked up by path when a message crosses a border.
 */
import type { Checked } from "./endpoint.ts";

/** Only a type: the messages that a protocol declares. */
declare const messages: unique symbol;

export interface Protocol<M = unknown> {
  readonly name: string;
  /** Types that may be lost rather than wait: news that the next one makes old. */
  readonly lossy: ReadonlySet<string>;
  /** Whether others may say it; what an actor says to itself or its own helpers is not declared. */
  declares(type: string): boolean;
  /** Checks the body of a told or asked message; an unknown type does not pass. Never throws. */
  checkBody(type: string, body: unknown): Checked<unknown>;
  /** Checks the answer to a question. Never throws. */
  checkReply(type: string, value: unknown): Checked<unknown>;
  readonly [messages]?: () => M;
}

/** The interface of message methods that a protocol declares: what `ActorRef` and `defineActor` take. */
export type MessagesOfProtocol<P> = P extends Protocol<infer M> ? M : never;
