/** The examples of the runtime say what they promise, each as a program of its own. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);

async function outputOf(example: string): Promise<string> {
  const path = new URL(`../../dist/examples/${example}.js`, import.meta.url).pathname;
  const { stdout, stderr } = await run(process.execPath, [path], { timeout: 50_000 });
  expect(stderr).toBe("");
  return stdout;
}

it("ping-pong: ten thousand hits, and the umpire sees who ends", async () => {
  const output = await outputOf("ping-pong");
  expect(output).toMatch(/^\/(ping|pong) has ended: normal$/m);
  expect(output).toMatch(/\/ping hit the ball 5000 times/);
});

it("crashing pool: every job is answered but the one that crashes whoever tries it", async () => {
  const output = await outputOf("crashing-pool");
  expect(output).toContain("99 right, failed after 3 attempts: 13: failed\n");
  expect(output).toMatch(/\d+ restarts, 0 dead letters/);
});

it("remote actor: a killed process is reached again, with what was said meanwhile", async () => {
  const output = await outputOf("remote-actor");
  expect(output).toContain("1000 counted in another process\n");
  expect(output).toContain("7 after a restart, in a new process\n");
});
