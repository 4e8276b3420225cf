/** The web server over real HTTP: what installers, browsers and scripts get. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { log, startTestSite, type TestSite, WHEEL, wheel } from "./test-site.ts";

const JSON_V1 = "application/vnd.pypi.simple.v1+json";
const HTML_V1 = "application/vnd.pypi.simple.v1+html";
let site: TestSite;
let ask: TestSite["ask"];

beforeAll(async () => {
  site = await startTestSite();
  ask = site.ask;
});
afterAll(() => site.close());

describe("the simple index", () => {
  test.each([
    ["no Accept", undefined, 200, "text/html; charset=utf-8"],
    ["pip", `${JSON_V1}, ${HTML_V1}; q=0.1, text/html; q=0.01`, 200, JSON_V1],
    ["uv", `${JSON_V1}, ${HTML_V1};q=0.2, text/html;q=0.01`, 200, JSON_V1],
    ["an older pip", "text/html", 200, "text/html; charset=utf-8"],
    ["latest JSON", "application/vnd.pypi.simple.latest+json", 200, JSON_V1],
    ["latest HTML", "application/vnd.pypi.simple.latest+html", 200, HTML_V1],
    ["a browser", "text/html,*/*;q=0.8", 200, "text/html; charset=utf-8"],
    ["version 2 only", "application/vnd.pypi.simple.v2+json", 406, "text/plain; charset=utf-8"],
    ["images only", "image/png", 406, "text/plain; charset=utf-8"],
  ])("gives %s (%s) %i %s", async (_who, accept, status, type) => {
    for (const path of ["/simple/", "/simple/tide-pool/"]) {
      const answer = await ask(path, accept === undefined ? {} : { accept });
      expect([answer.status, answer.headers["content-type"]]).toEqual([status, type]);
      expect(answer.headers.vary).toBe("Accept, Accept-Encoding");
      if (type === JSON_V1) expect(JSON.parse(answer.body.toString())).toHaveProperty("meta");
      if (status === 200 && type !== JSON_V1) expect(answer.body.toString()).toMatch(/^<!DOCTYPE/);
    }
  });

  test("takes ?format= over Accept", async () => {
    const answer = await ask(`/simple/tide-pool/?format=${JSON_V1}`, { accept: "text/html" });
    expect(answer.headers["content-type"]).toBe(JSON_V1);
    expect((await ask("/simple/?format=text/plain")).status).toBe(406);
  });

  test.each([
    ["/simple", "/simple/"],
    ["/simple/tide-pool", "/simple/tide-pool/"],
    ["/simple/Tide_Pool/", "/simple/tide-pool/"],
    [`/simple/Tide.Pool/${WHEEL}`, `/simple/tide-pool/${WHEEL}`],
    ["/project/TIDE--POOL", "/project/tide-pool/"],
    ["/faq", "/faq/"],
  ])("redirects %s to %s", async (path, location) => {
    const answer = await ask(path);
    expect([answer.status, answer.headers.location]).toEqual([301, location]);
  });

  test("has nothing for a project without files, in words that suit the asker", async () => {
    const toPip = await ask("/simple/absent/", { accept: JSON_V1 });
    expect([toPip.status, toPip.headers["content-type"]]).toEqual([
      404,
      "text/plain; charset=utf-8",
    ]);
    const toPeople = await ask("/project/absent/", { accept: "text/html,*/*;q=0.8" });
    expect([toPeople.status, toPeople.headers["content-type"]]).toEqual([
      404,
      "text/html; charset=utf-8",
    ]);
    expect(toPeople.body.toString()).toContain("Nothing here");
  });
});

