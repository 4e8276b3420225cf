/** What happened since this is watched, and what the master was ordered to do. */
import type { KeptOrder } from "../../../protocol/model/order.ts";
import { type Html, html } from "../../html.ts";
import type { Note, Picture } from "../contract.ts";
import { newestFirst, type Piece } from "../piece.ts";
import { toned, when } from "../words.ts";

const NOTES_SHOWN = 300;

export const eventsPieces = ({ notes }: Picture): Piece[] => noteItems(notes.slice(0, NOTES_SHOWN));

const signs = { good: "✓", bad: "✗", busy: "▸", calm: "–" } as const;
const known = new WeakMap<Note, Piece>();

/** What was said stays as it was. */
export const noteItems = (notes: readonly Note[]): Piece[] =>
  notes.map((note) => {
    let piece = known.get(note);
    if (piece === undefined) {
      const { number, at, kind, text, tone } = note;
      const [key, order] = [`notes/${number}`, newestFirst(number)];
      piece = {
        key,
        list: "notes",
        order,
        html: html`<li data-piece="${key}" data-place="${order}" data-kind="${kind}">${when(at)} ${toned({ name: tone, sign: signs[tone] }, text)}</li>`
          .text,
      };
      known.set(note, piece);
    }
    return piece;
  });

export const eventsBody = (
  shown: (key: string) => Html,
  orders: readonly KeptOrder[] | string,
): Html => html`<h1>Events</h1>
<p class="filter"><label>Show those with <input id="filter" data-filters="notes" type="search" autocomplete="off" spellcheck="false" placeholder="a package, a slave, order"></label></p>
<ul class="notes" data-list="notes" data-empty="Nothing has happened while this was watched.">${shown("notes")}</ul>
<h2>Orders</h2>
${typeof orders === "string" ? html`<p class="notice">${orders}</p>` : orderTable(orders)}`;

const orderTable = (orders: readonly KeptOrder[]): Html =>
  orders.length === 0
    ? html`<p>None has been kept.</p>`
    : html`<div class="scroll" tabindex="0" role="region" aria-label="Orders"><table>
<thead><tr><th scope="col">At</th><th scope="col">By</th><th scope="col">Order</th><th scope="col">Outcome</th></tr></thead>
<tbody>${orders.map(({ at, by, via, what, isDone, outcome }) => html`<tr><td>${when(at)}</td><td class="wrap">${by} <span class="quiet">${via}</span></td><th scope="row" class="wrap">${what}</th><td class="outcome">${toned(isDone ? { name: "good", sign: "✓" } : { name: "bad", sign: "✗" }, isDone ? "done" : "not done")}<span class="quiet">${outcome}</span></td></tr>`)}</tbody></table></div>`;
