/** Where a script (web/scripts/dashboard/plots.js) draws figures over time: what to ask for is in the element. */
import type { figureNames, SubjectKind } from "../../../protocol/model/statistics.ts";
import { type Html, html } from "../../html.ts";

interface FigurePlot<Kind extends SubjectKind> {
  readonly title: string;
  readonly kind: Kind;
  /** The id of a target or slave; 0 for farm and master. */
  readonly subject: number;
  /** Their names, and what these are called here. Four at most. */
  readonly figures: readonly (readonly [
    figure: (typeof figureNames)[Kind][number],
    name: string,
  ])[];
  /** `bytes`, or in words. */
  readonly unit: string;
}

export const figurePlot = <Kind extends SubjectKind>(plot: FigurePlot<Kind>): Html => {
  const { title, kind, subject, figures, unit } = plot;
  const url = `/farm/history?kind=${kind}&subject=${subject}`;
  return html`<figure class="plot live-plot" data-url="${url}" data-figures="${JSON.stringify(figures)}" data-unit="${unit}"><figcaption>${title}</figcaption><div class="canvas"></div><p class="quiet">Drawn by a script.</p></figure>`;
};

export const spans = ["hour", "day", "week", "year"] as const;

export const spanChoice: Html = html`<div class="spans" role="group" aria-label="How far back">${spans.map(
  (span) =>
    html`<button type="button" data-span="${span}" aria-pressed="${span === "hour" ? "true" : "false"}">${span}</button>`,
)}</div>`;
