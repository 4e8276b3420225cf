import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  type Interpreter,
  InterpreterError,
  probeInterpreter,
} from "../../../actors/slave/interpreter.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A program that takes the place of an interpreter. */
async function fake(script: string): Promise<string> {
  const path = join(await temporaryFolder(), "python");
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

async function notExecutable(): Promise<string> {
  const path = await fake("exit 0");
  await chmod(path, 0o644);
  return path;
}

const answering = (answer: object) =>
  fake(`echo noise first\ncat <<'END'\n${JSON.stringify({ ...whole, ...answer })}\nEND`);

const whole = {
  executable: "/opt/python",
  implementation: "CPython",
  major: 3,
  minor: 11,
  fullVersion: "3.11.7",
  platform: "linux_x86_64",
  pipVersion: "23.2.1",
  pipProblem: "",
  tags: ["cp311-cp311-manylinux_2_36_x86_64", "cp311-cp311-linux_x86_64", "py3-none-any"],
  hasHeaders: true,
};

const targetOf = async (answer: object): Promise<Interpreter["target"]> =>
  (await probeInterpreter(await answering(answer))).target;

const refusal = (probe: Promise<unknown>): Promise<InterpreterError> =>
  probe.then(
    () => {
      throw new Error("it was taken");
    },
    (error: unknown) => {
      expect(error).toBeInstanceOf(InterpreterError);
      return error as InterpreterError;
    },
  );

test("the python3 of this machine describes its target, its tags and its pip", async () => {
  const { target, pipVersion, executable } = await probeInterpreter();
  const [major, minor] = target.pythonVersion.split(".");
  expect(target.name).toBe(`cp${major}${minor}-${target.platformTag}`);
  expect(target.abiTag).toMatch(/^cp3\d+/);
  expect(target.pythonFullVersion.startsWith(`${target.pythonVersion}.`)).toBe(true);
  expect(target.platformTag).toMatch(/^(?:linux|macosx)_/);
  expect(target.tags[0]).toMatch(new RegExp(`^cp3\\d+-${target.abiTag}-`));
  expect(target.tags).toContain(`cp3${minor}-${target.abiTag}-${target.platformTag}`);
  expect(target.tags).toContain("py3-none-any");
  expect(new Set(target.tags).size).toBe(target.tags.length);
  expect(pipVersion).toMatch(/^\d+\.\d+/);
  expect(executable.startsWith("/")).toBe(true);
}, 20_000);

test.each([
  [["cp311-cp311-manylinux_2_36_x86_64", "cp311-cp311-linux_x86_64"], "cp311-linux_x86_64"],
  [["cp36-cp36m-manylinux1_x86_64", "cp36-cp36m-linux_x86_64"], "cp36-linux_x86_64"],
  [["cp313-cp313t-manylinux_2_36_x86_64", "cp313-cp313t-linux_x86_64"], "cp313t-linux_x86_64"],
  [["cp312-cp312-musllinux_1_2_aarch64", "cp312-cp312-linux_aarch64"], "cp312-musllinux_aarch64"],
  [["cp311-cp311-linux_armv8l", "cp311-cp311-linux_armv7l"], "cp311-linux_armv7l"],
  [["cp311-cp311-macosx_14_0_arm64", "cp311-cp311-macosx_13_0_arm64"], "cp311-macosx_14_0_arm64"],
  [
    ["pp310-pypy310_pp73-manylinux1_x86_64", "pp310-pypy310_pp73-linux_x86_64"],
    "pp310-linux_x86_64",
  ],
])("an interpreter whose tags begin with %j is the target %s", async (tags, name) => {
  expect((await targetOf({ tags })).name).toBe(name);
});

test.each([
  [
    "is not there",
    async () => join(await temporaryFolder(), "python9"),
    "missing",
    /was not found: install Python/,
  ],
  ["may not be executed", notExecutable, "missing", /may not be executed/],
  ["is a folder", () => temporaryFolder(), "missing", /install Python/],
  [
    "is Python 2",
    () => answering({ major: 2, minor: 7, fullVersion: "2.7.18" }),
    "too-old",
    /needs? Python 3\.6/,
  ],
  [
    "has no pip",
    () => answering({ pipVersion: null, pipProblem: "No module named pip" }),
    "no-pip",
    /-m ensurepip/,
  ],
  [
    "has a pip that tells no tags",
    () => answering({ tags: [] }),
    "unusable",
    /install --upgrade pip/,
  ],
  ["fails", () => fake("echo broken >&2; exit 3"), "unusable", /broken/],
  ["answers with something else", () => fake("echo hello"), "unusable", /"hello"/],
  ["answers with other fields", () => fake("echo '{}'"), "unusable", /no usable Python/],
])(
  "an interpreter that %s is refused in one line that says what to do",
  async (_what, make, code, message) => {
    const error = await refusal(probeInterpreter(await make()));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("\n");
  },
);

test("an interpreter that never answers is given up in time", async () => {
  const error = await refusal(probeInterpreter(await fake("exec sleep 60"), { timeoutMs: 100 }));
  expect(error.code).toBe("silent");
});
