/**
 * The root of the Simple API, `/simple/`: every project that has a page, in the order of bytes. As pieces,
 * since at the size of PyPI it is 57 MB and one name more must not mean to render it all: root-index.ts
 * puts them together. Joined in any way they are the same bytes.
 */
import { html } from "../html.ts";
import { API_VERSION, type SimpleRendering, simpleFrame } from "./simple-document.ts";

/** What stands before all stretches, between two that are not empty, and behind them, in either rendering. */
export interface RootFrame {
  readonly start: string;
  readonly between: string;
  readonly end: string;
}

const [htmlStart, htmlEnd] = simpleFrame({ title: "Simple index", apiVersion: API_VERSION });
const htmlFrame: RootFrame = { start: htmlStart, between: "", end: htmlEnd };
const jsonFrame: RootFrame = {
  start: `{"meta":${JSON.stringify({ "api-version": API_VERSION })},"projects":[`,
  between: ",",
  end: "]}",
};
export const rootFrames = { html: htmlFrame, json: jsonFrame } as const;

/** Names that stand beside each other. @param names canonical */
export function renderRootStretch(names: readonly string[]): SimpleRendering {
  const links = names.map((name) => html`<a href="${encodeURIComponent(name)}/">${name}</a><br>\n`);
  return {
    html: html`${links}`.text,
    json: names.map((name) => JSON.stringify({ name })).join(","),
  };
}

/** The names of a stretch, from its JSON. @throws SyntaxError */
export function namesOfStretch(json: string): string[] {
  return (JSON.parse(`[${json}]`) as { name: string }[]).map(({ name }) => name);
}

/** All at once: for few names. */
export function renderSimpleRoot(names: readonly string[]): SimpleRendering {
  const stretch = renderRootStretch(names);
  return {
    html: htmlFrame.start + stretch.html + htmlFrame.end,
    json: jsonFrame.start + stretch.json + jsonFrame.end,
  };
}
