import { describe, expect, it } from "vitest";
import { parseSdistFilename, preferredSdist } from "../../../protocol/packaging/sdist-filename.ts";

describe("an sdist's file name", () => {
  it.each([
    ["foo-1.0.tar.gz", "foo", "1.0", ".tar.gz"],
    ["foo_bar-1.0.tar.gz", "foo-bar", "1.0", ".tar.gz"],
    ["Foo-Bar-1.0.zip", "foo-bar", "1.0", ".zip"],
    ["foo.bar-1.0rc1.tar.bz2", "Foo_Bar", "1.0rc1", ".tar.bz2"],
    ["foo-1-2.zip", "foo-1", "2", ".zip"],
    ["foo-1-2.zip", "foo", "1.post2", ".zip"],
    ["foo-2-1.0.tgz", "foo-2", "1.0", ".tgz"],
    ["foo-1!2.0+x.1.tar.gz", "foo", "1!2.0+x.1", ".tar.gz"],
    ["foo-v1.0.tar.xz", "foo", "1.0", ".tar.xz"],
  ])("%s of %s is version %s, %s", (filename, project, version, extension) => {
    expect(parseSdistFilename(filename, project)).toMatchObject({ filename, version, extension });
  });

  it.each([
    ["bar-1.0.tar.gz", "foo"],
    ["foo-1-1.0.tar.gz", "foo"],
    ["foo-1.0.linux-x86_64.tar.gz", "foo"],
    ["foo-1.0.win32.zip", "foo"],
    ["foo-1.0.exe", "foo"],
    ["foo-1.0-py3-none-any.whl", "foo"],
    ["foo-1.0.tar.Z", "foo"],
    ["foo-.tar.gz", "foo"],
    ["foo.tar.gz", "foo"],
    ["../foo-1.0.tar.gz", "foo"],
    ["foo-1.0/x.tar.gz", "foo"],
    ["foo- 1.0.tar.gz", "foo"],
    [`foo-${"1.".repeat(200)}0.tar.gz`, "foo"],
    [`${"-".repeat(100_000)}.tar.gz`, "foo"],
  ])("%.60s is none of %s", (filename, project) => {
    expect(parseSdistFilename(filename, project)).toBeUndefined();
  });

  it.each([
    [["a.zip", "a.tar.gz", "a.tar.bz2"], "a.tar.gz"],
    [["a.tar.bz2", "a.zip"], "a.zip"],
    [["a.tar.xz", "a.tgz"], "a.tgz"],
    [["1.tar.gz", "2.tar.gz"], "1.tar.gz"],
    [["a.whl", "a.exe"], undefined],
    [[], undefined],
  ])("of %j the one to build is %s", (filenames, expected) => {
    const files = filenames.map((filename) => ({ filename }));
    expect(preferredSdist(files)?.filename).toBe(expected);
  });
});
