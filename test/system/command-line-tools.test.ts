import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ControlQuestions, controlLink } from "../../protocol/links/control.ts";
import { type ImportQuestions, importLink } from "../../protocol/links/import.ts";
import type { LogAnswer, LoggedBuild } from "../../protocol/model/build-log.ts";
import type { PackageReport } from "../../protocol/model/queue.ts";
import { type Everything, type FarmFigures, figureNames } from "../../protocol/model/statistics.ts";
import type { FarmReport } from "../../protocol/model/status.ts";
import type { SlaveRow } from "../../protocol/model/steering.ts";
import type { TaskNode } from "../../protocol/model/task-tree.ts";
import { bindEndpoint } from "../../protocol/transport/index.ts";
import { type MessageOf, type ServerEndpoint, silentLogger } from "../../supervisor/index.ts";
import { runSource } from "../support/run-source.ts";

/** A process of its own, started from source, on a busy machine. */
const PROCESS_MS = 120_000;

const folder = mkdtempSync(join(tmpdir(), "piw-bin-"));
afterAll(() => rmSync(folder, { recursive: true }));

type Answer = { value: unknown } | { error: string };
/** What is asked here; `tools.test.ts` asks the rest of a real master. */
type Asked = Extract<MessageOf<ImportQuestions>, { type: "WANT" }> | MessageOf<ControlQuestions>;

const report: FarmReport = {
  isComplete: true,
  followed: true,
  slaves: 1,
  ready: 0,
  leased: 1,
  waiting: 0,
  blocked: 0,
  unpublished: 0,
  unsatisfied: ["nosuch>=1"],
  troubles: ["cloud-gazer: upstream: away"],
  refused: [
    { task: "links/slave", why: "repeated frame", count: 1 },
    { task: "links/slave", why: "key not authorised", count: 12 },
  ],
  rows: [
    {
      package: "six",
      version: "1.16.0",
      target: "cp311-linux_x86_64",
      state: "failed",
      reason: "no compiler\u001b[2J",
      durationMs: 1234,
    },
  ],
};

const noFigures = Object.fromEntries(figureNames.farm.map((name) => [name, null])) as FarmFigures;
const everything: Everything = {
  nowAt: 6,
  upSinceAt: 1,
  asOf: 5,
  farm: {
    ...noFigures,
    buildsLastHour: 12,
    newVersionsLastHour: 1,
    packages: 3,
    files: 1_234,
    sizeBytes: 5e9,
  },
  targets: [],
  master: {
    diskFreeBytes: 12e9,
    diskSizeBytes: 40e9,
    memoryFreeBytes: 0,
    memorySizeBytes: 0,
    swapFreeBytes: 0,
    swapSizeBytes: 0,
    loadAverage: 0.5,
    temperatureC: null,
  },
  resting: null,
  slaves: [],
};

const tree: readonly TaskNode[] = [
  {
    part: "main",
    path: "/services/publishing/scribe",
    role: "writes\u001b[2J pages",
    kind: "worker",
    state: "paused",
    pause: "park",
    incarnation: 7,
    mailboxDepth: 3,
    busyMs: 0,
    handled: 12,
    restarts: 1,
    degraded: { reason: "database: away\u001b[2J", sinceAt: 0 },
  },
];

const kitchen: SlaveRow = {
  id: 7,
  label: "kitchen",
  slot: "folder",
  identity: "abcdefghijkl",
  hostname: "kitchen.home",
  os: "Debian",
  board: "",
  version: "1.0",
  targets: ["cp311-linux_x86_64"],
  state: "building",
  asleep: { by: "person", why: "put to sleep by a person\u001b[2J" },
  build: {
    token: 12,
    package: "six",
    version: "1.16.0",
    target: "cp311-linux_x86_64",
    sinceAt: 1_700_000_000_000,
    forMs: 61_000,
  },
  seenAt: 1_700_000_056_000,
  silentMs: 5_000,
};

