/**
 * What stands at another spelling of a project's name: it leads to the project's page. A file, so that any web server
 * has it; the built-in one answers with a redirect where the two names are the same by PEP 503.
 */
import { html } from "../html.ts";
import { absoluteUrl, type Site } from "./site.ts";

export function renderAliasPage(project: string, displayName: string, site: Site): string {
  const path = `/project/${project}/`;
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url=${path}">
<meta name="robots" content="noindex">
<link rel="canonical" href="${absoluteUrl(site, path)}">
<title>${displayName}</title>
</head>
<body>
<p><a href="${path}">${displayName}</a></p>
</body>
</html>
`.text;
}
