/** The frame that all pages of the site share. Works without JavaScript and from any web server. */
import { assetUrl } from "../assets.ts";
import { type Html, html } from "../html.ts";
import { absoluteUrl, type Site } from "./site.ts";

export interface LayoutOptions {
  /** The page's own path, `/queue.html`: for the mark in the navigation, and as its one address. */
  readonly path?: string;
  /** A sentence for search engines. */
  readonly description?: string;
  /** Scripts of this page, `queue.js`; those of every page come by themselves. */
  readonly scripts?: readonly string[];
  /** Feeds of this page, beside the farm's own: title and path. */
  readonly feeds?: readonly (readonly [title: string, path: string])[];
}

const navigation = [
  ["/", "Farm"],
  ["/packages.html", "Packages"],
  ["/queue.html", "Queue"],
  ["/stats.html", "Statistics"],
  ["/faq.html", "Help"],
  ["/json.html", "API"],
] as const;

const farmFeeds = [["Builds of the farm", "/feeds/builds.xml"]] as const;

/** @param title of this page; "" for the home page, which has the site's own */
export function layout(site: Site, title: string, body: Html, options: LayoutOptions = {}): string {
  const { path, description, scripts = [], feeds = [] } = options;
  const canonical = path === undefined || site.url === "" ? undefined : absoluteUrl(site, path);
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title === "" ? site.name : `${title} · ${site.name}`}</title>
${description === undefined ? undefined : html`<meta name="description" content="${description}">\n`}${canonical === undefined ? undefined : html`<link rel="canonical" href="${canonical}">\n`}<link rel="stylesheet" href="${assetUrl("site.css")}">
<link rel="icon" type="image/svg+xml" href="${assetUrl("icon.svg")}">
${[...farmFeeds, ...feeds].map(([name, href]) => html`<link rel="alternate" type="application/atom+xml" title="${name}" href="${href}">\n`)}${["copy.js", ...scripts].map((script) => html`<script type="module" src="${assetUrl(script)}"></script>\n`)}</head>
<body>
<a class="skip" href="#main">To the contents</a>
<header class="top"><div class="wide">
<a class="brand" href="/"><img src="${assetUrl("icon.svg")}" alt="" width="26" height="26">${site.name}</a>
<nav aria-label="Site"><ul>
${navigation.map(([href, text]) => html`<li><a href="${href}"${href === path ? html` aria-current="page"` : undefined}>${text}</a></li>\n`)}</ul></nav>
</div></header>
<main id="main" class="wide" tabindex="-1">
${body}
</main>
<footer><div class="wide"><p>Wheels on this site were built from source by this farm. <a href="/simple/">Simple index</a> · <a href="/feeds/builds.xml">Builds</a> and <a href="/feeds/failures.xml">failures</a> as feeds</p></div></footer>
</body>
</html>
`.text;
}
