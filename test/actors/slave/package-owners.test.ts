/**
 * Owners of libraries, from the machine's own package manager; those that it has not are stood in for by programs
 * that answer as theirs do.
 */
import { existsSync } from "node:fs";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findOwners } from "../../../actors/slave/package-owners.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const signal = new AbortController().signal;

/** A PATH that has these programs and no others. */
async function pathWith(programs: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryFolder();
  for (const [name, body] of Object.entries(programs))
    await writeFile(join(folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return folder;
}

test.skipIf(!existsSync("/var/lib/dpkg/info"))(
  "dpkg names the package of a library, by a link too, and no package for what it does not know",
  async () => {
    const folder = await temporaryFolder();
    const [link, own] = [join(folder, "link.so"), join(folder, "own.so")];
    const libc = "/lib/x86_64-linux-gnu/libc.so.6";
    const known = existsSync(libc) ? libc : "/bin/sh";
    await symlink(known, link);
    await writeFile(own, "");
    const run = { signal };
    const owners = await findOwners([known], run);
    expect(owners).toHaveLength(1);
    expect(await findOwners([link, own, "/no/such*"], run)).toEqual(owners);
    expect(await findOwners([own], run)).toEqual([]);
  },
);

test("rpm is asked where there is no dpkg", async () => {
  const PATH = await pathWith({
    rpm: `for path; do case $path in
      */libz.so.1) echo "owner zlib" ;;
      */libc.so.6) echo "owner glibc" ;;
      /*) echo "file $path is not owned by any package" ;;
    esac; done; exit 1`,
  });
  const paths = ["/lib64/libz.so.1", "/lib64/libc.so.6", "/opt/own.so"];
  expect(await findOwners(paths, { path: PATH, signal })).toEqual(["glibc", "zlib"]);
});

test("apk is asked where there is neither", async () => {
  const PATH = await pathWith({
    apk: `echo "/lib/libz.so.1 is owned by zlib-1.3.1-r2"
    echo "/usr/lib/libstdc++.so.6 is owned by libstdc++-13.2.1_git20240309-r0"
    echo "/lib/ld-musl-x86_64.so.1 is owned by musl-1.2.5-r1"
    echo "ERROR: /opt/own.so: Could not find owner package" >&2; exit 1`,
  });
  const paths = ["/lib/libz.so.1", "/lib/ld-musl-x86_64.so.1", "/usr/lib/libstdc++.so.6"];
  expect(await findOwners([...paths, "/opt/own.so"], { path: PATH, signal })).toEqual([
    "libstdc++",
    "musl",
    "zlib",
  ]);
});

test("a machine without any of them knows of no packages", async () => {
  const PATH = await pathWith({});
  expect(await findOwners(["/lib/libz.so.1"], { path: PATH, signal })).toEqual([]);
});
