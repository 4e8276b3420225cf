/** The simple pages: two renderings of one content, whatever the content. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type ListedUpstreamFile,
  projectStatuses,
  type SimpleFile,
  type SimpleProjectPage,
} from "../../protocol/model/simple-page.ts";
import { renderSimpleProject } from "../../web/index/simple-project.ts";
import { renderSimpleRoot } from "../../web/index/simple-root.ts";

const file: SimpleFile = {
  filename: "tidepool-1.0+local.1-cp311-cp311-linux_x86_64.whl",
  version: "1.0+local.1",
  sha256: "ab".repeat(32),
  sizeBytes: 1_234,
  requiresPython: ">=3.9,<4",
  metadataSha256: "cd".repeat(32),
  provenanceSha256: null,
  yanked: null,
  uploadedAt: Date.parse("2024-03-09T14:05:07.890Z"),
};
const page: SimpleProjectPage = { name: "tidepool", files: [file], upstream: null };

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

const hostile = fc.oneof(
  fc.constantFrom(
    '"><script>alert(1)</script>',
    "' onload='x",
    "&lt;",
    "</a>",
    "-->",
    "\u{1F6DE}",
    "\u2028",
    "a\nb",
  ),
  fc.string({ maxLength: 12, unit: "grapheme" }).filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text)),
);
const sha256s = fc.constantFrom("ab".repeat(32), "cd".repeat(32));
const anyFile: fc.Arbitrary<SimpleFile> = fc.record({
  filename: hostile.map((text) => `a${text}.whl`),
  version: hostile,
  sha256: sha256s,
  sizeBytes: fc.maxSafeNat(),
  requiresPython: fc.option(hostile),
  metadataSha256: fc.option(sha256s),
  provenanceSha256: fc.option(sha256s),
  yanked: fc.option(hostile),
  uploadedAt: fc.nat(Date.UTC(9999, 0)),
});
const anyUpstreamFile: fc.Arbitrary<ListedUpstreamFile> = fc.record({
  filename: hostile.map((text) => `b${text}.tar.gz`),
  version: hostile,
  url: hostile.map((text) => `https://files.test/${text}`),
  sha256: fc.option(sha256s),
  sizeBytes: fc.option(fc.maxSafeNat()),
  requiresPython: fc.option(hostile),
  metadataSha256: fc.option(fc.oneof(sha256s, fc.constant(""))),
  provenanceUrl: fc.option(hostile.map((text) => `https://files.test/${text}`)),
  yanked: fc.option(hostile),
  uploadedAt: fc.option(fc.nat(Date.UTC(9999, 0))),
});
const urls = fc.array(
  hostile.map((text) => `https://other.test/${text}`),
  { maxLength: 2 },
);
const anyPage: fc.Arbitrary<SimpleProjectPage> = fc.record({
  name: fc.constant("tidepool"),
  files: fc.array(anyFile, { maxLength: 4 }),
  upstream: fc.option(
    fc.record({
      tracks: urls,
      alternateLocations: urls,
      status: fc.option(
        fc.record({ status: fc.constantFrom(...projectStatuses), reason: hostile }),
      ),
      files: fc.array(anyUpstreamFile, { maxLength: 3 }),
    }),
  ),
});

test("HTML says what JSON says, whatever was put into names, reasons and requirements", () => {
  fc.assert(
    fc.property(anyPage, (any) => {
      const { html, json } = renderSimpleProject(any);
      const fromHtml = linksOf(html).map(({ text, attributes }) => ({
        filename: text,
        url: attributes["href"]?.replace(/#.*/s, ""),
        sha256: /#sha256=(.*)/s.exec(attributes["href"] ?? "")?.[1],
        requiresPython: attributes["data-requires-python"],
        metadata: attributes["data-core-metadata"],
        olderMetadata: attributes["data-dist-info-metadata"],
        provenance: attributes["data-provenance"],
        yanked: attributes["data-yanked"],
      }));
      const fromJson = filesOfJson(json).map((each) => {
        const metadata = each["core-metadata"];
        const said =
          metadata === false ? undefined : metadata === true ? "true" : `sha256=${metadata.sha256}`;
        return {
          filename: each.filename,
          url: each.url.replace(/#.*/s, ""),
          sha256: each.hashes.sha256 ?? /#sha256=(.*)/s.exec(each.url)?.[1],
          requiresPython: each["requires-python"],
          metadata: said,
          olderMetadata: said,
          provenance: each.provenance,
          yanked: each.yanked === false ? undefined : each.yanked === true ? "" : each.yanked,
        };
      });
      expect(fromHtml).toEqual(fromJson);
      const page = JSON.parse(json) as JsonPage;
      expect(metasOf(html)).toEqual([
        ["pypi:repository-version", page.meta["api-version"]],
        ...(page.meta.tracks ?? []).map((url) => ["pypi:tracks", url]),
        ...(page["alternate-locations"] ?? []).map((url) => ["pypi:alternate-locations", url]),
        ...(page["project-status"] === undefined
          ? []
          : [["pypi:project-status", page["project-status"].status]]),
        ...(page["project-status"]?.reason === undefined
          ? []
          : [["pypi:project-status-reason", page["project-status"].reason]]),
      ]);
    }),
    { numRuns: 200 },
  );
});