/** Of a package that the farm knows (six) and of any other. */
function explained(name: string, version: string | null): PackageReport {
  const target = "cp311-linux_x86_64";
  const standing = { version: "1.17.0", target, reason: "", resolved: null };
  const isKnown = name === "six";
  return {
    package: name,
    isKnown,
    similar: isKnown ? [] : ["sixer", "six", "sixteen", "sphinx"],
    versions: isKnown ? 60 : 0,
    standings:
      !isKnown || version === "0"
        ? []
        : [
            { ...standing, state: "ready", position: 12 },
            { ...standing, target: "cp313-linux_x86_64", state: "ready", position: null },
            {
              ...standing,
              version: "1.16.0",
              state: "failed",
              reason: "no compiler\u001b[2J",
              position: null,
            },
          ],
    isCut: isKnown,
    positionsCounted: 10_000,
  };
}

const order = {
  id: 12,
  at: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  by: "eve\u001b[2J",
  via: "key alice",
  what: "pause scr*",
  isDone: true,
  outcome: "paused: scribe",
};

/** Of a log of two lines, the first in a part of its own; its middle was cut out. */
function logAnswer(token: number | null, slave: string | null, position: number): LogAnswer {
  if (slave === "nobody" || token === 404)
    return { build: null, part: null, trouble: "there is no build 404", isForNow: false };
  const build: LoggedBuild = {
    token: 17,
    package: "six",
    version: "1.16.0",
    target: "cp311-linux_x86_64",
    slave: "kitchen",
    phase: "ended",
    cause: "built",
  };
  const isFirst = position < 6;
  const data = Buffer.from(isFirst ? "first\n".slice(position) : "last\u001b[2J\n");
  const skippedBytes = isFirst ? 0 : Math.max(0, 106 - position);
  const nextPosition = position + skippedBytes + data.length;
  const part = { position, skippedBytes, data, nextPosition, isEnd: !isFirst };
  return { build, part, trouble: null, isForNow: isFirst };
}

