/**
 * One project of the Simple API, `/simple/NAME/`: PEP 503 HTML with PEP 592, 658 and 714
 * attributes, and PEP 691 JSON with PEP 700 fields. Both come from `SimpleProjectPage`, so they
 * cannot say different things. URLs are relative: the tree may be served from anywhere.
 */
import type { SimpleFile, SimpleProjectPage } from "../../protocol/model/page.ts";
import { type Html, html } from "../html.ts";
import { API_VERSION, simpleDocument } from "./simple-document.ts";
import type { SimpleRendering } from "./simple-root.ts";

export function renderSimpleProject(page: SimpleProjectPage): SimpleRendering {
  return {
    html: simpleDocument(`Links for ${page.name}`, html`${page.files.map(htmlOf)}`),
    json: JSON.stringify({
      meta: { "api-version": API_VERSION },
      name: page.name,
      versions: [...new Set(page.files.map((file) => file.version))],
      files: page.files.map(jsonOf),
    }),
  };
}

function htmlOf(file: SimpleFile): Html {
  const requiresPython =
    file.requiresPython === null ? undefined : html` data-requires-python="${file.requiresPython}"`;
  const yanked = file.yanked === null ? undefined : html` data-yanked="${file.yanked}"`;
  // The second spelling is the one that PEP 658 began with and that older pips read (PEP 714).
  const metadata =
    file.metadataSha256 === null
      ? undefined
      : html` data-core-metadata="sha256=${file.metadataSha256}" data-dist-info-metadata="sha256=${file.metadataSha256}"`;
  return html`<a href="${urlOf(file)}#sha256=${file.sha256}"${requiresPython}${yanked}${metadata}>${file.filename}</a><br>\n`;
}

function jsonOf(file: SimpleFile) {
  return {
    filename: file.filename,
    url: urlOf(file),
    hashes: { sha256: file.sha256 },
    size: file.sizeBytes,
    ...(file.requiresPython === null ? {} : { "requires-python": file.requiresPython }),
    // Not also as `dist-info-metadata`: that key makes pip 22.3 fail (PEP 714).
    "core-metadata": file.metadataSha256 === null ? false : { sha256: file.metadataSha256 },
    // A reason must not be empty, or clients that test its truth would take the file as good.
    yanked: file.yanked === null ? false : file.yanked === "" ? true : file.yanked,
    "upload-time": new Date(file.uploadedAt).toISOString(),
  };
}

const urlOf = (file: SimpleFile): string => encodeURIComponent(file.filename);
