/**
 * Requirements (PEP 508): `name[extra] >=1.0; python_version < "3.11"` or `name @ URL`. Called for the
 * wanted set, for Requires-Dist and for the causes of blocked builds. Reads one requirement; files of
 * them are `requirements-file.ts`.
 */
import { canonicalName, isValidName, MAX_NAME_LENGTH } from "./canonical-name.ts";
import { formatMarker, type Marker, MarkerSyntaxError, parseMarker } from "./marker.ts";
import { formatSpecifiers, parseSpecifiers, type Specifier } from "./specifier.ts";

export interface Requirement {
  /** Canonical. */
  readonly name: string;
  readonly nameAsWritten: string;
  /** Canonical, sorted, each once. */
  readonly extras: readonly string[];
  /** Empty where any version will do. */
  readonly specifiers: readonly Specifier[];
  readonly marker?: Marker;
  /** Not checked: only that it has no white space in it. */
  readonly url?: string;
}

/** What is wrong with the text, in words for whoever wrote it. */
export class RequirementError extends Error {
  override readonly name = "RequirementError";
}

/** Longer than any requirement met; what goes beyond is refused. */
const MAX_LENGTH = 10_000;

/**
 * Reads one requirement.
 * @throws RequirementError and nothing else.
 */
export function parseRequirement(line: string): Requirement {
  if (line.length > MAX_LENGTH) throw new RequirementError("the requirement is too long");
  const head = /^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*/.exec(line);
  const nameAsWritten = head?.[1] ?? "";
  if (!isValidName(nameAsWritten)) {
    const why =
      nameAsWritten.length > MAX_NAME_LENGTH
        ? `its name is longer than ${MAX_NAME_LENGTH} characters`
        : "it does not begin with a project name";
    throw new RequirementError(`${quote(line)} is no requirement: ${why}`);
  }
  let rest = line.slice(head?.[0].length);
  const bracketed = /^\[([^\]]*)\]\s*/.exec(rest);
  rest = rest.slice(bracketed?.[0].length ?? 0);
  const common = {
    name: canonicalName(nameAsWritten),
    nameAsWritten,
    extras: readExtras(bracketed?.[1] ?? "", line),
  };
  if (rest.startsWith("@")) {
    const found = /^@\s*(\S+)(?:\s+;(.*)|\s*)$/s.exec(rest);
    if (found?.[1] === undefined) {
      throw new RequirementError(
        `${quote(line)} needs a URL, then the end or white space and \`;\``,
      );
    }
    return { ...common, specifiers: [], url: found[1], ...readMarker(found[2]) };
  }
  const semicolon = rest.indexOf(";");
  const specification = semicolon === -1 ? rest : rest.slice(0, semicolon);
  return {
    ...common,
    specifiers: readSpecifiers(specification.trim(), line),
    ...readMarker(semicolon === -1 ? undefined : rest.slice(semicolon + 1)),
  };
}

function readExtras(text: string, line: string): string[] {
  if (text.trim() === "") return [];
  const extras = text.split(",").map((extra) => extra.trim());
  const bad = extras.find((extra) => !isValidName(extra));
  if (bad !== undefined) {
    throw new RequirementError(`${quote(line)} has an extra that is no name: ${quote(bad)}`);
  }
  return [...new Set(extras.map(canonicalName))].sort();
}

function readSpecifiers(text: string, line: string): Specifier[] {
  const inner = text.startsWith("(") && text.endsWith(")") ? text.slice(1, -1) : text;
  const specifiers = parseSpecifiers(inner);
  if (specifiers === undefined) {
    throw new RequirementError(`${quote(line)} has no valid version specifier: ${quote(text)}`);
  }
  return specifiers;
}

function readMarker(text: string | undefined): { marker?: Marker } {
  if (text === undefined) return {};
  try {
    return { marker: parseMarker(text) };
  } catch (error) {
    if (error instanceof MarkerSyntaxError) throw new RequirementError(error.message);
    throw error;
  }
}

const quote = (text: string) => JSON.stringify(text.trim().slice(0, 100));

/** The requirement as text, with canonical names, that `parseRequirement` reads to the same value. */
export function formatRequirement(requirement: Requirement): string {
  const { name, extras, specifiers, marker, url } = requirement;
  const head = extras.length === 0 ? name : `${name}[${extras.join(",")}]`;
  const body = url === undefined ? formatSpecifiers(specifiers) : ` @ ${url}`;
  if (marker === undefined) return head + body;
  return `${head}${body}${url === undefined ? "" : " "}; ${formatMarker(marker)}`;
}
