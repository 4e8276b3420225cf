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

it.each<[string, number, string, string[]]>([
  [
    "52: SIGTERM stops in order and exits with",
    0,
    "none",
    ["init 1", "stop shutdown", "terminated shutdown"],
  ],
  [
    "52: at SIGTERM the message in hand is finished, those queued are dead letters, and the program exits with",
    0,
    "busy",
    ["init 1", "handled", "stop shutdown", 'dead letters {"stopped":3}', "terminated shutdown"],
  ],
  ["an unhandled rejection inside an actor is its crash; the end is", 0, "rejection", crashed],
  ["a timer callback that throws inside an actor is its crash; the end is", 0, "timer", crashed],
  ["an emitter that throws inside an actor is its crash; the end is", 0, "emitter", crashed],
  ["a root that gives up exits with", 1, "give-up", ["init 1", "stop error", "terminated error"]],
  ["a second signal during a stop exits at once with", 143, "hang", ["init 1"]],
])(
  "%s %i",
  async (_title, code, fault, lines) => {
    await expect(run(fault)).resolves.toEqual({ code, lines });
  },
  25_000,
);

it("an error that began in no actor stops in order and exits with 1", async () => {
  const { code, lines } = await run("nobody");
  expect(code).toBe(1);
  expect(lines.slice(-2)).toEqual(["stop shutdown", "terminated shutdown"]);
}, 25_000);
