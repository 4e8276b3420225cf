import { expect, test } from "vitest";
import { withBuildTag } from "../../../actors/slave/build-tag.ts";

const tools = { env: {}, signal: new AbortController().signal };

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