/** A master's ends of the two local links, with fixed answers. */
describe("the tools, with a master that answers", { timeout: PROCESS_MS }, () => {
  const asked: unknown[] = [];
  const ends: ServerEndpoint<never>[] = [];
  const importAddress = `ipc://${folder}/import`;
  const controlAddress = `ipc://${folder}/control`;

  beforeAll(async () => {
    const answer = (message: Asked): Answer => {
      asked.push(message);
      switch (message.type) {
        case "WANT":
          return message.body.requirements.includes("refuse-me")
            ? { error: "refuse-me is not wanted here" }
            : { value: { added: message.body.requirements.length, known: 1 } };
        case "PAUSE":
        case "RESUME":
        case "QUIT_TASK":
          if (message.body.task === "far*") {
            const outcome = "stopped: near; these parts did not answer: db\u001b[2J";
            return { value: { tasks: ["near"], silent: ["db"], isDone: false, outcome } };
          }
          return message.body.task === "scr*"
            ? { value: { tasks: ["scribe"], silent: [], isDone: true, outcome: "done: scribe" } }
            : { value: { tasks: [], silent: [], isDone: false, outcome: "nobody is called so" } };
        case "LOG_LEVEL":
          return { value: { tasks: [], silent: [], isDone: true, outcome: "done" } };
        case "LOG_LEVELS":
          return {
            value: {
              parts: [{ part: "main", level: "info", tasks: [{ task: "scr*", level: null }] }],
              silent: ["db"],
            },
          };
        case "ENDED":
          return { value: { builds: [] } };
        case "ORDERS":
          return { value: { orders: message.body.before === null ? [order] : [] } };
        case "TREE":
          return { value: { tasks: tree, silent: ["web"] } };
        case "REPORT":
          return { value: report };
        case "HELLO":
          return { value: everything };
        case "HISTORY":
          return { value: { points: [], isMore: false } };
        case "EXPLAIN":
          return { value: explained(message.body.package, message.body.version) };
        case "LOG":
          return {
            value: logAnswer(message.body.token, message.body.slave, message.body.position),
          };
        case "SLAVES":
          return {
            value: { slaves: [kitchen], whereabouts: { life: "1", change: 0, slaves: [] } },
          };
        case "STEER": {
          const { slaves, action } = message.body;
          const isMeant = "id" in slaves ? slaves.id === 7 : /^(kitchen|\*)$/.test(slaves.label);
          const { id, label } = kitchen;
          const steered = { id, label, isDone: action !== "skip", what: `${action}\u001b[2J` };
          const { isDone, what } = steered;
          return { value: { slaves: isMeant ? [steered] : [], isDone, outcome: what } };
        }
        case "QUIT":
          return { value: { isDone: true, outcome: "the master stops" } };
      }
    };
    const handlers = {
      opened: () => {},
      closed: () => {},
      message: (
        _peer: unknown,
        message: MessageOf<ImportQuestions> | MessageOf<ControlQuestions>,
        reply?: (outcome: Answer) => void,
      ) => reply?.(answer(message as Asked)),
    };
    const log = silentLogger;
    ends.push(await bindEndpoint(importLink, { address: importAddress, handlers, log }));
    ends.push(await bindEndpoint(controlLink, { address: controlAddress, handlers, log }));
  });
  afterAll(() => Promise.all(ends.map((end) => end.close())));

  it.concurrent("piw-add sends names and tells what came of it", async () => {
    const args = ["--import-queue", importAddress, "six", "numpy>=2"];
    expect(await runSource("bin/piw-add.ts", args).ended).toEqual({
      code: 0,
      stdout: "2 added, 1 known already\n",
      stderr: "",
    });
    expect(asked).toContainEqual({
      type: "WANT",
      body: { requirements: ["six", "numpy>=2"], withDeps: false, withBuildDeps: false },
    });
  });

  it.concurrent("piw-add hands on why the master refused", async () => {
    const args = ["add", "--import-queue", importAddress, "refuse-me"];
    expect(await runSource("bin/piw.ts", args).ended).toEqual({
      code: 1,
      stdout: "",
      stderr: "piw-add: the master says: refuse-me is not wanted here\n",
    });
  });

  it.concurrent("piw tasks shows what each task does and lacks, and which part is silent", async () => {
    const ended = await runSource("bin/piw.ts", ["tasks", "--control-queue", controlAddress]).ended;
    expect(ended.stdout).toMatch(/^TASK +STATE +PAUSE +WAITING +HANDLED +RESTARTS$/m);
    expect(ended.stdout).toMatch(
      /^\/services\/publishing\/scribe +paused +parks +3 +12 +1 +degraded for \d+ s: database: away/m,
    );
    expect(ended.stdout).toContain("the part web does not answer");
    expect(ended.stdout).not.toContain("\u001b");
    expect(ended.code).toBe(1);
  });

  it.concurrent("piw quit stops a task, says which parts did not answer, and without a name stops all", async () => {
    const quit = (...task: string[]) =>
      runSource("bin/piw.ts", ["quit", "--control-queue", controlAddress, ...task]).ended;
    const [task, partly, unasked, whole, json] = await Promise.all([
      quit("scr*"),
      quit("far*"),
      quit(),
      quit("--yes"),
      quit("far*", "--json"),
    ]);
    expect(task).toMatchObject({ code: 0, stdout: "done: scribe\n" });
    expect(partly).toEqual({
      code: 1,
      stdout: "",
      stderr: "piw quit: stopped: near; these parts did not answer: db\\x1b[2J\n",
    });
    expect(unasked).toMatchObject({
      code: 2,
      stdout: "",
      stderr: "piw quit: there is no terminal to ask at: say --yes to go ahead\n",
    });
    expect(whole).toMatchObject({ code: 0, stdout: "the master stops\n" });
    expect([json.code, JSON.parse(json.stdout)]).toMatchObject([
      1,
      { isDone: false, tasks: ["near"] },
    ]);
    expect(asked).toContainEqual({
      type: "QUIT",
      body: { by: expect.stringMatching(/^.+@.+ piw quit$/) as string },
    });
  });

  const piw = (...args: string[]) => {
    const [subcommand = "", ...rest] = args;
    return runSource("bin/piw.ts", [subcommand, "--control-queue", controlAddress, ...rest]).ended;
  };

  it.concurrent("piw orders shows who ordered what, harmless to the terminal", async () => {
    const [shown, json, none, wrong] = await Promise.all([
      piw("orders"),
      piw("orders", "--json"),
      piw("orders", "--before", "12", "--limit", "1000"),
      piw("orders", "--limit", "1001"),
    ]);
    expect(shown).toEqual({
      code: 0,
      stdout: [
        "ID  AT                   BY          VIA        ORDER",
        "12  2026-01-02 03:04:05  eve\\x1b[2J  key alice  pause scr*  paused: scribe",
        "",
      ].join("\n"),
      stderr: "",
    });
    expect(JSON.parse(json.stdout)).toEqual([{ ...order, at: "2026-01-02T03:04:05.678Z" }]);
    expect(none).toMatchObject({ code: 0, stdout: "no orders\n" });
    expect(asked).toContainEqual({ type: "ORDERS", body: { limit: 1_000, before: 12 } });
    expect(wrong).toMatchObject({ code: 2 });
  });

  it.concurrent("piw log-level shows levels, and says what it knows no level of", async () => {
    const [shown, set, reset, wrong] = await Promise.all([
      piw("log-level"),
      piw("log-level", "debug", "scr*"),
      piw("log-level", "reset"),
      piw("log-level", "loud"),
    ]);
    expect(shown).toMatchObject({
      code: 1,
      stdout: "PART  LEVEL\nmain  info   scr*: as configured\nthe part db does not answer\n",
    });
    expect([set, reset]).toMatchObject([{ code: 0 }, { code: 0 }]);
    const by = expect.stringContaining("piw log-level") as string;
    expect(asked).toContainEqual({ type: "LOG_LEVEL", body: { task: "scr*", level: "debug", by } });
    expect(asked).toContainEqual({ type: "LOG_LEVEL", body: { task: null, level: null, by } });
    expect(wrong).toMatchObject({
      code: 2,
      stderr: 'piw log-level: "loud" is no level: error, warn, info, debug, trace, or reset\n',
    });
  });

  it.concurrent("a master of another machine is not asked without keys", async () => {
    const ask = (...more: string[]) =>
      runSource("bin/piw.ts", ["status", "--control-queue", "tcp://192.0.2.1:5557", ...more]).ended;
    const [without, half] = await Promise.all([ask(), ask("--key", "/nowhere")]);
    expect(without).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^piw status: --control-queue: tcp:.*needs keys/) as string,
    });
    expect(half).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("give both --master-key and --key") as string,
    });
  });

  it.concurrent("piw pause names the tasks, and fails when there are none", async () => {
    const pause = (task: string) =>
      runSource("bin/piw.ts", ["pause", "--control-queue", controlAddress, task]).ended;
    expect(await pause("scr*")).toMatchObject({ code: 0, stdout: "done: scribe\n" });
    expect(await pause("scrbe")).toEqual({
      code: 1,
      stdout: "",
      stderr: "piw pause: nobody is called so\n",
    });
  });

  it.concurrent("piw status shows a table, harmless to the terminal", async () => {
    const args = ["status", "--control-queue", controlAddress];
    const { code, stdout } = await runSource("bin/piw.ts", args).ended;
    expect([code, stdout.split("\n")]).toEqual([
      0,
      [
        "PACKAGE  VERSION  TARGET              STATE   TIME",
        "six      1.16.0   cp311-linux_x86_64  failed  1.2 s  no compiler\\x1b[2J",
        "not found upstream: nosuch>=1",
        "refused by links/slave: key not authorised 12, repeated frame 1",
        "trouble: cloud-gazer: upstream: away",
        "1 slave, 1 building, 0 ready, 0 waiting, 0 blocked",
        "in the last hour: 12 builds, 1 new version",
        "published: 3 packages, 1,234 files, 5.0 GB",
        "output disk: 12 GB free of 40 GB",
        "",
      ],
    ]);
  });

  const statusOf = (...operands: string[]) =>
    runSource("bin/piw.ts", ["status", "--control-queue", controlAddress, ...operands]).ended;

  it.concurrent("piw status PACKAGE says of each build where it stands, and where in the queue", async () => {
    const { code, stdout } = await statusOf("six");
    expect([code, stdout.split("\n")]).toEqual([
      0,
      [
        "VERSION  TARGET              STATE",
        "1.17.0   cp311-linux_x86_64  ready   number 12",
        "1.17.0   cp313-linux_x86_64  ready   behind more than 10000 others",
        "1.16.0   cp311-linux_x86_64  failed  no compiler\\x1b[2J",
        "(there is more: name a version to see it)",
        "",
      ],
    ]);
    const json = await statusOf("six", "1.17.0", "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({ package: "six", versions: 60 });
    expect(asked).toContainEqual({ type: "EXPLAIN", body: { package: "six", version: "1.17.0" } });
  });

  it.concurrent("piw status PACKAGE names the nearest of one that is not known", async () => {
    expect(await statusOf("sixx")).toEqual({
      code: 1,
      stdout: "",
      stderr: "piw status: the farm knows no package sixx; the nearest: six, sixer, sphinx\n",
    });
    expect(await statusOf("six", "0")).toMatchObject({
      code: 1,
      stderr: "piw status: six has no version 0 here\n",
    });
    expect(await statusOf("six", "1", "2")).toMatchObject({ code: 2 });
  });

  it.concurrent("piw log shows a log, where it was cut, and goes on at any byte of it", async () => {
    const log = (...args: string[]) =>
      runSource("bin/piw.ts", ["log", "--control-queue", controlAddress, ...args]).ended;
    const [whole, rest, json, unknown, wrong] = await Promise.all([
      log("kitchen"),
      log("17", "--from", "110", "--follow"),
      log("17", "--json"),
      log("404"),
      log("17", "--from", "-1"),
    ]);
    expect(whole).toEqual({
      code: 0,
      stdout: "first\n\n[... 100 bytes cut here ...]\nlast\u001b[2J\n",
      stderr: "build 17: six 1.16.0 for cp311-linux_x86_64 on kitchen\n",
    });
    expect(rest).toMatchObject({
      code: 0,
      stdout: "last\u001b[2J\n",
      stderr: expect.stringMatching(/^build 17: .*\nbuild 17 ended: built\n$/) as string,
    });
    const lines = json.stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { token: 17, position: 0, nextPosition: 6, text: "first\n" },
      { position: 6, skippedBytes: 100, text: "last\u001b[2J\n" },
      { token: 17, isEnd: true, cause: "built" },
    ]);
    expect(unknown).toEqual({ code: 1, stdout: "", stderr: "piw log: there is no build 404\n" });
    expect(wrong).toMatchObject({ code: 2 });
  });

  const slaves = (...args: string[]) => {
    const [verb = "", ...rest] = args;
    return runSource("bin/piw.ts", ["slaves", verb, "--control-queue", controlAddress, ...rest])
      .ended;
  };

  it.concurrent("piw slaves list shows what each does", async () => {
    expect(await slaves("list")).toEqual({
      code: 0,
      stdout: [
        "ID  SLAVE    STATE     FOR   TARGETS             VERSION  KEY",
        "7   kitchen  building  61 s  cp311-linux_x86_64  1.0      abcdefgh  six 1.16.0 (build 12); put to sleep by a person\\x1b[2J",
        "",
      ].join("\n"),
      stderr: "",
    });
    const { stdout } = await slaves("list", "--json", "kit*");
    expect(JSON.parse(stdout)).toEqual([kitchen]);
    expect(await slaves("list", "kitche")).toMatchObject({
      code: 1,
      stderr: "piw slaves list: the master knows no slave kitche; the nearest is kitchen\n",
    });
  });

  it.concurrent("piw slaves kill, sleep, wake, skip say what was done to whom", async () => {
    const said = await Promise.all([
      slaves("sleep", "kitchen"),
      slaves("skip", "kitchen", "--json"),
      slaves("wake", "cellar"),
      slaves("kill", "--id", "7"),
      slaves("kill", "--all", "--yes"),
    ]);
    expect(said).toMatchObject([
      { code: 0, stdout: "kitchen (7): sleep\\x1b[2J\n" },
      // Nothing was to be skipped.
      { code: 1, stdout: expect.stringContaining('"isDone": false') as string },
      {
        code: 1,
        stderr: "piw slaves wake: the master knows no slave cellar; the nearest is kitchen\n",
      },
      { code: 2, stderr: expect.stringContaining("say --yes to go ahead") as string },
      { code: 0 },
    ]);
  });

  it.concurrent("piw slaves wants to know which, and does nothing to both all and some", async () => {
    const said = await Promise.all([
      slaves("sleep"),
      slaves("sleep", "--all", "kitchen"),
      slaves("slep"),
    ]);
    const which = expect.stringContaining(
      "say which slaves: their labels, or --id N, or --all",
    ) as string;
    expect(said).toMatchObject([
      { code: 2, stderr: which },
      { code: 2, stderr: which },
      {
        code: 2,
        stderr: 'piw: there is no "piw slaves slep"; the nearest is "piw slaves sleep"\n',
      },
    ]);
  });
});