describe("files", () => {
  const path = `/simple/tide-pool/${WHEEL}`;

  test.each([
    [path, "application/octet-stream", "public, max-age=31536000, immutable"],
    [`${path}.metadata`, "text/plain; charset=utf-8", "public, max-age=31536000, immutable"],
    ["/simple/tide-pool/", "text/html; charset=utf-8", "public, max-age=600"],
    ["/simple/tide-pool/index.v1+json", JSON_V1, "public, max-age=600"],
    ["/", "text/html; charset=utf-8", "public, max-age=600"],
    ["/project/tide-pool/", "text/html; charset=utf-8", "public, max-age=600"],
    ["/assets/site.css", "text/css; charset=utf-8", "public, max-age=600"],
  ])("%s is %s and may be kept as %s", async (url, type, cacheControl) => {
    const { status, headers } = await ask(url);
    expect([status, headers["content-type"], headers["cache-control"]]).toEqual([
      200,
      type,
      cacheControl,
    ]);
  });

  test("come whole, with their length, never compressed", async () => {
    const answer = await ask(path, { "accept-encoding": "gzip, deflate, zstd" });
    expect(answer.headers["content-encoding"]).toBeUndefined();
    expect(answer.headers["accept-ranges"]).toBe("bytes");
    expect(answer.headers["content-length"]).toBe("10000");
    expect(answer.body.equals(wheel)).toBe(true);
  });

  test("come in parts to who asks for parts", async () => {
    const answer = await ask(path, { range: "bytes=-4", "accept-encoding": "identity" });
    expect(answer.status).toBe(206);
    expect(answer.headers["content-range"]).toBe("bytes 9996-9999/10000");
    expect(answer.headers["content-length"]).toBe("4");
    expect(answer.body.toString()).toBe("6789");
    const beyond = await ask(path, { range: "bytes=10000-" });
    expect([beyond.status, beyond.headers["content-range"]]).toEqual([416, "bytes */10000"]);
  });

  test("go on after a cut only if they are the same", async () => {
    const { headers } = await ask(path, {}, "HEAD");
    const same = await ask(path, { range: "bytes=9990-", "if-range": headers.etag ?? "" });
    expect([same.status, same.body.length]).toEqual([206, 10]);
    const other = await ask(path, { range: "bytes=9990-", "if-range": '"other"' });
    expect([other.status, other.body.length]).toEqual([200, 10_000]);
  });

  test("tell HEAD what GET would, without a body", async () => {
    for (const url of [path, "/simple/", "/", "/logs/0000/0000/0001.txt.gz"]) {
      const [head, get] = [await ask(url, {}, "HEAD"), await ask(url)];
      const { date: _1, ...headers } = head.headers;
      const { date: _2, "transfer-encoding": _3, ...expected } = get.headers;
      expect([head.status, head.body.length]).toEqual([200, 0]);
      delete headers["transfer-encoding"];
      expect(headers).toEqual(expected);
    }
  });

  test("are not sent again to who has them, until they change", async () => {
    await site.storage.replace("changing/index.html", "one");
    const first = await ask("/changing/");
    const known = { "if-none-match": first.headers.etag ?? "", "cache-control": "max-age=0" };
    const again = await ask("/changing/", known);
    expect([again.status, again.body.length, again.headers.etag]).toEqual([
      304,
      0,
      first.headers.etag,
    ]);
    const since = { "if-modified-since": first.headers["last-modified"] ?? "" };
    expect((await ask("/changing/", since)).status).toBe(304);
    await site.storage.replace("changing/index.html", "two");
    expect((await ask("/changing/", known)).body.toString()).toBe("two");
  });

  test("are closed when the answer has no body", async () => {
    const { headers } = await ask(path, {}, "HEAD");
    for (let round = 0; round < 20; round++) {
      expect((await ask(path, {}, "HEAD")).status).toBe(200);
      expect((await ask(path, { "if-none-match": headers.etag ?? "" })).status).toBe(304);
      expect((await ask(path, { "if-match": '"other"' })).status).toBe(412);
      expect((await ask(path, { range: "bytes=10000-" })).status).toBe(416);
    }
    await expect.poll(site.openFiles).toEqual([]);
  });

  test("are read whole while they are replaced over and over", async () => {
    const pages = ["a".repeat(300_000), "b".repeat(200_000)];
    await site.storage.replace("busy/index.html", pages[0] ?? "");
    const done = new AbortController();
    const writing = (async () => {
      for (let round = 0; !done.signal.aborted; round++) {
        await site.storage.replace("busy/index.html", pages[round % 2] ?? "");
      }
    })();
    const bodies = await Promise.all(Array.from({ length: 40 }, () => ask("/busy/")));
    done.abort();
    await writing;
    for (const { body } of bodies) expect(pages).toContain(body.toString());
  });
});

describe("logs", () => {
  const path = "/logs/0000/0000/0001.txt.gz";

  test("come compressed to those who take it", async () => {
    const answer = await ask(path, { "accept-encoding": "gzip, deflate" });
    expect(answer.headers["content-encoding"]).toBe("gzip");
    expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(answer.headers.vary).toBe("Accept-Encoding");
    expect(gunzipSync(answer.body).toString()).toBe(log);
  });

  test("come as text to all others, under another validator", async () => {
    const [plain, compressed] = [await ask(path), await ask(path, { "accept-encoding": "gzip" })];
    expect(plain.headers["content-encoding"]).toBeUndefined();
    expect(plain.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(plain.body.toString()).toBe(log);
    expect(plain.headers.etag).not.toBe(compressed.headers.etag);
  });

  test("that are damaged are a 500 or a cut, never a whole answer, and the server goes on", async () => {
    await site.storage.replace("logs/0000/0000/0002.txt.gz", "no gzip at all");
    const answer = await ask("/logs/0000/0000/0002.txt.gz");
    expect([answer.status, answer.body.toString(), answer.headers.etag]).toEqual([
      500,
      "The farm could not answer this request.\n",
      undefined,
    ]);
    const whole = await readFile(join(site.output, "logs/0000/0000/0001.txt.gz"));
    await site.storage.replace("logs/0000/0000/0003.txt.gz", whole.subarray(0, -20));
    await expect(ask("/logs/0000/0000/0003.txt.gz")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect((await ask("/")).status).toBe(200);
  });
});

test("every answer says what browsers may do with it, and that anybody may read", async () => {
  for (const path of ["/", "/simple/", "/absent", "/simple", "/%zz"]) {
    const { headers } = await ask(path);
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["content-security-policy"]).toMatch(
      /default-src 'none'.*frame-ancestors 'none'/,
    );
    expect(headers["access-control-allow-origin"]).toBe("*");
  }
  const asked = { origin: "https://a.example", "access-control-request-method": "GET" };
  const preflight = await ask("/simple/", asked, "OPTIONS");
  expect([preflight.status, preflight.headers["access-control-allow-methods"]]).toEqual([
    204,
    "GET, HEAD",
  ]);
});
