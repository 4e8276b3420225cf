import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ConfigurationError } from "../../config/configuration-error.ts";
import { farmProgram } from "../../config/farm.ts";
import { initdbProgram } from "../../config/initdb.ts";
import { masterProgram } from "../../config/master.ts";
import { environmentName, type Options, type Program } from "../../config/option.ts";
import { addProgram } from "../../config/package-tools.ts";
import { readConfiguration } from "../../config/read-configuration.ts";
import { slaveProgram } from "../../config/slave.ts";
import { statusProgram } from "../../config/tools.ts";

const folder = mkdtempSync(join(tmpdir(), "piw-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

let written = 0;
function file(...lines: string[]): string {
  written += 1;
  const path = join(folder, `${written}.conf`);
  writeFileSync(path, lines.join("\n"));
  return path;
}

function values<O extends Options>(
  program: Program<O>,
  argv: readonly string[],
  files: readonly string[] = [],
  env: Record<string, string> = {},
) {
  const configuration = readConfiguration(program, argv, { env, files });
  if (configuration.kind !== "run") {
    throw new Error(`printed ${configuration.text}`);
  }
  return configuration.values;
}

describe("a program's options", () => {
  it("come from defaults, files in order, environment and command line, later over earlier", () => {
    const first = file("[master]", "oracles = 2", "order = oldest", "follow = wanted");
    const second = file("[master]", "oracles = 4", "order = newest");
    const env = { PIW_ORACLES: "5", PIW_ORDER: "" };
    const missing = join(folder, "none.conf");

    expect(values(masterProgram, []).oracles).toBe(3);
    expect(values(masterProgram, [], [first]).oracles).toBe(2);
    expect(values(masterProgram, [], [missing, first, second]).oracles).toBe(4);
    expect(values(masterProgram, [], [first, second], env).oracles).toBe(5);
    expect(values(masterProgram, ["--oracles", "6"], [first, second], env)).toMatchObject({
      oracles: 6,
      order: "newest",
      follow: "wanted",
    });
  });

  it("come from the file of -c instead of all default files", () => {
    const usual = file("[master]", "oracles = 2");
    const other = file("[master]", "order = oldest");
    expect(values(masterProgram, ["-c", other], [usual])).toMatchObject({
      oracles: 3,
      order: "oldest",
    });
    const missing = join(folder, "none.conf");
    expect(() => values(masterProgram, ["-c", missing], [usual])).toThrow(
      `there is no configuration file ${missing}`,
    );
  });

  it("are read from a file that other programs and runners share", () => {
    const shared = file(
      "[master]",
      "dsn = postgres:///one",
      "import-queue = ipc:///tmp/other",
      "control-queue = ipc:///tmp/control",
      "[initdb]",
      "user = farm",
      "[slave]",
      "timeout = 2h",
      "[runner:numpy]",
      "runner = shell!make-wheel %OUT",
      "whatever = they like",
    );
    expect(values(initdbProgram, [], [shared])).toMatchObject({
      dsn: "postgres:///one",
      user: "farm",
    });
    expect(values(slaveProgram, [], [shared]).timeout).toBe(7_200_000);
    expect(values(addProgram, [], [shared])["import-queue"]).toBe("ipc:///tmp/other");
    expect(values(statusProgram, [], [shared])["control-queue"]).toBe("ipc:///tmp/control");
  });

  it("are taken from the program's own section before the one that it shares", () => {
    const shared = file(
      "[initdb]",
      "dsn = postgres:///own",
      "[master]",
      "dsn = postgres:///theirs",
    );
    expect(values(initdbProgram, [], [shared]).dsn).toBe("postgres:///own");
  });

  it("that are switches can be taken back, counted and repeated", () => {
    const both = file("[master]", "dev-mode = yes", "debug = scribe, ora*", "verbose = 1");
    const read = values(masterProgram, [], [both]);
    expect(read).toMatchObject({ "dev-mode": true, debug: ["scribe", "ora*"], verbose: 1 });
    expect(
      values(masterProgram, ["--no-dev-mode", "-v", "-v", "--debug", "a,b", "--debug=c"], [both]),
    ).toMatchObject({ "dev-mode": false, debug: ["a,b", "c"], verbose: 2 });
    expect(values(masterProgram, ["-vvq"])).toMatchObject({ verbose: 2, quiet: 1 });
  });

  it("of the slave know PIW_MASTER and PIW_TIMEOUT", () => {
    const env = { PIW_MASTER: "farm.example", PIW_TIMEOUT: "90s" };
    expect(values(slaveProgram, [], [], env)).toMatchObject({
      master: "farm.example",
      timeout: 90_000,
    });
  });

  it("that are for one run only are not taken from files or the environment", () => {
    expect(values(slaveProgram, [], [], { PIW_CHECK: "yes" }).check).toBe(false);
    expect(values(slaveProgram, ["--check"]).check).toBe(true);
    const wrong = file("[slave]", "check = yes");
    expect(() => values(slaveProgram, [], [wrong])).toThrow('unknown key "check"');
  });

  it.each([
    [
      "ouput-path = x",
      "",
      'line 2: unknown key "ouput-path" in [master]; the nearest known one is "output-path"',
    ],
    ["configuration = x", "", 'line 2: unknown key "configuration" in [master]'],
    ["__proto__ = x", "", 'line 2: unknown key "__proto__" in [master]'],
    ["constructor = x", "", 'line 2: unknown key "constructor" in [master]'],
    ["oracles = many", "", 'line 2: oracles: "many" is no whole number from 1 to 64'],
    ["oracles =", "", 'line 2: oracles: "" is no whole number'],
    ["order = best", "", 'line 2: order: "best" is not one of newest, oldest'],
    ["", "[maser]", "line 3: unknown section [maser]; the nearest known one is [master]"],
    [
      "",
      "[slave]\ntimout = 1h",
      'line 4: unknown key "timout" in [slave]; the nearest known one is "timeout"',
    ],
    ["", "[runner:a]\nx = 1", 'line 3: [runner:a] needs a key "runner"'],
    ["", "[runner:a]\nrunner = bash!x", 'line 4: runner: "bash!x" is neither pip nor'],
    ["", "[runner:a]\nrunner = python!module", "line 4: runner: "],
    ["", "[runner:a]\nrunner = pip\nmatch = a;b", 'line 5: match: "a;b" is neither PACKAGE'],
    ["", "[runner:a]\nrunner = pip\npath = here", 'line 5: path: "here" is no absolute folder'],
    ["", "[runner:]\nx = 1", "line 3: unknown section [runner:]"],
  ])("of a file with %j %j are refused with file, line and what is known", (key, rest, message) => {
    const wrong = file("[master]", key, rest);
    expect(() => values(masterProgram, [], [wrong])).toThrow(ConfigurationError);
    expect(() => values(masterProgram, [], [wrong])).toThrow(`${wrong}, ${message}`);
  });

  it("that are wrong elsewhere are blamed on the variable or the flag", () => {
    expect(() => values(slaveProgram, [], [], { PIW_TIMEOUT: "3x" })).toThrow(
      'PIW_TIMEOUT: "3x" is no duration such as 90s, 3h, 500ms or 60 (seconds)',
    );
    expect(() => values(slaveProgram, ["--timeout", "3x"])).toThrow('--timeout: "3x" is no');
    expect(() => values(slaveProgram, ["--python", " "])).toThrow("--python: it is empty");
  });

  it.each([
    [["--ouput-path", "x"], "unknown option '--ouput-path' (Did you mean --output-path?)"],
    [["--output-path"], "option '-o, --output-path <PATH>' argument missing"],
    [["extra"], "too many arguments"],
    [["-V"], "unknown option '-V'"],
  ])("refuse the command line %j in one line", (argv, message) => {
    expect(() => values(masterProgram, argv)).toThrow(ConfigurationError);
    expect(() => values(masterProgram, argv)).toThrow(message);
  });
});

const programs: Program[] = [
  masterProgram,
  slaveProgram,
  farmProgram,
  initdbProgram,
  addProgram,
  statusProgram,
];

describe.each(programs.map((program) => [program.name, program] as const))(
  "%s",
  (_name, program) => {
    it("has --help with every option and --version", () => {
      const help = readConfiguration(program, ["--help"], { env: {}, files: [] });
      const text = help.kind === "text" ? help.text : "";
      for (const name of Object.keys(program.options)) {
        expect(text).toContain(`--${name}`);
      }
      expect(text).toContain(program.summary.slice(0, 20));
      expect(text).not.toContain("--no-");
      expect(readConfiguration(program, ["--version"], { env: {}, files: [] })).toEqual({
        kind: "text",
        text: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
      });
    });

    it("accepts each of its defaults from a file, the environment and the command line alike", () => {
      for (const [name, option] of Object.entries(program.options)) {
        if (option.shape !== "value" || option.default === null || option.stored === false) {
          continue;
        }
        const text = option.default;
        const { section } = program;
        const fromFile = values(program, [], [file(`[${section}]`, `${name} = ${text}`)]);
        const fromEnv = values(program, [], [], { [environmentName(name)]: text });
        const fromArgv = values(program, [`--${name}`, text]);
        const initial = values(program, []);
        expect([name, fromFile[name], fromEnv[name], fromArgv[name]]).toEqual([
          name,
          initial[name],
          initial[name],
          initial[name],
        ]);
      }
    });
  },
);