describe("the tools, without a master", { timeout: PROCESS_MS }, () => {
  it.concurrent("say that none answers, and where", async () => {
    const address = `ipc://${folder}/nobody`;
    const args = ["--import-queue", address, "--wait", "300ms", "six"];
    expect(await runSource("bin/piw-add.ts", args).ended).toEqual({
      code: 1,
      stdout: "",
      stderr: `piw-add: no master answers at ${address}: is piw-master running, with this --import-queue?\n`,
    });
  });

  it.concurrent("piw keygen makes a key pair once, the secret half for its owner only", async () => {
    const file = join(folder, "master.key");
    const first = await runSource("bin/piw.ts", ["keygen", file]).ended;
    expect(first).toMatchObject({ code: 0, stderr: "" });
    const publicKey = first.stdout.trim().split("\n").at(-1) ?? "";
    expect(publicKey).toHaveLength(40);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(`${file}.pub`, "utf8")).toContain(publicKey);
    expect(readFileSync(file, "utf8")).not.toContain("undefined");

    const before = readFileSync(file, "utf8");
    const second = await runSource("bin/piw.ts", ["keygen", file]).ended;
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/^piw keygen: .*master\.key.*\n$/);
    expect(readFileSync(file, "utf8")).toBe(before);
  });

  it.concurrent("piw without a known subcommand says what there is", async () => {
    const overview = await runSource("bin/piw.ts", []).ended;
    expect(overview).toMatchObject({ code: 0, stderr: "" });
    expect(overview.stdout).toMatch(/^ {2}farm .+\n {2}master /m);
    expect(await runSource("bin/piw.ts", ["frm"]).ended).toEqual({
      code: 2,
      stdout: "",
      stderr: 'piw: there is no "piw frm"; the nearest is "piw farm" (piw --help lists all)\n',
    });
    expect(await runSource("bin/piw.ts", ["-c", "FILE", "status"]).ended).toEqual({
      code: 2,
      stdout: "",
      stderr: "piw: options come after the subcommand: piw SUBCOMMAND -c (piw --help lists all)\n",
    });
  });
});
