/**
 * The start tags of an HTML text, in order: as much of HTML as index pages need, taken as browsers take it
 * (any case, any quotes, broken tags, comments, scripts). Called by `simple-html.ts`. It builds no tree,
 * repairs nothing, and every loop in it moves forward, so that hostile text costs no more than its length.
 */

export interface HtmlTag {
  /** Lower case. */
  readonly name: string;
  /** Names in lower case, character references decoded; the first of two that are the same counts. */
  readonly attributes: ReadonlyMap<string, string>;
  /** Plain text up to the next tag, decoded and trimmed, at most `MAX_TEXT_LENGTH` long. */
  readonly text: string;
}

/** A tag longer than this is read up to here. */
const MAX_TAG_LENGTH = 32_768;
const MAX_TEXT_LENGTH = 1_000;

/** Their contents are text, whatever is in it. */
const rawElements = new Set(["script", "style", "textarea", "title"]);

/** Lazily, so that the caller may pause between two. */
export function* scanTags(html: string): Generator<HtmlTag, void, undefined> {
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf("<", at);
    if (open === -1) return;
    const next = html.charAt(open + 1);
    if (!/[a-z]/i.test(next)) {
      at = afterNonTag(html, open);
      continue;
    }
    const tag = readTag(html, open + 1);
    if (tag === undefined) return;
    at = tag.end;
    const textEnd = html.indexOf("<", at);
    const text = html.slice(
      at,
      Math.min(textEnd === -1 ? html.length : textEnd, at + MAX_TEXT_LENGTH),
    );
    yield { name: tag.name, attributes: tag.attributes, text: decodeReferences(text).trim() };
    if (rawElements.has(tag.name)) at = afterRawText(html, at, tag.name);
  }
}

/** Behind a comment, a declaration, an end tag, or a `<` that stands for itself. */
function afterNonTag(html: string, open: number): number {
  const isComment = html.startsWith("<!--", open);
  if (!isComment && !/[!?/]/.test(html.charAt(open + 1))) return open + 1;
  const end = isComment ? html.indexOf("-->", open + 4) : html.indexOf(">", open);
  return end === -1 ? html.length : end + 1;
}

function afterRawText(html: string, at: number, name: string): number {
  const endTag = new RegExp(`</${name}`, "gi");
  endTag.lastIndex = at;
  return endTag.exec(html)?.index ?? html.length;
}

/** A space, a name, `=` and a value in either quotes or none: one attribute, or only its name. */
const attribute = /[\s/]*([^\s/>=][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?/y;

function readTag(
  html: string,
  start: number,
): { name: string; attributes: Map<string, string>; end: number } | undefined {
  // Only a bounded part is looked at, so that a quote that never ends costs no more than that.
  const part = html.slice(start, start + MAX_TAG_LENGTH);
  const name = /^[a-z][^\s/>]*/i.exec(part)?.[0] ?? "";
  const attributes = new Map<string, string>();
  attribute.lastIndex = name.length;
  let end = name.length;
  for (let match = attribute.exec(part); match !== null; match = attribute.exec(part)) {
    end = attribute.lastIndex;
    const key = (match[1] ?? "").toLowerCase();
    const value = match[2] ?? match[3] ?? match[4] ?? "";
    if (!attributes.has(key)) attributes.set(key, decodeReferences(value));
  }
  const close = html.indexOf(">", start + end);
  if (close === -1) return undefined;
  return { name: name.toLowerCase(), attributes, end: close + 1 };
}

const named: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
};

/** The references that generators of index pages use; others are left as they are. */
function decodeReferences(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,4}));/gi, (all, dec, hex, name) => {
    if (name !== undefined) return named[String(name).toLowerCase()] ?? String(all);
    const code = dec === undefined ? Number.parseInt(String(hex), 16) : Number(dec);
    return code > 0x10_ffff ? "\ufffd" : String.fromCodePoint(code);
  });
}
