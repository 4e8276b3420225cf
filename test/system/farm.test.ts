import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

/** The whole farm as a user starts it, with the sample packages: real PostgreSQL, programs, pip. */
const piw = join(import.meta.dirname, "../../bin/piw.ts");
const run = promisify(execFile);
let folder: string;
const farms: ChildProcess[] = [];

interface RunningFarm {
  readonly child: ChildProcess;
  /** All that it has written. */
  text(): string;
  readonly exited: Promise<number | null>;
}

function farm(...args: string[]): RunningFarm {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(PIP|PIW)_/.test(name)),
  );
  const child = spawn(
    process.execPath,
    [
      "--import",
      "tsx",
      piw,
      "farm",
      "--configuration=/dev/null",
      "--dev-mode",
      "--allow-root",
      `--data-dir=${folder}/data`,
      ...args,
    ],
    { env: { ...env, PIP_CONFIG_FILE: "/dev/null" }, stdio: ["ignore", "pipe", "pipe"] },
  );
  farms.push(child);
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  const exited = new Promise<number | null>((resolve) => {
    child.once("close", resolve);
  });
  return { child, text: () => text, exited };
}

/** Waits until the farm has said it; what it said so far is the failure otherwise. */
async function said(running: RunningFarm, pattern: RegExp): Promise<RegExpExecArray> {
  const deadlineAt = performance.now() + 90_000;
  for (;;) {
    const found = pattern.exec(running.text());
    if (found !== null) return found;
    if (performance.now() > deadlineAt || running.child.exitCode !== null)
      throw new Error(`the farm did not say ${pattern.source}:\n${running.text()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Processes that have anything to do with the folder: by their arguments, or standing in it. */
function processesOf(place: string): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      if (command.includes(place) && Number(entry) !== process.pid)
        found.push({ pid: Number(entry), command });
    } catch {
      // Ended meanwhile.
    }
  }
  return found;
}
function getPid(pattern: RegExp): number {
  const found = processesOf(folder).find(({ command }) => pattern.test(command));
  if (found === undefined) throw new Error(`no process is ${pattern.source}`);
  return found.pid;
}
const nobodyIsLeft = () => expect.poll(() => processesOf(folder), { timeout: 20_000 }).toEqual([]);

beforeEach(() => {
  // As root the database's user must pass through.
  folder = mkdtempSync(join(tmpdir(), "ww-farm-"));
  chmodSync(folder, 0o755);
});
afterEach(async () => {
  for (const child of farms.splice(0)) child.kill("SIGKILL");
  for (const { pid } of processesOf(folder)) process.kill(pid, "SIGKILL");
  await nobodyIsLeft();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(process.platform !== "linux")("piw farm", { timeout: 180_000 }, () => {
  test("builds, serves what pip installs, and stops in order on Ctrl-C", async () => {
    const running = farm("--http=127.0.0.1:0", "wheelwright-cart");
    const [, index = ""] = await said(running, /pip install --index-url (\S+) NAME/);
    await said(running, /^built +wheelwright-cart .*\.whl$/m);
    const target = join(folder, "installed");
    const { stdout } = await run(
      "python3",
      [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-cache-dir",
        "--no-deps",
        "--target",
        target,
        "--index-url",
        index,
        "wheelwright-cart",
      ],
      {
        env: { PATH: process.env["PATH"], PIP_CONFIG_FILE: "/dev/null", PIP_RETRIES: "5" },
      },
    );
    expect(stdout).toBe("");
    expect(readdirSync(target)).toContain("wheelwright_cart");
    running.child.kill("SIGINT");
    expect(await running.exited).toBe(0);
    await nobodyIsLeft();
    expect(
      readFileSync(join(folder, "data/sample/database/postgresql.log"), "utf8").trimEnd(),
    ).toMatch(/database system is shut down$/);
  });

  test("--once ends with a table, and with code 0 only if all was built", async () => {
    const good = farm("--once", "--http=127.0.0.1:0", "wheelwright-hub");
    expect([await good.exited, good.text()]).toEqual([
      0,
      expect.stringMatching(/wheelwright-hub +\S+ +\S+ +built/),
    ]);
    const more = farm("--once", "--http=127.0.0.1:0", "wheelwright-linchpin", "no-such-project");
    const code = await more.exited;
    expect([code, more.text()]).toEqual([
      1,
      expect.stringMatching(/1 results of earlier runs are kept/),
    ]);
    expect(more.text()).toMatch(/wheelwright-linchpin +\S+ +\S+ +failed/);
    expect(more.text()).toMatch(/not found upstream: no-such-project/);
  });

  test.each([
    ["the master", /piw-master/],
    ["the slave", /piw-slave/],
    ["PostgreSQL", /bin\/postgres -D/],
  ])(
    "starts %s again when it is killed in the middle of a build, and all is built",
    async (_title, pattern) => {
      const running = farm("--once", "--http=127.0.0.1:0", "wheelwright-spoke", "wheelwright-hub");
      // A program that dies before that fails the start.
      await said(running, /The farm is running/);
      await said(running, /^building /m);
      process.kill(getPid(pattern), "SIGKILL");
      await said(running, /^wheelwright-spoke .*/m);
      const code = await running.exited;
      expect([code, running.text()]).toEqual([
        0,
        expect.stringMatching(/wheelwright-spoke +\S+ +\S+ +built/),
      ]);
    },
  );

  test("that is killed itself takes its programs with it, and can be started again at once", async () => {
    const first = farm("--once", "--http=127.0.0.1:0", "wheelwright-spoke");
    await said(first, /^building /m);
    first.child.kill("SIGKILL");
    await first.exited;
    const second = farm("--once", "--http=127.0.0.1:0", "wheelwright-spoke");
    expect([await second.exited, second.text()]).toEqual([
      0,
      expect.stringMatching(/wheelwright-spoke +\S+ +\S+ +built/),
    ]);
  });

  test("says in one line that its port is in use, and makes nothing", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => {
      other.listen(0, "127.0.0.1", resolve);
    });
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const running = farm(`--http=127.0.0.1:${port}`);
    expect(await running.exited).toBe(1);
    const lines = running
      .text()
      .trim()
      .split("\n")
      .filter((line) => !line.startsWith("{"));
    expect(lines).toEqual([expect.stringMatching(/^piw farm: .*the port is in use.*--http/)]);
    expect(existsSync(join(folder, "data"))).toBe(false);
    await new Promise((resolve) => other.close(resolve));
  });

  test("is one to a folder", async () => {
    const first = farm("--http=127.0.0.1:0", "wheelwright-hub");
    await said(first, /The farm is running/);
    const second = farm("--http=127.0.0.1:0", "wheelwright-hub");
    expect([await second.exited, second.text()]).toEqual([
      1,
      expect.stringContaining(`in use by process ${first.child.pid}`),
    ]);
  });
});
