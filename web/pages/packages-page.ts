/**
 * The packages page: the search, the most downloaded packages, and all names for those without a script. Where
 * there are many, the names lie on pages of their own by their first letters, as few letters as keep a page short.
 */
import type { SearchList } from "../../protocol/model/farm-page.ts";
import { type Html, html } from "../html.ts";
import { namesPageKey, urlPathOf } from "../public-key.ts";
import { layout } from "./layout.ts";
import type { Site } from "./site.ts";
import { countText } from "./words.ts";

/** Names of one page, unless more begin with the same 12 letters. */
const NAMES_A_PAGE = 1_000;
const LONGEST_PREFIX = 12;

/** The names that begin with some letters: the names themselves, or the longer beginnings that they have. */
export interface NamesPage {
  /** "" for all. */
  readonly prefix: string;
  readonly names: readonly string[];
  readonly parts: readonly { readonly prefix: string; readonly count: number }[];
}

/**
 * The first page is that of all. What begins alike stands together, so that its end is looked up: among hundreds of
 * thousands of names nobody waits for a page.
 * @param names in the order of bytes
 */
export function* namesPages(
  names: readonly string[],
  prefix = "",
  from = 0,
  to = names.length,
): Generator<NamesPage> {
  if (to - from <= NAMES_A_PAGE || prefix.length >= LONGEST_PREFIX) {
    yield { prefix, names: names.slice(from, to), parts: [] };
    return;
  }
  const named = names[from] === prefix ? [prefix] : [];
  const parts: { readonly prefix: string; readonly count: number; readonly from: number }[] = [];
  for (let start = from + named.length; start < to; ) {
    const first = names[start] ?? "";
    const end = endOf(names, first.slice(0, prefix.length + 1), start, to);
    const last = names[end - 1] ?? "";
    if (end - start === 1) named.push(first);
    else parts.push({ prefix: commonStart(first, last), count: end - start, from: start });
    start = end;
  }
  yield { prefix, names: named, parts };
  for (const part of parts)
    yield* namesPages(names, part.prefix, part.from, part.from + part.count);
}

/** Where the names that begin so end: before `to`, and behind the first of them. */
function endOf(names: readonly string[], start: string, first: number, to: number): number {
  let [low, high] = [first + 1, to];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (names[middle]?.startsWith(start) === true) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Letters that all of a group have in common are no choice: the first and the last of it differ most. */
function commonStart(first: string, last: string): string {
  let length = 1;
  while (length < Math.min(LONGEST_PREFIX, first.length) && first[length] === last[length])
    length += 1;
  return first.slice(0, length);
}

export function renderPackagesPage(
  all: NamesPage,
  count: number,
  top: SearchList,
  site: Site,
): string {
  return layout(
    site,
    "Packages",
    html`<h1>Packages</h1>
<form id="search" class="search-box" action="/packages.html" role="search">
<label for="q">Search ${countText(count)} packages by name</label>
<div><input id="q" name="q" type="search" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="200" aria-controls="results" aria-describedby="keys"><button type="submit">Open</button></div>
<p id="keys" class="quiet">Results come as you type. Arrow keys move through them, Enter opens, Escape clears.</p>
</form>
<noscript><p class="notice">The search needs JavaScript. All names are below, by their letters.</p></noscript>
<p id="said" role="status"></p>
<ul id="results" class="results" aria-label="Results"></ul>
<div id="browse">
${top.length === 0 ? undefined : topList(top)}
<h2>${all.parts.length === 0 ? "All packages" : "By their first letters"}</h2>
${listOf(all)}
<p class="quiet">The same for programs: <a href="/packages.json">packages.json</a></p>
</div>`,
    {
      path: "/packages.html",
      description: `${countText(count)} packages that ${site.name} has wheels of.`,
      scripts: ["packages.js"],
    },
  );
}

const topList = (top: SearchList): Html => html`<h2>Most downloaded in 30 days</h2>
<ol class="popular">${top.map(([name, lately]) => html`<li>${linkTo(name)} <span class="quiet">${countText(lately)}</span></li>\n`)}</ol>`;

export function renderNamesPage(page: NamesPage, site: Site): string {
  return layout(
    site,
    `Packages: ${page.prefix}…`,
    html`<p><a href="/packages.html">Packages</a>${[...page.prefix].slice(0, -1).map((_, index) => {
      const shorter = page.prefix.slice(0, index + 1);
      return html` › <a href="${urlPathOf(namesPageKey(shorter))}">${shorter}…</a>`;
    })}</p>
<h1>Packages that begin with ${page.prefix}</h1>
${listOf(page)}`,
    { path: urlPathOf(namesPageKey(page.prefix)) },
  );
}

function listOf({ names, parts }: NamesPage): Html {
  if (names.length === 0 && parts.length === 0) return html`<p>There is no wheel here yet.</p>`;
  return html`${names.length === 0 ? undefined : html`<ul class="names">${names.map((name) => html`<li>${linkTo(name)}</li>\n`)}</ul>`}${parts.length === 0 ? undefined : html`<ul class="names">${parts.map(({ prefix, count }) => html`<li><a href="${urlPathOf(namesPageKey(prefix))}">${prefix}…</a> <span class="quiet">${countText(count)}</span></li>\n`)}</ul>`}`;
}

const linkTo = (name: string): Html =>
  html`<a href="/project/${encodeURIComponent(name)}/">${name}</a>`;
