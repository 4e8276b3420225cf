/** Compressed copies beside pages, and the memory that pages come from: never stale, never beyond its bound. */
import { readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Representations } from "../../web/server/representations.ts";
import { openPublicFolder } from "../../web/storage.ts";
import { startTestSite, type TestSite } from "./test-site.ts";

let site: TestSite;
let ask: TestSite["ask"];
const page = (word: string): string => `<h1>${word}</h1>${"<p>tide</p>".repeat(5_000)}`;
const GZIP = { "accept-encoding": "gzip" };

beforeAll(async () => {
  site = await startTestSite();
  ask = site.ask;
});
afterAll(() => site.close());

/** Writes a page as the storage does: with copies of its own instant. */
async function write(key: string, contents: string): Promise<void> {
  await site.storage.replace(key, contents);
  const path = join(site.output, key);
  const { mtimeMs } = await stat(path);
  await utimes(path, mtimeMs / 1_000, mtimeMs / 1_000);
  await copy(key, ".gz", gzipSync(contents), mtimeMs);
  await copy(key, ".br", brotliCompressSync(contents), mtimeMs);
}

async function copy(key: string, suffix: string, bytes: Buffer, mtimeMs: number): Promise<void> {
  const path = join(site.output, `${key}${suffix}`);
  await writeFile(`${path}.new`, bytes);
  await utimes(`${path}.new`, mtimeMs / 1_000, mtimeMs / 1_000);
  await rename(`${path}.new`, path);
}

describe("a page with copies", () => {
  test("is sent as the copy that the client likes best, each with a validator of its own", async () => {
    await write("copies/index.html", page("one"));
    const plain = await ask("/copies/");
    const gzip = await ask("/copies/", { "accept-encoding": "gzip, br;q=0.5" });
    const brotli = await ask("/copies/", { "accept-encoding": "gzip, deflate, br, zstd" });
    expect([plain, gzip, brotli].map(({ headers }) => headers["content-encoding"])).toEqual([
      undefined,
      "gzip",
      "br",
    ]);
    expect(gunzipSync(gzip.body).toString()).toBe(page("one"));
    expect(brotliDecompressSync(brotli.body).toString()).toBe(page("one"));
    expect(plain.body.toString()).toBe(page("one"));
    for (const { headers } of [plain, gzip, brotli]) {
      expect(headers.vary).toBe("Accept-Encoding");
      expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    }
    const tags = [plain, gzip, brotli].map(({ headers }) => headers.etag ?? "");
    expect(new Set(tags).size).toBe(3);
    const known = { ...GZIP, "if-none-match": tags[0] ?? "" };
    expect((await ask("/copies/", known)).status).toBe(200);
    const same = await ask("/copies/", { ...GZIP, "if-none-match": tags[1] ?? "" });
    expect([same.status, same.headers.etag, same.headers.vary]).toEqual([
      304,
      tags[1],
      "Accept-Encoding",
    ]);
  });

  test("is sent whole to who takes a copy and asks for a part", async () => {
    await write("parts/index.html", page("parts"));
    const packed = await ask("/parts/", { ...GZIP, range: "bytes=0-9" });
    expect([packed.status, packed.headers["accept-ranges"]]).toEqual([200, undefined]);
    const plain = await ask("/parts/", { range: "bytes=4-8" });
    expect([plain.status, plain.body.toString()]).toEqual([206, "parts"]);
  });

  test("is never sent as a copy of a former page", async () => {
    await write("former/index.html", page("old"));
    expect(gunzipSync((await ask("/former/", GZIP)).body).toString()).toBe(page("old"));
    // Killed between the page and its copies.
    await site.storage.replace("former/index.html", page("new"));
    await copy("former/index.html", ".gz", gzipSync(page("old")), Date.now() - 5_000);
    const between = await ask("/former/", GZIP);
    expect(between.headers["content-encoding"]).toBeUndefined();
    expect(between.body.toString()).toBe(page("new"));
  });

  test("gets a copy that comes later without a new page", async () => {
    await site.storage.replace("late/index.html", page("late"));
    await rm(join(site.output, "late/index.html.gz"), { force: true });
    await rm(join(site.output, "late/index.html.br"), { force: true });
    expect((await ask("/late/", GZIP)).headers["content-encoding"]).toBeUndefined();
    const { mtimeMs } = await stat(join(site.output, "late/index.html"));
    await utimes(join(site.output, "late/index.html"), mtimeMs / 1_000, mtimeMs / 1_000);
    await copy("late/index.html", ".gz", gzipSync(page("late")), mtimeMs);
    const coding = async () => (await ask("/late/", GZIP)).headers["content-encoding"];
    await expect.poll(coding, { timeout: 8_000 }).toBe("gzip");
  });
});

