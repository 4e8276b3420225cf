/**
 * Environment markers (PEP 508): `python_version < "3.11" and sys_platform == "linux"`. Called by the
 * requirement reader, and with an environment by whoever asks whether a requirement is meant for a target.
 */
import { canonicalName } from "./canonical-name.ts";
import type { MarkerEnvironment } from "./marker-environment.ts";
import { parseSpecifiers, satisfies } from "./specifier.ts";

export type MarkerVariable = keyof MarkerEnvironment;
export type MarkerOperand = { readonly variable: MarkerVariable } | { readonly value: string };
export type MarkerOperator = "===" | "==" | "~=" | "!=" | "<=" | ">=" | "<" | ">" | "in" | "not in";

export type Marker =
  | { readonly kind: "and" | "or"; readonly terms: readonly Marker[] }
  | {
      readonly kind: "comparison";
      readonly left: MarkerOperand;
      readonly operator: MarkerOperator;
      readonly right: MarkerOperand;
    };

/** Deepest nesting of parentheses; a hostile marker must not exhaust the stack. */
const MAX_DEPTH = 50;

/** The standard's variables, and the older spellings that it still allows. */
const variables: ReadonlyMap<string, MarkerVariable> = new Map<string, MarkerVariable>([
  ["implementation_name", "implementation_name"],
  ["implementation_version", "implementation_version"],
  ["os_name", "os_name"],
  ["os.name", "os_name"],
  ["platform_machine", "platform_machine"],
  ["platform.machine", "platform_machine"],
  ["platform_python_implementation", "platform_python_implementation"],
  ["platform.python_implementation", "platform_python_implementation"],
  ["python_implementation", "platform_python_implementation"],
  ["platform_release", "platform_release"],
  ["platform_system", "platform_system"],
  ["platform_version", "platform_version"],
  ["platform.version", "platform_version"],
  ["python_full_version", "python_full_version"],
  ["python_version", "python_version"],
  ["sys_platform", "sys_platform"],
  ["sys.platform", "sys_platform"],
  ["extra", "extra"],
]);

/** Compared as versions where both sides are; all others are text. */
const versionVariables: ReadonlySet<MarkerVariable> = new Set<MarkerVariable>([
  "implementation_version",
  "platform_release",
  "python_full_version",
  "python_version",
]);

/** Where and why a marker could not be read. Kept inside the room: `RequirementError` carries it on. */
export class MarkerSyntaxError extends Error {
  override readonly name = "MarkerSyntaxError";
}

/**
 * Reads a marker; `and` binds tighter than `or`.
 * @throws MarkerSyntaxError saying what was expected where.
 */
export function parseMarker(text: string): Marker {
  const scanner = new Scanner(text);
  const marker = readAny(scanner, 0);
  if (!scanner.isAtEnd()) throw scanner.expected("`and`, `or` or the end");
  return marker;
}

class Scanner {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Skips white space, then takes what the sticky pattern matches here. */
  take(pattern: RegExp): string | undefined {
    this.#skipSpace();
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#position += found.length;
    return found;
  }

  isAtEnd(): boolean {
    this.#skipSpace();
    return this.#position === this.#text.length;
  }

  expected(what: string): MarkerSyntaxError {
    const rest = this.#text.slice(this.#position, this.#position + 40).trim();
    return new MarkerSyntaxError(
      `the marker needs ${what} ${rest === "" ? "at its end" : `before ${JSON.stringify(rest)}`}`,
    );
  }

