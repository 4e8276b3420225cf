/** The HTML frame of a simple page (PEP 503, frozen by PEP 833): what pip reads, not the site's layout. */
import { type Html, html } from "../html.ts";

/** Of the Simple API, as PEP 629 has clients compare it: they warn at a newer minor, refuse a newer major. */
export const API_VERSION = "1.4";

export function simpleDocument(title: string, body: Html): string {
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="${API_VERSION}">
<title>${title}</title>
</head>
<body>
<h1>${title}</h1>
${body}</body>
</html>
`.text;
}
