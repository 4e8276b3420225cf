import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What `npm run farm` does: a program in the foreground of a chore. Resolves with both ends' words. */
function runForeground(code: string) {
  const chore = `
    const { runForeground } = await import(${JSON.stringify(`${root}scripts/foreground.js`)});
    process.exitCode = await runForeground(["-e", ${JSON.stringify(code)}], []);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", chore], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  const waiting: { word: string; resolve: () => void }[] = [];
  const tell = (): void => {
    for (const { resolve } of waiting.filter(({ word }) => output.includes(word))) {
      resolve();
    }
  };
  child.stdout.on("data", (part: Buffer) => {
    output += part.toString();
    tell();
  });
  const said = (word: string): Promise<void> =>
    new Promise((resolve) => {
      waiting.push({ word, resolve });
      tell();
    });
  const exitCode = new Promise<number | null>((resolve) => {
    child.on("exit", resolve);
  });
  return { child, said, exitCode, words: () => output.trim().split("\n") };
}

const counting = `
  let count = 0;
  process.on("SIGINT", () => console.log("SIGINT", ++count));
  process.on("SIGTERM", () => process.exit(7));
  setInterval(() => {}, 60_000);
  console.log("up");
`;

describe("a program in the foreground", { timeout: 20_000 }, () => {
  it("is told once of one Ctrl-C, though terminal and npm both pass it on, and hands its exit code on", async () => {
    const { child, said, exitCode, words } = runForeground(counting);
    await said("up");
    child.kill("SIGINT");
    await said("SIGINT 1");
    child.kill("SIGINT");
    child.kill("SIGTERM");
    expect(await exitCode).toBe(7);
    expect(words()).toEqual(["up", "SIGINT 1"]);
  });

  it("that a signal ended gives 128 and the signal's number", async () => {
    const { exitCode } = runForeground('process.kill(process.pid, "SIGKILL")');
    expect(await exitCode).toBe(137);
  });

  it("learns that the chore was killed", async () => {
    const { child, said, words } = runForeground(`
      process.once("disconnect", () => { console.log("alone"); process.exit(); });
      console.log("up");
    `);
    await said("up");
    child.kill("SIGKILL");
    await said("alone");
    expect(words()).toEqual(["up", "alone"]);
  });
});
