import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runSource } from "../support/run-source.ts";
import { bootThreads, eventually, threaded, threads } from "../support/thread-fixture.ts";
import { compileThreads, type ThreadModules } from "../support/thread-modules.ts";

let modules: ThreadModules;
beforeAll(() => {
  modules = compileThreads("test/support/thread-probe.ts");
}, 60_000);
afterAll(() => modules.dispose());

describe("threads and their process", { timeout: 300_000 }, () => {
  it.each([
    ["with its work done, though an actor lives in a thread with a timer", [], 0],
    ["after a stop", ["stop"], 0],
    ["by an error of its own", ["throw"], 1],
  ])("a program ends by itself %s", async (_how, args, code) => {
    const { ended } = runSource("test/support/thread-program.ts", args);
    const { stdout, code: endedWith } = await ended;
    expect(stdout).toBe("hello from a thread\n");
    expect(endedWith).toBe(code);
  });

  it("after 200 restarts by every kind of end, one thread is left, and none after a stop", async () => {
    const before = threads();
    const t = await bootThreads([threaded(modules, "a", {}, { exportName: "watched" })]);
    expect(threads()).toBe(before + 1);
    for (let n = 1; n <= 200; n++) {
      if (n % 50 === 0) t.ref().tell("LOOP");
      else if (n % 4 === 0) t.ref().tell("PROCESS_EXIT", 0);
      else if (n % 4 === 1) t.ref().tell("EXIT", "normal");
      else if (n % 4 === 2) t.ref().tell("CRASH", "boom");
      else t.ref().tell("STRAY", "throw");
      await eventually(() => expect(t.node()).toMatchObject({ restarts: n, state: "running" }));
    }
    expect(await t.ref().ask("ECHO", "still there")).toBe("still there");
    expect(threads()).toBe(before + 1);
    await t.system.stop();
    expect(threads()).toBe(before);
  });
});
