import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decode, encode, MalformedFrameError } from "../../../protocol/transport/codec.ts";
import { decodeFrame, decodeMessages } from "../../../protocol/transport/frame.ts";
import { findMsgpackFault } from "../../../protocol/transport/msgpack-scan.ts";

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string(),
    // -0 arrives as 0, since it is packed as an integer; nothing that is said tells them apart.
    fc.double({ noNaN: true }).map((number) => (number === 0 ? 0 : number)),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.constant(undefined),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.array(tie("value")),
    fc.dictionary(
      fc.string().filter((key) => key !== "__proto__"),
      tie("value"),
      { noNullPrototype: true },
    ),
  ),
})).value;

describe("the codec", { timeout: 10_000 }, () => {
  it("gives back every plain value as it was", () => {
    fc.assert(
      fc.property(plain, (value) => {
        expect(decode(encode(value))).toEqual(value);
      }),
    );
  });

  it.each([0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536, 70_000])(
    "gives back strings, binaries, lists and maps of %d",
    (length) => {
      const value = [
        "x".repeat(length),
        Buffer.alloc(length, 1),
        Array.from({ length }, (_, at) => at),
        Object.fromEntries(Array.from({ length }, (_, at) => [`k${at}`, at])),
      ];
      expect(decode(encode(value))).toEqual(value);
    },
  );

  const unsendable = [
    { what: "a date", value: { at: new Date(0) } },
    { what: "a map with other keys than strings", value: new Map([[1, 2]]) },
    { what: "an integer beyond 64 bits", value: 2n ** 80n },
    { what: "a symbol", value: Symbol("x") },
  ];
  it.each(unsendable)("refuses to send $what, which would not arrive", ({ value }) => {
    expect(() => encode(value)).toThrow();
    expect(decode(encode("and works on"))).toBe("and works on");
  });

  it("refuses a value that holds itself, and works on", () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(() => encode(cycle)).toThrow();
    expect(decode(encode({ n: 70 }))).toEqual({ n: 70 });
  });

  it("says MalformedFrameError and nothing else to bytes that are no value", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeMessages(decodeFrame(bytes).payload);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFrameError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("finds every cut and every byte too many", () => {
    fc.assert(
      fc.property(plain, fc.nat(), (value, at) => {
        const bytes = encode(value);
        expect(findMsgpackFault(bytes.subarray(0, at % bytes.length))).toBe("truncated");
        expect(findMsgpackFault(Buffer.concat([bytes, Buffer.from([0])]))).toBe("bytes left over");
      }),
    );
  });

  it.each([
    { what: "a record", hex: "d4724091a16101" },
    { what: "a regular expression", hex: "c70278" },
    { what: "a date", hex: "d6ff00000000" },
    { what: "a key that is a list", hex: "819000" },
    { what: "a key that is a number", hex: "810100" },
    { what: "a key that is a binary", hex: "81c4016100" },
    { what: "the unused token", hex: "c1" },
  ])("lets no $what in", ({ hex }) => {
    expect(findMsgpackFault(Buffer.from(hex, "hex"))).toMatch(
      /extension|key is not a string|truncated/,
    );
    expect(() => decode(Buffer.from(hex, "hex"))).toThrow(MalformedFrameError);
  });

  it("does not change what a prototype is", () => {
    const hostile = Buffer.concat([
      Buffer.from([0x81, 0xa9]),
      Buffer.from("__proto__"),
      encode({ isAdmin: true }),
    ]);
    const value = decode(hostile) as { isAdmin?: boolean };
    expect(value.isAdmin).toBeUndefined();
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it("gives out binaries that nobody else holds", () => {
    const frame = encode([Buffer.from("first"), Buffer.from("second")]);
    const [first] = decode(frame) as [Buffer, Buffer];
    frame.fill(0);
    expect(first.toString()).toBe("first");
  });
});
