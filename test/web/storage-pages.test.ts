/** What the storage does for pages: compressed copies beside them, and nothing where nothing changed. */
import { readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openLocalStorage, type Storage, variantOwner, variantsOf } from "../../web/storage.ts";
import { makeScratchFolder } from "./scratch-folder.ts";

let output: string;
let storage: Storage;

beforeEach(async () => {
  output = await makeScratchFolder();
  storage = await openLocalStorage(output);
});

afterEach(() => rm(output, { recursive: true, force: true }));

const key = "simple/tidepool/index.html";
const small = "x".repeat(1_399);
const middle = "<p>a page</p>\n".repeat(200);
const large = "<p>a large page</p>\n".repeat(2_000);

const there = async (folder = "simple/tidepool") => (await readdir(join(output, folder))).sort();
const stampOf = async (name: string) => {
  const { mtimeNs, ino } = await stat(join(output, name), { bigint: true });
  return `${mtimeNs} ${ino}`;
};

describe("a page's compressed copies", () => {
  test.each([
    ["index.html", small, []],
    ["index.html", middle, [".gz"]],
    ["index.html", large, [".br", ".gz"]],
    ["index.v1+json", large, [".br", ".gz"]],
    ["feed.xml", middle, [".gz"]],
    ["badge.svg", middle, [".gz"]],
    ["a-1.0-py3-none-any.whl", large, []],
    ["a-1.0-py3-none-any.whl.metadata", large, []],
    ["0001.txt.gz", large, []],
  ])(
    "of %s, as long as this, are those that save something: %#",
    async (name, contents, suffixes) => {
      await storage.replace(`simple/tidepool/${name}`, contents);
      expect(await there()).toEqual([name, ...suffixes.map((suffix) => name + suffix)].sort());
    },
  );

  test("say the same as the page, at the same instant to the nanosecond, and are readable by all", async () => {
    await storage.replace(key, large);
    const [gz, br] = [
      await readFile(join(output, `${key}.gz`)),
      await readFile(join(output, `${key}.br`)),
    ];
    expect(gunzipSync(gz).toString()).toBe(large);
    expect(brotliDecompressSync(br).toString()).toBe(large);
    const found = await Promise.all(
      ["", ".gz", ".br"].map((suffix) => stat(join(output, key + suffix), { bigint: true })),
    );
    expect(new Set(found.map(({ mtimeNs }) => mtimeNs)).size).toBe(1);
    expect(found.map(({ mode }) => Number(mode) & 0o777)).toEqual([0o644, 0o644, 0o644]);
  });

  test("go when the page is smaller than they are for, and with the page", async () => {
    await storage.replace(key, large);
    await storage.replace(key, middle);
    expect(await there()).toEqual(["index.html", "index.html.gz"]);
    await storage.replace(key, small);
    expect(await there()).toEqual(["index.html"]);
    await storage.replace(key, large);
    await storage.remove(key);
    expect(await readdir(output)).toEqual([".store"]);
  });

  test("that a crash left without their page go with its removal", async () => {
    await storage.replace(key, large);
    await rm(join(output, key));
    await storage.remove(key);
    expect(await readdir(output)).toEqual([".store"]);
  });

  test("have names that lead back to their page", () => {
    expect(variantOwner("project/a/index.html.gz")).toBe("project/a/index.html");
    expect(variantOwner("simple/a/index.v1+json.br")).toBe("simple/a/index.v1+json");
    expect(variantOwner("logs/0000/0000/0001.txt.gz")).toBeUndefined();
    expect(variantOwner("simple/a/a.whl.gz")).toBeUndefined();
    expect(variantsOf(key, 0)).toEqual([]);
  });
});

describe("a page that stands already", () => {
  test.each([small, middle, large])("is left alone, and its copies: %#", async (contents) => {
    expect(await storage.replace(key, contents)).toBe(true);
    const before = await Promise.all(
      (await there()).map((name) => stampOf(`simple/tidepool/${name}`)),
    );
    expect(await storage.replace(key, Buffer.from(contents))).toBe(false);
    const after = await Promise.all(
      (await there()).map((name) => stampOf(`simple/tidepool/${name}`)),
    );
    expect(after).toEqual(before);
  });

  test.each<[string, (path: string) => Promise<void>]>([
    ["a copy is missing", (path) => rm(`${path}.gz`)],
    ["a copy is of another instant", (path) => utimes(`${path}.br`, 1, 1)],
    ["the page is of another instant", (path) => utimes(path, 1, 1)],
    ["the page was changed by hand", (path) => writeFile(path, large.replace("large", "LARGE"))],
  ])("is written again where %s", async (_, spoil) => {
    await storage.replace(key, large);
    await spoil(join(output, key));
    expect(await storage.replace(key, large)).toBe(true);
    expect(await storage.replace(key, large)).toBe(false);
    expect(await there()).toEqual(["index.html", "index.html.br", "index.html.gz"]);
    expect(gunzipSync(await readFile(join(output, `${key}.gz`))).toString()).toBe(large);
  });

  test("is written again where it has a copy too many", async () => {
    await storage.replace(key, small);
    await writeFile(join(output, `${key}.gz`), "old");
    expect(await storage.replace(key, small)).toBe(true);
    expect(await there()).toEqual(["index.html"]);
  });
});

