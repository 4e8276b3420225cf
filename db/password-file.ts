/**
 * The password file (`.pgpass`): a line per server, `host:port:database:user:password`, where `*`
 * stands for anything and a backslash escapes `:` and itself. Called by dsn.ts when nothing else
 * gives a password. A file that others can read is not used, as in libpq.
 *
 * Source: PostgreSQL manual, "The Password File".
 */
import { readFileSync, statSync } from "node:fs";

interface Login {
  /** Every spelling under which the file may have the host. */
  readonly hosts: readonly string[];
  readonly port: string;
  readonly database: string;
  readonly user: string;
}

/** The password of the first line that fits; undefined without a file, or a line that fits. */
export function findPassword(file: string, login: Login): string | undefined {
  const text = readPrivateFile(file);
  if (text === undefined) return undefined;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    const fields = splitFields(line);
    const [lineHost, linePort, lineDatabase, lineUser, password] = fields;
    if (lineHost === undefined || linePort === undefined || password === undefined) continue;
    const fits =
      (lineHost === "*" || login.hosts.includes(lineHost)) &&
      (linePort === "*" || linePort === login.port) &&
      (lineDatabase === "*" || lineDatabase === login.database) &&
      (lineUser === "*" || lineUser === login.user);
    if (fits) return password;
  }
  return undefined;
}

/** Splits at `:` that no backslash precedes. */
const splitFields = (line: string): string[] =>
  [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/g)]
    .slice(0, 5)
    .map((match) => (match[1] ?? "").replace(/\\(.)/g, "$1"));

function readPrivateFile(file: string): string | undefined {
  try {
    const stats = statSync(file);
    return stats.isFile() && (stats.mode & 0o077) === 0 ? readFileSync(file, "utf8") : undefined;
  } catch {
    return undefined;
  }
}
