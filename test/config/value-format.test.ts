import { homedir } from "node:os";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  choiceFormat,
  countFormat,
  dateFormat,
  descriptionFormat,
  dsnFormat,
  durationFormat,
  flagFormat,
  levelFormat,
  lifetimeFormat,
  listenAddress,
  listFormat,
  pathFormat,
  priorityFormat,
  queueFormat,
  rankFormat,
  reasonFormat,
  textFormat,
  urlFormat,
  type ValueFormat,
} from "../../config/value-format.ts";

const HOUR_MS = 3_600_000;

describe("a lifetime", () => {
  it.each([
    ["30s", 30_000],
    ["30min", 1_800_000],
    ["12H", 12 * HOUR_MS],
    ["90 d", 90 * 24 * HOUR_MS],
    ["2y", 730 * 24 * HOUR_MS],
  ])("%s is %i ms", (text, ms) => {
    expect(lifetimeFormat.parse(text)).toBe(ms);
  });
  it("may never end", () => {
    expect(lifetimeFormat.parse(" Never")).toBe("never");
  });
  it.each(["", "0d", "90", "6m", "500ms", "-1d", "101y", "1.5h", "soon"])(
    "%j is refused",
    (text) => {
      expect(() => lifetimeFormat.parse(text)).toThrow(`"${text}"`);
    },
  );
});

describe("a duration", () => {
  it.each([
    ["3h", 3 * HOUR_MS],
    ["90s", 90_000],
    ["500ms", 500],
    ["60", 60_000],
    ["1.5 H", 1.5 * HOUR_MS],
    ["5m", 300_000],
    ["5min", 300_000],
    ["2d", 48 * HOUR_MS],
  ])("%s is %i ms", (text, valueMs) => {
    expect(durationFormat.parse(text)).toBe(valueMs);
  });

  it.each(["", "h", "3 weeks", "-1s", "1e3", "0", "0ms", "25d", "1s2s", "NaN", "９s"])(
    "%j is refused",
    (text) => {
      expect(() => durationFormat.parse(text)).toThrow(`"${text}"`);
    },
  );

  it("is always a whole number that Node's timers take", () => {
    const units = fc.constantFrom("", "ms", "s", "m", "h", "d");
    fc.assert(
      fc.property(fc.double({ min: 0, noNaN: true }), units, (value, unit) => {
        try {
          const valueMs = durationFormat.parse(`${value.toFixed(3)}${unit}`);
          expect(Number.isInteger(valueMs) && valueMs >= 1 && valueMs < 2 ** 31).toBe(true);
        } catch (error) {
          expect((error as Error).message).toMatch(/no duration|out of range/);
        }
      }),
    );
  });
});

describe("a value", () => {
  it.each<[string, ValueFormat<unknown>, string, unknown]>([
    ["flag", flagFormat, "Yes", true],
    ["flag", flagFormat, "0", false],
    ["level", levelFormat, "2", 2],
    ["level", levelFormat, "on", 1],
    ["count", countFormat, "64", 64],
    ["list", listFormat, " a, b\nc ,", ["a", "b", "c"]],
    ["list", listFormat, "", []],
    ["path", pathFormat, "/a/../b", "/b"],
    ["path", pathFormat, "~/x", `${homedir()}/x`],
    ["url", urlFormat, "https://pypi.org/simple/", "https://pypi.org/simple"],
    ["dsn", dsnFormat, "postgresql:///x", "postgresql:///x"],
    ["queue", queueFormat, "tcp://[::1]:5555", "tcp://[::1]:5555"],
    ["queue", queueFormat, "tcp://*:*", "tcp://*:*"],
    ["queue", queueFormat, "ipc:///tmp/x y", "ipc:///tmp/x y"],
    ["choice", choiceFormat("newest", "oldest"), "Oldest", "oldest"],
    ["date", dateFormat, "2024-02-29", Date.UTC(2024, 1, 29)],
    ["date", dateFormat, "2024-01-31 12:00:30+01:00", Date.UTC(2024, 0, 31, 11, 0, 30)],
    ["priority", priorityFormat, "-1000", -1_000],
    ["rank", rankFormat, "0", 0],
    ["reason", reasonFormat, " too big ", "too big"],
    ["description", descriptionFormat, " a\n b ", "a b"],
    ["description", descriptionFormat, "", ""],
  ])("of format %s: %j %j is %j", (_name, format, text, value) => {
    expect(format.parse(text)).toEqual(value);
  });

  it.each<[string, ValueFormat<unknown>, string, string]>([
    ["flag", flagFormat, "maybe", '"maybe" is neither yes nor no'],
    ["level", levelFormat, "10", '"10" is neither yes nor no'],
    ["count", countFormat, "0", '"0" is no whole number from 1 to 64'],
    ["count", countFormat, "65", '"65" is no whole number from 1 to 64'],
    ["text", textFormat, "  ", "it is empty"],
    ["text", textFormat, "a\nb", "it has more than one line"],
    ["url", urlFormat, "file:///etc/passwd", "is no http:// or https:// URL"],
    ["url", urlFormat, "pypi.org/simple", "is no http:// or https:// URL"],
    ["queue", queueFormat, "tcp://*:65536", "is no queue address"],
    ["queue", queueFormat, "inproc://x", "is no queue address"],
    ["queue", queueFormat, "ipc://", "is no queue address"],
    ["queue", queueFormat, "tcp://a:1@b:2", "is no queue address"],
    ["choice", choiceFormat("newest", "oldest"), "best", '"best" is not one of newest, oldest'],
    ["date", dateFormat, "2023-02-29", "is no date such as 2024-01-31"],
    ["date", dateFormat, "2024-01-31T12:00", "is no date"],
    ["date", dateFormat, "1969-12-31", "is no date"],
    ["date", dateFormat, "yesterday", "is no date"],
    ["priority", priorityFormat, "1001", "no whole number from -1000 to 1000"],
    ["priority", priorityFormat, "1e2", "no whole number"],
    ["rank", rankFormat, "-1", "no whole number from 0 to 1000000"],
    ["reason", reasonFormat, "x".repeat(201), "longer than 200 characters"],
    ["reason", reasonFormat, "\u001b[2J", "cannot be shown"],
    ["description", descriptionFormat, "x".repeat(1_001), "longer than 1000"],
  ])("of format %s: %j %j is refused", (_name, format, text, message) => {
    expect(() => format.parse(text)).toThrow(message);
  });

  it("of a wrong DSN is not repeated, since it may hold a password", () => {
    expect(() => dsnFormat.parse("postgre://me:secret@db/x")).toThrow(/^(?!.*secret)/);
  });

  it.each([
    ["127.0.0.1:8080", { host: "127.0.0.1", port: 8080 }],
    ["[::1]:80", { host: "::1", port: 80 }],
    [":0", { host: "0.0.0.0", port: 0 }],
    ["*:1", { host: "0.0.0.0", port: 1 }],
    ["8080", { host: "0.0.0.0", port: 8080 }],
    ["localhost:8080", { host: "localhost", port: 8080 }],
  ])("of a listening address: %s is %j", (text, address) => {
    expect(listenAddress(text)).toEqual(address);
  });

  it.each(["", "localhost", "::1:80", "a:b:1", ":70000", "http://x:1"])(
    "of a listening address: %j is refused",
    (text) => {
      expect(() => listenAddress(text)).toThrow("is no address such as");
    },
  );
});
