import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  packSdist,
  sampleProjects,
  startSampleUpstream,
  YANK_REASON,
} from "../../../samples/index.ts";
import { clientOf, emptySdist, never, startUpstream } from "./harness.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "samples-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a packed sdist", () => {
  const long = `${"folder/".repeat(20)}${"n".repeat(90)}.py`;
  const entries = [
    { path: "b.py", data: Buffer.from("b = 1\n") },
    { path: "a.sh", data: Buffer.alloc(1024, "a"), executable: true },
    { path: long, data: Buffer.from("é") },
    { path: "empty", data: Buffer.alloc(0) },
  ];

  it("is the same byte for byte whatever the order of its files", () => {
    const packed = packSdist(entries, "foo-1.0");
    expect(packSdist([...entries].reverse(), "foo-1.0").equals(packed)).toBe(true);
  });

  it("is unpacked by tar, with modes, long paths and nobody's name", () => {
    const archive = join(folder, "foo-1.0.tar");
    writeFileSync(archive, gunzipSync(packSdist(entries, "foo-1.0")));
    const listing = execFileSync("tar", ["--numeric-owner", "-tvf", archive], {
      env: { ...process.env, TZ: "UTC" },
      encoding: "utf8",
    });
    expect(
      listing
        .trim()
        .split("\n")
        .map((line) => line.replace(/ +/g, " ")),
    ).toEqual([
      "-rwxr-xr-x 0/0 1024 2024-01-01 00:00 foo-1.0/a.sh",
      "-rw-r--r-- 0/0 6 2024-01-01 00:00 foo-1.0/b.py",
      "-rw-r--r-- 0/0 0 2024-01-01 00:00 foo-1.0/empty",
      `-rw-r--r-- 0/0 2 2024-01-01 00:00 foo-1.0/${long}`,
    ]);
    execFileSync("tar", ["-xf", archive, "-C", folder]);
    const bytes = execFileSync("cat", [join(folder, "foo-1.0", long)], { encoding: "utf8" });
    expect(bytes).toBe("é");
  });

  it("refuses a path that no header can hold", () => {
    const entry = { path: "x".repeat(300), data: Buffer.alloc(0) };
    expect(() => packSdist([entry], "foo-1.0")).toThrow("too long");
  });
});

describe("the sample upstream", () => {
  it("holds the sample projects, one version of them yanked", { timeout: 5_000 }, async () => {
    const upstream = await startUpstream({});
    const client = clientOf(upstream);
    for (const { project, version, kind } of sampleProjects) {
      const files = (await client.project(project, never))?.files ?? [];
      const file = files.find((each) => each.version === version);
      expect(file).toMatchObject({
        kind: "sdist",
        requiresPython: ">=3.6",
        yanked: kind === "yanked" ? YANK_REASON : null,
      });
      expect((await client.description(project, never))?.name).toBe(project);
    }
  });

  it("serves a folder of sdists and wheels by what they say of themselves", async () => {
    const sdist = emptySdist("Odd_Name.Of", "1.0.0", "Requires-Python: >=3.9\n");
    writeFileSync(join(folder, sdist.filename), sdist.contents);
    writeFileSync(join(folder, "plain-name-2.5-py3-none-any.whl"), "no wheel");
    writeFileSync(join(folder, "old-school-0.1.tar.gz"), "no archive");
    writeFileSync(join(folder, "README"), "not served");
    const upstream = await startUpstream({ folders: [] });
    expect(() => upstream.yank("x", "1")).toThrow("no project x");
    await expect(upstream.addFolder(folder)).rejects.toThrow("plain-name-2.5");
    rmSync(join(folder, "plain-name-2.5-py3-none-any.whl"));
    await upstream.addFolder(folder);
    const client = clientOf(upstream);
    expect((await client.project("odd-name-of", never))?.files).toMatchObject([
      { filename: sdist.filename, version: "1.0.0", requiresPython: ">=3.9" },
    ]);
    expect((await client.project("old-school", never))?.files).toMatchObject([
      { filename: "old-school-0.1.tar.gz", version: "0.1", requiresPython: null },
    ]);
    expect(await client.changelogLastSerial(never)).toBe(upstream.lastSerial);
  });

  it("gives no file name out twice, also after its release was removed", async () => {
    const upstream = await startUpstream();
    expect(() => upstream.publish(emptySdist("foo", "1.0"))).toThrow("published before");
    upstream.removeRelease("foo", "1.0");
    expect((await clientOf(upstream).project("foo", never))?.files).toEqual([]);
    expect(() => upstream.publish(emptySdist("foo", "1.0"))).toThrow("published before");
    upstream.removeProject("foo");
    expect(await clientOf(upstream).project("foo", never)).toBeUndefined();
  });

  it("sends other spellings and addresses without a slash to the right one", async () => {
    const upstream = await startUpstream({ files: [emptySdist("Foo.Bar", "1.0")] });
    for (const spelling of ["Foo.Bar/", "foo_bar", "foo-bar"]) {
      const answer = await fetch(`${upstream.simpleUrl}/${spelling}`, { redirect: "manual" });
      expect([answer.status, answer.headers.get("location")]).toEqual([301, "/simple/foo-bar/"]);
    }
  });

  it.each([
    [undefined, 200, "text/html"],
    ["*/*", 200, "text/html"],
    ["application/vnd.pypi.simple.v1+json", 200, "application/vnd.pypi.simple.v1+json"],
    ["application/vnd.pypi.simple.latest+json", 200, "application/vnd.pypi.simple.v1+json"],
    ["text/html, application/vnd.pypi.simple.v1+json;q=0.5", 200, "text/html"],
    ["text/html;q=0.1, application/vnd.pypi.simple.v1+json;q=0.5", 200, "application/vnd.pypi"],
    ["text/html;q=0, image/png", 406, "text/plain"],
  ])("answers Accept: %s with %i %s", async (accept, status, type) => {
    const upstream = await startUpstream();
    const headers = accept === undefined ? {} : { accept };
    // Fetch always sends an Accept of its own; an empty one counts as none.
    const init = { headers: accept === undefined ? { accept: "" } : headers };
    const answer = await fetch(`${upstream.simpleUrl}/foo/`, init);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toContain(type);
  });

  it("says that a port is in use, and can be closed twice", async () => {
    const upstream = await startUpstream();
    const port = Number(new URL(upstream.url).port);
    await expect(startSampleUpstream({ port, files: [] })).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
    await upstream.close();
    await upstream.close();
  });
});
