/** What `piw target` takes for a target. */
import { describe, expect, it } from "vitest";
import { readTarget } from "../../bin/target-spec.ts";

const { signal } = new AbortController();
const name = "cp312-linux_riscv64";
const tags = [`cp312-cp312-linux_riscv64, cp312-none-any`, "py3-none-any"];

describe("a target", () => {
  it("is a name alone, or what its tags say", async () => {
    expect(await readTarget(name, {}, signal)).toEqual({ name, whole: undefined });
    expect(await readTarget(name, { tags, "python-version": "3.12.7" }, signal)).toEqual({
      name,
      whole: {
        name,
        implementation: "CPython",
        pythonVersion: "3.12",
        pythonFullVersion: "3.12.7",
        abiTag: "cp312",
        platformTag: "linux_riscv64",
        tags: ["cp312-cp312-linux_riscv64", "cp312-none-any", "py3-none-any"],
      },
    });
  });

  it.each([
    [undefined, {}, /which target\?/],
    ["no target", {}, /is no target's name/],
    ["q".repeat(201), {}, /is no target's name/],
    [name, { tags, python: "python3" }, /contradict/],
    [name, { tags: ["py3-none-any"] }, /first tag is to be that of/],
    ["cp311-linux_x86_64", { tags }, /first tag is to be that of/],
    [name, { tags, "python-version": "3.11.4" }, /do not describe .*python-version/],
    [name, { tags: [...tags, "<tag>"] }, /do not describe .*tags\.3/],
    [undefined, { python: "/nonexistent/python" }, /was not found/],
    [name, { python: "python3" }, /leave the name out/],
  ])("%j %j is refused", async (said, options, words) => {
    await expect(readTarget(said, options, signal)).rejects.toThrow(words);
  });
});