test("JSON says of each file what the view says, and of the page that it has each version once", () => {
  fc.assert(
    fc.property(anyPage, (any) => {
      const page = JSON.parse(renderSimpleProject(any).json) as JsonPage;
      const all = [...any.files, ...(any.upstream?.files ?? [])];
      expect(page.versions).toEqual([...new Set(all.map((each) => each.version))]);
      expect(page.files.map((each) => each.size ?? null)).toEqual(
        all.map((each) => each.sizeBytes),
      );
      expect(page.files.map((each) => Date.parse(each["upload-time"] ?? ""))).toEqual(
        all.map((each) => each.uploadedAt ?? Number.NaN),
      );
      for (const each of page.files)
        if (each["upload-time"] !== undefined)
          expect(each["upload-time"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      // PEP 700: the size is mandatory from 1.1 on.
      const isSized = all.every((each) => each.sizeBytes !== null);
      expect(page.meta["api-version"]).toBe(isSized ? "1.4" : "1.0");
    }),
    { numRuns: 100 },
  );
});

const upstream = { tracks: [], alternateLocations: [], status: null, files: [] };

test("a page that extends another's name says whose it is, and the status that it has there", () => {
  const tracks = ["https://pypi.test/simple/tidepool/"];
  const status = { status: "archived" as const, reason: 'use "<tides>"' };
  const alternateLocations = ["https://other.test/simple/tidepool/"];
  const { html, json } = renderSimpleProject({
    ...page,
    upstream: { tracks, alternateLocations, status, files: [] },
  });
  expect(JSON.parse(json)).toMatchObject({
    meta: { "api-version": "1.4", tracks },
    "alternate-locations": alternateLocations,
    "project-status": status,
  });
  expect(html).toContain('<meta name="pypi:tracks" content="https://pypi.test/simple/tidepool/">');
  expect(html).toContain('<meta name="pypi:project-status" content="archived">');
  expect(html).toContain(
    '<meta name="pypi:project-status-reason" content="use &quot;&lt;tides&gt;&quot;">',
  );
});

test("a page of which nothing is to be said says nothing", () => {
  for (const each of [page, { ...page, upstream }]) {
    const json = JSON.parse(renderSimpleProject(each).json) as object;
    expect(Object.keys(json)).toEqual(["meta", "name", "versions", "files"]);
  }
});

test("provenance lies beside the wheel, or where upstream says", () => {
  const url = "https://files.test/t.tar.gz";
  const theirs: ListedUpstreamFile = {
    ...{ filename: "t.tar.gz", version: "1.0", url, sha256: null, sizeBytes: 1 },
    ...{ requiresPython: null, metadataSha256: "", yanked: null, uploadedAt: null },
    provenanceUrl: "https://prove.test/t",
  };
  const { html, json } = renderSimpleProject({
    name: "tidepool",
    files: [{ ...file, provenanceSha256: "ef".repeat(32) }],
    upstream: { ...upstream, files: [theirs] },
  });
  const own = `${encodeURIComponent(file.filename)}.provenance`;
  expect(filesOfJson(json).map((each) => each.provenance)).toEqual([own, "https://prove.test/t"]);
  expect(html).toContain(`data-provenance="${own}"`);
  expect(filesOfJson(json)[1]).toMatchObject({ url, hashes: {}, "core-metadata": true });
});

interface JsonFile {
  filename: string;
  url: string;
  hashes: { sha256?: string };
  size?: number;
  "requires-python"?: string;
  "core-metadata": boolean | { sha256: string };
  yanked: boolean | string;
  "upload-time"?: string;
  provenance?: string;
}

interface JsonPage {
  meta: { "api-version": string; tracks?: string[] };
  "alternate-locations"?: string[];
  "project-status"?: { status: string; reason?: string };
  versions: string[];
  files: JsonFile[];
}

const filesOfJson = (json: string): JsonFile[] => (JSON.parse(json) as JsonPage).files;

const metasOf = (html: string): string[][] =>
  [...html.matchAll(/<meta name="([^"]*)" content="([^"]*)">/g)].map(
    ([, name = "", content = ""]) => [name, unescapeHtml(content)],
  );

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
