/** The simple pages: two renderings of one content, whatever the content. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { SimpleFile, SimpleProjectPage } from "../../protocol/model/page.ts";
import { renderSimpleProject } from "../../web/index/simple-project.ts";
import { renderSimpleRoot } from "../../web/index/simple-root.ts";

const file: SimpleFile = {
  filename: "tidepool-1.0+local.1-cp311-cp311-linux_x86_64.whl",
  version: "1.0+local.1",
  sha256: "ab".repeat(32),
  sizeBytes: 1_234,
  requiresPython: ">=3.9,<4",
  metadataSha256: "cd".repeat(32),
  yanked: null,
  uploadedAt: Date.parse("2024-03-09T14:05:07.890Z"),
};
const page: SimpleProjectPage = { name: "tidepool", files: [file] };

test("HTML carries the hash, the requirement, the metadata's hash and the API version", () => {
  const { html } = renderSimpleProject(page);
  expect(html).toContain('<meta name="pypi:repository-version" content="1.4">');
  expect(html).toContain(
    `<a href="tidepool-1.0%2Blocal.1-cp311-cp311-linux_x86_64.whl#sha256=${file.sha256}" ` +
      `data-requires-python="&gt;=3.9,&lt;4" data-core-metadata="sha256=${file.metadataSha256}" ` +
      `data-dist-info-metadata="sha256=${file.metadataSha256}">` +
      "tidepool-1.0+local.1-cp311-cp311-linux_x86_64.whl</a>",
  );
});

test("JSON carries what PEP 691 and PEP 700 ask for", () => {
  expect(JSON.parse(renderSimpleProject(page).json)).toEqual({
    meta: { "api-version": "1.4" },
    name: "tidepool",
    versions: ["1.0+local.1"],
    files: [
      {
        filename: file.filename,
        url: "tidepool-1.0%2Blocal.1-cp311-cp311-linux_x86_64.whl",
        hashes: { sha256: file.sha256 },
        size: 1_234,
        "requires-python": ">=3.9,<4",
        "core-metadata": { sha256: file.metadataSha256 },
        yanked: false,
        "upload-time": "2024-03-09T14:05:07.890Z",
      },
    ],
  });
});

test("JSON never has the key dist-info-metadata, on which pip 22.3 fails", () => {
  expect(renderSimpleProject(page).json).not.toContain("dist-info-metadata");
});

test.each([
  [null, false, undefined],
  ["", true, ""],
  ["wrong <tides>", "wrong <tides>", "wrong <tides>"],
])("yanked for the reason %j is %j in JSON and %j in HTML", (yanked, inJson, inHtml) => {
  const rendering = renderSimpleProject({ ...page, files: [{ ...file, yanked }] });
  const [json] = filesOfJson(rendering.json);
  const [link] = linksOf(rendering.html);
  expect([json?.yanked, link?.attributes["data-yanked"]]).toEqual([inJson, inHtml]);
});

test("the root lists each project once, in both renderings", () => {
  const names = ["a", "tidepool", "zope-interface"];
  const { html, json } = renderSimpleRoot(names);
  expect(linksOf(html).map(({ text, attributes }) => [text, attributes["href"]])).toEqual(
    names.map((name) => [name, `${name}/`]),
  );
  expect(JSON.parse(json)).toEqual({
    meta: { "api-version": "1.4" },
    projects: names.map((name) => ({ name })),
  });
});

test("HTML says what JSON says, whatever was put into names, reasons and requirements", () => {
  const hostile = fc.oneof(
    fc.constantFrom(
      '"><script>alert(1)</script>',
      "' onload='x",
      "&lt;",
      "</a>",
      "-->",
      "\u{1F6DE}",
    ),
    fc.string({ maxLength: 12 }),
  );
  const anyFile: fc.Arbitrary<SimpleFile> = fc.record({
    filename: hostile.map((text) => `a${text}.whl`),
    version: hostile,
    sha256: fc.constant(file.sha256),
    sizeBytes: fc.nat(),
    requiresPython: fc.option(hostile),
    metadataSha256: fc.option(fc.constant("cd".repeat(32))),
    yanked: fc.option(hostile),
    uploadedAt: fc.constant(file.uploadedAt),
  });
  fc.assert(
    fc.property(fc.array(anyFile, { maxLength: 4 }), (files) => {
      const rendering = renderSimpleProject({ name: "tidepool", files });
      const fromHtml = linksOf(rendering.html).map(({ text, attributes }) => ({
        filename: text,
        url: attributes["href"]?.replace(/#.*/, ""),
        sha256: attributes["href"]?.replace(/.*#sha256=/, ""),
        requiresPython: attributes["data-requires-python"],
        metadata: attributes["data-core-metadata"],
        yanked: attributes["data-yanked"],
      }));
      const fromJson = filesOfJson(rendering.json).map((each) => ({
        filename: each.filename,
        url: each.url,
        sha256: each.hashes.sha256,
        requiresPython: each["requires-python"],
        metadata: each["core-metadata"] ? `sha256=${each["core-metadata"].sha256}` : undefined,
        yanked: each.yanked === false ? undefined : each.yanked === true ? "" : each.yanked,
      }));
      expect(fromHtml).toEqual(fromJson);
    }),
    { numRuns: 60 },
  );
});

interface JsonFile {
  filename: string;
  url: string;
  hashes: { sha256: string };
  "requires-python"?: string;
  "core-metadata": false | { sha256: string };
  yanked: boolean | string;
}

const filesOfJson = (json: string): JsonFile[] => (JSON.parse(json) as { files: JsonFile[] }).files;

/** Reads links as an HTML parser does: by its own rules, not by the renderer's. */
function linksOf(html: string) {
  return [...html.matchAll(/<a\b([^>]*)>([^<]*)<\/a>/g)].map(([, attributes = "", text = ""]) => ({
    text: unescapeHtml(text),
    attributes: Object.fromEntries(
      [...attributes.matchAll(/ ([a-z-]+)="([^"]*)"/g)].map(([, name = "", value = ""]) => [
        name,
        unescapeHtml(value),
      ]),
    ) as Record<string, string>,
  }));
}

const unescapeHtml = (text: string): string =>
  text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
