import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findBuildProcesses } from "../../../actors/slave/build-processes.ts";
import { buildEnvironment } from "../../../actors/slave/environment.ts";
import { type Limits, runCommand } from "../../../actors/slave/launch.ts";
import type { Cell } from "../../../actors/slave/sandbox/cell.ts";
import { unlimited } from "../../../actors/slave/sandbox/limits.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A process that has ended may still be listed, until whoever adopted it looks. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat !== "" && !/\) [ZX] /.test(stat);
}

/** Runs a shell script as a build's command. */
async function run(
  script: string,
  options: Partial<Limits> & { signal?: AbortSignal; onOutput?: (text: string) => void } = {},
) {
  const cwd = await temporaryFolder();
  const buildId = randomUUID();
  let output = "";
  const startedAt = performance.now();
  const exit = await runCommand(
    {
      argv: ["/bin/sh", "-c", script],
      cwd,
      buildId,
      env: buildEnvironment(
        { PATH: process.env["PATH"], PIP_INDEX_URL: "http://elsewhere", SECRET: "s3cret" },
        { executable: "/opt/python/bin/python3", home: cwd, temporary: cwd, buildId },
      ),
    },
    { timeoutMs: options.timeoutMs ?? 10_000, graceMs: options.graceMs ?? 200 },
    (chunk) => {
      output += chunk.toString();
      options.onOutput?.(output);
    },
    options.signal ?? new AbortController().signal,
  );
  const left = await findBuildProcesses(buildId);
  return { exit, output, left, cwd, durationMs: performance.now() - startedAt };
}

test("output and errors come in the order in which they were written", async () => {
  const { exit, output } = await run("echo 1; echo 2 >&2; echo 3");
  expect(output).toBe("1\n2\n3\n");
  expect(exit).toEqual({ code: 0, signal: null, endedBy: "itself" });
});

test("an exit code and a signal of its own are reported as its own", async () => {
  expect((await run("exit 3")).exit).toEqual({ code: 3, signal: null, endedBy: "itself" });
  expect((await run("kill -9 $$")).exit).toEqual({
    code: null,
    signal: "SIGKILL",
    endedBy: "itself",
  });
});

test("there is nothing to read, the umask is 022, and the environment is the build's own", async () => {
  const { output, cwd } = await run("cat; umask; env | sort");
  const lines = output.split("\n");
  expect(lines[0]).toBe("0022");
  expect(output).not.toMatch(/s3cret|elsewhere/);
  expect(lines).toContain(`HOME=${cwd}`);
  expect(lines).toContain(`TMPDIR=${cwd}`);
  expect(lines).toContain("PIP_CONFIG_FILE=/dev/null");
  expect(lines).toContain("SOURCE_DATE_EPOCH=315532800");
  expect(lines).toContain("LC_ALL=C.UTF-8");
  expect(lines).toContain("PYTHONNOUSERSITE=1");
  expect(lines.find((line) => line.startsWith("PATH="))).toMatch(/^PATH=\/opt\/python\/bin:/);
});

test("at its time limit a command is asked to end", async () => {
  const { exit, output } = await run(
    "trap 'echo asked; exit 5' TERM; while :; do sleep 0.01; done",
    {
      timeoutMs: 100,
      graceMs: 5_000,
    },
  );
  expect(exit).toEqual({ code: 5, signal: null, endedBy: "timeout" });
  expect(output).toContain("asked\n");
});

test("a command that will not end, and its children, are killed", async () => {
  const { exit, left } = await run("trap '' TERM; sleep 60 & while :; do sleep 0.01; done", {
    timeoutMs: 50,
    graceMs: 50,
  });
  expect(exit).toEqual({ code: null, signal: "SIGKILL", endedBy: "timeout" });
  expect(left).toEqual([]);
});

test("a daemon that left the group and holds the output open ends with the build", async () => {
  const { exit, left, durationMs, cwd } = await run(
    "setsid sh -c 'echo $$ > pid; sleep 60' & while [ ! -s pid ]; do sleep 0.01; done; echo done",
  );
  expect(exit).toEqual({ code: 0, signal: null, endedBy: "itself" });
  const pid = Number(await readFile(join(cwd, "pid"), "utf8"));
  expect(pid).toBeGreaterThan(0);
  expect(left).toEqual([]);
  expect(await isRunning(pid)).toBe(false);
  expect(durationMs).toBeLessThan(5_000);
});

test("a build that starts processes for ever is ended as a whole", async () => {
  const script = "f() { while :; do setsid sleep 60 & sleep 0.005; done; }; f & f & f & wait";
  const { left } = await run(script, { timeoutMs: 150, graceMs: 50 });
  expect(left).toEqual([]);
});

test("aborting ends a command at once, also one that was aborted before it began", async () => {
  const abort = new AbortController();
  const late = await run("echo here; sleep 60", {
    signal: abort.signal,
    onOutput: () => abort.abort(),
  });
  expect(late.exit).toEqual({ code: null, signal: "SIGTERM", endedBy: "abort" });
  const early = await run("sleep 60", { signal: AbortSignal.abort() });
  expect(early.exit.endedBy).toBe("abort");
  expect(late.durationMs + early.durationMs).toBeLessThan(4_000);
});

test("a limit longer than a timer can be is no limit of none", async () => {
  const { exit } = await run("sleep 0.05", { timeoutMs: 1e12 });
  expect(exit.endedBy).toBe("itself");
});

/** A cell that is nothing but a command line of its own. */
const cellOf = (...words: [string, ...string[]]) =>
  ({
    limits: unlimited,
    isPidNamespace: true,
    environment: (env: Record<string, string>) => env,
    commandLine: () => words,
    watch: () => () => undefined,
    findHit: () => undefined,
  }) as unknown as Cell;

test.each([
  [
    "echo 'bwrap: No permissions to create a new namespace'; exit 1",
    /could not be made .*bwrap: No/,
  ],
  ["echo Processing; echo 'bwrap: as a build may say'; exit 1", undefined],
])("walls that cannot be made are no failure of the command: %s", async (script, trouble) => {
  const cwd = await temporaryFolder();
  const running = runCommand(
    {
      argv: ["/bin/true"],
      cwd,
      env: { PATH: "/usr/bin:/bin" },
      buildId: randomUUID(),
      cell: cellOf("/bin/sh", "-c", script),
    },
    { timeoutMs: 10_000 },
    () => undefined,
    new AbortController().signal,
  );
  if (trouble === undefined) expect(await running).toMatchObject({ code: 1 });
  else await expect(running).rejects.toThrow(trouble);
});

test("what ended a command in a sandbox by a signal is told as that signal", async () => {
  const exit = await runCommand(
    {
      argv: ["/bin/true"],
      cwd: await temporaryFolder(),
      env: {},
      buildId: randomUUID(),
      cell: cellOf("/bin/sh", "-c", "exit 137"),
    },
    { timeoutMs: 10_000 },
    () => undefined,
    new AbortController().signal,
  );
  expect(exit).toEqual({ code: null, signal: "SIGKILL", endedBy: "itself" });
});