test("a page as long as the one before it has another second, which is all that some servers look at", async () => {
  const seconds: number[] = [];
  for (const letter of "abc") {
    await storage.replace(key, letter.repeat(2_000));
    seconds.push(Math.floor((await stat(join(output, key))).mtimeMs / 1_000));
  }
  expect(new Set(seconds).size).toBe(3);
});

describe("several pages at once", () => {
  test("are written, but for those that stand already", async () => {
    const pages = Array.from({ length: 50 }, (_, at) => ({
      key: `project/p${at}/index.html`,
      contents: `${at} ${middle}`,
    }));
    expect(await storage.replaceAll(pages)).toBe(50);
    expect(await storage.replaceAll(pages)).toBe(0);
    const changed = pages.map((page, at) => (at % 10 === 0 ? { ...page, contents: "new" } : page));
    expect(await storage.replaceAll(changed)).toBe(5);
    expect(await readFile(join(output, "project/p10/index.html"), "utf8")).toBe("new");
    expect(await readdir(join(output, ".store", "temporary"))).toEqual([]);
  });

  test("leave nothing temporary where one of them cannot be written", async () => {
    await writeFile(join(output, "project"), "in the way");
    await expect(
      storage.replaceAll([
        { key: "index.html", contents: large },
        { key: "project/a/index.html", contents: large },
      ]),
    ).rejects.toMatchObject({ code: "failed" });
    expect(await readdir(join(output, ".store", "temporary"))).toEqual([]);
  });

  test("of one key follow each other, so that copies are never of another page than the one beside them", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ letter: fc.constantFrom("a", "b", "c"), isGone: fc.boolean() }), {
          minLength: 2,
          maxLength: 12,
        }),
        async (steps) => {
          await Promise.all(
            steps.map(({ letter, isGone }) =>
              isGone ? storage.remove(key) : storage.replace(key, letter.repeat(25_000)),
            ),
          );
          const last = steps.at(-1);
          if (last === undefined || last.isGone) {
            expect(await readdir(output)).toEqual([".store"]);
            return;
          }
          const page = await readFile(join(output, key), "utf8");
          expect(page).toBe(last.letter.repeat(25_000));
          expect(gunzipSync(await readFile(join(output, `${key}.gz`))).toString()).toBe(page);
          expect(brotliDecompressSync(await readFile(join(output, `${key}.br`))).toString()).toBe(
            page,
          );
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe("a page that comes bit by bit", () => {
  async function* stretches(text: string, count = 50) {
    const step = Math.ceil(text.length / count);
    for (let start = 0; start < text.length; start += step) {
      await Promise.resolve();
      yield start % 2 === 0
        ? text.slice(start, start + step)
        : Buffer.from(text.slice(start, start + step));
    }
  }

  test("is written with its copies, and left alone where it stands already", async () => {
    expect(await storage.replaceStream({ key, chunks: stretches(large) })).toBe(true);
    const before = await stampOf(key);
    expect(await readFile(join(output, key), "utf8")).toBe(large);
    expect(gunzipSync(await readFile(join(output, `${key}.gz`))).toString()).toBe(large);
    expect(brotliDecompressSync(await readFile(join(output, `${key}.br`))).toString()).toBe(large);
    expect(await storage.replaceStream({ key, chunks: stretches(large, 7) })).toBe(false);
    expect(await storage.replace(key, large)).toBe(false);
    expect(await stampOf(key)).toBe(before);
    expect(
      await storage.replaceStream({ key, chunks: stretches(large.replace("large", "LARGE")) }),
    ).toBe(true);
    expect(await storage.replaceStream({ key, chunks: stretches("") })).toBe(true);
    expect(await there()).toEqual(["index.html"]);
  });

  test("takes a copy that is at hand as it is", async () => {
    const [first, second] = [large.slice(0, 7_000), large.slice(7_000)];
    async function* members() {
      for (const part of [first, second]) yield await Promise.resolve(gzipSync(part, { level: 1 }));
    }
    await storage.replaceStream({ key, chunks: stretches(large), copies: { gzip: members() } });
    const copy = await readFile(join(output, `${key}.gz`));
    expect(copy).toEqual(
      Buffer.concat([gzipSync(first, { level: 1 }), gzipSync(second, { level: 1 })]),
    );
    expect(gunzipSync(copy).toString()).toBe(large);
  });

  test("that breaks off leaves the page that was there, and nothing temporary", async () => {
    await storage.replace(key, large);
    async function* broken() {
      yield* stretches(middle);
      throw new Error("the database went");
    }
    await expect(storage.replaceStream({ key, chunks: broken() })).rejects.toThrow(
      "the database went",
    );
    expect(await readFile(join(output, key), "utf8")).toBe(large);
    expect(await readdir(join(output, ".store", "temporary"))).toEqual([]);
  });
});
