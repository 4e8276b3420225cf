/**
 * Where a program's values come from: defaults, files, environment, command line, in this order,
 * later over earlier, through one convict schema made from the program's options.
 *
 * Each text is set for itself, so that a wrong one is blamed on its place: the file's line, the
 * variable, the flag. Called once, at start, by `bin/program.ts`.
 */
import { homedir } from "node:os";
import convict from "convict";
import { parseCommandLine } from "./command-line.ts";
import { defaultFiles } from "./common-options.ts";
import { ConfigurationError } from "./configuration-error.ts";
import { type HookSettings, isHookSection, parseHook } from "./hooks.ts";
import { findIniFile, type IniSection, shown } from "./ini-file.ts";
import { findNearest } from "./nearest.ts";
import { environmentName, type Option, type Options, type Program, type Values } from "./option.ts";
import { isRunnerSection, parseRunner, type RunnerSettings } from "./runners.ts";
import { knownSections } from "./sections.ts";
import { pathFormat, textFormat, type ValueFormat } from "./value-format.ts";

export type Configuration<O extends Options> =
  | {
      readonly kind: "run";
      readonly values: Values<O>;
      readonly operands: readonly string[];
      /** Of all files, in their order; a later one takes the place of an earlier one of its name. */
      readonly runners: readonly RunnerSettings[];
      /** Likewise. */
      readonly hooks: readonly HookSettings[];
    }
  | { readonly kind: "text"; readonly text: string };

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The files read without `-c`; those that are not there are passed over. */
  readonly files?: readonly string[];
}

/** @throws ConfigurationError of one line that names the place and what is wrong there */
export function readConfiguration<O extends Options>(
  program: Program<O>,
  argv: readonly string[],
  surroundings: Surroundings = { env: process.env },
): Configuration<O> {
  const commandLine = parseCommandLine(program, argv);
  if (commandLine.kind === "text") {
    return commandLine;
  }
  const config = convict(convictSchema(program.options), { env: {}, args: [] });
  const set = (name: string, text: string | readonly string[], place: string): void => {
    try {
      config.set(
        name,
        typeof text === "string" ? text : text.map((part) => textFormat.parse(part)),
      );
    } catch (error) {
      throw new ConfigurationError(`${place}: ${(error as Error).message}`);
    }
  };

  const runners = new Map<string, RunnerSettings>();
  const hooks = new Map<string, HookSettings>();
  for (const { file, sections } of readFiles(
    commandLine.given.get("configuration"),
    surroundings,
  )) {
    checkNames(sections, file);
    for (const section of sections) {
      if (isHookSection(section.name)) {
        const hook = parseHook(section, file);
        hooks.set(hook.name, hook);
      }
      if (!isRunnerSection(section.name)) continue;
      const runner = parseRunner(section, file);
      runners.set(runner.name, runner);
    }
    for (const { name, text, line } of entriesFor(program, sections)) {
      set(name, text, `${file}, line ${line}: ${name}`);
    }
  }
  for (const [name, option] of Object.entries(program.options)) {
    const variable = environmentName(name);
    const text = surroundings.env[variable];
    if (option.stored !== false && text !== undefined && text !== "") {
      set(name, text, variable);
    }
  }
  for (const [name, text] of commandLine.given) {
    set(name, text, `--${name}`);
  }
  config.validate({ allowed: "strict" });
  return {
    kind: "run",
    values: withoutNulls(config.getProperties()) as Values<O>,
    operands: commandLine.operands,
    runners: [...runners.values()],
    hooks: [...hooks.values()],
  };
}

function readFiles(
  given: string | readonly string[] | undefined,
  surroundings: Surroundings,
): { file: string; sections: IniSection[] }[] {
  if (typeof given === "string") {
    const file = pathFormat.parse(given);
    const sections = findIniFile(file);
    if (sections === undefined) {
      throw new ConfigurationError(`there is no configuration file ${file}`);
    }
    return [{ file, sections }];
  }
  return (surroundings.files ?? defaultFiles(homedir())).flatMap((file) => {
    const sections = findIniFile(file);
    return sections === undefined ? [] : [{ file, sections }];
  });
}

/** Every section and key must be some program's: a shared file is checked whole by each of them. */
function checkNames(sections: readonly IniSection[], file: string): void {
  for (const section of sections) {
    if (isRunnerSection(section.name) || isHookSection(section.name)) {
      continue;
    }
    const keys = knownSections.get(section.name);
    if (keys === undefined) {
      const nearest = findNearest(section.name, knownSections.keys()) ?? "";
      throw new ConfigurationError(
        `${file}, line ${section.line}: unknown section [${shown(section.name)}]; the nearest known one is [${nearest}]`,
      );
    }
    for (const { key, line } of section.entries) {
      if (!keys.includes(key)) {
        const nearest = findNearest(key, keys) ?? "";
        throw new ConfigurationError(
          `${file}, line ${line}: unknown key "${shown(key)}" in [${section.name}]; the nearest known one is "${nearest}"`,
        );
      }
    }
  }
}

/** What a file says for a program: first of the sections that it shares, then of its own. */
function entriesFor(
  program: Program,
  sections: readonly IniSection[],
): { name: string; text: string; line: number }[] {
  const entries: { name: string; text: string; line: number; isOwn: boolean }[] = [];
  for (const section of sections) {
    for (const { key, value, line } of section.entries) {
      const option = Object.hasOwn(program.options, key) ? program.options[key] : undefined;
      const isOwn = section.name === program.section;
      if (option !== undefined && (isOwn || section.name === option.section)) {
        entries.push({ name: key, text: value, line, isOwn });
      }
    }
  }
  return entries.sort((a, b) => Number(a.isOwn) - Number(b.isOwn));
}

const registered = new Set<string>();

function convictSchema(options: Options): convict.Schema<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, convictOption(option)]),
  );
}

function convictOption(option: Option<unknown>): convict.SchemaObj<unknown> {
  register(option.format);
  return {
    doc: option.doc,
    format: option.format.name as convict.PredefinedFormat,
    default: option.default,
    nullable: option.default === null,
  };
}

/** Convict keeps one table of formats for the process. */
function register(format: ValueFormat<unknown>): void {
  if (!registered.has(format.name)) {
    registered.add(format.name);
    convict.addFormat({
      name: format.name,
      validate: () => {},
      coerce: (text: string) => format.parse(text),
    });
  }
}

function withoutNulls(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, value ?? undefined]),
  );
}
