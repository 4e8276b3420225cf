/** The root of the index in shards: the same bytes as if it were rendered whole, whatever happens on the way. */
import { execFileSync } from "node:child_process";
import { readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RootIndex } from "../../web/index/root-index.ts";
import { renderSimpleRoot } from "../../web/index/simple-root.ts";
import { openLocalStorage, type Storage } from "../../web/storage.ts";
import { makeScratchFolder } from "./scratch-folder.ts";

const HTML = "simple/index.html";
const JSON_PAGE = "simple/index.v1+json";

let output: string;
let storage: Storage;
let root: RootIndex;

beforeEach(async () => {
  output = await makeScratchFolder();
  storage = await openLocalStorage(output);
  root = new RootIndex(storage);
});
afterEach(() => rm(output, { recursive: true, force: true }));

const place = (key: string) => join(output, key);
const parts = async () =>
  (await readdir(place(".store/parts"))).filter((name) => name.startsWith("root-0"));
const inodes = async () =>
  Object.fromEntries(
    await Promise.all(
      (await parts()).map(async (name) => [name, (await stat(place(`.store/parts/${name}`))).ino]),
    ),
  ) as Record<string, number>;

async function* stretches(names: readonly string[], size = 1_000) {
  for (let from = 0; from < names.length; from += size) {
    await Promise.resolve();
    yield names.slice(from, from + size);
  }
}
const many = (count: number) =>
  Array.from({ length: count }, (_, n) => `project-${String(n).padStart(6, "0")}`);
const adding = (...names: string[]) =>
  new Map(names.map((name): [string, boolean] => [name, true]));
const dropping = (...names: string[]) =>
  new Map(names.map((name): [string, boolean] => [name, false]));

/** That both pages and their variants are those of these names, rendered at once. */
async function expectRoot(names: Iterable<string>): Promise<void> {
  const whole = renderSimpleRoot([...names].sort());
  for (const [key, contents] of [
    [HTML, whole.html],
    [JSON_PAGE, whole.json],
  ] as const) {
    expect((await readFile(place(key), "utf8")) === contents, key).toBe(true);
    const variant = await readFile(place(`${key}.gz`)).catch(() => undefined);
    expect(variant === undefined).toBe(Buffer.byteLength(contents) < 1_400);
    if (variant === undefined) continue;
    expect(gunzipSync(variant).toString("utf8") === contents, `${key}.gz`).toBe(true);
    expect((await stat(place(`${key}.gz`))).mtimeMs).toBe((await stat(place(key))).mtimeMs);
  }
}

test("an index without projects has a root that names none", async () => {
  expect(await root.isMade()).toBe(false);
  await root.make(stretches([]));
  await expectRoot([]);
  await root.change(adding("a"));
  await expectRoot(["a"]);
  await root.change(dropping("a"));
  await expectRoot([]);
});

test("one gzip member holds all of it, for who reads no second one", async () => {
  await root.make(stretches(many(10_000)));
  expect((await parts()).length).toBeGreaterThan(2);
  // Python's decompressobj stops at the end of the first member, as browsers do.
  const program =
    "import sys, zlib; d = zlib.decompressobj(31); t = d.decompress(open(sys.argv[1], 'rb').read());" +
    "print(len(t), d.eof, len(d.unused_data))";
  const said = execFileSync("python3", ["-c", program, place(`${HTML}.gz`)])
    .toString()
    .trim();
  expect(said).toBe(`${renderSimpleRoot(many(10_000)).html.length} True 0`);
});

