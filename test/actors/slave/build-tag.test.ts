import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withBuildTag } from "../../../actors/slave/build-tag.ts";
import { probeInterpreter } from "../../../actors/slave/interpreter.ts";
import { wheelPieces } from "../../protocol/packaging/wheel-builder.ts";
import { buildZip } from "../../protocol/packaging/zip-builder.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const tools = { env: {}, buildId: randomUUID(), signal: new AbortController().signal };

test.each(["x", "", "../2", "2-3", "2/../../x", "2 3"])(
  "what is no build tag (%j) is refused before anything is written",
  async (buildTag) => {
    const wheel = "/nowhere/demo_pkg-1.0-py3-none-any.whl";
    await expect(withBuildTag(wheel, buildTag, "/no/python", tools)).rejects.toThrow(
      "cannot be a build tag: it must begin with a digit",
    );
  },
);

test("a wheel that has the tag already is left as it is", async () => {
  const wheel = "/nowhere/demo_pkg-1.0-2-py3-none-any.whl";
  expect(await withBuildTag(wheel, "2", "/no/python", tools)).toBe(wheel);
});

test("what a build has laid under the new name is neither followed nor written to", async () => {
  const folder = await temporaryFolder();
  const out = join(folder, "out");
  await mkdir(out);
  await writeFile(join(folder, "victim"), "mine");
  await symlink(join(folder, "victim"), join(out, "demo_pkg-1.0-1-py3-none-any.whl"));
  const wheel = join(out, "demo_pkg-1.0-py3-none-any.whl");
  await writeFile(wheel, buildZip(wheelPieces()));
  const { executable } = await probeInterpreter("python3");
  const tagged = await withBuildTag(wheel, "1", executable, {
    ...tools,
    env: { PATH: process.env["PATH"] ?? "" },
  });
  expect(await readFile(join(folder, "victim"), "utf8")).toBe("mine");
  expect((await readFile(tagged)).subarray(0, 2).toString()).toBe("PK");
  expect((await readdir(out)).filter((name) => name.startsWith("tagged-"))).toHaveLength(1);
}, 30_000);
