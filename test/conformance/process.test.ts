import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const program = fileURLToPath(new URL("../support/process-program.ts", import.meta.url));

function run(fault: string): Promise<{ code: number | null; lines: string[] }> {
  return new Promise((resolve) => {
    const args = ["--import", "tsx", program, fault];
    const process_ = execFile(process.execPath, args, { timeout: 20_000 }, (_error, stdout) => {
      resolve({ code: process_.exitCode, lines: stdout.trim().split("\n") });
    });
  });
}

const crashed = ["init 1", "stop error", "init 2", "stop shutdown", "terminated shutdown"];

it.each<[string, string, string[], number]>([
  [
    "52: SIGTERM stops in order and exits with",
    "none",
    ["init 1", "stop shutdown", "terminated shutdown"],
    0,
  ],
  ["an unhandled rejection inside an actor is its crash; the end is", "rejection", crashed, 0],
  ["a timer callback that throws inside an actor is its crash; the end is", "timer", crashed, 0],
  ["an emitter that throws inside an actor is its crash; the end is", "emitter", crashed, 0],
  ["a root that gives up exits with", "give-up", ["init 1", "stop error", "terminated error"], 1],
  ["a second signal during a stop exits at once with", "hang", ["init 1"], 143],
])(
  "%s %4$s",
  async (_title, fault, lines, code) => {
    await expect(run(fault)).resolves.toEqual({ code, lines });
  },
  25_000,
);

it("an error that began in no actor stops in order and exits with 1", async () => {
  const { code, lines } = await run("nobody");
  expect(code).toBe(1);
  expect(lines.slice(-2)).toEqual(["stop shutdown", "terminated shutdown"]);
}, 25_000);
