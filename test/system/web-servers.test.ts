/**
 * One table of requests and answers for all that may serve a farm's site: the built-in server, and nginx and Apache with the
 * examples of `deploy/`. Where they cannot do the same, the row says so.
 */
import { readFile, rm, utimes } from "node:fs/promises";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLineReader } from "../../protocol/accesslog/line-reader.ts";
import { parseLogFormat } from "../../protocol/accesslog/log-format.ts";
import { IndexTree } from "../support/index-tree.ts";
import { type SiteServer, siteServers } from "../support/web-servers.ts";

const JSON_V1 = "application/vnd.pypi.simple.v1+json";
const HTML_V1 = "application/vnd.pypi.simple.v1+html";
const HTML = "text/html; charset=utf-8";
const TEXT = "text/plain; charset=utf-8";
const PAGE = "public, max-age=600";
const FILE = "public, max-age=31536000, immutable";
const PIP = `${JSON_V1}, ${HTML_V1}; q=0.1, text/html; q=0.01`;
const WHEEL = "tide_pool-1.0-py3-none-any.whl";
const log = "building a wheel\n".repeat(2_000);
const page = `<h1>Tides</h1>${"<p>and pools</p>".repeat(2_000)}`;

let tree: IndexTree;

beforeAll(async () => {
  tree = await IndexTree.make();
  await tree.addWheel({ name: "Tide.Pool", version: "1.0", ballastBytes: 300_000 });
  for (let minor = 1; minor < 20; minor++)
    await tree.addWheel({ name: "Tide.Pool", version: `1.${minor}` });
  // Apache trusts no file as a base of parts that is younger than a second.
  await utimes(join(tree.output, "simple/tide-pool", WHEEL), 1_700_000_000, 1_700_000_000);
  await tree.writePages();
  await tree.storage.replace(`simple/tide-pool/${WHEEL}.provenance`, '{"version":1}');
  await tree.storage.publishCompressed(
    "logs/0000/0000/0001.txt.gz",
    await tree.storage.putBlob(Buffer.from(log)),
  );
  await tree.writePage("index.html", page);
  await tree.writePage("project/tide-pool/index.html", page);
  await tree.writePage("project/tide-pool/json/index.json", '{"package":"tide-pool"}');
  await tree.writePage("project/tide-pool/builds.xml", "<feed/>");
  await tree.writePage("packages.html", page);
  await tree.writePage("404.html", "<h1>Nothing here</h1>");
  await tree.writePage("assets/site.0123456789ab.css", "body { margin: 0 }\n".repeat(200));
  await tree.writePage("badge/tide-pool.svg", "<svg/>");
  await tree.writePage("farm.json", "{}");
}, 120_000);
afterAll(() => rm(tree.folder, { recursive: true, force: true }));

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Row {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What the answer has; a header that is undefined is absent. */
  readonly status: number | readonly number[];
  readonly has?: Readonly<Record<string, string | undefined>>;
}

const page200 = (type: string) => ({ "content-type": type, "cache-control": PAGE });

