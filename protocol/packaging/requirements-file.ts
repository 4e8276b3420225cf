/**
 * Requirements files as pip reads them. Called by the tools that take a wanted set from a file. What
 * would change which releases are meant and cannot be honoured is an error with its line and reason; what
 * only tells pip where or how to install is skipped with a note.
 */
import { parseRequirement, type Requirement, RequirementError } from "./requirement.ts";

/** A requirement and where it stands. */
export interface RequirementLine extends Requirement {
  /** First line of it, from 1. */
  readonly line: number;
  /** Without comment and options: what `parseRequirement` was given. */
  readonly text: string;
  /** The nested file it stands in, as that was written; left out for the file itself. */
  readonly file?: string;
}

export interface LineRemark {
  readonly line: number;
  readonly text: string;
  readonly reason: string;
  readonly file?: string;
}

export interface RequirementsFile {
  readonly requirements: RequirementLine[];
  /** Lines that were refused; whoever wants all or nothing stops here. */
  readonly errors: LineRemark[];
  /** Options without meaning for a farm, left out. */
  readonly skipped: LineRemark[];
}

export interface RequirementsFileOptions {
  /**
   * Gives the text of a file named by `-r`, as it is written there (a path relative to the file that names
   * it, or a URL); undefined where there is none. `from` is the naming file, undefined for the first.
   * Without this function `-r` is an error. Each file is read once, however often it is named.
   */
  readonly readNested?: (name: string, from: string | undefined) => string | undefined;
}

const MAX_NESTING = 10;

/** Options of a whole line that say where and how pip installs, not what. */
const skippedOptions = new Set([
  "-i",
  "--index-url",
  "--pypi-url",
  "--extra-index-url",
  "--no-index",
  "-f",
  "--find-links",
  "--no-binary",
  "--only-binary",
  "--prefer-binary",
  "--require-hashes",
  "--trusted-host",
  "--use-feature",
]);

const refusedOptions: ReadonlyMap<string, string> = new Map([
  ["-e", "an editable project is no release of an index"],
  ["--editable", "an editable project is no release of an index"],
  ["-c", "constraints files are not honoured; write the limits into the requirements"],
  ["--constraint", "constraints files are not honoured; write the limits into the requirements"],
  ["--pre", "not honoured for a whole file; write `>=1.0a0` where pre-releases are wanted"],
]);

/** Reads a whole file; a byte order mark at its beginning is left out. Never throws, unless the reader does. */
export function parseRequirementsFile(
  text: string,
  options: RequirementsFileOptions = {},
): RequirementsFile {
  const result: RequirementsFile = { requirements: [], errors: [], skipped: [] };
  readFile(text, undefined, 0, new Set(), options, result);
  return result;
}

function readFile(
  text: string,
  file: string | undefined,
  depth: number,
  seen: Set<string>,
  options: RequirementsFileOptions,
  result: RequirementsFile,
): void {
  for (const { line, content } of logicalLines(text)) {
    const where = { line, text: content, ...(file === undefined ? {} : { file }) };
    const nested = /^(?:-r\s*|--requirement(?:\s+|=))(.*)$/.exec(content)?.[1]?.trim();
    if (nested === undefined) {
      readLine(where, result);
      continue;
    }
    const refuse = (reason: string) => result.errors.push({ ...where, reason });
    if (options.readNested === undefined) {
      refuse("other requirements files are not read here; give them themselves");
    } else if (depth >= MAX_NESTING) {
      refuse(`requirements files nest more than ${MAX_NESTING} deep`);
    } else if (!seen.has(`${file ?? ""}\n${nested}`)) {
      seen.add(`${file ?? ""}\n${nested}`);
      const inner = options.readNested(nested, file);
      if (inner === undefined) refuse("the file cannot be read");
      else readFile(inner, nested, depth + 1, seen, options, result);
    }
  }
}

/** Joins lines that end in a backslash, drops comments and blank lines. A comment ends a joined line, as in pip. */
function* logicalLines(text: string): Generator<{ line: number; content: string }> {
  let parts: string[] = [];
  let start = 1;
  const finish = (line: number) => {
    const content = parts
      .join("")
      .replace(/(^|\s)#.*$/s, "")
      .trim();
    const found = { line: start, content };
    parts = [];
    start = line + 1;
    return found;
  };
  const physical = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/);
  for (const [index, written] of physical.entries()) {
    const isComment = /^\s*#/.test(written);
    if (written.endsWith("\\") && !isComment) {
      parts.push(written.slice(0, -1));
      continue;
    }
    // The space keeps a comment line from being glued to the word before it.
    parts.push(isComment ? ` ${written}` : written);
    const found = finish(index + 1);
    if (found.content !== "") yield found;
  }
  const found = finish(physical.length);
  if (found.content !== "") yield found;
}

function readLine(where: Omit<LineRemark, "reason">, result: RequirementsFile): void {
  const { text: content } = where;
  if (content.startsWith("-")) {
    const option = /^--[^\s=]+|^-./.exec(content)?.[0] ?? content;
    if (skippedOptions.has(option)) {
      result.skipped.push({ ...where, reason: "tells pip where or how to install; left out" });
    } else {
      const reason = refusedOptions.get(option) ?? "not an option of a requirements file";
      result.errors.push({ ...where, reason });
    }
    return;
  }
  const text = (content.split(/\s--?(?=[A-Za-z])/, 1)[0] ?? content).trimEnd();
  const refusal = refusalOf(text);
  if (refusal !== undefined) {
    result.errors.push({ ...where, reason: refusal });
    return;
  }
  try {
    result.requirements.push({ ...parseRequirement(text), ...where, text });
  } catch (error) {
    if (!(error instanceof RequirementError)) throw error;
    result.errors.push({ ...where, reason: error.message });
  }
}

function refusalOf(text: string): string | undefined {
  if (/^[A-Za-z0-9._-]+\s*(?:\[[^\]]*\]\s*)?@/.test(text)) {
    return "a project at a URL is no release of the index; name a version instead";
  }
  if (/^[a-z][a-z0-9+.-]*:/i.test(text))
    return "a URL is no release of the index; name the project";
  const first = text.split(/[\s;]/, 1)[0] ?? "";
  if (/^[./~]|[/\\]/.test(first) || /\.(?:whl|zip|tgz|tar(?:\.\w+)?)$/i.test(first)) {
    return "a path is no release of the index; name the project";
  }
  if (/\$\{[A-Z0-9_]+\}/.test(text)) return "environment variables are not put in; write the value";
  return undefined;
}
