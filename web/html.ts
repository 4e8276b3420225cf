/**
 * HTML that cannot forget to escape: every value that a template takes is escaped unless it is
 * already `Html`. Used by the index renderings and the pages. Not a component system: pages are
 * functions that return `Html`.
 */

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const plainPattern = /^[\w .,:/+=-]*$/;

/**
 * Text for element content and for quoted attributes. Controls and half surrogates, which HTML forbids,
 * become U+FFFD.
 */
export function escapeHtml(text: string): string {
  // Nearly all that a page holds is plain: names, versions, hashes.
  if (plainPattern.test(text)) return text;
  return text
    .replace(/[&<>"']/g, (character) => escapes[character] ?? "")
    .replace(/[\p{Cc}\p{Cs}]/gu, (character) =>
      /[\t\n\r]/.test(character) ? character : "\u{FFFD}",
    );
}

/** A piece of finished HTML: the only thing that a template takes as it is. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type HtmlValue = Html | string | number | readonly HtmlValue[] | undefined;

/** Template tag: `html\`<p>${text}</p>\``. Lists are joined, undefined is nothing. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = strings[0] ?? "";
  for (let position = 0; position < values.length; position++) {
    text += textOf(values[position]) + (strings[position + 1] ?? "");
  }
  return new Html(text);
}

function textOf(value: HtmlValue): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "string") return escapeHtml(value);
  if (typeof value === "number") return String(value);
  let text = "";
  for (const each of value) text += textOf(each);
  return text;
}

/**
 * A link that may stand in `href`: http and https only, so that a project cannot put `javascript:`
 * on its page. Undefined for anything else.
 */
export function findWebUrl(text: string | null): string | undefined {
  if (text === null || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  return url.protocol === "https:" || url.protocol === "http:" ? url.href : undefined;
}
