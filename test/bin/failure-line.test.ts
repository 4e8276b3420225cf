import { describe, expect, it } from "vitest";
import { failureLine } from "../../bin/failure-line.ts";

describe("a failure as one line", () => {
  it.each<[unknown, string]>([
    [new Error("a\n  b"), "a b"],
    [new Error("a", { cause: new Error("because") }), "a: because"],
    [new Error("a: because", { cause: new Error("because") }), "a: because"],
    [new AggregateError([new Error("refused ::1"), new Error("refused")], ""), "refused ::1"],
    [new Error("bad \u001b[2J"), "bad \\x1b[2J"],
    ["text", "text"],
    [{ odd: 1 }, "{ odd: 1 }"],
    [undefined, "unknown failure"],
  ])("of %s is %j", (error, line) => {
    expect(failureLine(error)).toBe(line);
  });

  it("ends also for a cause that is its own cause", () => {
    const error = new Error("round");
    error.cause = error;
    expect(failureLine(error)).toBe("round");
  });
});
