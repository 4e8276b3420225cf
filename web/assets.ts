/**
 * What the pages refer to beside one another: the stylesheet, the browser scripts and the icon, under names that
 * hold a hash of their contents, so that a browser keeps them for ever. Read from the folders beside this
 * file when the program starts. The Scribe writes them; those of earlier versions stay where they are, since pages
 * that are not rewritten yet name them.
 *
 * A script is a plain module for browsers, one a file in `scripts/` or a folder of it. It may import others and make
 * workers of them: `./NAME.js` or `../NAME.js` in quotes becomes the name under which that one is written. All of them
 * are written into one folder: `dashboard/live.js` is `dashboard-live.HASH.js` there.
 *
 * uPlot (MIT, by Leon Sorokin; its head says so) is given out as its package has it, without a build step.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { posix } from "node:path";

export interface Asset {
  readonly key: string;
  readonly contents: string;
}

const assets = new Map<string, Asset>();

const textOf = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const filesOf = (folder: string, extension: string): string[] =>
  readdirSync(new URL(folder, import.meta.url), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(extension))
    .sort();

/** @param name `site.css` becomes `assets/site.HASH.css` */
function add(name: string, contents: string): Asset {
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 12);
  const asset = { key: `assets/${name.replace(/(?=\.[a-z]+$)/, `.${hash}`)}`, contents };
  assets.set(name, asset);
  return asset;
}

/** Beside the scripts of `scripts/`, by the names that these import. */
const libraries: Readonly<Record<string, string>> = { "uplot.js": "uplot/dist/uPlot.esm.js" };
const library = (path: string): string =>
  readFileSync(createRequire(import.meta.url).resolve(path), "utf8");

/** @param path in the folder of scripts, `search-worker.js` or `dashboard/live.js` */
function addScript(path: string, askedBy: readonly string[] = []): Asset {
  const name = path.replaceAll("/", "-");
  const known = assets.get(name);
  if (known !== undefined) return known;
  if (askedBy.includes(path)) throw new Error(`browser scripts import in a circle: ${askedBy}`);
  const ofLibrary = libraries[path];
  if (ofLibrary !== undefined) return add(name, library(ofLibrary));
  const contents = textOf(`./scripts/${path}`).replace(
    /(["'])(\.{1,2}\/[a-z-]+\.js)\1/g,
    (_, quote: string, wanted: string) => {
      const neighbour = posix.join(posix.dirname(path), wanted);
      const { key } = addScript(neighbour, [...askedBy, path]);
      return `${quote}./${key.slice("assets/".length)}${quote}`;
    },
  );
  return add(name, contents);
}

add(
  "site.css",
  filesOf("./styles/", ".css")
    .map((name) => textOf(`./styles/${name}`))
    .join("\n"),
);
add("icon.svg", textOf("./styles/icon.svg"));
add("uplot.css", library("uplot/dist/uPlot.min.css"));
for (const name of filesOf("./scripts/", ".js")) addScript(name);

/** All that is to be written, by key. */
export const siteAssets: readonly Asset[] = [...assets.values()];

/** The path of one of them on the site: `assetUrl("home.js")` is `/assets/home.0123456789ab.js`. */
export function assetUrl(name: string): string {
  const asset = assets.get(name);
  if (asset === undefined) throw new Error(`the site has no asset ${name}`);
  return `/${asset.key}`;
}
