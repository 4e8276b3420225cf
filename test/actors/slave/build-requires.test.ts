/** What an sdist says it needs to be built, read without running anything of it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readBuildRequires } from "../../../actors/slave/build-requires.ts";
import { type Interpreter, probeInterpreter } from "../../../actors/slave/interpreter.ts";
import { packSdist } from "../../../samples/index.ts";

let folder: string;
let interpreter: Interpreter;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ww-requires-"));
  interpreter = await probeInterpreter("python3");
}, 30_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(pyproject: string): Promise<string[] | undefined> {
  const sources = [
    { path: "PKG-INFO", data: Buffer.from("Name: pkg\n") },
    { path: "sub/pyproject.toml", data: Buffer.from("[build-system]\nrequires = ['not-this']") },
    { path: "pyproject.toml", data: Buffer.from(pyproject) },
  ];
  const path = join(folder, "pkg-1.0.tar.gz");
  writeFileSync(path, packSdist(sources, "pkg-1.0"));
  return readBuildRequires(path, {
    interpreter,
    cwd: folder,
    env: {},
    buildId: "test",
    signal: new AbortController().signal,
  });
}

it.each([
  [
    "what it says",
    '[build-system]\nrequires = ["Cython>=3", "tomli; python_version < \'3.11\'"]',
    ["Cython>=3", "tomli; python_version < '3.11'"],
  ],
  ["nothing", "[build-system]\nrequires = []", []],
  ["what pip takes where it says nothing", "[project]\nname = 'pkg'", ["setuptools>=40.8.0"]],
  ["no answer for what is no TOML", "[build-system", undefined],
  ["no answer for what is no list of texts", "[build-system]\nrequires = [1]", undefined],
  ["no answer for a text that is no requirement", '[build-system]\nrequires = ["!!"]', undefined],
])("is %s", async (_what, pyproject, expected) => {
  expect(await read(pyproject)).toEqual(expected);
});

it("is no answer for a file that is no archive", async () => {
  const path = join(folder, "pkg-2.0.tar.gz");
  writeFileSync(path, "no archive");
  const signal = new AbortController().signal;
  const means = { interpreter, cwd: folder, env: {}, buildId: "test", signal };
  expect(await readBuildRequires(path, means)).toBeUndefined();
});
