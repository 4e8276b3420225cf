/** The web server over real HTTP: what installers, browsers, scripts and hostile peers get. */

import { mkdir, readdir, readFile, readlink, rm } from "node:fs/promises";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { renderSimpleProject } from "../../web/index/simple-project.ts";
import { renderSimpleRoot } from "../../web/index/simple-root.ts";
import { metadataKey, simplePageKeys, wheelKey } from "../../web/public-key.ts";
import { startWebServer, type WebServer } from "../../web/server.ts";
import { openLocalStorage, type Storage } from "../../web/storage.ts";
import { makeScratchFolder } from "./scratch-folder.ts";

const JSON_V1 = "application/vnd.pypi.simple.v1+json";
const HTML_V1 = "application/vnd.pypi.simple.v1+html";
const WHEEL = "tidepool-1.0-py3-none-any.whl";
const silent = { debug: () => undefined, error: () => undefined };
const wheel = Buffer.from("0123456789".repeat(1_000));
const log = "building\n".repeat(5_000);

let output: string;
let storage: Storage;
let server: WebServer;
let wheelHash: string;

beforeAll(async () => {
  output = await makeScratchFolder();
  storage = await openLocalStorage(output);
  wheelHash = await storage.putBlob(wheel);
  await storage.publishOnce(wheelKey("tide-pool", WHEEL), wheelHash);
  await storage.replace(
    metadataKey("tide-pool", WHEEL),
    "Metadata-Version: 2.1\nName: tide-pool\n",
  );
  await storage.publishCompressed(
    "logs/0000/0000/0001.txt.gz",
    await storage.putBlob(Buffer.from(log)),
  );
  const root = renderSimpleRoot(["tide-pool"]);
  await storage.replace(simplePageKeys().html, root.html);
  await storage.replace(simplePageKeys().json, root.json);
  const page = renderSimpleProject({ name: "tide-pool", files: [] });
  await storage.replace(simplePageKeys("tide-pool").html, page.html);
  await storage.replace(simplePageKeys("tide-pool").json, page.json);
  await storage.replace("index.html", "<h1>home</h1>");
  await storage.replace("project/tide-pool/index.html", "<h1>tide-pool</h1>");
  await storage.replace("faq/index.html", "<h1>faq</h1>");
  await storage.replace("assets/site.css", "body {}");
  server = await startWebServer({ address: "http://127.0.0.1:0", outputPath: output, log: silent });
});
afterAll(async () => {
  await server.close();
  await rm(output, { recursive: true, force: true });
});

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Asks for a path exactly as it is written: no URL parser tidies it up first. */
function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const options = { hostname, port, path, headers, method, agent: false };
    const asked = httpRequest(options, (response) => {
      buffer(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    asked.on("error", reject);
    asked.end();
  });
}

