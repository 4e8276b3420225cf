import { beforeEach, describe, expect, test } from "vitest";
import { errorText } from "../../../actors/farm/log-line.ts";
import { isAllBuilt, isSettled } from "../../../actors/farm/outcome.ts";
import { openProgress, type Progress } from "../../../actors/farm/progress.ts";
import type { FarmEvent, FarmReport, ReportRow } from "../../../protocol/model/status.ts";

const wheel = "foo-1.0-py3-none-any.whl";
const foo = { package: "foo", version: "1.0", target: "cp311-linux_x86_64" };
const of = { token: 7, slave: "slave-1", slaveId: 1 };
const started: FarmEvent = { kind: "build-started", ...foo, ...of };
const built: FarmEvent = {
  kind: "build-ended",
  ...foo,
  ...of,
  endedAt: 1_700_000_000_000,
  cause: "built",
  message: "",
  durationMs: 1_234,
  files: [wheel],
};
const failed: FarmEvent = { ...built, cause: "build-failed", message: "no such header", files: [] };

const row = (state: ReportRow["state"], change: Partial<ReportRow> = {}): ReportRow => ({
  ...foo,
  state,
  reason: state === "built" ? wheel : "why",
  durationMs: null,
  ...change,
});
const reportOf = (rows: ReportRow[], change: Partial<FarmReport> = {}): FarmReport => ({
  isComplete: true,
  followed: true,
  slaves: 1,
  ready: 0,
  leased: 0,
  waiting: 0,
  blocked: 0,
  unpublished: 0,
  unsatisfied: [],
  troubles: [],
  refused: [],
  rows,
  ...change,
});

describe("progress that is no terminal", () => {
  let text: string;
  let progress: Progress;
  const lines = () => text.split("\n").slice(0, -1);
  beforeEach(() => {
    text = "";
    progress = openProgress({ write: (part) => (text += part) });
    progress.report(reportOf([]));
  });

  test("is plain lines: a start, and how it ended", () => {
    progress.event(started);
    progress.event(built);
    expect(lines()).toEqual([
      "building foo 1.0 for cp311-linux_x86_64 on slave-1",
      `built    foo 1.0 for cp311-linux_x86_64 in 1.2 s: ${wheel}`,
    ]);
  });

  test.each([
    [
      "an event and then the report",
      (p: Progress) => [p.event(failed), p.report(reportOf([row("failed")]))],
    ],
    [
      "the report and then the event",
      (p: Progress) => [p.report(reportOf([row("failed")])), p.event(failed)],
    ],
    [
      "the report alone, again and again",
      (p: Progress) => [p.report(reportOf([row("failed")])), p.report(reportOf([row("failed")]))],
    ],
  ])("says an outcome once when it comes by %s", (_title, tell) => {
    tell(progress);
    expect(lines().filter((line) => line.startsWith("failed"))).toHaveLength(1);
  });

  test("says a second outcome of the same build too", () => {
    progress.event({ ...failed, cause: "slave-lost" });
    progress.event(started);
    progress.event(built);
    expect(lines().map((line) => line.split(" ")[0])).toEqual(["again", "building", "built"]);
  });

  test("counts what earlier runs did instead of telling it again", () => {
    text = "";
    progress = openProgress({ write: (part) => (text += part) });
    progress.report(reportOf([row("built"), row("failed", { version: "2.0" })]));
    expect(lines()).toEqual(["2 results of earlier runs are kept"]);
  });

  test("shows nothing that a package's name or message wants a terminal to do", () => {
    progress.event({ ...failed, package: "a\u001b[31m", message: "x\r\ny\u009b2J\u202e" });
    expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(lines()).toHaveLength(1);
  });

  test("is silent after its end but for notes", () => {
    progress.end();
    progress.event(failed);
    progress.report(reportOf([row("failed")]));
    progress.note("the table");
    expect(lines()).toEqual(["the table"]);
  });
});

test("on a terminal a line below says what is going on, and is taken away for lines that stay", () => {
  let text = "";
  const progress = openProgress({ write: (part) => (text += part), isTTY: true, columns: 60 });
  progress.report(reportOf([], { ready: 2 }));
  progress.event(started);
  progress.event(built);
  progress.close();
  const erased = text.split("\r\u001b[K");
  expect(erased[0]).toBe("[2 to build, 0 waiting]");
  expect(erased[1]).toBe(
    "[2 to build, 0 waiting, building foo 1.0 for cp311-linux_x8".slice(0, 59),
  );
  expect(erased.at(-2)).toBe(
    `built    foo 1.0 for cp311-linux_x86_64 in 1.2 s: ${wheel}\n[2 to build, 0 waiting]`,
  );
  expect(erased.at(-1)).toBe("");
});

test.each([
  ["nothing left", {}, true],
  ["a build ready", { ready: 1 }, false],
  ["one under way", { leased: 1 }, false],
  ["one to be tried again", { waiting: 1 }, false],
  ["a page to write", { unpublished: 1 }, false],
  ["upstream still being read", { followed: false }, false],
  ["the database away", { isComplete: false }, false],
  ["no slave that could say what it builds for", { slaves: 0 }, false],
  ["one blocked for good", { blocked: 1 }, true],
])("a farm with %s is settled or not", (_title, change, expected) => {
  expect(isSettled(reportOf([], change))).toBe(expected);
});

test.each([
  ["nothing", reportOf([]), true],
  ["all built", reportOf([row("built"), row("skipped")]), true],
  ["one failed", reportOf([row("built"), row("failed")]), false],
  ["one blocked", reportOf([row("blocked")], { blocked: 1 }), false],
  ["something not found upstream", reportOf([row("built")], { unsatisfied: ["nope"] }), false],
])("%s: all is built or not", (_title, report, expected) => {
  expect(isAllBuilt(report)).toBe(expected);
});

test.each([
  ["an entry of level info", '{"level":"info","msg":"x"}', undefined],
  ["an error", '{"level":"error","task":"scribe","msg":"x","err":{"message":"y"}}', "scribe: x: y"],
  ["an error that repeats itself", '{"level":"fatal","msg":"x","err":{"message":"x"}}', "x"],
  ["plain words", "piw-master: no database", "piw-master: no database"],
  ["broken JSON", '{"level":', '{"level":'],
  ["an empty line", "   ", undefined],
  ["a warning of Node's", "(node:12) ExperimentalWarning: x", undefined],
  ["a line without end", "x".repeat(10_000), "x".repeat(500)],
])("of a program's lines, %s is shown as it should", (_title, line, expected) => {
  expect(errorText(line)).toBe(expected);
});
