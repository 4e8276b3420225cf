/** Preconditions and ranges, as RFC 9110 has them. */
import { describe, expect, test } from "vitest";
import { codingsTaken } from "../../web/server/accept-encoding.ts";
import { findPreconditionStatus, rangeOf } from "../../web/server/conditions.ts";

const modifiedAt = new Date("2024-03-09T14:05:07.890Z");
const validators = { etag: '"v1"', modifiedAt };
const SAME = "Sat, 09 Mar 2024 14:05:07 GMT";
const EARLIER = "Sat, 09 Mar 2024 14:05:06 GMT";

test.each([
  [{}, undefined],
  [{ "if-none-match": '"v1"' }, 304],
  [{ "if-none-match": 'W/"v1"' }, 304],
  [{ "if-none-match": '"v0", "v1"' }, 304],
  [{ "if-none-match": "*" }, 304],
  [{ "if-none-match": '"v0"' }, undefined],
  [{ "if-modified-since": SAME }, 304],
  [{ "if-modified-since": EARLIER }, undefined],
  [{ "if-modified-since": "yesterday" }, undefined],
  // The tag wins over the date.
  [{ "if-none-match": '"v0"', "if-modified-since": SAME }, undefined],
  [{ "if-match": '"v1"' }, undefined],
  [{ "if-match": '"v0"' }, 412],
  [{ "if-match": 'W/"v1"' }, 412],
  [{ "if-unmodified-since": EARLIER }, 412],
  [{ "if-unmodified-since": SAME }, undefined],
])("%j gives %s", (headers, status) => {
  expect(findPreconditionStatus(headers, validators)).toBe(status);
});

describe("of 10 bytes", () => {
  test.each([
    ["bytes=0-3", { start: 0, end: 3 }],
    ["bytes=4-", { start: 4, end: 9 }],
    ["bytes=-4", { start: 6, end: 9 }],
    ["bytes=-400", { start: 0, end: 9 }],
    ["bytes=9-9999999999999999999999", { start: 9, end: 9 }],
    ["bytes=10-", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=5-2", "whole"],
    ["bytes=-", "whole"],
    ["bytes=0-1,3-4", "whole"],
    ["lines=0-1", "whole"],
    ["bytes=a-b", "whole"],
    [undefined, "whole"],
  ])("%s is %j", (range, decision) => {
    expect(rangeOf(range === undefined ? {} : { range }, 10, validators)).toEqual(decision);
  });

  test.each([
    ['"v1"', { start: 0, end: 3 }],
    ['"v0"', "whole"],
    ['W/"v1"', "whole"],
    [SAME, { start: 0, end: 3 }],
    [EARLIER, "whole"],
    ["nonsense", "whole"],
  ])("a part is sent to who has %s", (ifRange, decision) => {
    const headers = { range: "bytes=0-3", "if-range": ifRange };
    expect(rangeOf(headers, 10, validators)).toEqual(decision);
  });
});

test("of an empty file no part can be sent", () => {
  expect(rangeOf({ range: "bytes=0-" }, 0, validators)).toBe("unsatisfiable");
});

test.each([
  [undefined, []],
  ["", []],
  ["identity", []],
  ["gzip", ["gzip"]],
  ["x-gzip", ["gzip"]],
  ["gzip, deflate, zstd", ["gzip"]],
  ["gzip, deflate, br, zstd", ["br", "gzip"]],
  ["br;q=0.5, gzip", ["gzip", "br"]],
  ["deflate, GZIP;q=0.5", ["gzip"]],
  ["gzip;q=0", []],
  ["gzip; q=0.000, *", ["br"]],
  ["*", ["br", "gzip"]],
  ["*;q=0", []],
  ["br", ["br"]],
  ["identity, gzip;q=0.5", []],
  ["identity;q=0.2, gzip;q=0.5", ["gzip"]],
  ["gzip;q=nonsense", []],
  ["gzip;q=2", []],
])("Accept-Encoding: %s takes %j", (header, codings) => {
  expect(codingsTaken(header)).toEqual(codings);
});