  #skipSpace(): void {
    while (/^\s$/.test(this.#text.charAt(this.#position))) this.#position += 1;
  }
}

function readAny(scanner: Scanner, depth: number): Marker {
  const terms = [readAll(scanner, depth)];
  while (scanner.take(/or\b/y) !== undefined) terms.push(readAll(scanner, depth));
  return join("or", terms);
}

function readAll(scanner: Scanner, depth: number): Marker {
  const terms = [readAtom(scanner, depth)];
  while (scanner.take(/and\b/y) !== undefined) terms.push(readAtom(scanner, depth));
  return join("and", terms);
}

function join(kind: "and" | "or", terms: readonly Marker[]): Marker {
  const [only] = terms;
  return terms.length === 1 && only !== undefined ? only : { kind, terms };
}

function readAtom(scanner: Scanner, depth: number): Marker {
  if (scanner.take(/\(/y) !== undefined) {
    if (depth >= MAX_DEPTH) throw new MarkerSyntaxError("the marker's parentheses nest too deeply");
    const inner = readAny(scanner, depth + 1);
    if (scanner.take(/\)/y) === undefined) throw scanner.expected("a closing parenthesis");
    return inner;
  }
  const left = readOperand(scanner);
  const operator = scanner.take(/===|==|~=|!=|<=|>=|<|>|in\b|not\s+in\b/y);
  if (operator === undefined) throw scanner.expected("a comparison");
  const right = readOperand(scanner);
  return {
    kind: "comparison",
    left,
    operator: operator.startsWith("not") ? "not in" : (operator as MarkerOperator),
    right,
  };
}

function readOperand(scanner: Scanner): MarkerOperand {
  const quoted = scanner.take(/'[^']*'|"[^"]*"/y);
  if (quoted !== undefined) return { value: quoted.slice(1, -1) };
  const variable = variables.get(scanner.take(/[a-z_.]+\b/y) ?? "");
  if (variable === undefined) throw scanner.expected("a marker variable or a quoted text");
  return { variable };
}

/** The marker as text that `parseMarker` reads to the same value. */
export function formatMarker(marker: Marker): string {
  if (marker.kind === "comparison") {
    return `${formatOperand(marker.left)} ${marker.operator} ${formatOperand(marker.right)}`;
  }
  return marker.terms
    .map((term) => (term.kind === "comparison" ? formatMarker(term) : `(${formatMarker(term)})`))
    .join(` ${marker.kind} `);
}

function formatOperand(operand: MarkerOperand): string {
  if ("variable" in operand) return operand.variable;
  const quote = operand.value.includes('"') ? "'" : '"';
  return quote + operand.value + quote;
}

/**
 * Whether a requirement with this marker is meant for the environment; without a marker it is. Never
 * throws: a comparison that the standard leaves undefined (`os_name ~= "x"`) is false.
 */
export function evaluateMarker(
  marker: Marker | undefined,
  environment: MarkerEnvironment,
): boolean {
  if (marker === undefined) return true;
  switch (marker.kind) {
    case "and":
      return marker.terms.every((term) => evaluateMarker(term, environment));
    case "or":
      return marker.terms.some((term) => evaluateMarker(term, environment));
    case "comparison":
      return compareOperands(marker.left, marker.operator, marker.right, environment);
  }
}

function compareOperands(
  left: MarkerOperand,
  operator: MarkerOperator,
  right: MarkerOperand,
  environment: MarkerEnvironment,
): boolean {
  const variable =
    "variable" in left ? left.variable : "variable" in right ? right.variable : undefined;
  // PEP 685: extras are compared by their canonical names.
  const normal = variable === "extra" ? canonicalName : (text: string) => text;
  const a = normal(readValue(left, environment));
  const b = normal(readValue(right, environment));
  if (variable !== undefined && versionVariables.has(variable) && !operator.endsWith("in")) {
    const specifiers = parseSpecifiers(operator + b);
    if (specifiers?.length === 1) return satisfies(a, specifiers, { prereleases: true });
  }
  switch (operator) {
    case "in":
      return b.includes(a);
    case "not in":
      return !b.includes(a);
    case "!=":
      return a !== b;
    case "==":
    case "===":
    case "<=":
    case ">=":
      return a === b;
    // Text has no order.
    case "<":
    case ">":
    case "~=":
      return false;
  }
}

function readValue(operand: MarkerOperand, environment: MarkerEnvironment): string {
  if ("value" in operand) return operand.value;
  const value = environment[operand.variable] ?? "";
  // Interpreters built between releases report `3.13.0+`, which is no version until it has a local part.
  return operand.variable === "python_full_version" && value.endsWith("+")
    ? `${value}local`
    : value;
}
