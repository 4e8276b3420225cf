/** What a user asks to have built: names and requirements of the command line and of `-r` files. */
import { closeSync, openSync, readSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { ConfigurationError } from "../config/configuration-error.ts";
import { harmless } from "../config/log-line.ts";
import {
  parseRequirementsFile,
  type RequirementsFile,
} from "../protocol/packaging/requirements-file.ts";

/** Larger than any list that people write. */
const MAX_FILE_BYTES = 10 * 1024 * 1024;
/** What the import link takes. */
const MAX_REQUIREMENTS = 100_000;
const MAX_REQUIREMENT_CHARS = 2_000;

/**
 * All of them as PEP 508 lines, in the order given, without repetitions.
 *
 * @throws ConfigurationError naming the argument, or the file and line, that cannot be used
 */
export function readRequirements(names: readonly string[], files: readonly string[]): string[] {
  const lines = [...names.flatMap(fromArgument), ...files.flatMap(fromFile)];
  const tooLong = lines.find((line) => line.length > MAX_REQUIREMENT_CHARS);
  if (tooLong !== undefined) {
    throw new ConfigurationError(`a requirement is too long: ${harmless(tooLong.slice(0, 60))}...`);
  }
  const unique = [...new Set(lines)];
  if (unique.length > MAX_REQUIREMENTS) {
    throw new ConfigurationError(`more than ${MAX_REQUIREMENTS} requirements at once`);
  }
  return unique;
}

function fromArgument(argument: string): string[] {
  return accepted(parseRequirementsFile(argument), () => "");
}

function fromFile(file: string): string[] {
  // A nested file's path is relative to the file that names it.
  const places = new Map<string | undefined, string>([[undefined, resolve(file)]]);
  const parsed = parseRequirementsFile(readText(file), {
    readNested: (name, from) => {
      const place = resolve(dirname(places.get(from) ?? file), name);
      places.set(name, place);
      return findText(place);
    },
  });
  return accepted(parsed, (remark) => `${remark.file ?? file}, line ${remark.line}: `);
}

function accepted(
  parsed: RequirementsFile,
  place: (remark: { readonly line: number; readonly file?: string }) => string,
): string[] {
  const [first, ...others] = parsed.errors;
  if (first !== undefined) {
    const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
    const text = harmless(first.text.slice(0, 100));
    throw new ConfigurationError(`${place(first)}"${text}": ${harmless(first.reason)}${more}`);
  }
  return parsed.requirements.map((requirement) => requirement.text);
}

function findText(file: string): string | undefined {
  try {
    return readText(file);
  } catch {
    return undefined;
  }
}

/** `-` is standard input. Never more than the bound, also from a device or a pipe. */
function readText(file: string): string {
  const chunks: Buffer[] = [];
  let total = 0;
  try {
    const descriptor = file === "-" ? 0 : openSync(file, "r");
    try {
      for (;;) {
        const chunk = Buffer.alloc(64 * 1024);
        const count = readSync(descriptor, chunk);
        total += count;
        if (count === 0 || total > MAX_FILE_BYTES) {
          break;
        }
        chunks.push(chunk.subarray(0, count));
      }
    } finally {
      if (descriptor !== 0) {
        closeSync(descriptor);
      }
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const reason = code === "ENOENT" ? "there is no such file" : code;
    throw new ConfigurationError(`cannot read the requirements of ${file}: ${reason}`);
  }
  if (total > MAX_FILE_BYTES) {
    throw new ConfigurationError(`${file} is larger than 10 MiB: no requirements file`);
  }
  return Buffer.concat(chunks).toString("utf8");
}
