/**
 * What the standards ask of pages of the index, a row each, on pages as they are rendered. How they are served
 * (types, negotiation, ranges, caching) is in server.test.ts; what is on disk, in test/system/simple-index.test.ts.
 */
import { describe, expect, test } from "vitest";
import type { SimpleProjectPage } from "../../protocol/model/simple-page.ts";
import { renderSimpleProject } from "../../web/index/simple-project.ts";
import { renderSimpleRoot } from "../../web/index/simple-root.ts";

const SHA = "ab".repeat(32);
const METADATA = "cd".repeat(32);
const own = {
  filename: "tide_pool-1.0+x-py3-none-any.whl",
  version: "1.0+x",
  sha256: SHA,
  sizeBytes: 1_234,
  requiresPython: ">=3.9,<4",
  metadataSha256: METADATA,
  provenanceSha256: "ef".repeat(32),
  yanked: 'says "no" & <why>',
  uploadedAt: Date.parse("2024-03-09T14:05:07.890Z"),
};
const page: SimpleProjectPage = {
  name: "tide-pool",
  files: [
    own,
    {
      ...own,
      ...{ filename: "tide_pool-1.1-py3-none-any.whl", version: "1.1", yanked: "" },
      ...{ requiresPython: null, metadataSha256: null, provenanceSha256: null },
    },
    { ...own, filename: "tide_pool-1.2-py3-none-any.whl", version: "1.2", yanked: null },
  ],
  upstream: {
    tracks: ["https://pypi.test/simple/tide-pool/"],
    alternateLocations: ["https://else.test/simple/tide-pool/"],
    status: { status: "deprecated", reason: "see <deep-end>" },
    files: [
      {
        ...{ filename: "tide_pool-0.9.tar.gz", version: "0.9", sha256: SHA, sizeBytes: 9 },
        ...{ url: "https://files.test/t/tide_pool-0.9.tar.gz", requiresPython: null, yanked: null },
        ...{ metadataSha256: "", provenanceUrl: "https://files.test/p", uploadedAt: null },
      },
    ],
  },
};

const { html, json: text } = renderSimpleProject(page);
const json = JSON.parse(text) as {
  meta: Record<string, unknown>;
  files: Record<string, unknown>[];
} & Record<string, unknown>;
const links = html.split("\n").filter((line) => line.startsWith("<a "));
const [first = {}, second = {}, third = {}, theirs = {}] = json.files;