/** Titles are what is asked. */
const rows: Readonly<Record<string, Row>> = {
  "the index, by who says nothing of what he takes": {
    path: "/simple/",
    status: 200,
    has: page200(HTML),
  },
  "the index, by pip": {
    path: "/simple/",
    headers: { accept: PIP },
    status: 200,
    has: page200(JSON_V1),
  },
  "a project, by who says nothing": { path: "/simple/tide-pool/", status: 200, has: page200(HTML) },
  "a project, by pip": {
    path: "/simple/tide-pool/",
    headers: { accept: PIP },
    status: 200,
    has: page200(JSON_V1),
  },
  "a project, by uv": {
    path: "/simple/tide-pool/",
    headers: { accept: `${JSON_V1}, ${HTML_V1};q=0.2, text/html;q=0.01` },
    status: 200,
    has: page200(JSON_V1),
  },
  "a project, by a pip before JSON": {
    path: "/simple/tide-pool/",
    headers: { accept: "text/html" },
    status: 200,
    has: page200(HTML),
  },
  "a project, by a browser": {
    path: "/simple/tide-pool/",
    headers: { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" },
    status: 200,
    has: page200(HTML),
  },
  "a project, by curl": {
    path: "/simple/tide-pool/",
    headers: { accept: "*/*" },
    status: 200,
    has: page200(HTML),
  },
  "a project, as HTML under its own type": {
    path: "/simple/tide-pool/",
    headers: { accept: HTML_V1 },
    status: 200,
    has: page200(HTML_V1),
  },
  "a project, as the latest JSON": {
    path: "/simple/tide-pool/",
    headers: { accept: "application/vnd.pypi.simple.latest+json" },
    status: 200,
    has: page200(JSON_V1),
  },
  "a project, as JSON if there is no HTML": {
    path: "/simple/tide-pool/",
    headers: { accept: `${JSON_V1};q=0.5, text/html` },
    status: 200,
    has: page200(HTML),
  },
  "a project, as JSON and by no means HTML": {
    path: "/simple/tide-pool/",
    headers: { accept: `text/html;q=0, ${JSON_V1};q=0.1` },
    status: 200,
    has: page200(JSON_V1),
  },
  "a project, as anything of applications": {
    path: "/simple/tide-pool/",
    headers: { accept: "application/*" },
    status: 200,
    has: page200(JSON_V1),
  },
  "a project, as a picture": {
    path: "/simple/tide-pool/",
    headers: { accept: "image/png" },
    status: 406,
    has: { "cache-control": "no-cache" },
  },
  "a project, as JSON of a version to come": {
    path: "/simple/tide-pool/",
    headers: { accept: "application/vnd.pypi.simple.v2+json" },
    status: 406,
  },
  "a project, by its format": {
    path: `/simple/tide-pool/?format=${JSON_V1}`,
    headers: { accept: "text/html" },
    status: 200,
    has: page200(JSON_V1),
  },
  "a project, by its format, encoded": {
    path: "/simple/tide-pool/?format=application%2Fvnd.pypi.simple.v1%2Bjson",
    status: 200,
    has: page200(JSON_V1),
  },
  "a project, by a format that there is not": {
    path: "/simple/tide-pool/?format=text/plain",
    status: 406,
  },
  "a project, its head": {
    path: "/simple/tide-pool/",
    method: "HEAD",
    headers: { accept: PIP },
    status: 200,
    has: page200(JSON_V1),
  },
  "the JSON page by its name": {
    path: "/simple/tide-pool/index.v1+json",
    status: 200,
    has: { "content-type": JSON_V1 },
  },
  "the root's HTML by its name": {
    path: "/simple/index.html",
    status: 200,
    has: { "content-type": HTML },
  },
  "a project that is not there, by pip": {
    path: "/simple/absent/",
    headers: { accept: PIP },
    status: 404,
    has: { "cache-control": "no-cache" },
  },
  "a page that is not there, by a browser": {
    path: "/project/absent/",
    headers: { accept: "text/html" },
    status: 404,
    has: { "content-type": HTML },
  },
  "a wheel": {
    path: `/simple/tide-pool/${WHEEL}`,
    headers: { "accept-encoding": "gzip, deflate, br, zstd" },
    status: 200,
    has: {
      "content-type": "application/octet-stream",
      "cache-control": FILE,
      "content-encoding": undefined,
      "accept-ranges": "bytes",
      vary: undefined,
    },
  },
  "a wheel that is not there": { path: "/simple/tide-pool/absent-1.0.whl", status: 404 },
  "a wheel's metadata": {
    path: `/simple/tide-pool/${WHEEL}.metadata`,
    status: 200,
    has: { "content-type": TEXT, "cache-control": FILE },
  },
  "a wheel's provenance, which may be signed anew": {
    path: `/simple/tide-pool/${WHEEL}.provenance`,
    status: 200,
    has: { "content-type": "application/vnd.pypi.integrity.v1+json", "cache-control": PAGE },
  },
  "a name with a line feed, which is no part of a header": {
    path: "/simple/foo%0a?Set-Cookie:a=b",
    status: 404,
    has: { location: undefined, "/?set-cookie": undefined },
  },
  "an old address with a line feed": {
    path: "/p/foo%0a",
    status: 404,
    has: { location: undefined },
  },
  "the end of a wheel": {
    path: `/simple/tide-pool/${WHEEL}`,
    headers: { range: "bytes=-4", "accept-encoding": "identity" },
    status: 206,
    has: { "content-length": "4", "content-encoding": undefined },
  },
  "what is beyond a wheel": {
    path: `/simple/tide-pool/${WHEEL}`,
    headers: { range: "bytes=99999999-" },
    status: 416,
  },
  home: { path: "/", headers: { accept: "text/html" }, status: 200, has: page200(HTML) },
  "a project's page": { path: "/project/tide-pool/", status: 200, has: page200(HTML) },
  "a project's figures": {
    path: "/project/tide-pool/json/",
    status: 200,
    has: page200("application/json"),
  },
  "a project's feed": {
    path: "/project/tide-pool/builds.xml",
    status: 200,
    has: { "content-type": "application/atom+xml; charset=utf-8" },
  },
  "a badge": {
    path: "/badge/tide-pool.svg",
    status: 200,
    has: { "content-type": "image/svg+xml", "cache-control": PAGE },
  },
  "an asset with a hash in its name": {
    path: "/assets/site.0123456789ab.css",
    status: 200,
    has: { "content-type": "text/css; charset=utf-8", "cache-control": FILE },
  },
  "the live numbers": { path: "/farm.json", status: 200, has: { "cache-control": "no-cache" } },
  "a folder without a page": { path: "/assets/", status: 404 },
  // Others lead to the folder first, where nothing is.
  "a folder without a page, without its slash": { path: "/assets", status: [404, 301] },
  "the store": { path: "/.store/blobs/", status: 404 },
  "the store, in other words": { path: "/%2estore/blobs/", status: 404 },
  "a compressed copy by its name": { path: "/index.html.gz", status: 404 },
  "what is above it all": { path: "/..%2f..%2fetc/passwd", status: [404, 400] },
  "to change something": {
    path: "/simple/tide-pool/",
    method: "POST",
    headers: { "content-length": "0" },
    status: 405,
    has: { allow: "GET, HEAD, OPTIONS" },
  },
  "to remove a wheel": {
    path: `/simple/tide-pool/${WHEEL}`,
    method: "DELETE",
    status: 405,
    has: { allow: "GET, HEAD, OPTIONS" },
  },
  "what another site may do": {
    path: "/simple/",
    method: "OPTIONS",
    headers: { origin: "https://a.example", "access-control-request-method": "GET" },
    status: 204,
    has: { "access-control-allow-methods": "GET, HEAD" },
  },
};

const redirects: Readonly<Record<string, string>> = {
  "/simple": "/simple/",
  "/simple/tide-pool": "/simple/tide-pool/",
  "/simple/tide-pool?format=x": "/simple/tide-pool/?format=x",
  "/simple/Tide.Pool/": "/simple/tide-pool/",
  "/simple/tide_pool": "/simple/tide-pool/",
  "/simple/TIDE--pooL/": "/simple/tide-pool/",
  "/simple/T.i-.d__e.P_o.o.l/": "/simple/t-i-d-e-p-o-o-l/",
  "/simple/BANANAS/": "/simple/bananas/",
  [`/simple/Tide.Pool/${WHEEL}`]: `/simple/tide-pool/${WHEEL}`,
  "/project/Tide_Pool/": "/project/tide-pool/",
  "/project/tide-pool": "/project/tide-pool/",
  "/project/tide-pool/json": "/project/tide-pool/json/",
  "/project/": "/packages.html",
  "/p/Tide.Pool": "/project/tide-pool/",
};

describe.each(siteServers)("$name", (kind) => {
  let server: SiteServer;
  let close = async (): Promise<void> => undefined;

  beforeAll(async () => {
    if (kind.missing !== undefined) return;
    server = await kind.start(join(tree.folder, kind.name), tree.output);
    close = () => server.close();
  }, 90_000);
  afterAll(() => close());

  const it = test.skipIf(kind.missing !== undefined);
  if (kind.missing !== undefined) test.skip(`is not tested: ${kind.missing}`, () => undefined);

  const ask = (
    path: string,
    headers: Readonly<Record<string, string>> = {},
    method = "GET",
  ): Promise<Answer> => {
    const { hostname, port } = new URL(server.url);
    return new Promise((resolve, reject) => {
      const options = { hostname, port, path, headers, method, agent: false };
      const asked = httpRequest(options, (response) => {
        buffer(response).then(
          (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
          reject,
        );
      });
      asked.on("error", reject).end();
    });
  };

  it.each(Object.entries(rows))("is asked for %s", async (_title, row) => {
    const { status, headers, body } = await ask(row.path, row.headers, row.method);
    const has = Object.fromEntries(Object.keys(row.has ?? {}).map((name) => [name, headers[name]]));
    // Apache adds an empty list of its own to ours.
    if (has["allow"] !== undefined) has["allow"] = String(has["allow"]).replace(/, *$/, "");
    expect({ status, has }).toEqual({
      status: expect.toBeOneOf([row.status].flat()) as number,
      has: row.has ?? {},
    });
    if (row.method === "HEAD") expect(body.length).toBe(0);
    // nginx says its headers twice there.
    if (status === 416) return;
    expect(headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "referrer-policy": "same-origin",
      "access-control-allow-origin": "*",
      "cross-origin-resource-policy": "cross-origin",
    });
    expect(headers["content-security-policy"]).toMatch(/default-src 'none'.*base-uri 'none'/);
  });

  it.each(Object.entries(redirects))("leads from %s to %s", async (path, target) => {
    let at = path;
    // nginx takes several steps where a name has the same capital twice.
    for (let steps = 0; steps < 6 && at !== target; steps++) {
      const { status, headers } = await ask(at, { accept: "text/html" });
      expect([status, at]).toEqual([301, at]);
      at = new URL(headers.location ?? "", new URL(at, server.url)).href.replace(
        new URL(server.url).origin,
        "",
      );
    }
    expect(at).toBe(target);
  });

  it("says what its answers depend on, and gives each form a validator of its own", async () => {
    const path = "/simple/tide-pool/";
    const forms = [];
    for (const accept of [PIP, "text/html"]) {
      for (const encoding of ["identity", "gzip"]) {
        const { headers } = await ask(path, { accept, "accept-encoding": encoding });
        const vary = (headers.vary ?? "").toLowerCase().split(/,\s*/).sort();
        expect(vary).toEqual(["accept", "accept-encoding"]);
        expect(headers.etag).toBeDefined();
        forms.push(headers.etag);
      }
    }
    expect(new Set(forms).size).toBe(4);
  });

  it("sends pages compressed to those who take it, and only to them", async () => {
    for (const path of ["/simple/tide-pool/", "/", "/assets/site.0123456789ab.css"]) {
      const plain = await ask(path);
      expect(plain.headers["content-encoding"]).toBeUndefined();
      const packed = await ask(path, { "accept-encoding": "gzip, deflate" });
      expect(packed.headers["content-encoding"]).toBe("gzip");
      expect(packed.headers["content-type"]).toBe(plain.headers["content-type"]);
      expect(packed.body.length).toBeLessThan(plain.body.length / 2);
      expect(gunzipSync(packed.body).equals(plain.body)).toBe(true);
      const refused = await ask(path, { "accept-encoding": "gzip;q=0" });
      expect(refused.headers["content-encoding"]).toBeUndefined();
      const brotli = await ask(path, { "accept-encoding": "br" });
      if (brotli.headers["content-encoding"] === "br")
        expect(brotliDecompressSync(brotli.body).equals(plain.body)).toBe(true);
      else expect(brotli.body.equals(plain.body)).toBe(true);
    }
  });

  it("sends logs as text, compressed to those who take it", async () => {
    const path = "/logs/0000/0000/0001.txt.gz";
    const packed = await ask(path, { "accept-encoding": "gzip" });
    expect(packed.status).toBe(200);
    expect(packed.headers).toMatchObject({
      "content-type": TEXT,
      "content-encoding": "gzip",
      "cache-control": FILE,
    });
    expect(packed.headers.vary).toMatch(/accept-encoding/i);
    expect(gunzipSync(packed.body).toString()).toBe(log);
    const plain = await ask(path);
    expect(plain.headers["content-encoding"]).toBeUndefined();
    expect(plain.headers["content-type"]).toBe(TEXT);
    expect(plain.body.toString()).toBe(log);
    expect((await ask("/logs/0000/0000/0009.txt.gz")).status).toBe(404);
  });

  it("does not send again what the client has, until it changes", async () => {
    const paths = ["/simple/tide-pool/", `/simple/tide-pool/${WHEEL}`, "/"];
    for (const path of paths) {
      for (const encoding of ["identity", "gzip"]) {
        const asked = { accept: PIP, "accept-encoding": encoding };
        const first = await ask(path, asked);
        const again = await ask(path, { ...asked, "if-none-match": first.headers.etag ?? "" });
        expect([path, again.status, again.body.length]).toEqual([path, 304, 0]);
        const since = { "if-modified-since": first.headers["last-modified"] ?? "" };
        expect((await ask(path, { ...asked, ...since })).status).toBe(304);
      }
    }
    await tree.writePage(`changing-${kind.name}/index.html`, `one${page}`);
    const first = await ask(`/changing-${kind.name}/`, { "accept-encoding": "gzip" });
    await tree.writePage(`changing-${kind.name}/index.html`, `another${page}`);
    const known = { "accept-encoding": "gzip", "if-none-match": first.headers.etag ?? "" };
    const changed = await ask(`/changing-${kind.name}/`, known);
    expect(gunzipSync(changed.body).toString()).toBe(`another${page}`);
  });

  it("sends the part of a wheel that is asked for, if it is still the same", async () => {
    const path = `/simple/tide-pool/${WHEEL}`;
    const wheel = await readFile(join(tree.output, path));
    const { headers } = await ask(path, {}, "HEAD");
    expect(headers["content-length"]).toBe(String(wheel.length));
    const asked = { range: "bytes=100000-200000", "if-range": headers.etag ?? "" };
    const part = await ask(path, asked);
    expect(part.status).toBe(206);
    expect(part.headers["content-range"]).toBe(`bytes 100000-200000/${wheel.length}`);
    expect(part.body.equals(wheel.subarray(100_000, 200_001))).toBe(true);
    const other = await ask(path, { ...asked, "if-range": '"other"' });
    expect([other.status, other.body.equals(wheel)]).toEqual([200, true]);
  });

  it("logs downloads in a form that piw-logger reads", async () => {
    const agent = 'pip/24.0 {"implementation":{"name":"CPython"}}';
    await ask(`/simple/tide-pool/${WHEEL}`, { "user-agent": agent });
    const readLine = createLineReader(parseLogFormat("combined"), Date.now);
    const records = async () => {
      const text = await readFile(server.accessLog, "latin1").catch(() => "");
      return text.split("\n").map((line) => readLine(line));
    };
    await expect
      .poll(records, { timeout: 30_000 })
      .toContainEqual(
        expect.objectContaining({ kind: "download", package: "tide-pool", filename: WHEEL }),
      );
  });
});
