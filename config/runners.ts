/**
 * `[runner:NAME]` sections: what a slave runs to build, and for which packages. Every program that reads the
 * file checks them; the slave uses them. Keys beyond those named here are the runner's own settings, which it
 * is handed as they stand.
 */
import { isAbsolute } from "node:path";
import { ConfigurationError } from "./configuration-error.ts";
import { type IniEntry, type IniSection, shown } from "./ini-file.ts";
import { findNearest } from "./nearest.ts";

export type RunnerCommand =
  | { readonly kind: "pip"; readonly arguments: readonly string[] }
  | { readonly kind: "shell"; readonly command: string }
  | {
      readonly kind: "python";
      readonly module: string;
      readonly function: string;
      /** Runs the function; undefined: the interpreter that is built for. */
      readonly python: string | undefined;
    };

export interface RunnerSettings {
  readonly name: string;
  readonly run: RunnerCommand;
  /** `PACKAGE` or `TARGET/PACKAGE`, with `*` for any characters. Empty: only where `runner =` names it. */
  readonly match: readonly string[];
  /** Absolute folders with modules or programs of its own. */
  readonly path: readonly string[];
  /** Its own settings, by lower-case key. */
  readonly settings: Readonly<Record<string, string>>;
}

/** What builds where nothing else was configured. */
export const pipRunner: RunnerSettings = {
  name: "pip",
  run: { kind: "pip", arguments: [] },
  match: [],
  path: [],
  settings: {},
};

const PREFIX = /^runner:(.+)$/;

/** Sections that are no option's but hold what somebody else made up. */
export const isRunnerSection = (name: string): boolean => PREFIX.test(name);

/** @throws ConfigurationError naming the line, for a section without `runner` or with one that is none */
export function parseRunner(section: IniSection, file: string): RunnerSettings {
  const entries = new Map(section.entries.map((entry) => [entry.key, entry]));
  const fail = (line: number, what: string): never => {
    throw new ConfigurationError(`${file}, line ${line}: ${what}`);
  };
  const take = (key: string): IniEntry | undefined => {
    const entry = entries.get(key);
    entries.delete(key);
    return entry;
  };
  const runner = take("runner");
  if (runner === undefined || runner.value === "") {
    return fail(
      section.line,
      `[${shown(section.name)}] needs a key "runner": pip, shell!COMMAND or python!MODULE:FUNCTION`,
    );
  }
  const run = parseCommand(runner, take, (what) => fail(runner.line, what));
  const match = take("match");
  const patterns = wordsOf(match?.value);
  const wrong = patterns.find((each) => !/^(?:[A-Za-z0-9*_.-]+\/)?[A-Za-z0-9*_.-]+$/.test(each));
  if (wrong !== undefined) {
    fail(
      match?.line ?? section.line,
      `match: "${shown(wrong)}" is neither PACKAGE nor TARGET/PACKAGE, with * for any characters`,
    );
  }
  const path = take("path");
  const folders = (path?.value ?? "").split(/[:\n]/).flatMap((each) => each.trim() || []);
  const relative = folders.find((each) => !isAbsolute(each));
  if (relative !== undefined) {
    fail(path?.line ?? section.line, `path: "${shown(relative)}" is no absolute folder`);
  }
  return {
    name: PREFIX.exec(section.name)?.[1]?.trim() ?? "",
    run,
    match: patterns,
    path: folders,
    settings: Object.fromEntries([...entries].map(([key, { value }]) => [key, value])),
  };
}

function parseCommand(
  { value }: IniEntry,
  take: (key: string) => IniEntry | undefined,
  fail: (what: string) => never,
): RunnerCommand {
  if (value === "pip") return { kind: "pip", arguments: wordsOf(take("arguments")?.value) };
  const [, kind, rest = ""] = /^(shell|python)!(.*)$/s.exec(value) ?? [];
  const what = rest.trim();
  if (kind === "shell" && what !== "") return { kind, command: what };
  const [, module, name] = /^([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)$/.exec(what) ?? [];
  if (kind === "python" && module !== undefined && name !== undefined) {
    return { kind, module, function: name, python: take("python")?.value };
  }
  return fail(
    `runner: "${shown(value)}" is neither pip nor shell!COMMAND nor python!MODULE:FUNCTION`,
  );
}

const wordsOf = (text = ""): string[] => text.split(/\s+/).filter((word) => word !== "");

/**
 * The runners of a slave, in the order in which they are tried, and the one for what none of them matches.
 * @throws ConfigurationError for the name of a runner that is nowhere
 */
export function chooseDefaultRunner(
  runners: readonly RunnerSettings[],
  name: string,
): RunnerSettings {
  const chosen = [...runners, pipRunner].find((runner) => runner.name === name);
  if (chosen !== undefined) return chosen;
  const nearest = findNearest(name, ["pip", ...runners.map((runner) => runner.name)]) ?? "";
  throw new ConfigurationError(
    `runner: there is no section [runner:${shown(name)}]; the nearest known runner is "${nearest}"`,
  );
}
