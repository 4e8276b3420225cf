import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scanTags } from "../../../protocol/upstream/html-tags.ts";
import { readProjectHtml, readRootHtml } from "../../../protocol/upstream/simple-html.ts";
import { UpstreamError } from "../../../protocol/upstream/upstream-error.ts";
import { inPieces } from "./harness.ts";

const PAGE_URL = "https://index.example/root/simple/foo/";
const SHA = "0123456789abcdef".repeat(4);

const readPage = (html: string) => readProjectHtml(inPieces(html, 1_000), "foo", PAGE_URL);
const readAnchors = (anchors: string) =>
  readPage(`<!DOCTYPE html><html><body>${anchors}</body></html>`);

describe("a link of a project page", () => {
  it.each([
    ["../../files/foo-1.0.tar.gz", "https://index.example/root/files/foo-1.0.tar.gz"],
    ["foo-1.0.tar.gz", "https://index.example/root/simple/foo/foo-1.0.tar.gz"],
    ["/f/foo-1.0.tar.gz?a=1&amp;b=2", "https://index.example/f/foo-1.0.tar.gz?a=1&b=2"],
    ["//cdn.example/foo-1.0.tar.gz", "https://cdn.example/foo-1.0.tar.gz"],
    ["http://cdn.example:8080/foo-1.0.tar.gz", "http://cdn.example:8080/foo-1.0.tar.gz"],
    ["foo%2D1.0%2Etar.gz", "https://index.example/root/simple/foo/foo%2D1.0%2Etar.gz"],
  ])("%s leads to %s", async (href, url) => {
    const { files } = await readAnchors(`<a href="${href}#sha256=${SHA}">whatever</a>`);
    expect(files).toMatchObject([{ filename: "foo-1.0.tar.gz", url, sha256: SHA, kind: "sdist" }]);
  });

  it("is relative to the page's own base, the first one", async () => {
    const html = `<html><head><BASE href="https://a.example/x/"><base href="https://b.example/"></head><a href="foo-1.0.zip">_</a></html>`;
    const { files } = await readPage(html);
    expect(files[0]?.url).toBe("https://a.example/x/foo-1.0.zip");
  });

  it.each([
    ["quotes of either kind", `<a data-yanked='a "b"' href='f/foo-1.0.tar.gz'>x</a>`],
    ["no quotes", `<a data-yanked=a&#32;&quot;b&#x22; href=f/foo-1.0.tar.gz>x</a>`],
    ["capitals and spaces", `<A\n HREF = "f/foo-1.0.tar.gz"\tDATA-YANKED="a &QUOT;b&quot;" >x`],
    ["a slash at its end", `<a data-yanked='a "b"' href="f/foo-1.0.tar.gz"/>x</a>`],
    ["a repeated name", `<a data-yanked='a "b"' data-yanked=no href="f/foo-1.0.tar.gz">x</a>`],
  ])("is read with %s", async (_what, anchor) => {
    expect((await readAnchors(anchor)).files).toMatchObject([
      { filename: "foo-1.0.tar.gz", yanked: 'a "b"' },
    ]);
  });

  it.each([
    ['data-requires-python="&gt;=3.6,&lt;4"', { requiresPython: ">=3.6,<4" }],
    ['data-requires-python=""', { requiresPython: null }],
    ["data-yanked", { yanked: "" }],
    ['data-yanked=""', { yanked: "" }],
    ['data-yanked="bad\u0000 &#xD800;"', { yanked: "bad\ufffd \ufffd" }],
    ["", { yanked: null, requiresPython: null, coreMetadata: false, sha256: null }],
    [`data-core-metadata="sha256=${SHA}"`, { coreMetadata: true, metadataSha256: SHA }],
    ['data-provenance="https://p.test/x"', { provenanceUrl: "https://p.test/x" }],
    ['data-dist-info-metadata="true"', { coreMetadata: true }],
    ['data-core-metadata="false" data-dist-info-metadata="true"', { coreMetadata: false }],
  ])("with %j says %j", async (attributes, expected) => {
    const { files } = await readAnchors(`<a href="foo-1.0.tar.gz" ${attributes}>x</a>`);
    expect(files).toMatchObject([expected]);
  });

  it.each([
    ["an address that is not on the web", "ftp://x.example/foo-1.0.tar.gz"],
    ["a script", "javascript:foo-1.0.tar.gz"],
    ["a local file", "file:///foo-1.0.tar.gz"],
    ["a hash that is none", "foo-1.0.tar.gz#sha256=abc"],
    ["a path for a name", "..%2Ffoo-1.0.tar.gz"],
    ["a hidden file for a name", ".foo-1.0.tar.gz"],
    ["a name with a line in it", "foo%0A-1.0.tar.gz"],
    ["a name that cannot be decoded", "foo-%ff.tar.gz"],
    ["an address without end", `${"x".repeat(5_000)}/foo-1.0.tar.gz`],
  ])("to %s is left out and counted", async (_what, href) => {
    const project = await readAnchors(`<a href="${href}">x</a><a href="foo-2.zip">y</a>`);
    expect(project).toMatchObject({ skippedFiles: 1, versions: ["2"] });
  });

  it("to no file at all is passed over", async () => {
    const links = `<a href="../">up</a><a href="#top">top</a><a name="here">here</a><a href="?C=N;O=D">sort</a>`;
    const project = await readAnchors(`${links}<a href="foo-2.zip">y</a>`);
    expect(project).toMatchObject({ skippedFiles: 0, files: [{ filename: "foo-2.zip" }] });
  });

  it("to a place on the page is passed over, whatever the page is called", async () => {
    const html = inPieces('<a href="#top">top</a> links for', 10);
    const project = await readProjectHtml(html, "foo", `${PAGE_URL}index.html`);
    expect(project).toMatchObject({ skippedFiles: 0, files: [] });
  });

  it("in a comment or a script is none", async () => {
    const html = `<!-- > <a href="foo-1.zip"> --><script>"<a href='foo-3.zip'>"</script><style><a href="foo-4.zip"></style><a href="foo-2.zip">`;
    expect((await readAnchors(html)).versions).toEqual(["2"]);
  });
});

