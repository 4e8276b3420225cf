/**
 * The ways in which the sample upstream can be told to fail, for fault tests: each is what a real index,
 * or the network before it, does now and then. Applied by `http-server.ts` to the answer that was due.
 */
import { setTimeout as delay } from "node:timers/promises";

export interface SampleRequest {
  readonly method: string;
  /** With the query, as asked for. */
  readonly path: string;
  /** Of a POST, at most 1 MiB. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface SampleResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | string;
}

export type Misbehaviour =
  /** Another answer in place of the right one; what is left out is 200, no header, no body. */
  | { readonly kind: "answer"; readonly answer: Partial<SampleResponse> }
  /** The right answer's head and its first bytes (default half of it), then the connection is cut. */
  | { readonly kind: "cut"; readonly afterBytes?: number }
  /** The right answer, late. */
  | { readonly kind: "late"; readonly delayMs: number }
  /** The head and half the body, then silence; the connection stays open until either side gives up. */
  | { readonly kind: "stall" }
  /** The head, then one byte of the body now and then, for ever. */
  | { readonly kind: "trickle"; readonly everyMs: number }
  /** No answer at all: the connection is cut. */
  | { readonly kind: "hang-up" };

/** Asked for each request; undefined is to behave. */
export type RequestHook = (
  request: SampleRequest,
) => Misbehaviour | undefined | Promise<Misbehaviour | undefined>;

export interface Delivery {
  readonly response: SampleResponse;
  /** How much of the body is sent; undefined is all of it. */
  readonly sentBytes?: number;
  /** What happens after that; a number is to send a byte every so many milliseconds. */
  readonly end: "end" | "cut" | "stall" | number;
}

/** What is to be sent in the place of the right answer. */
export async function distort(
  misbehaviour: Misbehaviour | undefined,
  response: SampleResponse,
): Promise<Delivery> {
  if (misbehaviour === undefined) return { response, end: "end" };
  const half = Math.floor(Buffer.byteLength(response.body) / 2);
  switch (misbehaviour.kind) {
    case "answer":
      return {
        response: { status: 200, headers: {}, body: "", ...misbehaviour.answer },
        end: "end",
      };
    case "cut":
      return { response, sentBytes: misbehaviour.afterBytes ?? half, end: "cut" };
    case "late":
      await delay(misbehaviour.delayMs, undefined, { ref: false });
      return { response, end: "end" };
    case "stall":
      return { response, sentBytes: half, end: "stall" };
    case "trickle":
      return { response, sentBytes: 0, end: misbehaviour.everyMs };
    case "hang-up":
      return { response, sentBytes: -1, end: "cut" };
  }
}
