import { describe, expect, it } from "vitest";
import { readChangelog } from "../../../protocol/upstream/changelog.ts";
import { readProjectHtml, readRootHtml } from "../../../protocol/upstream/simple-html.ts";
import { readProjectJson, readRootJson } from "../../../protocol/upstream/simple-json.ts";
import { changelogResponse } from "../../../samples/index.ts";
import { answering, inPieces, never } from "./harness.ts";

const many = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

const rows = many(50_000).map((i) => ({
  name: `project-${i}`,
  version: `1.${i}`,
  at: 1_700_000_000,
  action: `add cp311 file project_${i}-1.${i}-cp311-cp311-manylinux_2_17_x86_64.whl`,
  serial: 20_000_000 + i,
}));
const meta = { "api-version": "1.0" };
const files = many(5_000).map((i) => ({
  filename: `foo-1.${i}.tar.gz`,
  url: `foo-1.${i}.tar.gz`,
}));
const projects = many(30_000).map((i) => ({ name: `project-${i}` }));
const anchors = (hrefs: readonly string[]) =>
  `<html><body>${hrefs.map((href) => `<a href="${href}">x</a>`).join("\n")}</body></html>`;

/** How often others had their turn while this ran; all that it reads is at hand already. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isRunning = true;
  const turn = (): void => {
    turns++;
    if (isRunning) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  isRunning = false;
  return turns;
}

async function count(items: AsyncIterable<unknown>): Promise<number> {
  let found = 0;
  for await (const _ of items) found++;
  return found;
}

const url = "https://index.example/simple/foo/";
const readings = [
  [
    "50,000 changelog rows",
    changelogResponse(rows),
    (text: AsyncIterable<string>) => readChangelog(text),
  ],
  [
    "the JSON of 5,000 files",
    JSON.stringify({ meta, name: "foo", files }),
    (text: AsyncIterable<string>) => readProjectJson(text, "foo", url),
  ],
  [
    "the HTML of 5,000 files",
    anchors(files.map((file) => file.url)),
    (text: AsyncIterable<string>) => readProjectHtml(text, "foo", url),
  ],
  [
    "the JSON of 30,000 projects",
    JSON.stringify({ meta, projects }),
    (text: AsyncIterable<string>) => count(readRootJson(text)),
  ],
  [
    "the HTML of 30,000 projects",
    anchors(projects.map(({ name }) => `${name}/`)),
    (text: AsyncIterable<string>) => count(readRootHtml(text, url)),
  ],
] as const;

describe("the event loop", () => {
  it.each(readings)(
    "is left to others again and again while %s are read",
    { timeout: 30_000 },
    async (_, text, read) => {
      expect(await turnsDuring(() => read(inPieces(text, 16_384)))).toBeGreaterThan(2);
    },
  );
});

describe("the largest answer of a changelog", () => {
  it("comes whole through the client", { timeout: 30_000 }, async () => {
    const client = await answering("text/xml", changelogResponse(rows));
    expect(await client.changelogSinceSerial(0, never)).toEqual(rows);
  });
});
