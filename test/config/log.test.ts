import { mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type LogOptions, openLog } from "../../config/log.ts";
import { logLine } from "../../config/log-line.ts";
import { taskMatcher } from "../../config/task-pattern.ts";

const folder = mkdtempSync(join(tmpdir(), "piw-log-"));
afterAll(() => rmSync(folder, { recursive: true }));

function open(options: Partial<LogOptions>, isTTY = false) {
  const lines: string[] = [];
  const stream = { isTTY, write: (line: string) => lines.push(line) };
  const log = openLog({ quiet: 0, verbose: 0, stream, ...options });
  return { ...log, lines };
}

/** Every control character is among the first. */
const anyText = fc.string({ unit: fc.nat(0x2fff).map((code) => String.fromCodePoint(code)) });

const levels = ["trace", "debug", "info", "warn", "error"] as const;

describe("the log", () => {
  it.each<[Partial<LogOptions>, string]>([
    [{}, "info"],
    [{ verbose: 1 }, "debug"],
    [{ verbose: 2 }, "trace"],
    [{ verbose: 9 }, "trace"],
    [{ quiet: 1 }, "warn"],
    [{ quiet: 5 }, "error"],
    [{ quiet: 1, verbose: 1 }, "info"],
    [{ level: "warn" }, "warn"],
    [{ level: "warn", verbose: 1 }, "info"],
    [{ devMode: true }, "debug"],
    [{ devMode: true, quiet: 1 }, "warn"],
  ])("with %j says what is %s and above", (options, lowest) => {
    const { logger, lines } = open(options);
    for (const level of levels) {
      logger[level](level);
    }
    expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(
      levels.slice(levels.indexOf(lowest as (typeof levels)[number])),
    );
  });

  it("knows an actor's task by the end of its path, also in a line of somebody else's logger", () => {
    const { logger, lines } = open({ debug: ["scribe", "/services/farm/*"] });
    logger.debug({ actor: "/services/publishing/scribe" }, "traced");
    logger.debug({ actor: "/services/farm/architect" }, "by path");
    logger.debug({ actor: "/services/publishing/secretary" }, "not");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      "traced",
      "by path",
    ]);
    const terminal = open({}, true);
    terminal.logger.child({ actor: "/services/farm/architect" }).info("leased");
    expect(terminal.lines.map(stripVTControlCharacters).join("")).toContain("architect: leased\n");
  });

  it("shows every message of the tasks of --debug, and of their children, beside a quiet rest", () => {
    const file = join(folder, "debug.log");
    const { logger, lines } = open({ quiet: 1, debug: ["ora*"], file });
    logger.child({ task: "oracle-1" }).child({ build: 7 }).trace("seen");
    logger.child({ task: "scribe" }).info("only in the file");
    logger.child({ other: "oracle-1" }).debug("nowhere");

    const shown = lines.map((line) => JSON.parse(line) as object);
    expect(shown).toEqual([
      expect.objectContaining({ level: "trace", task: "oracle-1", build: 7, msg: "seen" }),
    ]);
    expect(readFileSync(file, "utf8").trimEnd().split("\n")).toEqual([
      lines[0]?.trimEnd(),
      expect.stringContaining("only in the file"),
    ]);
  });

  it("says more or less while it runs, also through loggers that were made before, and as configured again", () => {
    const file = join(folder, "levels.log");
    const { logger, levels: said, lines } = open({ quiet: 1, debug: ["tracer"], file });
    const tasks = ["scribe", "oracle-1", "tracer"].map((task) => logger.child({ task }));
    const heard = (of: readonly string[]) =>
      of.map((line) => JSON.parse(line) as { task: string; level: string; msg: string });
    const say = (now: string): Record<string, string[]> => {
      for (const task of tasks) for (const level of levels) task[level](now);
      const shown = heard(lines).filter(({ msg }) => msg === now);
      return Object.fromEntries(
        ["scribe", "oracle-1", "tracer"].map((name) => [
          name,
          shown.filter(({ task }) => task === name).map(({ level }) => level),
        ]),
      );
    };
    const all = [...levels];
    const loud = ["warn", "error"];
    expect(say("configured")).toEqual({ scribe: loud, "oracle-1": loud, tracer: all });
    said.set("ORA*", "debug");
    expect(say("one")).toEqual({ scribe: loud, "oracle-1": all.slice(1), tracer: all });
    said.set("scribe", "error");
    expect(say("less")).toEqual({ scribe: ["error"], "oracle-1": all.slice(1), tracer: all });
    said.set(null, "info");
    expect(say("all")).toEqual({ scribe: ["error"], "oracle-1": all.slice(1), tracer: all });
    said.set("scribe", null);
    expect(say("back")).toEqual({ scribe: all.slice(2), "oracle-1": all.slice(1), tracer: all });
    expect(said.now()).toEqual({
      level: "info",
      tasks: [
        { task: "ORA*", level: "debug" },
        { task: "scribe", level: null },
      ],
    });
    said.set(null, null);
    expect(say("reset")).toEqual({ scribe: loud, "oracle-1": loud, tracer: all });
    expect(said.now()).toEqual({ level: "warn", tasks: [] });
    // The file has info at least, and what was said of a task counts there too.
    const inFile = heard(readFileSync(file, "utf8").trimEnd().split("\n"));
    const of = (now: string, name: string) =>
      inFile.filter(({ msg, task }) => msg === now && task === name).map(({ level }) => level);
    expect(of("configured", "scribe")).toEqual(["info", "warn", "error"]);
    expect(of("less", "scribe")).toEqual(["error"]);
    expect(of("one", "oracle-1")).toEqual(all.slice(1));
  });

  it("says more through loggers that were made before, where nothing was to be traced", () => {
    const { logger, levels: said, lines } = open({ quiet: 1 });
    const task = logger.child({ task: "scribe" }).child({ build: 7 });
    task.debug("unheard");
    said.set("scribe", "debug");
    task.debug("heard");
    said.set(null, null);
    task.debug("unheard");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(["heard"]);
  });

  it("is readable lines on a terminal, with task, fields and the error's message", () => {
    const { logger, lines } = open({}, true);
    const task = logger.child({ task: "architect" });
    task.info({ package: "numpy", version: "2.0", build: 12 }, "leased");
    task.error({ err: new Error("no route", { cause: new Error("cable") }) }, "lost");
    expect(lines.map(stripVTControlCharacters)).toEqual([
      expect.stringMatching(
        /^\[\d\d:\d\d:\d\d\] INFO: architect: leased {2}package=numpy version=2.0 build=12\n$/,
      ),
      expect.stringMatching(/ERROR: architect: lost: no route(: cable)?\n$/),
    ]);
  });

  it("shows stacks on a terminal only with -v -v", () => {
    for (const verbose of [1, 2]) {
      const { logger, lines } = open({ verbose }, true);
      logger.error(new Error("boom"));
      expect(lines.join("").includes("log.test.ts")).toBe(verbose === 2);
    }
  });

  it("goes on in a new file after the old one was moved away", async () => {
    const file = join(folder, "rotated.log");
    const { logger, reopen } = open({ file });
    logger.info("one");
    renameSync(file, `${file}.1`);
    reopen();
    await expect.poll(() => statSync(file, { throwIfNoEntry: false })?.size).toBe(0);
    logger.info("two");
    expect(readFileSync(`${file}.1`, "utf8")).toContain("one");
    expect(readFileSync(file, "utf8")).toContain("two");
  });

  it("refuses a file that it cannot open, naming it", () => {
    const file = join(folder, "none", "x.log");
    expect(() => open({ file })).toThrow(`cannot write the log file ${file}: ENOENT`);
  });
});

