/**
 * One project of the Simple API, `/simple/NAME/`: PEP 503 HTML with the attributes of PEP 592, 658, 714
 * and 740 and the metas of PEP 708 and 792, and PEP 691 JSON with the fields of PEP 700 and the same.
 * Both come from one list of what is to be said, so they cannot say different things. URLs of the farm's
 * own files are relative: the tree may be served from anywhere.
 */
import type {
  ListedUpstreamFile,
  SimpleFile,
  SimpleProjectPage,
} from "../../protocol/model/simple-page.ts";
import { type Html, html } from "../html.ts";
import { API_VERSION, type SimpleRendering, simpleDocument } from "./simple-document.ts";

/** A file of either kind, in the words of the API. */
interface Listed {
  readonly filename: string;
  readonly version: string;
  readonly url: string;
  readonly sha256: string | null;
  readonly sizeBytes: number | null;
  readonly requiresPython: string | null;
  /** "" where it is there and its hash is not known; null where it is not. */
  readonly metadataSha256: string | null;
  readonly provenanceUrl: string | null;
  readonly yanked: string | null;
  readonly uploadedAt: number | null;
}

/** PEP 700 makes the size mandatory from 1.1 on: a page that cannot give one of them speaks the version before. */
const API_VERSION_WITHOUT_SIZES = "1.0";

export function renderSimpleProject(page: SimpleProjectPage): SimpleRendering {
  const { name, upstream } = page;
  const files = [...page.files.map(ownFile), ...(upstream?.files ?? []).map(upstreamFile)];
  const apiVersion = files.some((file) => file.sizeBytes === null)
    ? API_VERSION_WITHOUT_SIZES
    : API_VERSION;
  const [status, tracks] = [upstream?.status ?? null, upstream?.tracks ?? []];
  const alternateLocations = upstream?.alternateLocations ?? [];
  const reason = status?.reason ?? "";
  const metas: (readonly [string, string])[] = [
    ...tracks.map((url) => ["pypi:tracks", url] as const),
    ...alternateLocations.map((url) => ["pypi:alternate-locations", url] as const),
  ];
  if (status !== null) metas.push(["pypi:project-status", status.status]);
  if (reason !== "") metas.push(["pypi:project-status-reason", reason]);
  return {
    html: simpleDocument(
      { title: `Links for ${name}`, apiVersion, metas },
      html`${files.map(htmlOf)}`,
    ),
    json: JSON.stringify({
      meta: { "api-version": apiVersion, ...(tracks.length === 0 ? {} : { tracks }) },
      name,
      ...(alternateLocations.length === 0 ? {} : { "alternate-locations": alternateLocations }),
      ...(status === null
        ? {}
        : { "project-status": { status: status.status, ...(reason === "" ? {} : { reason }) } }),
      versions: [...new Set(files.map((file) => file.version))],
      files: files.map(jsonOf),
    }),
  };
}

function ownFile(file: SimpleFile): Listed {
  const url = encodeURIComponent(file.filename);
  return { ...file, url, provenanceUrl: file.provenanceSha256 ? `${url}.provenance` : null };
}

const upstreamFile = (file: ListedUpstreamFile): Listed => file;

function htmlOf(file: Listed): Html {
  const fragment = file.sha256 === null ? undefined : html`#sha256=${file.sha256}`;
  const metadata = file.metadataSha256 === "" ? "true" : `sha256=${file.metadataSha256 ?? ""}`;
  const hasMetadata = file.metadataSha256 !== null;
  return html`<a href="${file.url}${fragment}"${[
    attribute("data-requires-python", file.requiresPython),
    attribute("data-yanked", file.yanked),
    attribute("data-core-metadata", hasMetadata ? metadata : null),
    // What PEP 658 called it at first, and what older pips read (PEP 714).
    attribute("data-dist-info-metadata", hasMetadata ? metadata : null),
    attribute("data-provenance", file.provenanceUrl),
  ]}>${file.filename}</a><br>\n`;
}

function attribute(name: string, value: string | null): Html | undefined {
  return value === null ? undefined : html` ${name}="${value}"`;
}

function jsonOf(file: Listed) {
  return {
    filename: file.filename,
    url: file.url,
    hashes: file.sha256 === null ? {} : { sha256: file.sha256 },
    ...(file.sizeBytes === null ? {} : { size: file.sizeBytes }),
    ...(file.requiresPython === null ? {} : { "requires-python": file.requiresPython }),
    // Not also as `dist-info-metadata`: that key makes pip 22.3 fail (PEP 714).
    "core-metadata":
      file.metadataSha256 === null
        ? false
        : file.metadataSha256 === "" || { sha256: file.metadataSha256 },
    // A reason must not be empty, or clients that test its truth would take the file as good.
    yanked: file.yanked === null ? false : file.yanked === "" || file.yanked,
    ...(file.uploadedAt === null ? {} : { "upload-time": new Date(file.uploadedAt).toISOString() }),
    ...(file.provenanceUrl === null ? {} : { provenance: file.provenanceUrl }),
  };
}
