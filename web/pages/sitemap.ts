/** The site for search engines: robots.txt, and the sitemaps (sitemaps.org 0.9) of at most 50,000 links each. */
import { escapeHtml } from "../html.ts";
import { absoluteUrl, type Site } from "./site.ts";

export const SITEMAP_INDEX_KEY = "sitemap.xml";
export const ROBOTS_KEY = "robots.txt";
const LINKS_A_SITEMAP = 50_000;

/** Those that are there whatever the farm holds. */
const fixedPaths = ["/", "/packages.html", "/queue.html", "/stats.html", "/faq.html", "/json.html"];

/** The first one has the fixed paths too. */
const NAMES_A_SITEMAP = LINKS_A_SITEMAP - fixedPaths.length;

/** Of the sitemaps for so many names, without that of their index. */
export const sitemapKeys = (names: number): string[] =>
  Array.from(
    { length: Math.max(1, Math.ceil(names / NAMES_A_SITEMAP)) },
    (_, index) => `sitemaps/${index + 1}.xml`,
  );

/** A sitemap after the other, and the index of them last. One is a few megabytes at most. */
export function* sitemaps(
  names: readonly string[],
  site: Site,
): Generator<{ readonly key: string; readonly contents: string }> {
  const keys = sitemapKeys(names.length);
  for (const [index, key] of keys.entries()) {
    const projects = names
      .slice(index * NAMES_A_SITEMAP, (index + 1) * NAMES_A_SITEMAP)
      .map((name) => `/project/${encodeURIComponent(name)}/`);
    const paths = index === 0 ? [...fixedPaths, ...projects] : projects;
    yield { key, contents: document("urlset", "url", paths, site) };
  }
  const paths = keys.map((key) => `/${key}`);
  yield { key: SITEMAP_INDEX_KEY, contents: document("sitemapindex", "sitemap", paths, site) };
}

function document(root: string, entry: string, paths: readonly string[], site: Site): string {
  const base = escapeHtml(absoluteUrl(site, "/").replace(/\/$/, ""));
  // Names have no character that would have to be escaped.
  const lines = paths.map((path) => `<${entry}><loc>${base}${path}</loc></${entry}>\n`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<${root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
${lines.join("")}</${root}>
`;
}

/** Files and logs are for installers and people; a search engine would read the whole disk. */
export const renderRobots = (site: Site): string => `User-agent: *
Disallow: /simple/
Disallow: /logs/
Sitemap: ${absoluteUrl(site, `/${SITEMAP_INDEX_KEY}`)}
`;
