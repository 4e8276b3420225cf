/**
 * Atom feeds (RFC 4287): the farm's and each project's. Pure; what an entry says is its caller's. Titles and
 * summaries are plain text, so that nothing of a build becomes markup in a reader.
 */
import { escapeHtml } from "../html.ts";

export interface AtomEntry {
  /** For ever the same for the same thing: an IRI. */
  readonly id: string;
  readonly title: string;
  /** In ms since 1970. */
  readonly updatedAt: number;
  /** Absolute; where a reader of the entry is led. */
  readonly url: string;
  /** One or more lines, "" for none. */
  readonly summary: string;
  /** A word that readers can filter by. */
  readonly category?: string;
}

export interface AtomFeed {
  /** Absolute URL of the feed itself, which is its id too. */
  readonly url: string;
  readonly title: string;
  /** Absolute; the page that it is about. */
  readonly pageUrl: string;
  readonly author: string;
  /** Of a feed without entries; else the newest entry's counts. In ms since 1970. */
  readonly updatedAt: number;
  /** Newest first. */
  readonly entries: readonly AtomEntry[];
}

export function renderAtom(feed: AtomFeed): string {
  const updatedAt = feed.entries.reduce(
    (latest, entry) => Math.max(latest, entry.updatedAt),
    feed.entries.length === 0 ? feed.updatedAt : 0,
  );
  return `<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
<id>${text(feed.url)}</id>
<title>${text(feed.title)}</title>
<updated>${instant(updatedAt)}</updated>
<author><name>${text(feed.author)}</name></author>
<link rel="self" type="application/atom+xml" href="${text(feed.url)}"/>
<link rel="alternate" type="text/html" href="${text(feed.pageUrl)}"/>
${feed.entries.map(entryOf).join("")}</feed>
`;
}

function entryOf({ id, title, updatedAt, url, summary, category }: AtomEntry): string {
  return `<entry>
<id>${text(id)}</id>
<title>${text(title)}</title>
<updated>${instant(updatedAt)}</updated>
<link rel="alternate" href="${text(url)}"/>
${category === undefined ? "" : `<category term="${text(category)}"/>\n`}${summary === "" ? "" : `<summary>${text(summary)}</summary>\n`}</entry>
`;
}

/** XML forbids two characters more than HTML. */
const text = (value: string): string => escapeHtml(value).replaceAll(/[\uFFFE\uFFFF]/g, "\uFFFD");

const instant = (atMs: number): string => new Date(atMs).toISOString();
