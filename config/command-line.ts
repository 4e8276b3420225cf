/**
 * A program's command line and its `--help`, generated from its options by way of commander.
 *
 * Gives the texts as typed; `read-configuration.ts` turns them into values, so that the command line
 * has no formats of its own.
 */
import { Command, CommanderError, Option as CommanderOption } from "commander";
import { ConfigurationError } from "./configuration-error.ts";
import { environmentName, type Option, type Program } from "./option.ts";
import { productVersion } from "./version.ts";

export type CommandLine =
  | {
      readonly kind: "run";
      /** By option name: the text, or the texts of a repeatable option. */
      readonly given: ReadonlyMap<string, string | readonly string[]>;
      readonly operands: readonly string[];
    }
  /** `--help` or `--version`: print this and end. */
  | { readonly kind: "text"; readonly text: string };

/** @throws ConfigurationError for an unknown option, a missing argument, an operand too many */
export function parseCommandLine(program: Program, argv: readonly string[]): CommandLine {
  let text = "";
  const command = new Command(program.name)
    .description(program.summary)
    .helpOption("-h, --help", "Show this help and exit")
    .version(productVersion, "--version", "Show the version and exit")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({
      writeOut: (part) => {
        text += part;
      },
      outputError: () => {},
    });
  if (program.operand !== undefined) {
    const { name, variadic, required, doc } = program.operand;
    const inner = variadic ? `${name}...` : name;
    command.argument(required ? `<${inner}>` : `[${inner}]`, doc);
  }
  for (const [name, option] of Object.entries(program.options)) {
    for (const made of commanderOptions(name, option)) {
      command.addOption(made);
    }
  }
  command.addHelpText("after", () => `\n${sourcesText(program)}`);
  try {
    command.parse(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      throw error;
    }
    if (error.exitCode === 0) {
      return { kind: "text", text };
    }
    throw new ConfigurationError(oneLine(error.message));
  }
  return { kind: "run", given: givenTexts(command, program), operands: command.args };
}

function commanderOptions(name: string, option: Option<unknown>): CommanderOption[] {
  const flags = `${option.short === undefined ? "" : `-${option.short}, `}--${name}`;
  const initial = option.defaultText ?? (option.shape === "value" ? option.default : null);
  const doc = initial === null ? option.doc : `${option.doc} (default: ${initial})`;
  const withArgument = `${flags} <${option.placeholder ?? "VALUE"}>`;
  switch (option.shape) {
    case "flag":
      // The opposite takes back what a file or the environment says.
      return [new CommanderOption(flags, doc), new CommanderOption(`--no-${name}`).hideHelp()];
    case "level":
      return [
        new CommanderOption(flags, doc).argParser((_text, count: unknown) =>
          Math.min(Number(count ?? 0) + 1, 9),
        ),
      ];
    case "list":
      return [
        new CommanderOption(withArgument, doc).argParser((part, parts: unknown) => [
          ...(Array.isArray(parts) ? (parts as string[]) : []),
          part,
        ]),
      ];
    case "value":
      return [new CommanderOption(withArgument, doc)];
  }
}

function givenTexts(command: Command, program: Program): Map<string, string | readonly string[]> {
  const given = new Map<string, string | readonly string[]>();
  for (const name of Object.keys(program.options)) {
    const attribute = new CommanderOption(`--${name}`).attributeName();
    const value: unknown = command.getOptionValue(attribute);
    if (value === true || value === false) {
      given.set(name, value ? "yes" : "no");
    } else if (Array.isArray(value)) {
      given.set(name, value as string[]);
    } else if (typeof value === "string" || typeof value === "number") {
      given.set(name, String(value));
    }
  }
  return given;
}

/** The last paragraph of the help: where else the options may be set. */
function sourcesText(program: Program): string {
  const stored = Object.entries(program.options).filter(([, option]) => option.stored !== false);
  const [name] = stored.find(([key]) => key.includes("-queue") || key === "dsn") ?? ["verbose"];
  return [
    "Options may also be set in configuration files and in the environment. Read in this order, later",
    "over earlier: /etc/piwheels.conf, /usr/local/etc/piwheels.conf,",
    `~/.config/piwheels/piwheels.conf (section [${program.section}], key ${name} for --${name}; -c FILE replaces all`,
    `three), then variables such as ${environmentName(name)}, then the command line.`,
  ].join("\n");
}

/** Commander's message without its prefix, its hint on the same line. */
function oneLine(message: string): string {
  return message
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ")
    .trim();
}
