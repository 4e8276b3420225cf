/**
 * The names of everything public, as keys: paths below the output folder and, with a slash in
 * front, URLs of the site. Pure; the storage turns a key into a place, the server a URL into a key.
 */

const segmentPattern = /^[A-Za-z0-9_][A-Za-z0-9._+!-]*$/;
const longestSegment = 255;
const longestKey = 1_024;

/**
 * Whether a text may name something public: relative, each segment plain (no parent, not hidden,
 * no separator, no NUL, nothing outside ASCII), at most 255 bytes a segment and 1,024 in all.
 */
export function isPublicKey(key: string): boolean {
  if (key.length === 0 || key.length > longestKey) return false;
  return key
    .split("/")
    .every((segment) => segment.length <= longestSegment && segmentPattern.test(segment));
}

/** `foo-1.0-py3-none-any.whl` beside its project's page. `project` is the canonical name. */
export const wheelKey = (project: string, filename: string): string =>
  `simple/${project}/${filename}`;

/** The core metadata of a wheel: always the wheel's URL and `.metadata` (PEP 658). */
export const metadataKey = (project: string, filename: string): string =>
  `${wheelKey(project, filename)}.metadata`;

/** What the farm signed about a wheel, beside it (PEP 740). */
export const provenanceKey = (project: string, filename: string): string =>
  `${wheelKey(project, filename)}.provenance`;

/** The two renderings of a simple page: what a web server picks from by `Accept`. */
export const SIMPLE_HTML = "index.html";
export const SIMPLE_JSON = "index.v1+json";

/** Keys of the root of the simple index, or of one project's page. */
export function simplePageKeys(project?: string): { readonly html: string; readonly json: string } {
  const folder = project === undefined ? "simple" : `simple/${project}`;
  return { html: `${folder}/${SIMPLE_HTML}`, json: `${folder}/${SIMPLE_JSON}` };
}

export const projectPageKey = (project: string): string => `project/${project}/index.html`;

/** What programs read of a project; its URL is the folder's. */
export const projectJsonKey = (project: string): string => `project/${project}/json/index.json`;

/** Releases of a project beyond its newest, the oldest on page 1. */
export const projectArchiveKey = (project: string, page: number): string =>
  `project/${project}/releases/${page}/index.html`;

/** Atom feed of a project's builds. */
export const projectFeedKey = (project: string): string => `project/${project}/builds.xml`;

export const badgeKey = (project: string): string => `badge/${project}.svg`;

/** The page that shows any log. */
export const LOG_PAGE_KEY = "log.html";

export const HOME_PAGE_KEY = "index.html";
/** What the search looks through. */
export const SEARCH_LIST_KEY = "packages.json";
export const PACKAGES_PAGE_KEY = "packages.html";
/** Names that begin with some letters: canonical names have only letters, digits and hyphens. */
export const namesPageKey = (prefix: string): string => `packages/names-${prefix}.html`;
/** Which pages the writer of the search has written beside the fixed ones, for it to find those that have gone. */
export const SEARCH_PAGES_KEY = "packages/pages.json";
export const QUEUE_PAGE_KEY = "queue.html";
export const STATISTICS_PAGE_KEY = "stats.html";
export const FARM_JSON_KEY = "farm.json";
export const NOT_FOUND_PAGE_KEY = "404.html";

/**
 * The log of the build with this token, gzip-compressed. At most 10,000 entries a folder until
 * token 10^12, where the first folder begins to grow.
 */
export function logKey(token: number): string {
  const digits = String(token).padStart(12, "0");
  return `logs/${digits.slice(0, -8)}/${digits.slice(-8, -4)}/${digits.slice(-4)}.txt.gz`;
}

/** The URL of a key, relative to the root of its host. */
export const urlPathOf = (key: string): string =>
  `/${key.split("/").map(encodeURIComponent).join("/")}`;