describe("a log line", () => {
  it("never lets a stranger's text reach the terminal's controls", () => {
    fc.assert(
      fc.property(anyText, anyText, (name, text) => {
        const line = logLine(
          { task: text, msg: text, [name]: text, err: { message: text } },
          false,
        );
        expect(line).not.toMatch(/\p{Cc}|\p{Cf}|\u2028|\u2029/u);
      }),
      {
        examples: [
          ["x\n", "\u001b[2J\r\u009b\u2028"],
          ["\u202egpj.exe", "\u2066\u200b"],
        ],
      },
    );
  });

  it("cuts a long value", () => {
    expect(logLine({ msg: "m", log: "x".repeat(10_000) }, false).length).toBeLessThan(400);
  });
});

describe("a pattern of --debug", () => {
  it.each([
    ["scribe", "scribe", true],
    ["scribe", "scribes", false],
    ["*", "anything", true],
    ["oracle-*", "oracle-3", true],
    ["*-driver", "slave-driver", true],
    ["s*e*r", "slave-driver", true],
    ["s*x*r", "slave-driver", false],
    ["ab*ba", "aba", false],
    [".*", "scribe", false],
  ])("%s over %s: %s", (pattern, task, expected) => {
    expect(taskMatcher([pattern])(task)).toBe(expected);
  });

  it("agrees with the same written as a regular expression", () => {
    const letters = fc.stringMatching(/^[ab*]{0,8}$/);
    fc.assert(
      fc.property(letters, fc.stringMatching(/^[ab]{0,8}$/), (pattern, task) => {
        const expected = new RegExp(`^${pattern.replaceAll("*", "[ab]*")}$`).test(task);
        expect(taskMatcher([pattern])(task)).toBe(expected);
      }),
    );
  });
});