describe("a project's page", () => {
  test.each<[pep: string, what: string, is: () => unknown, mustBe: unknown]>([
    ["503", "is HTML5", () => html.startsWith("<!DOCTYPE html>\n"), true],
    ["503", "has one link per file", () => links.length, 4],
    [
      "503",
      "has the file's name as the link's text",
      () => links[0]?.includes(`>${own.filename}</a>`),
      true,
    ],
    [
      "503",
      "has the hash as the link's fragment",
      () => links.every((link) => /href="[^"#]+#sha256=[0-9a-f]{64}"/.test(link)),
      true,
    ],
    [
      "503",
      "encodes what a URL may not hold",
      () => links[0]?.startsWith('<a href="tide_pool-1.0%2Bx-py3-none-any.whl#'),
      true,
    ],
    [
      "503",
      "escapes Requires-Python",
      () => links[0]?.includes('data-requires-python="&gt;=3.9,&lt;4"'),
      true,
    ],
    [
      "503",
      "says nothing of a file for every Python",
      () => links[1]?.includes("requires-python"),
      false,
    ],
    [
      "592",
      "gives the reason of a yank, escaped",
      () => links[0]?.includes('data-yanked="says &quot;no&quot; &amp; &lt;why&gt;"'),
      true,
    ],
    ["592", "marks a yank without a reason", () => links[1]?.includes('data-yanked=""'), true],
    ["592", "says nothing of what is not yanked", () => links[2]?.includes("yanked"), false],
    [
      "629",
      "names the version of the API",
      () => html.includes('<meta name="pypi:repository-version" content="1.4">'),
      true,
    ],
    [
      "658",
      "gives the metadata's hash",
      () => links[0]?.includes(`data-dist-info-metadata="sha256=${METADATA}"`),
      true,
    ],
    [
      "714",
      "gives it under the newer name too",
      () => links[0]?.includes(`data-core-metadata="sha256=${METADATA}"`),
      true,
    ],
    [
      "714",
      "advertises no metadata that is not there",
      () => links[1]?.includes("metadata"),
      false,
    ],
    [
      "714",
      "says true of a metadata file whose hash is not known",
      () => links[3]?.includes('data-core-metadata="true" data-dist-info-metadata="true"'),
      true,
    ],
    [
      "740",
      "names where the provenance is",
      () => links[0]?.includes('data-provenance="tide_pool-1.0%2Bx-py3-none-any.whl.provenance"'),
      true,
    ],
    [
      "708",
      "names whose the name is",
      () =>
        html.includes('<meta name="pypi:tracks" content="https://pypi.test/simple/tide-pool/">'),
      true,
    ],
    [
      "708",
      "names its other places",
      () =>
        html.includes(
          '<meta name="pypi:alternate-locations" content="https://else.test/simple/tide-pool/">',
        ),
      true,
    ],
    [
      "792",
      "has the status",
      () => html.includes('<meta name="pypi:project-status" content="deprecated">'),
      true,
    ],
    [
      "792",
      "has its reason",
      () =>
        html.includes('<meta name="pypi:project-status-reason" content="see &lt;deep-end&gt;">'),
      true,
    ],
  ])("as HTML (PEP %s) %s", (_pep, _what, is, mustBe) => {
    expect(is()).toEqual(mustBe);
  });

  test.each<[pep: string, what: string, is: () => unknown, mustBe: unknown]>([
    ["691", "has the normalised name", () => json["name"], "tide-pool"],
    ["629", "names the version of the API", () => json.meta["api-version"], "1.4"],
    ["700", "lists each version once", () => json["versions"], ["1.0+x", "1.1", "1.2", "0.9"]],
    [
      "691",
      "has the same files as the HTML",
      () => json.files.map((file) => file["filename"]),
      links.map((link) => />([^<]*)</.exec(link)?.[1]),
    ],
    ["691", "has hashes by their names", () => first["hashes"], { sha256: SHA }],
    [
      "700",
      "has the size as an integer",
      () => json.files.map((file) => file["size"]),
      [1_234, 1_234, 1_234, 9],
    ],
    [
      "700",
      "has the time of upload in UTC",
      () => first["upload-time"],
      "2024-03-09T14:05:07.890Z",
    ],
    ["700", "leaves out a time that is not known", () => "upload-time" in theirs, false],
    ["691", "has Requires-Python as it is", () => first["requires-python"], ">=3.9,<4"],
    ["691", "leaves it out where there is none", () => "requires-python" in second, false],
    [
      "691",
      "has the reason of a yank, or true, or false",
      () => [first["yanked"], second["yanked"], third["yanked"]],
      [own.yanked, true, false],
    ],
    [
      "714",
      "has the metadata's hash, or false, or true",
      () => [first, second, theirs].map((file) => file["core-metadata"]),
      [{ sha256: METADATA }, false, true],
    ],
    ["714", "never has the older key", () => text.includes("dist-info-metadata"), false],
    [
      "740",
      "names where the provenance is",
      () => [first["provenance"], theirs["provenance"]],
      ["tide_pool-1.0%2Bx-py3-none-any.whl.provenance", "https://files.test/p"],
    ],
    ["708", "names whose the name is, in meta", () => json.meta["tracks"], page.upstream?.tracks],
    [
      "708",
      "names its other places, beside meta",
      () => json["alternate-locations"],
      page.upstream?.alternateLocations,
    ],
    ["792", "has the status with its reason", () => json["project-status"], page.upstream?.status],
  ])("as JSON (PEP %s) %s", (_pep, _what, is, mustBe) => {
    expect(is()).toEqual(mustBe);
  });
});

describe("the root", () => {
  const root = renderSimpleRoot(["a", "tide-pool"]);
  test.each<[pep: string, what: string, is: () => unknown, mustBe: unknown]>([
    [
      "503",
      "links each project once, with a slash",
      () =>
        [...root.html.matchAll(/<a href="([^"]*)">([^<]*)</g)].map(([, href, name]) => [
          href,
          name,
        ]),
      [
        ["a/", "a"],
        ["tide-pool/", "tide-pool"],
      ],
    ],
    ["629", "names the version of the API", () => root.html.includes('content="1.4"'), true],
    [
      "691",
      "has the same projects as JSON",
      () => JSON.parse(root.json) as unknown,
      { meta: { "api-version": "1.4" }, projects: [{ name: "a" }, { name: "tide-pool" }] },
    ],
  ])("(PEP %s) %s", (_pep, _what, is, mustBe) => {
    expect(is()).toEqual(mustBe);
  });
});
