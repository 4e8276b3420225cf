/**
 * The monitor in a real terminal, at a real master whose slaves build: keys are sent, and what must then be on the screen
 * is waited for.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { until } from "../actors/slave/scripted-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { SlaveCrowd } from "../support/slave-crowd.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";
import { hasTmux, type TerminalOptions, TestTerminal } from "../support/tmux.ts";

const program = fileURLToPath(new URL("../../dist/bin/piw-monitor.js", import.meta.url));
const DEADLINE_MS = 300_000;
const ESC = "\u001b";

let database: TestDatabase;
let upstream: SampleUpstream;
let farm: TestFarm;
let terminal: TestTerminal | undefined;

/** It talks, also in a terminal's own words, and goes on for as long as the test takes. */
const talkative = `
import sys
for number in range(6000):
    sys.stdout.write("\\033[31;7mstep %d\\033[0m\\033]0;owned\\007 \\033[2Jof the build\\n" % number)
    sys.stdout.flush()
    time.sleep(0.1)
`;

beforeAll(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream({
    files: ["1.0", "2.0", "3.0", "4.0", "5.0", "6.0"].map((version) =>
      slowSdist({ name: "talkative", version, before: talkative }),
    ),
  });
  farm = new TestFarm({ dsn: database.dsn, upstream });
  await farm.startMaster();
  await Promise.all([farm.startSlave(1), farm.startSlave(2)]);
  await farm.until("both slaves build", ({ leased }) => leased === 2);
}, DEADLINE_MS);
afterEach(async () => {
  await terminal?.end();
  terminal = undefined;
});
afterAll(async () => {
  await farm.end();
  await upstream.close();
  await database.end();
}, DEADLINE_MS);

async function watch(options: TerminalOptions = {}, ...args: string[]): Promise<TestTerminal> {
  terminal = await TestTerminal.open(
    [
      ...[process.execPath, program, "--configuration", "/dev/null"],
      ...["--control-queue", farm.controlAddress, "--status-queue", farm.statusAddress],
      ...args,
    ],
    options,
  );
  return terminal;
}

/** The line of the list that begins with a state and a label, whether it is selected or not. */
const row = (state: string, label: string) => new RegExp(`^[> ] ${state} +${label} `, "m");
const selected = (label: string) => new RegExp(`^> \\w+ +${label} `, "m");

/** Kept where somebody wants to see them (\`WHEELWRIGHT_SCREENSHOTS=FOLDER\`), as those in docs/monitor.md are. */
function keep(name: string, screen: string): void {
  const folder = process.env["WHEELWRIGHT_SCREENSHOTS"];
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `monitor-${name}.txt`), screen);
}

