/** The Chromium that is installed on this machine, for tests and benches of the site: never one that is downloaded. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

function findChromium(): string | undefined {
  const named = process.env["WHEELWRIGHT_CHROMIUM"];
  if (named !== undefined) return named;
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Undefined where there is none. */
export const chromiumPath = findChromium();

export const chromiumOptions = {
  // Without its sandbox, which root and most containers cannot have: it opens the site of a test and no other.
  chromiumSandbox: false,
  args: ["--disable-gpu", "--no-first-run", "--force-color-profile=srgb"],
  timeout: 60_000,
};
