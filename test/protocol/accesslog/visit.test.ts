/** Visits are found where the site has its files. */
import { describe, expect, it } from "vitest";
import { findVisit } from "../../../protocol/accesslog/visit.ts";
import {
  HOME_PAGE_KEY,
  logKey,
  metadataKey,
  NOT_FOUND_PAGE_KEY,
  projectPageKey,
  simplePageKeys,
  urlPathOf,
  wheelKey,
} from "../../../web/public-key.ts";

const filename = "foo_bar-1.0+local.1-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl";

describe("the files of the site", () => {
  it.each([
    [wheelKey("foo-bar", filename), "download"],
    [simplePageKeys("foo-bar").html, "simple"],
    [simplePageKeys("foo-bar").json, "simple"],
    [projectPageKey("foo-bar"), "project"],
  ])("%s are of their project, a %s", (key, kind) => {
    expect(findVisit(urlPathOf(key))).toMatchObject({ kind, package: "foo-bar" });
  });

  it.each([metadataKey("foo-bar", filename), simplePageKeys().html, logKey(7)])(
    "%s are not counted",
    (key) => {
      expect(findVisit(urlPathOf(key))).toBeUndefined();
    },
  );

  it.each([HOME_PAGE_KEY, NOT_FOUND_PAGE_KEY])("%s are pages", (key) => {
    expect(findVisit(urlPathOf(key))).toMatchObject({ kind: "page", package: null });
  });
});
