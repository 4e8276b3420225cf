/** The API in words: what openapi.ts says, for people. */
import { type Html, html } from "../html.ts";
import { layout } from "./layout.ts";
import { paths, schemas } from "./openapi.ts";
import { absoluteUrl, type Site } from "./site.ts";

export const JSON_PAGE_KEY = "json.html";

export const renderJsonPage = (site: Site): string =>
  layout(
    site,
    "API",
    html`<h1>The farm for programs</h1>
<div class="prose">
<p class="lead">What the pages show can be read as JSON, without a key and from any page.</p>
<p>All of this is described in <a href="/openapi.json">OpenAPI 3.1</a>. Answers carry an <code>ETag</code>: ask again with it in <code>If-None-Match</code>, and what has not changed costs nothing. Members may be added to objects; none is taken away.</p>
<pre class="command"><code>curl ${absoluteUrl(site, "/farm.json")}</code></pre>
</div>
<h2 id="paths">Addresses</h2>
<div class="scroll" role="region" aria-labelledby="paths" tabindex="0"><table>
<thead><tr><th scope="col">Path</th><th scope="col">What it is</th><th scope="col">As</th></tr></thead>
<tbody>
${Object.entries(paths).map(
  ([path, { get }]) =>
    html`<tr><th scope="row"><code>${path}</code></th><td class="wrap">${get.summary}</td><td>${Object.keys(get.responses["200"].content).map((type) => html`<code>${type}</code><br>`)}</td></tr>
`,
)}</tbody></table></div>
${Object.entries(schemas).map(([name, schema]) => section(name, schema as Described))}`,
    { path: "/json.html", description: `The JSON API of ${site.name}.` },
  );

interface Described {
  readonly type?: string;
  readonly description?: string;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, Described>>;
  readonly items?: Described;
  readonly prefixItems?: readonly Described[];
  readonly anyOf?: readonly Described[];
  readonly enum?: readonly string[];
  readonly $ref?: string;
}

const section = (name: string, schema: Described): Html => html`<h2 id="${name}">${name}</h2>
<p>${schema.description ?? ""}</p>
${schema.properties === undefined ? undefined : members(name, rowsOf(schema.properties, ""))}${schema.items?.prefixItems === undefined ? undefined : html`<ol>${schema.items.prefixItems.map((item) => html`<li>${item.description ?? ""} <span class="quiet">${typeOf(item)}</span></li>\n`)}</ol>`}`;

const members = (
  name: string,
  rows: readonly Html[],
): Html => html`<div class="scroll" role="region" aria-labelledby="${name}" tabindex="0"><table>
<thead><tr><th scope="col">Member</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead>
<tbody>
${rows}</tbody></table></div>`;

const rowsOf = (properties: Readonly<Record<string, Described>>, before: string): Html[] =>
  Object.entries(properties).flatMap(([name, schema]) => {
    const path = `${before}${name}`;
    const inner = schema.properties ?? schema.items?.properties;
    const row = html`<tr><th scope="row"><code>${path}</code></th><td>${typeOf(schema)}</td><td class="wrap">${schema.description ?? ""}</td></tr>
`;
    return [row, ...(inner === undefined ? [] : rowsOf(inner, `${path}.`))];
  });

function typeOf(schema: Described): Html {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split("/").at(-1) ?? "";
    return html`<a href="#${name}">${name}</a>`;
  }
  if (schema.anyOf !== undefined)
    return html`${schema.anyOf.map((each, index) => html`${index === 0 ? "" : " or "}${typeOf(each)}`)}`;
  if (schema.items !== undefined) return html`list of ${typeOf(schema.items)}`;
  return html`${schema.format ?? schema.type ?? ""}`;
}
