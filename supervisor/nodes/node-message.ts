/**
 * What two nodes say to each other. The link that carries it is declared in `protocol/transport/node-link.ts`;
 * `NodeChannel` numbers and acknowledges the letters, `RemoteCalls` and `LocalService` write and read them.
 */
import type { MessageOf } from "../endpoint.ts";

/**
 * One thing that one node says to another, as a list that begins with its kind.
 *
 *     ["tell", path, pin, type, body?]                 ["watch", path]
 *     ["send", id, path, pin, type, body?]             ["unwatch", path]
 *     ["ask", id, path, pin, type, waitMs, body?]      ["ended", path, incarnation, kind, text]
 *     ["ok", id, value?]                               ["pin", pin, path]
 *     ["refused", id, text, code, data]                ["unpin", pin]
 *     ["error", id, code, text]                        ["void"]
 *     ["cancel", id]
 *
 * A `pin` of 0 means whoever lives at the path. `waitMs` is a duration, 0 for no end: instants do not travel.
 */
export type Item = readonly unknown[];

/** The same messages go in both directions. */
export type NodeMessages = {
  /** First in each connection, from both sides, and again until the other one was heard. */
  readonly SYNC: {
    readonly body: {
      /** What the node that speaks says of itself; see `NodeOptions.greeting`. */
      readonly node: string;
      /** Its present stream; another one than before means that what it had promised before is lost. */
      readonly stream: string;
      /** The number of the oldest letter of that stream that may still be sent. */
      readonly base: number;
      /** What it has of the other's stream: the number of the last letter taken in order. */
      readonly known: { readonly stream: string; readonly received: number } | null;
      /** Whether it has heard the other's SYNC in this connection. */
      readonly heard: boolean;
    };
  };
  /** Reliable lane: numbered from `first` on. */
  readonly LETTERS: {
    readonly body: {
      readonly stream: string;
      /** The stream of the node that it is for, as its SYNC said: a later life must not take these. */
      readonly to: string;
      readonly first: number;
      readonly items: readonly Item[];
    };
  };
  /** All letters of the stream up to `received` were taken. */
  readonly ACK: { readonly body: { readonly stream: string; readonly received: number } };
  /** Lossy lane. */
  readonly NEWS: { readonly body: { readonly item: Item } };
};

export type NodeMessage = MessageOf<NodeMessages>;
