import { describe, expect, it } from "vitest";
import { runSource } from "../support/run-source.ts";

/** A process of its own, started from source, on a busy machine. */
const PROCESS_MS = 30_000;
const fixture = "test/support/framed-program.ts";
const isRoot = process.getuid?.() === 0;

describe("the frame of a program", { timeout: PROCESS_MS }, () => {
  it.concurrent.each([
    [["succeed"], 0, ""],
    [["give3"], 3, ""],
    [["leaveOpen"], 0, ""],
    [["fail"], 1, "fixture: cannot build the house: no bricks\n"],
    [["throwLater"], 1, "fixture: thrown by nobody's promise\n"],
    [["--dbug", "x", "succeed"], 2, "fixture: unknown option '--dbug' (Did you mean --debug?)\n"],
    [[], 2, "fixture: missing required argument 'DEED'\n"],
  ])("turns %j into exit code %i and one line at most", async (args, code, line) => {
    const ended = await runSource(fixture, ["--allow-root", ...args]).ended;
    expect(ended).toEqual({ code, stdout: "", stderr: line });
  });

  it.concurrent("shows the stack of a failure with -v -v only", async () => {
    const { stderr } = await runSource(fixture, ["--allow-root", "-v", "-v", "fail"]).ended;
    expect(stderr).toMatch(/^fixture: cannot build the house: no bricks\nError: cannot build/);
    expect(stderr).toContain("framed-program");
  });

  it.concurrent.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "gives up what it does on %s",
    async (signal) => {
      const program = runSource(fixture, ["--allow-root", "wait"]);
      await program.said("waiting");
      program.child.kill(signal);
      expect(await program.ended).toMatchObject({ code: 130, stderr: "" });
    },
  );

  it.concurrent.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "stops its tree in order on %s, and that is no failure",
    async (signal) => {
      const program = runSource(fixture, ["--allow-root", "-q", "tree"]);
      await program.said("standing");
      program.child.kill(signal);
      expect(await program.ended).toEqual({ code: 0, stdout: "standing\nstopped\n", stderr: "" });
    },
  );

  it.concurrent.each([
    ["treeFails", "no place to stand"],
    ["treeGivesUp", "fell over"],
  ])("ends with code 1 and the cause when its tree does: %s", async (deed, cause) => {
    const { code, stderr } = await runSource(fixture, ["--allow-root", "-qq", deed]).ended;
    expect(code).toBe(1);
    // The log may stand before it.
    expect(stderr.trimEnd().split("\n").at(-1)).toMatch(new RegExp(`^fixture: .*${cause}$`));
  });

  it.runIf(isRoot)("refuses root unless it is allowed", async () => {
    const { code, stderr } = await runSource(fixture, ["succeed"]).ended;
    expect(code).toBe(1);
    expect(stderr).toBe(
      "fixture: this would run as root: use an ordinary user, or say --allow-root if you must\n",
    );
  });

  it("says at start that dev mode is not for production", async () => {
    const { stderr } = await runSource(fixture, ["--allow-root", "--dev-mode", "succeed"]).ended;
    expect(stderr).toContain("not for production");
  });
});
