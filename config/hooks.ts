/**
 * `[hook:NAME]` sections: what is run or told when something happens on the farm. Every program that reads the
 * file checks them; the master uses them.
 */
import { isAbsolute } from "node:path";
import { ConfigurationError } from "./configuration-error.ts";
import { type IniEntry, type IniSection, shown } from "./ini-file.ts";
import { findNearest } from "./nearest.ts";
import { durationFormat, urlFormat } from "./value-format.ts";

export const hookEvents = [
  "built",
  "failed",
  "published",
  "removed",
  "slave-lost",
  "disk-low",
] as const;
export type HookEvent = (typeof hookEvents)[number];

export type HookAction =
  | { readonly kind: "command"; readonly argv: readonly [string, ...string[]] }
  | {
      readonly kind: "webhook";
      readonly url: string;
      /** Holds what messages are signed with; undefined: they are not. */
      readonly secretFile: string | undefined;
    };

export interface HookSettings {
  readonly name: string;
  readonly events: readonly HookEvent[];
  /** `PACKAGE` or `TARGET/PACKAGE`, with `*` for any characters. Empty: all. */
  readonly match: readonly string[];
  readonly action: HookAction;
  /** Of one try. */
  readonly timeoutMs: number;
}

const PREFIX = /^hook:(.+)$/;
const KEYS = ["events", "match", "command", "url", "secret-file", "timeout"];
const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 10 * 60_000;

export const isHookSection = (name: string): boolean => PREFIX.test(name);

/** @throws ConfigurationError naming the line */
export function parseHook(section: IniSection, file: string): HookSettings {
  const entries = new Map(section.entries.map((entry) => [entry.key, entry]));
  const fail = (line: number, what: string): never => {
    throw new ConfigurationError(`${file}, line ${line}: ${what}`);
  };
  const unknown = section.entries.find(({ key }) => !KEYS.includes(key));
  if (unknown !== undefined)
    fail(
      unknown.line,
      `unknown key "${shown(unknown.key)}" in [${shown(section.name)}]; the nearest known one is "${findNearest(unknown.key, KEYS) ?? ""}"`,
    );
  const name = PREFIX.exec(section.name)?.[1]?.trim() ?? "";
  if (!/^[A-Za-z0-9_.-]{1,50}$/.test(name))
    fail(section.line, `"${shown(name)}" is no name for a hook (letters, digits, - _ . only)`);
  return {
    name,
    events: eventsOf(entries.get("events"), section, fail),
    match: matchOf(entries.get("match"), fail),
    action: actionOf(entries, section, fail),
    timeoutMs: timeoutOf(entries.get("timeout"), fail),
  };
}

type Fail = (line: number, what: string) => never;

function eventsOf(entry: IniEntry | undefined, section: IniSection, fail: Fail): HookEvent[] {
  const words = wordsOf(entry?.value);
  if (words.length === 0)
    return fail(
      entry?.line ?? section.line,
      `[${shown(section.name)}] needs a key "events": any of ${hookEvents.join(", ")}`,
    );
  return words.map((word) => {
    const known = hookEvents.find((event) => event === word);
    return (
      known ??
      fail(
        entry?.line ?? section.line,
        `events: "${shown(word)}" never happens; the nearest that does is "${findNearest(word, hookEvents) ?? ""}"`,
      )
    );
  });
}

function matchOf(entry: IniEntry | undefined, fail: Fail): readonly string[] {
  const patterns = wordsOf(entry?.value);
  const wrong = patterns.find((each) => !/^(?:[A-Za-z0-9*_.-]+\/)?[A-Za-z0-9*_.-]+$/.test(each));
  if (wrong !== undefined)
    fail(
      entry?.line ?? 0,
      `match: "${shown(wrong)}" is neither PACKAGE nor TARGET/PACKAGE, with * for any characters`,
    );
  return patterns;
}

function actionOf(
  entries: ReadonlyMap<string, IniEntry>,
  section: IniSection,
  fail: Fail,
): HookAction {
  const [command, url, secret] = ["command", "url", "secret-file"].map((key) => entries.get(key));
  if ((command === undefined) === (url === undefined))
    return fail(section.line, `[${shown(section.name)}] needs either "command" or "url"`);
  if (command !== undefined) {
    if (secret !== undefined) fail(secret.line, "secret-file goes with url: a command needs none");
    const shell = /^shell!(.*)$/s.exec(command.value)?.[1]?.trim();
    const words =
      shell === undefined
        ? command.value.split(/\s+/).filter((word) => word !== "")
        : shell && ["/bin/sh", "-c", shell];
    const [program, ...rest] = words || [];
    if (program === undefined) return fail(command.line, "command: it is empty");
    return { kind: "command", argv: [program, ...rest] };
  }
  const address = url as IniEntry;
  try {
    urlFormat.parse(address.value);
  } catch (error) {
    fail(address.line, `url: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (secret !== undefined && !isAbsolute(secret.value))
    fail(secret.line, `secret-file: "${shown(secret.value)}" is no absolute path`);
  return { kind: "webhook", url: address.value, secretFile: secret?.value };
}

function timeoutOf(entry: IniEntry | undefined, fail: Fail): number {
  if (entry === undefined) return DEFAULT_TIMEOUT_MS;
  let timeoutMs = 0;
  try {
    timeoutMs = durationFormat.parse(entry.value);
  } catch (error) {
    fail(entry.line, `timeout: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (timeoutMs > MAX_TIMEOUT_MS) fail(entry.line, "timeout: ten minutes are the longest");
  return timeoutMs;
}

const wordsOf = (text = ""): string[] => text.split(/[\s,]+/).filter((word) => word !== "");
