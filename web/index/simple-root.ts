/**
 * The root of the Simple API, `/simple/`: every project that has at least one file. Written by the
 * Scribe as two files; one list, two renderings.
 */
import { type Html, html } from "../html.ts";
import { API_VERSION, simpleDocument } from "./simple-document.ts";

/** What a simple page is on disk: the HTML of PEP 503 and the JSON of PEP 691, of one content. */
export interface SimpleRendering {
  readonly html: string;
  readonly json: string;
}

/** @param names canonical names, in the order in which they are to stand */
export function renderSimpleRoot(names: readonly string[]): SimpleRendering {
  const links = names.map(
    (name): Html => html`<a href="${encodeURIComponent(name)}/">${name}</a><br>\n`,
  );
  return {
    html: simpleDocument("Simple index", html`${links}`),
    json: JSON.stringify({
      meta: { "api-version": API_VERSION },
      projects: names.map((name) => ({ name })),
    }),
  };
}