describe.skipIf(!hasTmux)("a monitor on a terminal of 80 columns and 24 lines", () => {
  it(
    "shows the master, its slaves and what they build, with plots, log, tasks, queue and help",
    async () => {
      const screen = await watch();
      await screen.until("the builds", row("building", "slave-1"));
      await screen.until("the other one", row("building", "slave-2"));
      keep("plots", await screen.until("plots", /load \d.*memory [\d.]+ GB/));
      await screen.keys("Down");
      await screen.until("the selection", selected("slave-1"));
      await screen.keys("2");
      const log = await screen.until("the log as it is written", /step \d+.* of the build/);
      const [, first = ""] = /step (\d+)/.exec(log) ?? [];
      keep(
        "log",
        await screen.until("the log going on", (text) => {
          const steps = [...text.matchAll(/step (\d+)/g)].map(([, step]) => Number(step));
          return Math.max(...steps) > Number(first) + 15;
        }),
      );
      await screen.keys("3");
      keep("tasks", await screen.until("the tree", /▾ main +running[\s\S]*leader +running/));
      await screen.keys("Tab", "End");
      await screen.until("its end", /> +.*http|> .*running/);
      await screen.keys("4");
      keep("queue", await screen.until("the queue", /TARGET[\s\S]*cp\d+-linux/));
      await screen.keys("?");
      keep("help", await screen.until("the help", /PgUp PgDn Home End/));
      await screen.keys("Escape");
      await screen.until("no help", (text) => !text.includes("PgUp PgDn"));
      await screen.keys("q");
      await screen.until("an orderly end", /ended with 0/);
    },
    DEADLINE_MS,
  );

  it(
    "carries out what is confirmed, and nothing else, and says what became of it",
    async () => {
      const screen = await watch();
      await screen.until("the builds", row("building", "slave-1"));
      const { slaves } = await farm.control("SLAVES", {});
      const before = slaves.find(({ label }) => label === "slave-1")?.build?.token;
      await screen.keys("Down");
      await screen.until("the selection", selected("slave-1"));
      await screen.keys("k");
      keep("confirm", await screen.until("the question", /Kill slave-1\?/));
      await screen.keys("n");
      await screen.until("the answer", /Nothing was done\./);

      await screen.keys("z");
      await screen.until("the outcome", /put slave-1 to sleep: done: /);
      const asleep = await farm.control("SLAVES", {});
      expect(asleep.slaves.find(({ label }) => label === "slave-1")).toMatchObject({
        asleep: { by: "person" },
        build: { token: before },
      });
      await screen.keys("z");
      await screen.until("why not", /put slave-1 to sleep: refused: /);
      await screen.keys("w");
      await screen.until("the outcome", /wake slave-1: done: /);

      await screen.keys("s");
      await screen.until("the question", /skip the build in hand\?/);
      await screen.keys("y");
      await screen.until("the outcome", /skip the build in hand: done: .*talkative/);
      await until(
        "another build",
        async () => {
          const now = await farm.control("SLAVES", {});
          const build = now.slaves.find(({ label }) => label === "slave-1")?.build;
          return build?.token === before ? undefined : true;
        },
        60_000,
      );
      await screen.keys("5");
      keep("events", await screen.until("who did it", /piw-monitor \(local\): /));

      await screen.keys("3", "Tab");
      await screen.until("the tree", /> ▾ main/);
      await screen.types("/");
      await screen.types("slave-2");
      await screen.until("the filter", (text) => !row("\\w+", "slave-1").test(text));
      await screen.keys("Escape");
      await screen.until("all again", row("\\w+", "slave-1"));
      await screen.keys("Home", "p");
      await screen.until("the question", /Pause all tasks\?/);
      await screen.keys("y");
      await screen.until("the outcome", /pause all tasks: done: /);
      expect((await farm.tasks()).some(({ state }) => state === "paused")).toBe(true);
      await screen.keys("r");
      await screen.until("the outcome", /resume all tasks: done: /);
      expect((await farm.tasks()).some(({ state }) => state === "paused")).toBe(false);
    },
    DEADLINE_MS,
  );

  it(
    "takes the mouse, and fits itself to another size",
    async () => {
      const screen = await watch();
      const text = await screen.until("the builds", row("building", "slave-2"));
      const line = text.split("\n").findIndex((each) => row("building", "slave-2").test(each));
      await screen.types(`${ESC}[<0;10;${line + 1}M${ESC}[<0;10;${line + 1}m`);
      await screen.until("the selection", selected("slave-2"));
      await screen.types(`${ESC}[<0;10;${line + 1}M`);
      await screen.until("its menu", /Put to sleep/);
      await screen.keys("Escape");
      await screen.until("no menu", (shown) => !shown.includes("Put to sleep"));

      await screen.resize(160, 45);
      const wide = await screen.until("all keys", (shown) => shown.includes("t:terminate"));
      expect(wide).toMatch(/FOR +\[1 plots\]/);
      keep("wide", wide);
      expect(Math.max(...wide.split("\n").map((each) => each.length))).toBeLessThanOrEqual(160);
      await screen.resize(30, 8);
      await screen.until("that it is too small", /too small: 40x12/);
      await screen.resize(80, 24);
      await screen.until("all of it again", row("building", "slave-2"));
    },
    DEADLINE_MS,
  );

  it(
    "says all of it without colours and with ASCII alone",
    async () => {
      const screen = await watch({ env: { NO_COLOR: "1", LC_ALL: "C" } });
      await screen.until("the builds", row("building", "slave-1"));
      await screen.keys("3");
      await screen.until("the tree", /v main +running/);
      const coloured = await screen.screen(true);
      // Of attributes only bold, inverse and their ends; 39 and 49 are no colour.
      const codes = [...coloured.matchAll(new RegExp(`${ESC}\\[([0-9;]*)m`, "g"))].flatMap(
        ([, numbers = ""]) => numbers.split(";"),
      );
      expect(
        codes.filter((code) => !["", "0", "1", "7", "22", "27", "39", "49"].includes(code)),
      ).toEqual([]);
      expect(await screen.screen()).toMatch(/^[\x20-\x7e\n]*$/);
      const colours = await watch();
      await colours.until("the builds", row("building", "slave-1"));
      expect(await colours.screen(true)).toMatch(new RegExp(`${ESC}\\[3[0-9]m`));
    },
    DEADLINE_MS,
  );

  it("is one clear line where the terminal cannot be drawn on", async () => {
    const screen = await watch({ env: { TERM: "dumb" } });
    const said = await screen.until("the end", /ended with 1/);
    expect(said.replaceAll("\n", "")).toContain(
      "piw-monitor: the terminal cannot move its cursor (TERM is dumb); piw status, piw slaves list and piw tasks say the same in lines",
    );
    expect(said).not.toContain("    at ");
  });

  it(
    "says that the master is away, and comes back by itself",
    async () => {
      const screen = await watch();
      await screen.until("the builds", row("building", "slave-1"));
      await farm.kill("master");
      keep("away", await screen.until("that it is away", /THE MASTER IS AWAY/));
      await screen.keys("Down", "w");
      await screen.until("why not", /wake slave-1: refused: the master is away/);
      await farm.startMasterProcess("master");
      await screen.until("that it is here", /connected {2}\d\d:/, 90_000);
      await screen.until("the builds again", row("building", "slave-1"), 90_000);
      await screen.keys("t");
      await screen.until("the question", /Terminate the master\?/);
      await screen.keys("Left", "Enter");
      await screen.until("the outcome", /terminate the master: (?:done|no answer)/);
      await farm.untilEnded(["master"]);
      expect(farm.exitCode("master")).toBe(0);
      await screen.until("that it is away", /THE MASTER IS AWAY/);
      await farm.startMasterProcess("master");
      await screen.until("the builds once more", row("building", "slave-1"), 90_000);
    },
    DEADLINE_MS,
  );

  it(
    "shows 500 more slaves in order, harmlessly, and writes little while they live",
    async () => {
      const crowd = await SlaveCrowd.gather({
        address: `tcp://127.0.0.1:${farm.linkPorts.slave}`,
        count: 500,
        abi: "cp39",
        label: (number) =>
          number === 7 ? `crowd-7${ESC}[2J${ESC}]0;x\u0007 日本\u202eevil` : `crowd-${number}`,
      });
      try {
        const screen = await watch();
        await screen.until("all of them", /502 slaves/, 120_000);
        // cp39 comes before cp311, and crowd-9 before crowd-10.
        await screen.keys("Down", "Down");
        const text = await screen.until("where one is", /TASK {2}\(3 of 503\)/);
        expect(text).toMatch(/> \w+ +crowd-2 /);
        await screen.keys(...Array.from({ length: 5 }, () => "Down"));
        const hostile = await screen.until("the hostile one", /TASK {2}\(8 of 503\)/);
        expect(hostile).toMatch(/> \w+ +crowd-7 日本evil /);
        expect(hostile.split("\n")[0]).toMatch(/^ Wheelwright /);
        await screen.keys("PageDown");
        const next = await screen.until("the next page", /crowd-9 .*\n.* crowd-10 /);
        expect(next).not.toContain("slave-1 ");
        keep("crowd", next);
        await screen.keys("End");
        await screen.until("the last ones", row("building", "slave-2"));
        await screen.types("/");
        await screen.types("crowd-123");
        await screen.until("one of them", row("\\w+", "crowd-123"));
        await screen.keys("Enter", "Down");

        // Clocks go on, figures and states come: a line of 9,600 baud has room for that.
        const from = screen.writtenBytes;
        const startedAt = performance.now();
        await until(
          "five seconds",
          () => (performance.now() - startedAt > 5_000 ? true : undefined),
          20_000,
        );
        const perSecond = (screen.writtenBytes - from) / ((performance.now() - startedAt) / 1_000);
        expect(existsSync(screen.written)).toBe(true);
        expect(screen.writtenBytes).toBeGreaterThan(from);
        expect(perSecond).toBeLessThan(960);
      } finally {
        await crowd.end();
      }
    },
    DEADLINE_MS,
  );
});
