/** The frame that all pages of the site share. Works without JavaScript and from any web server. */
import { type Html, html } from "../html.ts";
import type { Site } from "./site.ts";
import { stylesheet } from "./stylesheet.ts";

/** Where the stylesheet lies; the Scribe writes it once, when it starts. */
const STYLESHEET_KEY = "assets/site.css";

/** The files that the pages refer to, by key. */
export const siteAssets: readonly { readonly key: string; readonly contents: string }[] = [
  { key: STYLESHEET_KEY, contents: stylesheet },
];

/** @param title of this page; "" for the home page, which has the site's own */
export function layout(site: Site, title: string, body: Html): string {
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title === "" ? site.name : `${title} · ${site.name}`}</title>
<link rel="stylesheet" href="/${STYLESHEET_KEY}">
</head>
<body>
<a class="skip" href="#main">To the contents</a>
<header class="top"><div class="wide">
<a class="brand" href="/">${site.name}</a>
<nav aria-label="Site"><a href="/">Farm</a> <a href="/simple/">Packages</a></nav>
</div></header>
<main id="main" class="wide">
${body}
</main>
<footer class="wide"><p>Wheels on this site were built from source by this farm.</p></footer>
</body>
</html>
`.text;
}
