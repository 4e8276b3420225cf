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

/** @param names in the order of bytes; the first page is that of all */
export function* namesPages(names: readonly string[], prefix = ""): Generator<NamesPage> {
  if (names.length <= NAMES_A_PAGE || prefix.length >= LONGEST_PREFIX) {
    yield { prefix, names, parts: [] };
    return;
  }
  const groups = new Map<string, string[]>();
  for (const name of names) {
    if (name === prefix) continue;
    const longer = name.slice(0, prefix.length + 1);
    const group = groups.get(longer);
    if (group === undefined) groups.set(longer, [name]);
    else group.push(name);
  }
  const alone = [...groups.values()].filter((group) => group.length === 1).flat();
  const itself = names[0] === prefix ? [prefix] : [];
  // Letters that all of a group have in common are no choice.
  const begun = [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group) => ({ prefix: commonStart(group), group }));
  const parts = begun.map(({ prefix, group }) => ({ prefix, count: group.length }));
  yield { prefix, names: [...itself, ...alone], parts };
  for (const part of begun) yield* namesPages(part.group, part.prefix);
}

/** @param names in the order of bytes, so that the first and the last differ most */
function commonStart(names: readonly string[]): string {
  const [first, last] = [names[0] ?? "", names.at(-1) ?? ""];
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
