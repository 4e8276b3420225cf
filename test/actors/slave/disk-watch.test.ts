/** The disk that several builds of a slave share: whose use it is, and who ends when it runs out. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { DiskWatch } from "../../../actors/slave/sandbox/disk-watch.ts";
import { unlimited } from "../../../actors/slave/sandbox/limits.ts";
import { until } from "./scripted-master.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const MB = 1_000_000;

async function builds(sizes: Readonly<Record<string, number>>, filesEach = 1) {
  const folder = await temporaryFolder();
  for (const [name, bytes] of Object.entries(sizes)) {
    mkdirSync(join(folder, name));
    for (let n = 0; n < filesEach; n += 1) {
      writeFileSync(join(folder, name, `file-${n}`), Buffer.alloc(bytes, 1));
    }
  }
  return (name: string) => join(folder, name);
}

/** Watches over folders; what ended is told with the others that stood at that moment. */
function watchAll(disk: DiskWatch, folders: readonly string[], diskBytes: number) {
  const ended: { folder: string; message: string; standing: string[] }[] = [];
  for (const folder of folders) {
    const end = disk.watch(folder, { ...unlimited, diskBytes }, ({ message }) => {
      ended.push({ folder, message, standing: folders.filter((each) => existsSync(each)) });
    });
    onTestFinished(end);
  }
  return ended;
}

test("where the disk runs out the build that holds most ends, and no other before its room is given back", async () => {
  const pathOf = await builds({ small: MB, large: 6 * MB, middle: 3 * MB });
  const [small, large, middle] = [pathOf("small"), pathOf("large"), pathOf("middle")];
  // Any disk has less.
  const disk = new DiskWatch({ bytes: Number.MAX_VALUE, files: 0 });
  const ended = watchAll(disk, [small, large, middle], 1_000 * MB);
  await until("the first to end", () => (ended.length > 0 ? true : undefined));
  const at = performance.now();
  await until("several looks", () => (performance.now() - at > 1_500 ? true : undefined));
  expect(ended.map(({ folder }) => folder)).toEqual([large]);
  expect(ended[0]?.message).toMatch(
    /^ended while the slave's disk had only .* left; the build held 6(\.\d)? MB, most of all that ran$/,
  );
  rmSync(large, { recursive: true });
  await until("the second to end", () => (ended.length > 1 ? true : undefined));
  expect(ended[1]).toMatchObject({ folder: middle, standing: [small, middle] });
});

test("where the disk has no room for more files the build with most of them ends", async () => {
  const pathOf = await builds({ large: 4 * MB });
  const [large, many] = [pathOf("large"), pathOf("many")];
  mkdirSync(many);
  for (let n = 0; n < 50; n += 1) writeFileSync(join(many, `file-${n}`), "");
  const disk = new DiskWatch({ bytes: 0, files: Number.MAX_VALUE });
  const ended = watchAll(disk, [large, many], 1_000 * MB);
  await until("one to end", () => (ended.length > 0 ? true : undefined));
  expect(ended[0]?.folder).toBe(many);
  expect(ended[0]?.message).toMatch(/had room for only \d+ more files; the build held/);
});

test("a build ends at its own limit, whatever the others hold", async () => {
  const pathOf = await builds({ small: MB, large: 6 * MB });
  const ended = watchAll(new DiskWatch(), [pathOf("small"), pathOf("large")], 4 * MB);
  await until("the large one to end", () => (ended.length > 0 ? true : undefined));
  rmSync(pathOf("large"), { recursive: true });
  const at = performance.now();
  await until("another look", () => (performance.now() - at > 1_500 ? true : undefined));
  expect(ended.map(({ folder }) => folder)).toEqual([pathOf("large")]);
  expect(ended[0]?.message).toMatch(/^ended at the limit of disk, 4 MB: its folder held 6/);
});

/** In place of the machine's du, for the rest of the test. */
async function putDu(script: string): Promise<void> {
  const folder = await temporaryFolder();
  writeFileSync(join(folder, "du"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const path = process.env["PATH"];
  process.env["PATH"] = `${folder}:${path}`;
  onTestFinished(() => {
    process.env["PATH"] = path;
  });
}

test("a build that has du complain without end is not taken for an empty one", async () => {
  const pathOf = await builds({ odd: MB });
  await putDu("yes 'du: cannot access it' | head -c 40000000 >&2; echo 8 .");
  const ended = watchAll(new DiskWatch(), [pathOf("odd")], 4 * MB);
  await until("it to end", () => (ended.length > 0 ? true : undefined), 30_000);
  expect(ended[0]?.message).toMatch(/it kept its folder from being measured$/);
}, 40_000);

test("where the disk runs out, who cannot be measured ends before who can", async () => {
  const pathOf = await builds({ large: 6 * MB, odd: MB });
  await putDu(
    `case "$2$3" in *odd*) yes 'du: cannot access it' | head -c 40000000 >&2;; *) exec /usr/bin/du "$@";; esac`,
  );
  const disk = new DiskWatch({ bytes: Number.MAX_VALUE, files: 0 });
  const ended = watchAll(disk, [pathOf("large"), pathOf("odd")], 1_000 * MB);
  await until("one to end", () => (ended.length > 0 ? true : undefined), 30_000);
  expect(ended[0]?.folder).toBe(pathOf("odd"));
}, 40_000);
