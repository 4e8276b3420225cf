import { describe, expect, it } from "vitest";
import { readProjectJson, readRootJson } from "../../../protocol/upstream/simple-json.ts";
import { inPieces } from "./harness.ts";

const SHA = "0123456789abcdef".repeat(4);
const file = { filename: "foo-1.0.tar.gz", url: "foo-1.0.tar.gz", hashes: { sha256: SHA } };
const page = { meta: { "api-version": "1.0" }, name: "foo", files: [file] };

const read = (value: unknown) =>
  readProjectJson(inPieces(JSON.stringify(value), 100), "foo", "https://index.example/simple/foo/");
const readFile = (keys: object) => read({ ...page, files: [{ ...file, ...keys }] });

describe("what a JSON page says of its project", () => {
  const standing = { status: null, tracks: [], alternateLocations: [] };
  const own = "https://pypi.test/simple/Foo/";
  it.each([
    [{}, standing],
    [
      { "project-status": { status: "archived", reason: "gone \ud800fishing" } },
      { ...standing, status: { status: "archived", reason: "gone \ufffdfishing" } },
    ],
    [
      { "project-status": { status: "deprecated", reason: 7 } },
      { ...standing, status: { status: "deprecated", reason: "" } },
    ],
    [{ "project-status": { status: "active" } }, standing],
    [{ "project-status": { status: "__proto__" } }, standing],
    [{ "project-status": "archived" }, standing],
    [{ meta: { "api-version": "1.4", tracks: [own, own] } }, { ...standing, tracks: [own] }],
    [{ meta: { "api-version": "1.4", tracks: ["https://pypi.test/simple/bar/"] } }, standing],
    [{ meta: { "api-version": "1.4", tracks: ["/simple/foo/", "ftp://x/foo/"] } }, standing],
    [{ meta: { "api-version": "1.4", tracks: own } }, standing],
    [{ "alternate-locations": [own] }, { ...standing, alternateLocations: [own] }],
    [{ "alternate-locations": [7] }, standing],
  ])("with %j is taken as %j", async (keys, expected) => {
    expect(await read({ ...page, ...keys })).toMatchObject(expected);
  });
});

describe("a file of a JSON page", () => {
  it.each([
    [{ yanked: true }, { yanked: "" }],
    [{ yanked: false }, { yanked: null }],
    [{ yanked: "" }, { yanked: null }],
    [{ yanked: "bad\u0000 \ud800" }, { yanked: "bad\ufffd \ufffd" }],
    [{ "requires-python": ">=3" }, { requiresPython: ">=3" }],
    [{ "requires-python": null }, { requiresPython: null }],
    [{ "requires-python": 3 }, { requiresPython: null }],
    [{ size: 12 }, { sizeBytes: 12 }],
    [{ size: -12 }, { sizeBytes: null }],
    [{ "upload-time": "2024-02-03T04:05:06.123456Z" }, { uploadedAt: "2024-02-03T04:05:06.123Z" }],
    [{ "upload-time": "yesterday" }, { uploadedAt: null }],
    [{ "core-metadata": { sha256: SHA } }, { coreMetadata: true, metadataSha256: SHA }],
    [{ "core-metadata": { sha256: "abc" } }, { coreMetadata: true, metadataSha256: null }],
    [{ provenance: "../p" }, { provenanceUrl: "https://index.example/simple/p" }],
    [{ provenance: "javascript:alert(1)" }, { provenanceUrl: null }],
    [{ provenance: null }, { provenanceUrl: null }],
    [{ "core-metadata": false, "dist-info-metadata": true }, { coreMetadata: false }],
    [{ "dist-info-metadata": true }, { coreMetadata: true }],
    [{ hashes: { sha256: SHA.toUpperCase() } }, { sha256: SHA }],
    [{ hashes: { md5: "x" } }, { sha256: null }],
    [{ hashes: undefined }, { sha256: null }],
    [{ provenance: {}, "gpg-sig": 7, new: [] }, { filename: "foo-1.0.tar.gz" }],
    [{ filename: "foo-1-py3-none-any.whl" }, { kind: "wheel", version: "1" }],
    [{ filename: "bar-1-py3-none-any.whl" }, { kind: "other", version: null }],
    [{ filename: "foo-1.0.exe" }, { kind: "other", version: null }],
    [{ filename: "FOO-1.0-RC.1.zip" }, { kind: "sdist", version: "1.0rc1" }],
  ])("with %j is taken as %j", async (keys, expected) => {
    const project = await readFile(keys);
    expect(project.skippedFiles).toBe(0);
    expect(project.files).toMatchObject([expected]);
  });

  it.each([
    { filename: undefined },
    { filename: 7 },
    { filename: "../foo-1.0.tar.gz" },
    { filename: "foo-1.0.tar.gz\n" },
    { filename: `foo-1.0${"0".repeat(300)}.tar.gz` },
    { url: undefined },
    { url: "file:///etc/passwd" },
    { url: "http://[" },
    { hashes: { sha256: "abc" } },
    { hashes: "abc" },
    { yanked: 1 },
  ])("with %j is left out and counted", async (keys) => {
    expect(await readFile(keys)).toMatchObject({ files: [], skippedFiles: 1 });
  });

  it("that is no object is left out and counted, and the others are taken", async () => {
    const project = await read({ ...page, files: [null, 7, [], "x", file] });
    expect(project).toMatchObject({ skippedFiles: 4, files: [{ filename: file.filename }] });
  });
});

describe("a JSON page", () => {
  it("gives the versions that it lists, or else those of its files", async () => {
    expect((await read({ ...page, versions: ["1.0", "2.0"] })).versions).toEqual(["1.0", "2.0"]);
    expect((await read(page)).versions).toEqual(["1.0"]);
    expect((await read({ ...page, versions: 7 })).versions).toEqual(["1.0"]);
  });

  it("may be spelled in any way, and says its serial", async () => {
    const meta = { "api-version": "1.9", "_last-serial": 77 };
    expect(await read({ ...page, name: "FOO", meta })).toMatchObject({
      name: "FOO",
      lastSerial: 77,
    });
  });

  it.each([
    ["of another project", { ...page, name: "bar" }],
    ["of version 2", { ...page, meta: { "api-version": "2.0" } }],
    ["without a version", { ...page, meta: {} }],
    ["without files", { ...page, files: undefined }],
    ["with files that are no list", { ...page, files: {} }],
    ["null", null],
  ])("%s is garbled", async (_what, value) => {
    await expect(read(value)).rejects.toMatchObject({ code: "garbled" });
  });
});

describe("the list of projects", () => {
  const list = async (value: unknown) => {
    const listed = [];
    for await (const each of readRootJson(inPieces(JSON.stringify(value), 20))) listed.push(each);
    return listed;
  };
  const meta = { "api-version": "1.0" };

  it("leaves out what is no project", async () => {
    const projects = [{ name: "a", "_last-serial": 5 }, { name: 7 }, null, { name: "b" }];
    expect(await list({ meta, projects })).toEqual([
      { name: "a", lastSerial: 5 },
      { name: "b", lastSerial: null },
    ]);
  });

  it("is garbled where it is none", async () => {
    await expect(list({ meta })).rejects.toMatchObject({ code: "garbled" });
    await expect(list({ meta: {}, projects: [] })).rejects.toMatchObject({ code: "garbled" });
  });
});
