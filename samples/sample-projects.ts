/**
 * The sample projects that ship with Wheelwright: packed from the plain source trees in `sdists/` when the
 * sample upstream starts, so that the repository holds no archives. Which of them does what: the list.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { canonicalName } from "../protocol/packaging/canonical-name.ts";
import { describeFile, type SampleFile } from "./sample-file.ts";
import { packSdist } from "./sdist.ts";

/**
 * What should come of each sample; the system test holds them to it. A new one goes to the end: a farm keeps
 * the serial that it has read to, and the serials of those before must not move.
 */
export const sampleProjects = [
  { project: "wheelwright-hub", version: "1.2.0", kind: "pure Python" },
  { project: "wheelwright-spoke", version: "2.0.1", kind: "C extension" },
  {
    project: "wheelwright-rim",
    version: "0.3.0",
    kind: "needs a library of the system (libgomp1)",
  },
  { project: "wheelwright-axle", version: "1.0.0", kind: "needs wheelwright-hub to build" },
  { project: "wheelwright-linchpin", version: "0.1.0", kind: "fails to build" },
  { project: "Wheelwright.Felloe", version: "1.0.0", kind: "pure Python" },
  { project: "Wheelwright.Felloe", version: "1.1.0", kind: "yanked" },
  { project: "wheelwright-cart", version: "3.1.0", kind: "needs two others at run time" },
] as const;

/** Why version 1.1.0 of Wheelwright.Felloe is yanked. */
export const YANK_REASON = "lengths are in inches whatever the unit";

/**
 * The sample sdists, packed.
 * @throws Error where the source trees are missing, or one of them is not of the version it should be of.
 */
export function packSampleProjects(): SampleFile[] {
  const root = sourcesFolder();
  const backend = { path: "_backend.py", data: readFileSync(`${root}_backend.py`) };
  return sampleProjects.map(({ project, version }) => {
    const stem = `${canonicalName(project).replaceAll("-", "_")}-${version}`;
    const contents = packSdist(`${root}${project}/${version}/`, stem, [backend]);
    const file = describeFile({ filename: `${stem}.tar.gz`, contents });
    if (file.project !== project || file.version !== version)
      throw new Error(`the PKG-INFO of the sample ${stem} is of ${file.project} ${file.version}`);
    return file;
  });
}

/** Beside this file in the repository; the compiler copies no Python, so from `dist/` it is two folders up. */
function sourcesFolder(): string {
  const places = ["./sdists/", "../../samples/sdists/"].map((place) =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  const found = places.find((place) => existsSync(place) && readdirSync(place).length > 0);
  if (found === undefined) throw new Error(`the sample projects are missing: no ${places[0]}`);
  return found;
}
