import { expect, it } from "vitest";
import {
  decodeFrame,
  decodeMessages,
  encodeData,
  encodeDataHead,
  encodeMessage,
} from "../../../protocol/transport/frame.ts";

/** `depth` lists in each other. */
const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

it("whatever a sender may encode the receiver can decode: what is too deep is refused where it is said", () => {
  let refused = 0;
  for (let depth = 0; depth < 40; depth += 1) {
    let message: Buffer;
    try {
      message = encodeMessage({ kind: "tell", type: "DEEP", body: nested(depth) });
    } catch (error) {
      expect(String(error)).toMatch(/nested too deeply/);
      refused += 1;
      continue;
    }
    const frame = decodeFrame(encodeData(encodeDataHead("session"), 1, 1, [message]));
    expect(decodeMessages(frame.payload)).toEqual([
      { kind: "tell", type: "DEEP", body: nested(depth) },
    ]);
  }
  expect(refused).toBeGreaterThan(5);
  expect(refused).toBeLessThan(20);
});
