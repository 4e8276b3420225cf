/** Runners as configured, on real shells and Pythons: what they are told, what they say, what becomes of it. */
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { runBuild } from "../../actors/slave/build.ts";
import { BuildLogs } from "../../actors/slave/build-logs.ts";
import { type Interpreter, probeInterpreter } from "../../actors/slave/interpreter.ts";
import { Outbox } from "../../actors/slave/outbox.ts";
import type { Runner } from "../../actors/slave/runner.ts";
import type { RunnerStatus } from "../../actors/slave/runner-status.ts";
import type { BuildResult } from "../../protocol/model/build.ts";
import { packSdist, startSampleUpstream } from "../../samples/index.ts";
import { temporaryFolder } from "../actors/slave/temporary-folder.ts";
import { wheelPieces } from "../protocol/packaging/wheel-builder.ts";
import { buildZip } from "../protocol/packaging/zip-builder.ts";
import { openSandbox } from "../support/open-sandbox.ts";

let interpreter: Interpreter;
beforeAll(async () => {
  interpreter = await probeInterpreter("python3");
});

const WHEEL = "demo_pkg-1.0-py3-none-any.whl";

interface Ran {
  readonly result: BuildResult;
  readonly log: string;
  readonly said: readonly RunnerStatus[];
}

/** Builds demo-pkg with a runner; `$WHEELS` of its path holds a good wheel. */
async function run(
  runner: Partial<Runner> & Pick<Runner, "run">,
  files: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const folder = await temporaryFolder();
  // A runner lies anywhere but in the slave's own folder, which no build sees.
  const [path, workFolder] = [join(await temporaryFolder(), "a path"), join(folder, "it's work")];
  await mkdir(path);
  await mkdir(workFolder);
  await writeFile(join(path, WHEEL), buildZip(wheelPieces()));
  for (const [name, text] of Object.entries(files))
    await writeFile(join(path, name), text, { mode: 0o755 });
  const sdist = packSdist([{ path: "setup.py", data: Buffer.from("1/0\n") }], "demo_pkg-1.0");
  const upstream = await startSampleUpstream({
    files: [{ filename: "demo_pkg-1.0.tar.gz", contents: sdist }],
  });
  onTestFinished(() => upstream.close());
  const page = await fetch(`${upstream.simpleUrl}/demo-pkg/`, {
    headers: { accept: "application/vnd.pypi.simple.v1+json" },
  });
  const listed = (await page.json()) as { files: { url: string }[] };
  const { outbox } = await Outbox.open(join(folder, "outbox"));
  const said: RunnerStatus[] = [];
  const fallback: Runner = { name: "own", match: [], path: [path], settings: {}, ...runner };
  const result = await runBuild(
    {
      order: {
        token: 1,
        package: "demo-pkg",
        version: "1.0",
        target: interpreter.target.name,
        sdist: {
          filename: "demo_pkg-1.0.tar.gz",
          url: new URL(listed.files[0]?.url ?? "", page.url).href,
          sha256: createHash("sha256").update(sdist).digest("hex"),
          sizeBytes: sdist.length,
        },
        buildTag: null,
      },
      interpreter,
      upstreamIndex: upstream.simpleUrl,
      farmIndex: null,
      onStatus: (status) => void said.push(status),
    },
    {
      outbox,
      logs: new BuildLogs(outbox, join(folder, "lost-logs")),
      sandbox: await openSandbox(folder, interpreter),
      workFolder,
      timeoutMs: 60_000,
      killGraceMs: 300,
      runners: { list: [], fallback },
    },
    new AbortController().signal,
  );
  return { result, said, log: await readFile(outbox.logPath(1), "utf8") };
}

const shell = (command: string) => ({ run: { kind: "shell" as const, command } });
const python = (name: string) => ({
  run: { kind: "python" as const, module: "my_worker", function: name, python: undefined },
});

/** Where a runner of these tests finds the wheel: beside its own programs, first on its PATH. */
const COPY = `cp "\${PATH%%:*}"/${WHEEL} %OUT`;

test("a shell's wheel goes through the same checks and is handed on", async () => {
  const { result, log } = await run(
    shell(`echo building %PACKAGE '%VERSION' for "%ABI" 100%; ${COPY}`),
  );
  expect(result).toMatchObject({ cause: "built", files: [{ filename: WHEEL }] });
  expect(log).toContain(`building demo-pkg 1.0 for ${interpreter.target.abiTag} 100%`);
});

