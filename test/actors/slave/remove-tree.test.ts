import { chmod, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { removeTree } from "../../../actors/slave/remove-tree.ts";
import { temporaryFolder } from "./temporary-folder.ts";

test("a tree with read-only folders goes, and what its links point at stays", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "kept"), "kept");
  const tree = join(folder, "tree");
  await mkdir(join(tree, "a", "b"), { recursive: true });
  await writeFile(join(tree, "a", "b", "file"), "");
  await symlink(folder, join(tree, "a", "up"));
  await symlink(join(folder, "kept"), join(tree, "a", "link"));
  await chmod(join(tree, "a", "b"), 0o500);
  await chmod(join(tree, "a"), 0o000);
  await removeTree(tree);
  await expect(stat(tree)).rejects.toThrow("ENOENT");
  expect(await readFile(join(folder, "kept"), "utf8")).toBe("kept");
});

test("what is not there is no error", async () => {
  await removeTree(join(await temporaryFolder(), "nothing"));
});

test("a tree that is deeper than any path can name goes", async () => {
  const folder = await temporaryFolder();
  const tree = join(folder, "tree");
  const script = `
import os, sys
os.mkdir(sys.argv[1])
os.chdir(sys.argv[1])
for level in range(60):
    os.mkdir("x" * 200)
    os.chdir("x" * 200)
open("file", "w").close()
`;
  await execa("python3", ["-c", script, tree]);
  await removeTree(tree);
  await expect(stat(tree)).rejects.toThrow("ENOENT");
}, 30_000);
