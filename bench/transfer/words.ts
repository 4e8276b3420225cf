/** What the bench `transfer` and its child processes say to each other. */
import type { BuildResult, Token } from "../../protocol/model/build.ts";
import type { KeyPair } from "../../protocol/transport/index.ts";

/** A finished build in the outbox of a sender. */
export interface HeldBuild {
  readonly token: Token;
  readonly result: BuildResult;
  readonly tags: readonly string[];
}

export const PACKAGE = "bench_wheel";
export const VERSION = "1.0";

/** A sender as the receiver knows it. */
export interface SenderName {
  readonly identity: string;
  readonly slot: string;
}

export type ReceiverOrder =
  | {
      readonly type: "open";
      readonly way: "link" | "raw";
      /** Undefined: plain. */
      readonly secret: KeyPair | undefined;
      readonly output: string;
    }
  | {
      readonly type: "go";
      /** Of each sender, which are pulled side by side. */
      readonly lists: readonly {
        readonly sender: SenderName;
        readonly builds: readonly HeldBuild[];
      }[];
    }
  | { readonly type: "close" };

export type ReceiverSays =
  | { readonly type: "opened"; readonly address: string }
  | { readonly type: "done"; readonly figures: RoundFigures }
  | { readonly type: "closed" };

export interface RoundFigures {
  /** Until all is synced and has its public name. */
  readonly seconds: number;
  /** Of these, in which the wheels' contents were checked, by a worker; of several at once the sum. */
  readonly checkSeconds: number;
  /** The longest that the event loop was held. */
  readonly heldMs: number;
  /** Processor time of the receiving process, its threads included: other work disturbs it less. */
  readonly processorSeconds: number;
  /** Transfers that were begun again. */
  readonly again: number;
}

export type SenderOrder =
  | {
      readonly type: "connect";
      readonly way: "link" | "raw";
      readonly address: string;
      readonly outbox: string;
      readonly own: KeyPair | undefined;
      readonly serverPublicKey: string | undefined;
      readonly name: SenderName;
    }
  /** Raw: sends that file. */
  | { readonly type: "send"; readonly path: string }
  | { readonly type: "close" };

export type SenderSays = { readonly type: "connected" } | { readonly type: "closed" };
