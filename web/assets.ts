/**
 * What the pages refer to beside one another: the stylesheet, the browser scripts and the icon, under names that
 * hold a hash of their contents, so that a browser keeps them for ever. Read from the folders beside this
 * file when the program starts. The Scribe writes them; those of earlier versions stay where they are, since pages
 * that are not rewritten yet name them.
 *
 * A script is a plain module for browsers, one a file in `scripts/`. It may import its neighbours and make
 * workers of them: `./NAME.js` in quotes becomes the name under which that one is written.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

export interface Asset {
  readonly key: string;
  readonly contents: string;
}

const assets = new Map<string, Asset>();

const textOf = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const filesOf = (folder: string, extension: string): string[] =>
  readdirSync(new URL(folder, import.meta.url))
    .filter((name) => name.endsWith(extension))
    .sort();

/** @param name `site.css` becomes `assets/site.HASH.css` */
function add(name: string, contents: string): Asset {
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 12);
  const asset = { key: `assets/${name.replace(/(?=\.[a-z]+$)/, `.${hash}`)}`, contents };
  assets.set(name, asset);
  return asset;
}

function addScript(name: string, askedBy: readonly string[] = []): Asset {
  const known = assets.get(name);
  if (known !== undefined) return known;
  if (askedBy.includes(name)) throw new Error(`browser scripts import in a circle: ${askedBy}`);
  const contents = textOf(`./scripts/${name}`).replace(
    /(["'])\.\/([a-z-]+\.js)\1/g,
    (_, quote: string, neighbour: string) => {
      const { key } = addScript(neighbour, [...askedBy, name]);
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
for (const name of filesOf("./scripts/", ".js")) addScript(name);

/** All that is to be written, by key. */
export const siteAssets: readonly Asset[] = [...assets.values()];

/** The path of one of them on the site: `assetUrl("home.js")` is `/assets/home.0123456789ab.js`. */
export function assetUrl(name: string): string {
  const asset = assets.get(name);
  if (asset === undefined) throw new Error(`the site has no asset ${name}`);
  return `/${asset.key}`;
}
