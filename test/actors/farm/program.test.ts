import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { noteProcess } from "../../../actors/farm/leftover-process.ts";
import { type ProgramArgs, program } from "../../../actors/farm/program.ts";
import {
  child,
  type System,
  silentLogger,
  startSystem,
  supervisor,
} from "../../../supervisor/index.ts";

const standIn = join(import.meta.dirname, "../../support/stand-in-program.mjs");
let folder: string;
let shown: string[];
const systems: System[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ww-program-"));
  shown = [];
});
afterEach(async () => {
  await Promise.all(systems.splice(0).map((system) => system.stop()));
  rmSync(folder, { recursive: true });
});

const inFolder = (name: string) => join(folder, name);
const pidOf = () => {
  const text = existsSync(inFolder("ready")) ? readFileSync(inFolder("ready"), "utf8") : "";
  // It may have been read while it was written.
  return text.endsWith("}") ? (JSON.parse(text) as { pid: number }).pid : 0;
};
const isThere = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Runs the stand-in with these words; ready when its file is there. */
async function start(
  words: readonly string[],
  change: Partial<ProgramArgs> = {},
  startMs = 10_000,
): Promise<System> {
  // Last lines may come when the next test has begun.
  const lines = shown;
  const args: ProgramArgs = {
    name: "piw-stand-in",
    command: [process.execPath, standIn],
    args: () => words.map((word) => word.replace("FILE", inFolder("ready"))),
    env: () => ({ PIW_DSN: "given" }),
    cwd: process.cwd(),
    logFile: inFolder("log"),
    pidFile: inFolder("pid"),
    ready: async (signal) => {
      while (pidOf() === 0) await delay(10, undefined, { signal });
    },
    patienceMs: 2_000,
    show: (line) => lines.push(line),
    ...change,
  };
  const system = await startSystem({
    name: "test",
    logger: silentLogger,
    root: supervisor("root", { backoff: { minMs: 10, maxMs: 50, resetAfterMs: 1_000 } }, [
      child("program", program, args, { startMs, shutdownMs: 10_000 }),
    ]),
  });
  systems.push(system);
  return system;
}

describe("a program of the farm", { timeout: 20_000 }, () => {
  test("is up when it says so, and stops in order, which takes its pid file away", async () => {
    const system = await start(["stay", "ready", "FILE"]);
    const pid = pidOf();
    expect(isThere(pid)).toBe(true);
    await system.stop();
    expect(isThere(pid)).toBe(false);
    expect(readFileSync(inFolder("log"), "utf8")).toContain("stopped in order");
    expect(existsSync(inFolder("pid"))).toBe(false);
  });

  test("that is killed is started again", async () => {
    await start(["stay", "ready", "FILE"]);
    const pid = pidOf();
    rmSync(inFolder("ready"));
    process.kill(pid, "SIGKILL");
    await expect.poll(pidOf, { timeout: 10_000 }).not.toBe(0);
    expect(pidOf()).not.toBe(pid);
  });

  test("that ends before it is up fails the start with its own last words", async () => {
    await expect(start(["fail"])).rejects.toThrow(
      "piw-stand-in ended with code 1: the database is not there: run piw-initdb",
    );
    expect(shown).toEqual(["piw-stand-in: the database is not there: run piw-initdb"]);
  });

  test("that is killed before it is up is started again within its start", async () => {
    let starts = 0;
    await start(["stay"], {
      ready: async (signal) => {
        starts += 1;
        if (starts > 1) return;
        process.kill(Number.parseInt(readFileSync(inFolder("pid"), "utf8"), 10), "SIGKILL");
        await delay(100_000, undefined, { signal });
      },
    });
    expect(starts).toBe(2);
  });

  test("that cannot be run at all fails the start", async () => {
    await expect(start([], { command: ["/nonexistent/piw"] })).rejects.toThrow(
      /piw-stand-in cannot be started: .*ENOENT/,
    );
  });

  test("that never comes up is ended with the failed start", async () => {
    const never: Partial<ProgramArgs> = {
      ready: (signal) => delay(100_000, undefined, { signal }),
    };
    await expect(start(["stay", "ready", "FILE"], never, 500)).rejects.toThrow();
    await expect.poll(() => isThere(pidOf()), { timeout: 5_000 }).toBe(false);
  });

  test("that will not stop is killed when its patience is over", async () => {
    const system = await start(["stubborn", "ready", "FILE"], { patienceMs: 200 });
    const pid = pidOf();
    await system.stop();
    expect(isThere(pid)).toBe(false);
  });

  test("has all its lines in its log, and its errors shown without what moves a terminal", async () => {
    await start(["stay", "talk", "ready", "FILE"]);
    await expect.poll(() => shown).toEqual(["piw-stand-in: scribe: cannot write: disk [2J full"]);
    await expect.poll(() => readFileSync(inFolder("log"), "utf8")).toContain("all is well");
  });

  test("is given the farm's settings and none of the user's for such programs", async () => {
    process.env["PIW_OUTPUT_PATH"] = "/elsewhere";
    try {
      await start(["stay", "ready", "FILE"]);
    } finally {
      delete process.env["PIW_OUTPUT_PATH"];
    }
    const { env } = JSON.parse(readFileSync(inFolder("ready"), "utf8")) as {
      env: Record<string, string>;
    };
    expect([env["PIW_DSN"], env["PIW_OUTPUT_PATH"]]).toEqual(["given", undefined]);
  });

  test.skipIf(process.platform !== "linux")(
    "of a killed farm is ended before its successor starts",
    async () => {
      const old = spawn("sleep", ["60"], { stdio: "ignore" });
      noteProcess(inFolder("pid"), old.pid ?? 0);
      const gone = new Promise((resolve) => old.once("exit", resolve));
      await start(["stay", "ready", "FILE"]);
      await gone;
      expect(old.signalCode).toBe("SIGTERM");
    },
  );

  test.skipIf(process.platform !== "linux")(
    "that has ended since is not mistaken for a later process of its number",
    async () => {
      const other = spawn("sleep", ["60"], { stdio: "ignore" });
      writeFileSync(inFolder("pid"), `${other.pid} 1@an-earlier-boot`);
      await start(["stay", "ready", "FILE"]);
      expect(isThere(other.pid ?? 0)).toBe(true);
      other.kill("SIGKILL");
    },
  );
});
