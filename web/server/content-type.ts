/** What a public file is to a client: its media type and how long it may be kept, from its key. */
import { SIMPLE_JSON } from "../public-key.ts";

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  txt: "text/plain; charset=utf-8",
  metadata: "text/plain; charset=utf-8",
  // PEP 740; the type under which the index that has most of them serves these.
  provenance: "application/vnd.pypi.integrity.v1+json",
  xml: "application/xml",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
};

export function contentTypeOf(key: string): string {
  if (key.endsWith(`/${SIMPLE_JSON}`)) return "application/vnd.pypi.simple.v1+json";
  // The feeds are Atom, the only other XML is the site map.
  if (/(^feeds|^project)\/.+\.xml$/.test(key)) return "application/atom+xml; charset=utf-8";
  const extension = /\.([a-z]+)$/.exec(key)?.[1] ?? "";
  return Object.hasOwn(types, extension)
    ? (types[extension] ?? "application/octet-stream")
    : "application/octet-stream";
}

/** Never changes: a published file (its provenance may be signed anew), the log of a build that has ended, an asset with a hash of its contents in its name. */
const lasting =
  /^(simple\/[^/]+\/(?!index\.|[^/]+\.provenance$)|logs\/.+\/(?!index\.)|assets\/[^/]+\.[0-9a-f]{12}\.)[^/]+$/;

export function cacheControlOf(key: string): string {
  if (lasting.test(key)) return "public, max-age=31536000, immutable";
  // Asked for every few seconds by pages that are being looked at.
  return key === "farm.json" ? "no-cache" : "public, max-age=600";
}
