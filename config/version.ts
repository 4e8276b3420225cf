/** The product's version, from its package.json: the one beside the sources or above the built program. */
import { readFileSync } from "node:fs";

function read(): string {
  for (const place of ["../package.json", "../../package.json"]) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(new URL(place, import.meta.url), "utf8"));
      const { name, version } = manifest as { name?: unknown; version?: unknown };
      if (name === "wheelwright" && typeof version === "string") {
        return version;
      }
    } catch {
      // The other place has it.
    }
  }
  throw new Error("the package.json of wheelwright is missing: the installation is incomplete");
}

/** As in `0.1.0`; master, slaves and database must agree on it. */
export const productVersion: string = read();
