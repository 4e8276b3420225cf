/** What the bench `slaves` and its child processes say to each other. */

export type CrowdOrder =
  /** Connects so many slaves, or raw peers; answered with `here` when all are idle, or have been heard. */
  | {
      readonly type: "connect";
      readonly way: "slaves" | "raw";
      readonly address: string;
      readonly first: number;
      readonly count: number;
      readonly target: string;
    }
  /** Each idle slave says IDLE; answered with `answered` when each has its SLEEP. */
  | { readonly type: "ask" }
  /** From now on each idle slave says IDLE so often, all of them evenly; answered with `paced`. */
  | { readonly type: "pace"; readonly everyMs: number }
  | { readonly type: "close" };

export type CrowdSays =
  | { readonly type: "here" }
  | { readonly type: "answered"; readonly messages: number }
  | { readonly type: "paced" }
  | { readonly type: "closed" }
  /** A slave was told to build. Microseconds of the machine's clock, which all processes share. */
  | {
      readonly type: "build";
      readonly package: string;
      readonly label: string;
      readonly atUs: number;
    }
  /** A person's word has reached a slave. */
  | { readonly type: "told"; readonly label: string; readonly what: Told; readonly atUs: number };

export type Told = "SLEEP" | "CONT" | "DONE" | "DIE";

export type RawOrder = { readonly type: "bind" };
export type RawSays = { readonly type: "bound"; readonly address: string };

/** What the bench `status` says to its listener, and is answered. */
export type ListenerOrder =
  | { readonly type: "listen"; readonly address: string }
  | { readonly type: "deaf" };
export type ListenerSays =
  | { readonly type: "listening" }
  | { readonly type: "silent"; readonly heard: number; readonly missed: number };

export const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);