describe("a project page", () => {
  it.each([
    ["empty, and says so", "<!DOCTYPE html><html><body><h1>Links for foo</h1></body></html>"],
    ["a bare list", '<a href="foo-1.0.zip">foo-1.0.zip</a>'],
    ["a web server's listing", "<html><title>Index of /foo/</title><body></body></html>"],
  ])("may be %s", async (_what, html) => {
    expect((await readPage(html)).skippedFiles).toBe(0);
  });

  it.each([
    ["a log-in form", "<html><body><form>Who are you?</form></body></html>"],
    ["cut off in the middle", '<html><body><a href="foo-1.0.zip">foo-1.0.zip</a><a href="foo'],
    ["of version 2", '<html><meta name="pypi:repository-version" content="2.0"></html>'],
    ["empty", ""],
  ])("is garbled when it is %s", async (_what, html) => {
    await expect(readPage(html)).rejects.toThrow(UpstreamError);
    await expect(readPage(html)).rejects.toMatchObject({ code: "garbled" });
  });

  it("says the serial that the index left in it", async () => {
    const page = await readPage('<a href="foo-1.zip">x</a>\n<!--SERIAL 1234-->');
    expect(page.lastSerial).toBe(1234);
  });

  it("is read to its end whatever it holds", async () => {
    const noise = fc.string({ unit: fc.constantFrom(..."<>!-/ ='\"&;a#x0\n") });
    await fc.assert(
      fc.asyncProperty(noise, async (text) => {
        for (const { name } of scanTags(text)) expect(name).toMatch(/^[a-z]/);
        const page = readAnchors(`${text}--></a x='' y=""><a href="foo-9.zip">`);
        await page.catch((error: unknown) => expect(error).toMatchObject({ code: "garbled" }));
      }),
      { numRuns: 500 },
    );
  });

  it("takes no longer when it is hostile", { timeout: 10_000 }, async () => {
    const parts = ["<", "<a ", '<a href="', "<!--", "<a x='>", "<a/", "&#1;", '<a b=">'];
    for (const part of parts) {
      const startedAt = performance.now();
      const html = part.repeat(2_000_000 / part.length);
      await readPage(`${html}links for`).catch(() => undefined);
      expect(performance.now() - startedAt).toBeLessThan(2_000);
    }
  });
});

describe("the list of projects", () => {
  const list = async (html: string) => {
    const url = "https://index.example/root/simple/";
    const names: string[] = [];
    for await (const { name } of readRootHtml(inPieces(html, 7), url)) names.push(name);
    return names;
  };

  it("takes the spelling of the text where it is that of the link", async () => {
    const html = `<html><body><a href="/root/simple/foo-bar/"> Foo.Bar </a><a href="baz">something else</a><a href="../">up</a><a href="a%20b/">a b</a></body></html>`;
    expect(await list(html)).toEqual(["Foo.Bar", "baz"]);
  });

  it("is garbled when it is cut off or no list", async () => {
    await expect(list("<html><a href='foo/'>")).rejects.toMatchObject({ code: "garbled" });
    await expect(list("<html>Welcome</html>")).rejects.toMatchObject({ code: "garbled" });
  });
});
