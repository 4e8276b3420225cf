/** A folder for one test, removed after it whatever happened. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { removeTree } from "../../../actors/slave/remove-tree.ts";

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "slave-"));
  onTestFinished(() => removeTree(folder));
  return folder;
}
