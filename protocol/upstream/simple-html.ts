/**
 * The Simple API as HTML (PEP 503, 592, 629, 658), for indexes that speak nothing newer. Called by
 * `UpstreamClient`. An HTML page can be anything, so it takes only one that looks like an index and is
 * complete: half a page, or a proxy's log-in form, must not look like a project that lost its files.
 */
import { canonicalName, isValidName } from "../packaging/canonical-name.ts";
import { type HtmlTag, scanTags } from "./html-tags.ts";
import { Pacer } from "./pacer.ts";
import { checkApiVersion, type ListedProject } from "./simple-json.ts";
import { UpstreamError } from "./upstream-error.ts";
import {
  checkFile,
  checkStanding,
  type ProjectPage,
  resolveUrl,
  type UpstreamFile,
  versionsOf,
} from "./upstream-project.ts";

/** What generators of indexes write on a page, and log-in forms do not; needed only where no file is linked. */
const looksLikeIndex = /pypi:repository-version|\b(?:links for|simple index|index of)\b/i;

/** Where a page says what it is, and where it ends. */
const START_LENGTH = 65_536;
const END_LENGTH = 4_096;

/**
 * @param project canonical name of the project that was asked for.
 * @throws UpstreamError `garbled` where it is no index page or is cut off.
 */
export async function readProjectHtml(
  pieces: AsyncIterable<string>,
  project: string,
  pageUrl: string,
): Promise<ProjectPage> {
  const html = await readPage(pieces);
  const files: UpstreamFile[] = [];
  let skippedFiles = 0;
  const metas: [name: string, content: string][] = [];
  for await (const { tag, baseUrl } of links(html, pageUrl, metas)) {
    const file = readAnchor(tag, project, baseUrl);
    if (file === "none") continue;
    if (file === "broken") skippedFiles++;
    else files.push(file);
  }
  if (files.length === 0) checkLooksLikeIndex(html);
  const serial = /<!--\s*SERIAL (\d{1,15})\s*-->/.exec(html.slice(-END_LENGTH))?.[1];
  return {
    name: project,
    lastSerial: serial === undefined ? null : Number(serial),
    files,
    versions: versionsOf(files),
    skippedFiles,
    ...standingFrom(metas, project),
  };
}

function standingFrom(metas: readonly (readonly [string, string])[], project: string) {
  const all = (wanted: string) =>
    metas.filter(([name]) => name === wanted).map(([, content]) => content);
  return checkStanding(
    {
      status: all("pypi:project-status")[0],
      reason: all("pypi:project-status-reason")[0],
      tracks: all("pypi:tracks"),
      alternateLocations: all("pypi:alternate-locations"),
    },
    project,
  );
}

/** The projects of the root page, as their links spell them. */
export async function* readRootHtml(
  pieces: AsyncIterable<string>,
  pageUrl: string,
): AsyncGenerator<ListedProject, void, undefined> {
  const html = await readPage(pieces);
  let count = 0;
  for await (const { tag, baseUrl } of links(html, pageUrl)) {
    const url = resolveUrl(tag.attributes.get("href") ?? "", baseUrl);
    const linked = url === undefined ? undefined : lastPart(url.pathname.replace(/\/+$/, ""));
    if (linked === undefined || !isValidName(linked)) continue;
    // The folder above, which the listings of plain web servers begin with.
    if (url !== undefined && pageUrl.startsWith(url.href)) continue;
    const isSpelling = isValidName(tag.text) && canonicalName(tag.text) === canonicalName(linked);
    count++;
    yield { name: isSpelling ? tag.text : linked, lastSerial: null };
  }
  if (count === 0) checkLooksLikeIndex(html);
}

/** Of a page that says more than PEP 708 and PEP 792 have words for, the rest is passed over. */
const MAX_METAS = 100;

/**
 * Anchors with an address, and what that address is relative to; pauses now and then.
 * @param metas takes what the page says of itself, as it is met
 */
async function* links(
  html: string,
  pageUrl: string,
  metas: [name: string, content: string][] = [],
): AsyncGenerator<{ tag: HtmlTag; baseUrl: string }, void, undefined> {
  let baseUrl = pageUrl;
  let hasBase = false;
  const pacer = new Pacer();
  for (const tag of scanTags(html)) {
    const href = tag.attributes.get("href");
    if (tag.name === "meta") {
      const name = tag.attributes.get("name") ?? "";
      const content = tag.attributes.get("content") ?? "";
      if (name === "pypi:repository-version") checkApiVersion(content);
      if (name.startsWith("pypi:") && metas.length < MAX_METAS) metas.push([name, content]);
    }
    if (tag.name === "base" && href !== undefined && !hasBase) {
      hasBase = true;
      baseUrl = resolveUrl(href, pageUrl)?.href ?? pageUrl;
    }
    if (tag.name === "a" && href !== undefined) yield { tag, baseUrl };
    if (pacer.isDue) await pacer.pause();
  }
}

function readAnchor(
  tag: HtmlTag,
  project: string,
  baseUrl: string,
): UpstreamFile | "none" | "broken" {
  const { attributes } = tag;
  const href = (attributes.get("href") ?? "").trim();
  const url = URL.canParse(href, baseUrl) ? new URL(href, baseUrl) : undefined;
  const filename = url === undefined ? undefined : lastPart(url.pathname);
  // A link to a folder, to a place on the page, or to nothing that has a name.
  if (href.startsWith("#") || filename === "") return "none";
  const metadata =
    attributes.get("data-core-metadata") ?? attributes.get("data-dist-info-metadata");
  const claim = {
    filename: filename ?? "",
    url: href,
    sha256: /[#&]sha256=([^&]*)/.exec(url?.hash ?? "")?.[1],
    sizeBytes: null,
    requiresPython: attributes.get("data-requires-python") ?? null,
    yanked: attributes.get("data-yanked") ?? null,
    uploadedAt: null,
    coreMetadata: metadata !== undefined && metadata !== "false",
    metadataSha256: /^sha256=(.*)$/.exec(metadata ?? "")?.[1],
    provenanceUrl: attributes.get("data-provenance") ?? null,
  };
  return checkFile(claim, project, baseUrl) ?? "broken";
}

/** Undefined where it is not decodable. */
function lastPart(path: string): string | undefined {
  try {
    return decodeURIComponent(path.slice(path.lastIndexOf("/") + 1));
  } catch {
    return undefined;
  }
}

async function readPage(pieces: AsyncIterable<string>): Promise<string> {
  const parts: string[] = [];
  for await (const piece of pieces) parts.push(piece);
  const html = parts.join("");
  const isOpened = /<(?:html|body)\b/i.test(html.slice(0, START_LENGTH));
  if (isOpened && !/<\/(?:html|body)\b/i.test(html.slice(-END_LENGTH)))
    throw new UpstreamError("garbled", "the index page is cut off: it has no end");
  return html;
}

function checkLooksLikeIndex(html: string): void {
  if (!looksLikeIndex.test(html.slice(0, START_LENGTH)))
    throw new UpstreamError("garbled", "the page links nothing and does not look like an index");
}
