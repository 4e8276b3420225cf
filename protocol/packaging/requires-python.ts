/**
 * Requires-Python (core metadata): whether a release says that it runs on an interpreter. Called before a
 * build is offered and for index pages. Advice, not a safeguard: what cannot be read admits.
 */
import { parseSpecifiers, satisfies } from "./specifier.ts";

/**
 * As pip asks it: by the interpreter's release alone (`3.13.0rc1` and `3.13.0+` count as `3.13.0`), and
 * a broken specifier (`>=3.6.*`, common in releases from before 2023) admits every interpreter.
 */
export function requiresPythonAdmits(
  requiresPython: string | null,
  pythonFullVersion: string,
): boolean {
  if (requiresPython === null) return true;
  const specifiers = parseSpecifiers(requiresPython);
  const release = /^\d+(?:\.\d+)*/.exec(pythonFullVersion)?.[0];
  if (specifiers === undefined || release === undefined) return true;
  return satisfies(release, specifiers, { prereleases: true });
}