/** Which of the site's files this process holds open, where the system can tell. */
async function openFiles(): Promise<string[]> {
  const descriptors = await readdir("/proc/self/fd").catch(() => []);
  const paths = descriptors.map((each) => readlink(`/proc/self/fd/${each}`).catch(() => ""));
  return (await Promise.all(paths)).filter((path) => path.startsWith(output));
}

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
      expect(answer.headers.vary).toBe("Accept");
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
    await storage.replace("changing/index.html", "one");
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
    await storage.replace("changing/index.html", "two");
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
    await expect.poll(openFiles).toEqual([]);
  });

  test("are read whole while they are replaced over and over", async () => {
    const pages = ["a".repeat(300_000), "b".repeat(200_000)];
    await storage.replace("busy/index.html", pages[0] ?? "");
    const done = new AbortController();
    const writing = (async () => {
      for (let round = 0; !done.signal.aborted; round++) {
        await storage.replace("busy/index.html", pages[round % 2] ?? "");
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
    await storage.replace("logs/0000/0000/0002.txt.gz", "no gzip at all");
    const answer = await ask("/logs/0000/0000/0002.txt.gz");
    expect([answer.status, answer.body.toString(), answer.headers.etag]).toEqual([
      500,
      "The farm could not answer this request.\n",
      undefined,
    ]);
    const whole = await readFile(join(output, "logs/0000/0000/0001.txt.gz"));
    await storage.replace("logs/0000/0000/0003.txt.gz", whole.subarray(0, -20));
    await expect(ask("/logs/0000/0000/0003.txt.gz")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect((await ask("/")).status).toBe(200);
  });
});

describe("hostile requests", () => {
  const stored = () => join("/.store/blobs", wheelHash.slice(0, 2), wheelHash);

  test.each([
    ["the store", () => stored()],
    ["the store, spelled otherwise", () => stored().replace(".store", "%2estore")],
    ["the store by a detour", () => `/simple/..${stored()}`],
    ["the store by an encoded detour", () => `/simple/%2e%2e${stored()}`],
    ["the store under double slashes", () => `/${stored()}`],
    ["the store by backslashes", () => `/${stored().replaceAll("/", "\\")}`],
    ["staging", () => "/.store/staging/"],
    ["a file of the system", () => "/../../../../etc/passwd"],
    ["a file of the system, encoded", () => "/%2e%2e/%2e%2e/%2e%2e/etc/passwd"],
    ["a file of the system, encoded twice", () => "/%252e%252e/%252e%252e/etc/passwd"],
    ["an encoded separator", () => "/..%2f..%2f..%2fetc%2fpasswd"],
    ["a NUL", () => "/index.html%00.txt"],
    ["a bad escape", () => "/%zz"],
    ["half an escape", () => "/simple/%e0%a4/"],
    ["a header in the path", () => "/simple/A%0d%0aSet-Cookie:%20x"],
    ["another host", () => "//elsewhere.example/simple"],
    ["a folder", () => "/simple/tide-pool/../"],
    ["a listing", () => "/assets/"],
    ["a long segment", () => `/${"x".repeat(5_000)}`],
    ["a long path", () => `/${"x/".repeat(5_000)}`],
  ])("for %s get nothing", async (_what, path) => {
    const answer = await ask(path());
    expect(answer.status).toBe(404);
    expect(answer.body.toString()).toBe("404: nothing here\n");
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
    expect(answer.headers["set-cookie"]).toBeUndefined();
  });

  test("with headers or paths beyond all measure are refused, and the server goes on", async () => {
    expect((await ask("/", { "x-long": "x".repeat(20_000) })).status).toBe(431);
    expect((await ask(`/${"x".repeat(20_000)}`)).status).toBe(431);
    expect((await ask("/")).status).toBe(200);
  });

  test.each(["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])(
    "that would change something (%s) are refused",
    async (method) => {
      const answer = await ask("/simple/tide-pool/", { "content-length": "0" }, method);
      expect([answer.status, answer.headers.allow]).toEqual([405, "GET, HEAD, OPTIONS"]);
    },
  );

  test("that are no HTTP are answered and closed", async () => {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.end("\x16\x03\x01 nonsense\r\n\r\n");
    expect((await buffer(socket)).toString()).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("that go away in mid-answer harm nobody else", async () => {
    await storage.replace("large/index.html", "x".repeat(5_000_000));
    const { hostname, port } = new URL(server.url);
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = connect(Number(port), hostname);
        socket.write("GET /large/ HTTP/1.1\r\nHost: x\r\n\r\n");
        await new Promise((resolve) => socket.once("data", resolve));
        socket.destroy();
      }),
    );
    expect((await ask("/large/")).body.length).toBe(5_000_000);
    await expect.poll(openFiles).toEqual([]);
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

test("a folder under the name of a page is nothing", async () => {
  await mkdir(join(output, "odd", "index.html"), { recursive: true });
  expect((await ask("/odd/")).status).toBe(404);
});

describe("starting and stopping", () => {
  const start = (address: string) => startWebServer({ address, outputPath: output, log: silent });

  test("a port in use is one clear error", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    await expect(start(`http://127.0.0.1:${port}`)).rejects.toMatchObject({
      name: "WebServerError",
      code: "address-in-use",
      message: `the web address 127.0.0.1 port ${port} is in use by another program: stop that, or choose another port`,
    });
    await new Promise((resolve) => other.close(resolve));
  });

  test.each([
    ["", "bad-address"],
    ["https://127.0.0.1:0", "bad-address"],
    ["http://127.0.0.1:0/path", "bad-address"],
    ["http://127.0.0.1:99999", "bad-address"],
    ["tcp://127.0.0.1:8080", "bad-address"],
    ["http://192.0.2.1:0", "address-unavailable"],
  ])("the address %j is refused as %s", async (address, code) => {
    await expect(start(address)).rejects.toMatchObject({ name: "WebServerError", code });
  });

  test("closing ends a download that hangs, within the deadline, and may be repeated", async () => {
    await storage.replace("endless/index.html", "x".repeat(20_000_000));
    const closing = await startWebServer({
      address: "127.0.0.1:0",
      outputPath: output,
      log: silent,
      closeDeadlineMs: 50,
    });
    const { hostname, port } = new URL(closing.url);
    const socket = connect(Number(port), hostname);
    const isClosed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => undefined);
    socket.write("GET /endless/ HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => socket.once("readable", resolve));
    await Promise.all([closing.close(), closing.close()]);
    socket.resume();
    await isClosed;
    await expect(fetch(closing.url)).rejects.toThrow();
  });
});
