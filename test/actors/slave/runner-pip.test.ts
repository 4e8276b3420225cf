import { expect, test } from "vitest";
import type { Interpreter } from "../../../actors/slave/interpreter.ts";
import { pipCommand } from "../../../actors/slave/runner-pip.ts";

const commandWith = (indexes: [string, string | null], pipVersion = "23.2.1") =>
  pipCommand({
    interpreter: { executable: "/opt/python", pipVersion } as Interpreter,
    package: "foo",
    sdistPath: "/b/source/foo-1.0.tar.gz",
    outFolder: "/b/out",
    upstreamIndex: indexes[0],
    farmIndex: indexes[1],
  });

test("builds this file alone, from source, with dependencies of both indexes", () => {
  expect(commandWith(["https://pypi.example/simple", "https://farm.example/simple"])).toEqual([
    "/opt/python",
    "-m",
    "pip",
    "wheel",
    "--verbose",
    "--progress-bar=off",
    "--no-deps",
    "--no-binary=foo",
    "--no-cache-dir",
    "--use-pep517",
    "--wheel-dir=/b/out",
    "--index-url=https://pypi.example/simple",
    "--extra-index-url=https://farm.example/simple",
    "/b/source/foo-1.0.tar.gz",
  ]);
});

test("a farm that serves no index adds none", () => {
  expect(commandWith(["https://pypi.example/simple", null]).join(" ")).not.toContain("extra-index");
});

test("a pip from before PEP 517 is not told to use it", () => {
  expect(commandWith(["https://x/simple", null], "18.1")).not.toContain("--use-pep517");
});

test.each([
  ["http://farm.example:8080/simple", ["--trusted-host=farm.example"]],
  ["http://192.168.1.9/simple", ["--trusted-host=192.168.1.9"]],
  ["https://farm.example/simple", []],
  ["http://localhost:8080/simple", []],
  ["http://127.0.0.1:8080/simple", []],
  ["http://[::1]:8080/simple", []],
])("the hosts to be trusted for %s are %j", (index, expected) => {
  const trusted = commandWith([index, index]).filter((word) => word.startsWith("--trusted"));
  expect(trusted).toEqual(expected);
});
