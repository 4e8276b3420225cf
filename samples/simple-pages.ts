/**
 * The Simple API of the sample upstream, as HTML (PEP 503, 592, 629, 658/714) and JSON (PEP 691, 700).
 * Pure functions of what the index holds. As on PyPI, JSON names files by absolute URL; the HTML names
 * them relative to the page, which clients must cope with too.
 */
import { canonicalName } from "../protocol/packaging/canonical-name.ts";
import {
  type HeldFile,
  type HeldProject,
  releasesInOrder,
  type SampleIndex,
} from "./sample-index.ts";

const API_VERSION = "1.1";

const escapeHtml = (text: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");

const requiresPython = (file: HeldFile): string | null => file.metadata?.requiresPython ?? null;

const isoTime = (instantMs: number): string => new Date(instantMs).toISOString();

const filesOf = (project: HeldProject): { file: HeldFile; yanked: string | null }[] =>
  releasesInOrder(project).flatMap(({ files, yanked }) => files.map((file) => ({ file, yanked })));

/** Only wheels: their metadata is a file of its own, the `.metadata` beside them. */
const hasMetadataFile = (file: HeldFile): boolean =>
  file.metadataText !== null && file.filename.endsWith(".whl");

const meta = (serial: number | false): object => ({
  "api-version": API_VERSION,
  ...(serial !== false && { "_last-serial": serial }),
});

export function rootJson(index: SampleIndex, saysSerials: boolean): string {
  const projects = [...index.projects.values()].map((project) => ({
    name: project.name,
    ...(saysSerials && { "_last-serial": project.lastSerial }),
  }));
  return JSON.stringify({
    meta: meta(saysSerials && index.lastSerial),
    projects,
  });
}

export function projectJson(project: HeldProject, baseUrl: string, saysSerials: boolean): string {
  const files = filesOf(project).map(({ file, yanked }) => ({
    filename: file.filename,
    url: `${baseUrl}${file.urlPath}`,
    hashes: { sha256: file.sha256 },
    "requires-python": requiresPython(file),
    size: file.contents.length,
    "upload-time": isoTime(file.uploadedAt),
    yanked: yanked === null ? false : yanked === "" ? true : yanked,
    "core-metadata": hasMetadataFile(file),
  }));
  return JSON.stringify({
    meta: meta(saysSerials && project.lastSerial),
    name: canonicalName(project.name),
    versions: releasesInOrder(project).map(({ version }) => version),
    files,
  });
}

export function rootHtml(index: SampleIndex): string {
  const anchors = [...index.projects.entries()].map(
    ([canonical, { name }]) => `<a href="/simple/${canonical}/">${escapeHtml(name)}</a>`,
  );
  return page("Simple index", anchors);
}

export function projectHtml(project: HeldProject): string {
  const anchors = filesOf(project).map(({ file, yanked }) => {
    const python = requiresPython(file);
    const attributes = [
      `href="../..${file.urlPath}#sha256=${file.sha256}"`,
      ...(python === null ? [] : [`data-requires-python="${escapeHtml(python)}"`]),
      ...(yanked === null ? [] : [`data-yanked="${escapeHtml(yanked)}"`]),
      ...(hasMetadataFile(file) ? ['data-core-metadata="true"'] : []),
    ];
    return `<a ${attributes.join(" ")}>${escapeHtml(file.filename)}</a>`;
  });
  return page(`Links for ${canonicalName(project.name)}`, anchors);
}

const page = (title: string, anchors: readonly string[]): string =>
  [
    "<!DOCTYPE html>",
    "<html>",
    `<head><meta name="pypi:repository-version" content="${API_VERSION}"><title>${escapeHtml(title)}</title></head>`,
    "<body>",
    `<h1>${escapeHtml(title)}</h1>`,
    ...anchors.map((anchor) => `${anchor}<br />`),
    "</body>",
    "</html>",
    "",
  ].join("\n");
