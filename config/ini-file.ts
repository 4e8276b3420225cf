/**
 * Reads an INI file and keeps the line of everything, for error messages that point at it.
 *
 * The dialect is that of Python's configparser, which the seeds' files were written for: `key = value`
 * or `key: value`, whole-line comments with `#` or `;`, an indented line goes on with the value
 * above. No interpolation, no inline comments, no quotes: a value is what stands there. Knows no
 * sections or keys; `read-configuration.ts` does.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { ConfigurationError } from "./configuration-error.ts";

export interface IniEntry {
  /** Lower case. */
  readonly key: string;
  /** Trimmed; lines of a continued value are separated by "\n". */
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

export interface IniSection {
  /** As spelled between the brackets, trimmed. */
  readonly name: string;
  readonly line: number;
  readonly entries: readonly IniEntry[];
}

/** More than this is not somebody's configuration. */
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * @param file is only named in errors
 * @throws ConfigurationError naming file and line: no section yet, not `key = value`, said twice
 */
export function parseIni(text: string, file: string): IniSection[] {
  const fail = (line: number, what: string): never => {
    throw new ConfigurationError(`${file}, line ${line}: ${what}`);
  };
  const sections: { name: string; line: number; entries: IniEntry[] }[] = [];
  let last: { key: string; value: string; line: number } | undefined;
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = index + 1;
    const trimmed = raw.trim();
    if (trimmed === "" || trimmed.startsWith("#") || trimmed.startsWith(";")) {
      continue;
    }
    if (/^\s/.test(raw) && last !== undefined) {
      last.value += `\n${trimmed}`;
      continue;
    }
    last = undefined;
    if (trimmed.startsWith("[")) {
      const name = /^\[([^\]]*)\]$/.exec(trimmed)?.[1]?.trim() ?? "";
      if (name === "") {
        fail(line, `"${shown(trimmed)}" is no section header such as [master]`);
      }
      const earlier = sections.find((section) => section.name === name);
      if (earlier !== undefined) {
        fail(line, `section [${shown(name)}] is already there in line ${earlier.line}`);
      }
      sections.push({ name, line, entries: [] });
      continue;
    }
    const split = /^([^=:]+)[=:](.*)$/.exec(trimmed);
    if (split === null) {
      fail(line, `"${shown(trimmed)}" is neither a [section] nor key = value`);
    }
    const section = sections.at(-1);
    const key = (split?.[1] ?? "").trim().toLowerCase();
    if (section === undefined) {
      return fail(line, `"${shown(key)}" stands before the first [section]`);
    }
    const earlier = section.entries.find((entry) => entry.key === key);
    if (earlier !== undefined) {
      fail(line, `"${shown(key)}" is already set in line ${earlier.line}`);
    }
    last = { key, value: (split?.[2] ?? "").trim(), line };
    section.entries.push(last);
  }
  return sections;
}

/**
 * Reads and parses a file of at most 1 MiB.
 *
 * @returns undefined when there is no such file
 * @throws ConfigurationError when it cannot be read, is too large or is not an INI file
 */
export function findIniFile(file: string): IniSection[] | undefined {
  try {
    return parseIni(readBounded(file), file);
  } catch (error) {
    if (error instanceof ConfigurationError) {
      throw error;
    }
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") {
      return undefined;
    }
    const reasons: Record<string, string> = {
      EACCES: "permission denied",
      EISDIR: "it is a folder",
      ELOOP: "too many symbolic links",
    };
    const reason = reasons[code ?? ""] ?? (error as Error).message;
    throw new ConfigurationError(`cannot read the configuration file ${file}: ${reason}`);
  }
}

/** Never more than the bound, also from a device or a pipe. */
function readBounded(file: string): string {
  const descriptor = openSync(file, "r");
  try {
    const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
    let length = 0;
    while (length < buffer.length) {
      const count = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (count === 0) {
        break;
      }
      length += count;
    }
    if (length > MAX_FILE_BYTES) {
      throw new ConfigurationError(`${file} is larger than 1 MiB: no configuration file`);
    }
    return buffer.toString("utf8", 0, length);
  } finally {
    closeSync(descriptor);
  }
}

/** Part of a line as an error message may show it: short, and without control characters. */
export function shown(text: string): string {
  const plain = text.replace(/\p{Cc}+/gu, " ");
  return plain.length > 60 ? `${plain.slice(0, 57)}...` : plain;
}
