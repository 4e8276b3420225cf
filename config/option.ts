/**
 * What an option is: one declaration that gives the key of the INI file, the environment variable,
 * the command line's flag and the line of `--help`, and from which the convict schema is made.
 *
 * Programs declare theirs in a record (`master.ts`, `slave.ts`, …); the record's key is the option's
 * name everywhere: `output-path` in the file, `PIW_OUTPUT_PATH`, `--output-path`.
 */
import { flagFormat, levelFormat, listFormat, type ValueFormat } from "./value-format.ts";

export interface Option<T> {
  /** The help text, without the default. */
  readonly doc: string;
  readonly format: ValueFormat<T>;
  /** As a user would write it; null: not set, the value is undefined. */
  readonly default: string | null;
  /** `flag`: no argument; `level`: no argument, counted; `list`: repeatable; `value`: one argument. */
  readonly shape: "value" | "flag" | "level" | "list";
  /** The argument in the help: `--dsn DSN`. */
  readonly placeholder?: string;
  /** One letter. */
  readonly short?: string;
  /** Shown instead of `default` in the help, for a default that is worked out. */
  readonly defaultText?: string;
  /** Another program's section that this option is read from too, below the program's own. */
  readonly section?: string;
  /** False: not in files or the environment (`-c` itself, `--check`). */
  readonly stored?: boolean;
}

export type Options = Readonly<Record<string, Option<unknown>>>;

/** Values by option name; an option whose default is null may be undefined. */
export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends Option<infer T>
    ? O[K] extends { readonly default: string }
      ? T
      : T | undefined
    : never;
};

type Extra = Partial<Pick<Option<unknown>, "short" | "section" | "stored" | "defaultText">>;

/** An option with one argument and a default. */
export function option<T>(
  format: ValueFormat<T>,
  placeholder: string,
  initial: string,
  doc: string,
  extra: Extra = {},
): Option<T> & { readonly default: string } {
  return { doc, format, placeholder, default: initial, shape: "value", ...extra };
}

/** An option with one argument that may stay unset. */
export function optional<T>(
  format: ValueFormat<T>,
  placeholder: string,
  doc: string,
  extra: Extra = {},
): Option<T> & { readonly default: null } {
  return { doc, format, placeholder, default: null, shape: "value", ...extra };
}

/** A switch, off by default. */
export function flag(
  doc: string,
  extra: Extra = {},
): Option<boolean> & { readonly default: string } {
  return { doc, format: flagFormat, default: "no", shape: "flag", ...extra };
}

/** A switch that may be given several times, such as `-v -v`. */
export function level(
  doc: string,
  extra: Extra = {},
): Option<number> & { readonly default: string } {
  return { doc, format: levelFormat, default: "0", shape: "level", ...extra };
}

/** A repeatable option; empty by default. */
export function list(
  placeholder: string,
  doc: string,
  extra: Extra = {},
): Option<readonly string[]> & { readonly default: string } {
  return { doc, format: listFormat, placeholder, default: "", shape: "list", ...extra };
}

/** The environment variable of an option: `PIW_OUTPUT_PATH` for `output-path`. */
export function environmentName(name: string): string {
  return `PIW_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** One program: what it is called, where its section is, what it takes. */
export interface Program<O extends Options = Options> {
  /** As typed: `piw-master`. */
  readonly name: string;
  /** Its section in the configuration files. */
  readonly section: string;
  /** First paragraph of the help. */
  readonly summary: string;
  /** What follows the options; `NAME…` when `variadic`. */
  readonly operand?: {
    readonly name: string;
    readonly doc: string;
    readonly variadic: boolean;
    readonly required: boolean;
  };
  readonly options: O;
}
