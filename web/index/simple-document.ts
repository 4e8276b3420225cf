/** The HTML frame of a simple page (PEP 503, frozen by PEP 833): what pip reads, not the site's layout. */
import { type Html, html } from "../html.ts";

/** Of the Simple API, as PEP 629 has clients compare it: they warn at a newer minor, refuse a newer major. */
export const API_VERSION = "1.4";

/** What a simple page is on disk: the HTML of PEP 503 and the JSON of PEP 691, of one content. */
export interface SimpleRendering {
  readonly html: string;
  readonly json: string;
}

export interface SimpleHead {
  readonly title: string;
  readonly apiVersion: string;
  /** Names and contents of further `meta` elements. */
  readonly metas?: readonly (readonly [name: string, content: string])[];
}

export function simpleDocument(head: SimpleHead, body: Html): string {
  const [start, end] = simpleFrame(head);
  return start + body.text + end;
}

/** What stands before the links, and what behind them. */
export function simpleFrame({
  title,
  apiVersion,
  metas = [],
}: SimpleHead): readonly [start: string, end: string] {
  const described = metas.map(
    ([name, content]) => html`<meta name="${name}" content="${content}">\n`,
  );
  const start = html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="${apiVersion}">
${described}<title>${title}</title>
</head>
<body>
<h1>${title}</h1>
`;
  return [start.text, "</body>\n</html>\n"];
}
