/** What every page knows of the site it stands on: given by the Scribe, from the configuration. */
export interface Site {
  /** Shown in the head of each page and in titles, e.g. `Wheelwright`. */
  readonly name: string;
  /** Where the site is for its users, with a scheme: `http://127.0.0.1:8080/`. Install commands name it. */
  readonly url: string;
}

/** The URL of the farm's simple index, as it is given to pip. */
export const indexUrlOf = (site: Site): string => new URL("simple/", withSlash(site.url)).href;

/**
 * The options that make pip install from the farm. pip takes plain HTTP from its own machine only;
 * from another it wants to be told.
 */
export function pipOptionsFor(site: Site): string {
  const url = new URL(withSlash(site.url));
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  const trust = url.protocol === "http:" && !isLocal ? ` --trusted-host ${url.hostname}` : "";
  return `--index-url ${indexUrlOf(site)}${trust}`;
}

/** uv takes plain HTTP from anywhere, and asks for no other index then. */
export const uvOptionsFor = (site: Site): string => `--default-index ${indexUrlOf(site)}`;

/** @param path of something on the site, `/project/foo/` */
export const absoluteUrl = (site: Site, path: string): string =>
  new URL(path.replace(/^\/+/, ""), withSlash(site.url)).href;

const withSlash = (url: string): string => (url.endsWith("/") ? url : `${url}/`);
