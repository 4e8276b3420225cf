/**
 * The pieces that a page of the dashboard is made of, and that are sent anew when they change: the same HTML in both,
 * made by one function. A piece is one element, known by its key; those of a list (rows of a table) have
 * a place in it. Pieces say instants, never "for 3 minutes", so that they change only when something has happened.
 */
import { type Html, html } from "../html.ts";

export interface Piece {
  readonly key: string;
  /** The element whose child it is, by `data-list`; null where it stands by itself. */
  readonly list: string | null;
  /** Its place in the list: ascending, as strings of UTF-16 are compared. */
  readonly order: string;
  readonly html: string;
}

/** An element that stands by itself: `<div data-piece="KEY">`. */
export const spot = (key: string, contents: Html, tag: "div" | "p" | "ul" = "div"): Piece => ({
  key,
  list: null,
  order: "",
  html: html`${open(tag)} data-piece="${key}">${contents}${close(tag)}`.text,
});

/** @param rowClass of the site's styles */
export const row = (
  list: string,
  id: string | number,
  order: string,
  cells: Html,
  rowClass = "",
): Piece => {
  const key = `${list}/${id}`;
  const styled = rowClass === "" ? undefined : html` class="${rowClass}"`;
  return {
    key,
    list,
    order,
    html: html`<tr data-piece="${key}" data-place="${order}"${styled}>${cells}</tr>`.text,
  };
};

const open = (tag: string): Html => tags[tag]?.open ?? html``;
const close = (tag: string): Html => tags[tag]?.close ?? html``;
const tags: Readonly<Record<string, { readonly open: Html; readonly close: Html }>> = {
  div: { open: html`<div`, close: html`</div>` },
  p: { open: html`<p`, close: html`</p>` },
  ul: { open: html`<ul`, close: html`</ul>` },
};

/** Newest first: the larger a number, the earlier its place. */
export const newestFirst = (number: number): string =>
  String(Number.MAX_SAFE_INTEGER - number).padStart(16, "0");
