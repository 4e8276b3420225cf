/**
 * RECORD of a wheel (PEP 376, PEP 427): which files it holds, their hashes and sizes, as CSV. Called by
 * the wheel check. It reads only; comparing with the archive is the caller's.
 */
import { WheelError } from "./wheel-error.ts";

export interface RecordRow {
  /** Null for what cannot list its own hash (RECORD and its signatures). */
  readonly hash: { readonly algorithm: HashAlgorithm; readonly digest: Buffer } | null;
  /** Null where it is not said. */
  readonly sizeBytes: number | null;
}

/** PEP 427: sha256 or better. */
export type HashAlgorithm = "sha256" | "sha384" | "sha512";

const digestBytes: ReadonlyMap<string, number> = new Map([
  ["sha256", 32],
  ["sha384", 48],
  ["sha512", 64],
]);

/**
 * The rows by path. At most `maxRows`.
 * @throws WheelError `bad-record`: broken CSV, another number of columns, a weak or malformed hash, a path listed twice.
 */
export function parseRecord(text: string, maxRows: number): Map<string, RecordRow> {
  const rows = new Map<string, RecordRow>();
  for (const [path, hash, size, ...rest] of csvRows(text.replace(/^\uFEFF/, ""))) {
    if (path === undefined || hash === undefined || size === undefined || rest.length > 0) {
      throw broken(`the row of ${quote(path ?? "")} does not have three columns`);
    }
    if (rows.has(path)) throw broken(`it lists ${quote(path)} twice`);
    if (rows.size >= maxRows) throw broken(`it has more than ${maxRows} rows`);
    rows.set(path, { hash: readHash(hash, path), sizeBytes: readSize(size, path) });
  }
  return rows;
}

function readHash(text: string, path: string): RecordRow["hash"] {
  if (text === "") return null;
  const [algorithm = "", encoded = ""] = text.split("=", 2);
  const digest = Buffer.from(encoded, "base64url");
  const expected = digestBytes.get(algorithm);
  if (expected === undefined) {
    throw broken(`${quote(path)} has a hash other than sha256, sha384 or sha512`);
  }
  if (digest.length !== expected) throw broken(`the hash of ${quote(path)} has the wrong length`);
  return { algorithm: algorithm as HashAlgorithm, digest };
}

function readSize(text: string, path: string): number | null {
  if (text === "") return null;
  if (!/^\d{1,15}$/.test(text)) throw broken(`the size of ${quote(path)} is no number`);
  return Number(text);
}

const plainField = /[^,\r\n]*/y;

/** Python's default dialect: commas, double quotes doubled inside quotes, any line end; empty lines are no rows. */
function* csvRows(text: string): Generator<string[]> {
  let position = 0;
  let row: string[] = [];
  while (position < text.length) {
    let field: string;
    if (text[position] === '"') {
      ({ field, position } = readQuoted(text, position + 1));
    } else {
      plainField.lastIndex = position;
      field = plainField.exec(text)?.[0] ?? "";
      position += field.length;
    }
    row.push(field);
    if (row.length > 3) throw broken("a row has more than three columns");
    const next = text[position];
    if (next === ",") {
      position += 1;
      if (position === text.length) row.push("");
      else continue;
    } else if (next !== undefined && next !== "\r" && next !== "\n") {
      throw broken("text follows a closing quote");
    }
    while (text[position] === "\r" || text[position] === "\n") position += 1;
    if (row.length > 1 || row[0] !== "") yield row;
    row = [];
  }
}

function readQuoted(text: string, start: number): { field: string; position: number } {
  const pieces: string[] = [];
  let from = start;
  for (;;) {
    const quoteAt = text.indexOf('"', from);
    if (quoteAt === -1) throw broken("a quote is not closed");
    pieces.push(text.slice(from, quoteAt));
    if (text[quoteAt + 1] !== '"') return { field: pieces.join('"'), position: quoteAt + 1 };
    from = quoteAt + 2;
  }
}

const broken = (what: string) => new WheelError("bad-record", `RECORD cannot be used: ${what}`);
const quote = (text: string) => JSON.stringify(text.slice(0, 200));