describe("the memory of pages", () => {
  test("gives what is on disk at once, whatever was asked before", async () => {
    for (let round = 0; round < 30; round++) {
      await site.storage.replace("quick/index.html", `round ${round % 10}`);
      expect((await ask("/quick/")).body.toString()).toBe(`round ${round % 10}`);
    }
    await site.storage.remove("quick/index.html");
    expect((await ask("/quick/")).status).toBe(404);
  });

  test("stays within its bound, and large pages are not in it", async () => {
    const bound = 200_000;
    const pages = new Representations(openPublicFolder(site.output), bound);
    for (let number = 0; number < 100; number++) {
      await site.storage.replace(`bound/${number}.html`, "x".repeat(5_000));
      await pages.findPage(`bound/${number}.html`, ["gzip"]);
      expect(pages.keptBytes).toBeLessThanOrEqual(bound);
    }
    expect(pages.keptBytes).toBeGreaterThan(bound / 2);
    const large = "y".repeat(bound / 2);
    await site.storage.replace("bound/large.html", large);
    const before = pages.keptBytes;
    const found = await pages.findPage("bound/large.html", []);
    expect(found?.sizeBytes).toBe(large.length);
    expect(Buffer.isBuffer(found?.body)).toBe(false);
    if (found !== undefined && !Buffer.isBuffer(found.body)) await found.body.close();
    expect(pages.keptBytes - before).toBeLessThan(5_000);
  });

  test("reads a page once for many who ask together", async () => {
    await site.storage.replace("together/index.html", "z".repeat(10_000));
    const files = openPublicFolder(site.output);
    let opened = 0;
    const pages = new Representations(
      {
        findVersion: files.findVersion,
        open: (key) => {
          opened += 1;
          return files.open(key);
        },
      },
      1_000_000,
    );
    const asked = Array.from({ length: 50 }, () => pages.findPage("together/index.html", []));
    for (const found of await Promise.all(asked)) expect(found?.sizeBytes).toBe(10_000);
    expect(opened).toBeLessThan(50);
    opened = 0;
    await pages.findPage("together/index.html", []);
    expect(opened).toBe(0);
  });

  test("is not poisoned by headers that nobody sends", async () => {
    const odd = [
      "application/vnd.pypi.simple.v1+json;q=0.000",
      `${"a/b,".repeat(2_000)}text/html`,
      "text/html;q=1;q=0, */*;q=nonsense",
      "\u00e9/\u00e9, application/vnd.pypi.simple.v1+json",
      "application/vnd.pypi.simple.v1+json\t, text/html ;q=0.1",
    ];
    for (const accept of odd)
      await ask("/simple/tide-pool/", { accept, "accept-encoding": accept });
    for (let number = 0; number < 500; number++)
      await ask("/simple/tide-pool/", {
        accept: `x/${number}`,
        "accept-encoding": `gzip;q=0.${number}`,
      });
    const html = await readFile(join(site.output, "simple/tide-pool/index.html"));
    const plain = await ask("/simple/tide-pool/");
    expect(plain.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(plain.body.equals(html)).toBe(true);
    const accept = "application/vnd.pypi.simple.v1+json";
    expect((await ask("/simple/tide-pool/", { accept })).headers["content-type"]).toBe(accept);
  });
});
