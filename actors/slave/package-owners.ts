/**
 * Which of the system's packages files belong to, asked of whatever package manager this machine has: `dpkg -S`
 * (Debian), `rpm -qf` (Fedora, SUSE), `apk info -W` (Alpine). Called by system-packages.ts. On a machine with
 * none of them, or with another one, nobody owns anything.
 */
import { realpath } from "node:fs/promises";
import { type ToolRun, toolOutput } from "./tool-output.ts";

/** Arguments of one command line, so that none is longer than any system takes. */
const BATCH = 200;

interface PackageManager {
  readonly command: string;
  readonly arguments: readonly string[];
  /** `[path, package]` of each line that names an owner; path undefined: the line does not say of which file. */
  owners(output: string): readonly (readonly [path: string | undefined, name: string])[];
}

const managers: readonly PackageManager[] = [
  {
    command: "dpkg",
    arguments: ["-S"],
    // `libc6:amd64: /lib/…`, `a, b: /lib/…`; lines of diversions name no owner.
    owners: (output) =>
      linesOf(output)
        .filter((line) => line.includes(": /") && !line.startsWith("diversion by "))
        .flatMap((line) => {
          const at = line.indexOf(": /");
          const names = line.slice(0, at).split(", ");
          return names.map(
            (name) => [line.slice(at + 2), name.replace(/:[a-z0-9-]+$/, "")] as const,
          );
        }),
  },
  {
    command: "rpm",
    // What nobody owns is said in a sentence instead.
    arguments: ["-qf", "--queryformat", "owner %{NAME}\\n"],
    owners: (output) =>
      [...output.matchAll(/^owner (\S+)$/gm)].map(([, name = ""]) => [undefined, name] as const),
  },
  {
    command: "apk",
    arguments: ["info", "--who-owns"],
    // `/lib/libz.so.1.3.1 is owned by zlib-1.3.1-r2`
    owners: (output) =>
      [...output.matchAll(/^(\/.*) is owned by (\S+?)-\d[^\s-]*(?:-r\d+)?$/gm)].map(
        ([, path, name = ""]) => [path, name] as const,
      ),
  },
];

/** Sorted, each once. */
export async function findOwners(paths: readonly string[], run: ToolRun): Promise<string[]> {
  const wanted: (readonly string[])[] = [];
  // dpkg would take the others for patterns; no library is called so.
  for (const path of paths.filter((each) => !/[*?[\\\n]/.test(each))) {
    wanted.push(await spellingsOf(path));
  }
  const asked = [...new Set(wanted.flat())];
  for (const manager of managers) {
    const byPath = new Map<string | undefined, string[]>();
    for (let at = 0; at < asked.length; at += BATCH) {
      const batch = asked.slice(at, at + BATCH);
      const output = await toolOutput(manager.command, [...manager.arguments, ...batch], run);
      for (const [path, name] of manager.owners(output)) {
        byPath.set(path, [...(byPath.get(path) ?? []), name]);
      }
    }
    if (byPath.size === 0) continue;
    const unplaced = byPath.get(undefined) ?? [];
    // The first spelling that has an owner: the others may be another package's on an unmerged system.
    const placed = wanted.flatMap((spellings) => {
      const known = spellings.find((each) => byPath.has(each));
      return known === undefined ? [] : (byPath.get(known) ?? []);
    });
    return [...new Set([...placed, ...unplaced])].sort();
  }
  return [];
}

/** Package managers know a file by the path in its package, which /lib being a link to /usr/lib hides. */
async function spellingsOf(path: string): Promise<string[]> {
  const real = await realpath(path).catch(() => path);
  const toggled = (each: string) => (each.startsWith("/usr/") ? each.slice(4) : `/usr${each}`);
  return [...new Set([path, toggled(path), real, toggled(real)])];
}

const linesOf = (output: string): string[] => output.split("\n");
