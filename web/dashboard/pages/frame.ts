/** The frame of the dashboard's pages: who looks, whether what is shown is live, and how one goes elsewhere. */
import { type Html, html } from "../../html.ts";
import { farmAssetUrl } from "../asset-route.ts";

/** Who looks at a page. */
export interface Visitor {
  /** The name of the token; null: without one. */
  readonly name: string | null;
  readonly mayControl: boolean;
}

export interface FrameOptions {
  readonly title: string;
  /** Of the navigation. */
  readonly path: string;
  readonly visitor: Visitor;
  /** Where its news come from: the stream's URL, and what the page shows already. */
  readonly stream?: { readonly url: string; readonly id: string };
  readonly hasPlots?: boolean;
  readonly scripts?: readonly string[];
}

const navigation = [
  ["/farm/", "Overview"],
  ["/farm/slaves", "Slaves"],
  ["/farm/queue", "Queue"],
  ["/farm/builds", "Builds"],
  ["/farm/tasks", "Tasks"],
  ["/farm/events", "Events"],
] as const;

export function frame(options: FrameOptions, body: Html): string {
  const { title, path, visitor, stream, hasPlots = false, scripts = [] } = options;
  const live =
    stream === undefined
      ? undefined
      : html` data-stream="${stream.url}" data-stream-id="${stream.id}"`;
  const all = [
    ...(stream === undefined ? [] : ["dashboard-live.js"]),
    ...(visitor.mayControl ? ["dashboard-orders.js"] : []),
    ...(hasPlots ? ["dashboard-plots.js"] : []),
    ...scripts,
  ];
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} · Farm</title>
<link rel="stylesheet" href="${farmAssetUrl("site.css")}">
${hasPlots ? html`<link rel="stylesheet" href="${farmAssetUrl("uplot.css")}">\n` : undefined}<link rel="icon" type="image/svg+xml" href="${farmAssetUrl("icon.svg")}">
${all.map((script) => html`<script type="module" src="${farmAssetUrl(script)}"></script>\n`)}</head>
<body class="dashboard"${live}>
<a class="skip" href="#main">To the contents</a>
<header class="top"><div class="wide">
<a class="brand" href="/"><img src="${farmAssetUrl("icon.svg")}" alt="" width="26" height="26">Wheelwright</a>
<nav aria-label="Farm"><ul>
${navigation.map(([href, text]) => html`<li><a href="${href}"${href === path ? html` aria-current="page"` : undefined}>${text}</a></li>\n`)}</ul></nav>
<div class="visitor">${stream === undefined ? undefined : html`<span id="live" role="status">not live: without its script this page stays as it is</span>`}${visitorText(visitor)}</div>
</div></header>
<main id="main" class="wide" tabindex="-1">
${body}
</main>
${visitor.mayControl ? dialog : undefined}
</body>
</html>
`.text;
}

const visitorText = ({ name, mayControl }: Visitor): Html =>
  name === null
    ? html`<a href="/farm/login">Log in</a>`
    : html`<form method="post" action="/farm/logout"><span>${name}${mayControl ? "" : " (may look)"}</span> <button type="submit">Log out</button></form>`;

const dialog = html`<dialog id="confirm" aria-labelledby="confirm-question"><form method="dialog"><p id="confirm-question"></p><p class="choices"><button value="no" autofocus>No</button> <button value="yes" class="danger">Yes</button></p></form></dialog>
<div id="answers" class="answers" role="status" aria-live="polite"></div>`;

/** A page that is one message: what is not there, or does not answer. */
export const messagePage = (title: string, text: string, visitor: Visitor): string =>
  frame(
    { title, path: "", visitor },
    html`<h1>${title}</h1><p class="lead">${text}</p><p><a href="/farm/">To the overview</a></p>`,
  );