test("a shell is told its order in its environment and in a file, with the settings of its section", async () => {
  const { result, log } = await run(
    {
      ...shell(`env | sort; cat "$WHEELWRIGHT_ORDER"; test -f %SDIST && echo the sdist is there`),
      settings: { "print-dir": "/srv/print", host: "http://cnx.example" },
    },
    {},
  );
  expect(result.cause).toBe("bad-wheel");
  expect(result.message).toBe("the build ended well but left no wheel");
  expect(log).toMatch(/^WHEELWRIGHT_PACKAGE=demo-pkg$/m);
  expect(log).toMatch(/^WHEELWRIGHT_SETTING_PRINT_DIR=\/srv\/print$/m);
  expect(log).toContain("the sdist is there");
  const order: unknown = JSON.parse(/^\{[\s\S]*?^\}/m.exec(log)?.[0] ?? "");
  expect(order).toMatchObject({
    package: "demo-pkg",
    version: "1.0",
    abi: interpreter.target.abiTag,
    sdist: { filename: "demo_pkg-1.0.tar.gz" },
    settings: { "print-dir": "/srv/print", host: "http://cnx.example" },
  });
});

test("a program of the runner's own folder is found by its name", async () => {
  const { result } = await run(shell("build-it %OUT"), {
    "build-it": `#!/bin/sh\ncp "$(dirname "$0")"/${WHEEL} "$1"\n`,
  });
  expect(result.cause).toBe("built");
});

test.each<[string, string, Partial<BuildResult>]>([
  [
    "Failed",
    `echo "Failed no licence" > %STATUS; ${COPY}`,
    { cause: "build-failed", message: "no licence", missing: [] },
  ],
  [
    "Blocked on requirements",
    `echo "Blocked needs cython>=3 numpy>=1,<2" > %STATUS; exit 1`,
    { cause: "dependency-missing", missing: ["cython>=3", "numpy>=1,<2"] },
  ],
  [
    "Blocked for a time",
    `echo "Blocked for 30m the server rests" >> %STATUS`,
    { cause: "deferred", message: "the server rests", retryAfterMs: 1_800_000 },
  ],
  [
    "Blocked until later",
    `echo "Blocked" > %STATUS; exit 7`,
    { cause: "deferred", message: "the runner asks for another try later" },
  ],
  [
    "Blocked, then Done",
    `echo "Blocked" > %STATUS; echo "Done after all" > %STATUS; ${COPY}`,
    { cause: "built", message: "" },
  ],
  [
    "nothing, and a failing exit code",
    `echo "frob.c:3:1: error: no frob"; exit 3`,
    { cause: "build-failed", message: "frob.c:3:1: error: no frob" },
  ],
])("a runner that says %s decides so, whatever its exit code", async (_what, command, expected) => {
  const { result } = await run(shell(command));
  expect(result).toMatchObject(expected);
  if (result.cause !== "built") expect(result.files).toEqual([]);
});

test("a Python function is given message, callback and settings, and its words are told in order", async () => {
  const { result, said, log } = await run(
    { ...python("hello"), settings: { name: "World" } },
    {
      "my_worker.py": `
import os, shutil, time
def hello(message, set_status, settings={}):
    set_status("Building", "Starting\\nnow")
    print("Hello %s!" % settings["name"])
    time.sleep(1.2)
    shutil.copy(os.path.join(os.path.dirname(__file__), "${WHEEL}"), message["out"])
    set_status("Done", "completed " + message["package"])
`,
    },
  );
  expect(result).toMatchObject({ cause: "built", files: [{ filename: WHEEL }] });
  expect(log).toContain("Hello World!");
  expect(said).toEqual([
    { status: "Building", text: "Starting now" },
    { status: "Done", text: "completed demo-pkg" },
  ]);
});

test("an exception of a Python function that nobody expected is a failure by its name", async () => {
  const { result, log } = await run(python("hello"), {
    "my_worker.py": `def hello(message, set_status, settings):\n    settings["name"]\n`,
  });
  expect(result).toMatchObject({ cause: "build-failed", message: "KeyError: 'name'" });
  expect(log).toContain("Traceback");
});

test("a Python function that is not there is a failure that names it", async () => {
  const { result } = await run(python("hello"));
  expect(result).toMatchObject({
    cause: "build-failed",
    message: "ModuleNotFoundError: No module named 'my_worker'",
  });
});

test("a Python function may wait for requirements or for a time", async () => {
  const worker = {
    "my_worker.py": `
def needs(message, set_status, settings):
    set_status("Blocked", needs=["cython >= 3"])
def later(message, set_status, settings):
    set_status("Blocked", "the server rests", after=90)
`,
  };
  expect((await run(python("needs"), worker)).result).toMatchObject({
    cause: "dependency-missing",
    missing: ["cython>=3"],
  });
  expect((await run(python("later"), worker)).result).toMatchObject({
    cause: "deferred",
    message: "the server rests",
    retryAfterMs: 90_000,
  });
});

test("a runner that says more than anybody reads costs little, and its last word counts", async () => {
  const { result, said, log } = await run(
    shell(
      `head -c 300000 /dev/zero > %STATUS; for n in $(seq 2000); do echo "Building $n"; done > %STATUS; rm %STATUS; echo "Failed to a plain file" > %STATUS; exit 1`,
    ),
  );
  expect(result.cause).toBe("build-failed");
  expect(said.length).toBeLessThan(30);
  expect(said.at(-1)).toEqual({ status: "Building", text: "2000" });
  expect(log.length).toBeLessThan(10_000);
});
