/**
 * Works out what of this machine a build may see: the system's folders, the interpreter wherever it is, and
 * nothing of anybody's home or of the slave. Called by bubblewrap.ts for each build; it changes nothing.
 */
import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";

export interface Visible {
  /** A folder or a file, or a link to what is visible anyway. */
  readonly path: string;
  /** Of a link. */
  readonly target?: string;
}

/** `/opt`, `/nix` and `/gnu` hold compilers and interpreters on some machines. */
const systemFolders = [
  ...["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"],
  ...["/opt", "/nix/store", "/gnu/store", "/sys/devices/system/cpu"],
];

/** What an interpreter needs of a prefix that also holds what a build must not see. */
const prefixFolders = ["bin", "lib", "lib32", "lib64", "libexec", "include", "share", "pyvenv.cfg"];

export const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

/** The system's folders that are there, links as links. */
export function systemPaths(): Visible[] {
  return systemFolders.flatMap((path) => {
    const kind = kindOf(path);
    if (kind === undefined) return [];
    return kind === "link" ? [{ path, target: readlinkSync(path) }] : [{ path }];
  });
}

/**
 * An interpreter's folders beyond the system's: its prefix and that of the interpreter it is made from
 * (sys.prefix, sys.base_prefix), and those on the way of links to it.
 * @param secret folders that no build may see; a prefix that holds one is shown in part
 */
export function interpreterPaths(
  executable: string,
  prefixes: readonly string[],
  secret: readonly string[],
): Visible[] {
  const all = [...prefixes, ...prefixesOnTheWay(executable)].flatMap((path) => [
    path,
    realPath(path),
  ]);
  const paths = [...new Set(all.map((path) => resolve(path)))];
  const parts = new Set(paths.flatMap((path) => partsOf(path, secret)));
  return [...parts].flatMap((path) => extraPath(path));
}

/** A file or folder beside the system's that a build needs, such as a certificate authority's. */
export function extraPath(path: string): Visible[] {
  return kindOf(realPath(path)) === undefined || isSystem(path) ? [] : [{ path: resolve(path) }];
}

const isSystem = (path: string): boolean =>
  systemFolders.some((folder) => isWithin(path, folder)) &&
  systemFolders.some((folder) => isWithin(realPath(path), folder));

const partsOf = (prefix: string, secret: readonly string[]): string[] =>
  prefix === "/" || secret.some((folder) => isWithin(folder, prefix))
    ? prefixFolders.map((name) => join(prefix, name))
    : [prefix];

/** `venv/bin/python -> /opt/py/bin/python3 -> python3.12`: the folder above each `bin`. */
function prefixesOnTheWay(executable: string): string[] {
  const found: string[] = [];
  let path = resolve(executable);
  for (let hops = 0; hops < 20; hops += 1) {
    if (dirname(path).endsWith(`${sep}bin`)) found.push(dirname(dirname(path)));
    if (kindOf(path) !== "link") break;
    path = resolve(dirname(path), readlinkSync(path));
  }
  return found;
}

/** Undefined for what is not there, and for what this user may not even look at. */
function kindOf(path: string): "folder" | "file" | "link" | undefined {
  try {
    const stat = lstatSync(path);
    if (stat.isSymbolicLink()) return "link";
    return stat.isDirectory() ? "folder" : "file";
  } catch {
    return undefined;
  }
}

/** The path without links; as it is where that cannot be told. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