test("any history of changes leaves the bytes of one rendering", { timeout: 60_000 }, async () => {
  const names = many(9_000);
  const some = fc.array(
    fc
      .tuple(fc.nat(12_000), fc.boolean())
      .map(([n, is]): [string, boolean] => [`project-${String(n).padStart(6, "0")}`, is]),
    { maxLength: 40 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(some, { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      async (history, isReopened) => {
        await root.make(stretches(names));
        const expected = new Set(names);
        for (const changes of history) {
          if (isReopened) root = new RootIndex(storage);
          await root.change(new Map(changes));
          for (const [name, is] of new Map(changes)) {
            if (is) expected.add(name);
            else expected.delete(name);
          }
        }
        await expectRoot(expected);
      },
    ),
    { numRuns: 8 },
  );
});

test("a shard that grows is split, and one that empties goes", { timeout: 30_000 }, async () => {
  const names = many(12_000);
  await root.make(stretches([]));
  await root.change(adding(...names));
  const grown = await parts();
  expect(grown.length).toBeGreaterThanOrEqual(3);
  await root.change(dropping(...names.slice(0, 9_000)));
  expect((await parts()).length).toBeLessThan(grown.length);
  await expectRoot(names.slice(9_000));
  await root.change(adding("aaa"));
  await expectRoot(["aaa", ...names.slice(9_000)]);
});

test("a change makes its own shard anew and no other", async () => {
  await root.make(stretches(many(12_000)));
  const before = await inodes();
  await root.change(adding("project-005000-and-a-half"));
  const after = await inodes();
  const kept = Object.entries(after).filter(([name, ino]) => before[name] === ino);
  expect(kept).toHaveLength(Object.keys(before).length - 1);
});

describe("nothing is written", () => {
  test.each([
    ["by a restart", () => new Map<string, boolean>()],
    [
      "for what is so already",
      () =>
        new Map([
          ["project-000001", true],
          ["unheard-of", false],
        ]),
    ],
  ])("%s", async (_what, changes) => {
    await root.make(stretches(many(4_000)));
    const before = [
      await inodes(),
      (await stat(place(HTML))).ino,
      (await stat(place(JSON_PAGE))).ino,
    ];
    root = new RootIndex(await openLocalStorage(output));
    expect(await root.isMade()).toBe(true);
    await root.change(changes());
    expect([
      await inodes(),
      (await stat(place(HTML))).ino,
      (await stat(place(JSON_PAGE))).ino,
    ]).toEqual(before);
  });
});

describe("what went wrong on disk is put right", () => {
  test.each([HTML, JSON_PAGE])("%s that was lost or changed is joined again", async (key) => {
    await root.make(stretches(many(4_000)));
    const shards = await inodes();
    for (const harm of [() => rm(place(key)), () => writeFile(place(key), "another's")]) {
      await harm();
      await root.change(new Map());
      await expectRoot(many(4_000));
    }
    expect(await inodes()).toEqual(shards);
  });

  test.each([
    ["a shard that is gone", (part: string) => rm(part)],
    ["a shard that was cut off", (part: string) => truncate(part, 100)],
  ])("%s: it says so, and is made anew", async (_what, harm) => {
    await root.make(stretches(many(8_000)));
    const [first = ""] = (await parts()).sort();
    await harm(place(`.store/parts/${first}`));
    const before = await readFile(place(HTML));
    await expect(root.change(adding("zzz"))).rejects.toThrow("made anew");
    expect((await readFile(place(HTML))).equals(before)).toBe(true);
    expect(await root.isMade()).toBe(false);
    await root.make(stretches(many(8_000)));
    await expectRoot(many(8_000));
  });

  test("a catalogue that is no catalogue", async () => {
    await root.make(stretches(many(10)));
    await writeFile(place(".store/parts/root-catalogue"), '{"markup":');
    root = new RootIndex(storage);
    expect(await root.isMade()).toBe(false);
    expect(await parts()).toEqual([]);
  });

  test("a crash after the pages and before the catalogue: the same changes lead to the same root", async () => {
    await root.make(stretches(many(8_000)));
    const former = await readFile(place(".store/parts/root-catalogue"));
    const kept = await Promise.all(
      (await parts()).map(
        async (part) => [part, await readFile(place(`.store/parts/${part}`))] as const,
      ),
    );
    await root.change(adding("project-000000-x"));
    // As it lay on disk then: the new page and part, the former catalogue with its parts.
    for (const [part, contents] of kept) await writeFile(place(`.store/parts/${part}`), contents);
    await writeFile(place(".store/parts/root-catalogue"), former);
    root = new RootIndex(await openLocalStorage(output));
    // Taken back before it came to be noted as done: what is joined is what the catalogue says.
    await root.change(new Map());
    await expectRoot(many(8_000));
    await root.change(adding("project-000000-x"));
    await expectRoot(["project-000000-x", ...many(8_000)]);
    expect((await parts()).length).toBe(kept.length);
  });
});

test("a variant of what the page was does not outlive it", async () => {
  await root.make(stretches(many(100)));
  await writeFile(place(`${HTML}.br`), "old");
  await root.change(dropping(...many(100)));
  expect((await readdir(place("simple"))).sort()).toEqual(["index.html", "index.v1+json"]);
});

test("many who change it at once all get their way", async () => {
  await root.make(stretches([]));
  await Promise.all(many(40).map((name) => root.change(adding(name))));
  await expectRoot(many(40));
});
