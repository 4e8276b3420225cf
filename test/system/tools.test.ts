/**
 * The command line tools as a user runs them, against a real master with a slave: what each does, and the
 * one line that each says where it does not.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tokenPattern } from "../../protocol/model/access-token.ts";
import type { TargetRow } from "../../protocol/model/target-row.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { CTRL_C, END_OF_INPUT, runAtTerminal } from "../support/at-terminal.ts";
import { LocalMaster } from "../support/local-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { type Ended, runSource } from "../support/run-source.ts";
import { slowSdist } from "../support/slow-sdist.ts";

/** Several processes, each started from source, on a busy machine. */
const PROCESSES_MS = 180_000;

let database: TestDatabase;
let upstream: SampleUpstream;
let master: LocalMaster;
const folder = mkdtempSync(join(tmpdir(), "ww-tools-"));

beforeAll(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream({
    files: [
      ...["1.0", "2.0", "3.0"].map((version) => slowSdist({ name: "quick", version })),
      slowSdist({ name: "other", version: "1.0" }),
    ],
  });
  master = await LocalMaster.start({ dsn: database.dsn, upstream });
  await master.untilIdle(4);
}, 180_000);
afterAll(async () => {
  await master.end();
  await upstream.close();
  await database.end();
  rmSync(folder, { recursive: true });
}, 60_000);

const queueArgs = () => [
  "--import-queue",
  `ipc://${join(master.folder, "import")}`,
  ...["--wait", "60s"],
];
const tool = (name: string, ...args: string[]): Promise<Ended> =>
  name === "target" || name === "token"
    ? runSource("bin/piw.ts", [name, args[0] ?? "", ...queueArgs(), ...args.slice(1)]).ended
    : runSource(`bin/piw-${name}.ts`, [...queueArgs(), ...args]).ended;
const fails = (code: number, words: RegExp) => ({
  code,
  stdout: "",
  stderr: expect.stringMatching(words) as string,
});
const wheels = (name = "quick") => {
  const place = join(master.folder, "www", "simple", name);
  return existsSync(place) ? readdirSync(place).filter((file) => file.endsWith(".whl")) : [];
};
const page = (...path: string[]) => join(master.folder, "www", ...path);
const facts = async () => [
  ...(await database.sql`select name, skip, priority from package order by id`),
  ...(await database.sql`select version, skip, yanked, priority from version order by id`),
];

describe("bad input: one line, an exit code, and nothing changed", {
  timeout: PROCESSES_MS,
}, () => {
  let before: unknown[];
  beforeAll(async () => {
    before = await facts();
  });
  afterAll(async () => {
    expect(await facts()).toEqual(before);
    expect(wheels()).toHaveLength(3);
  });
  const near = /^piw-\w+: the farm knows no package quickk; the nearest are quick, other\n$/;

  it.concurrent.each([
    ["add", ["--skip", "x", "--yes", "quickk"], 1, near],
    ["remove", ["--yes", "quickk"], 1, near],
    ["rebuild", ["project", "quickk"], 1, near],
    ["rebuild", ["project", "--progress"], 2, /--progress goes with nothing to rebuild/],
    ["remove", ["--yes", "quick", "9.0"], 1, /knows no quick 9\.0; the nearest are .*1\.0/],
    ["remove", ["--yes", "--builds", "--skip", "x", "quick"], 2, /contradict/],
    ["remove", ["--wanted", "--yes", "quick>=1"], 1, /nothing of that is wanted/],
    ["remove", ["--wanted", "quick>=1"], 2, /no terminal to ask at: say --yes/],
    ["remove", ["--wanted", "--yes", "quick", "1.0"], 2, /"1\.0" is a version: with --wanted say/],
    ["remove", ["--wanted", "--yes", "no such?"], 2, /"no such\?" is neither a project's name nor/],
    ["remove", ["--wanted", "--builds", "quick"], 2, /--wanted removes nothing/],
    ["add", ["--alias", "x", "quick", "1.0"], 2, /leave the versions out/],
    ["add", ["--skip", "deleted", "--yes", "quick"], 1, /upstream's own reasons/],
    ["add", ["--skip", "x", "quick>=1"], 2, /"quick>=1" is a requirement/],
    ["add", ["--alias", "Other", "--yes", "quick"], 1, /is the name of another package, other/],
    ["target", ["skip", "cp399-linux_x86_64"], 1, /knows no target cp399-linux_x86_64; the near/],
    ["target", ["add", "--python", "/nonexistent/python"], 2, /was not found/],
    ["token", ["revoke", "nobody"], 1, /^piw token revoke: there is no valid token nobody\n$/],
    ["token", ["create", "two words"], 2, /"two words" is no name of a token/],
    ["token", ["create", "x", "--right", "root"], 2, /right/],
    ["token", ["create", "x", "--expire", "soon"], 2, /"soon" is neither "never" nor a duration/],
  ])("piw %s %j: %i", async (name, args, code, words) => {
    expect(await tool(name, ...args)).toEqual(fails(code, words));
  });

  it.concurrent.each(["remove", "rebuild"])(
    "piw-%s wants --yes where nobody can be asked",
    async (name) => {
      const args = name === "remove" ? ["quick"] : ["project"];
      expect(await tool(name, ...args)).toEqual(fails(2, /no terminal to ask at: say --yes/));
    },
  );

  it.concurrent.each([
    ["Ctrl-C", CTRL_C, 130, "[y/N]"],
    ["the end of the input", END_OF_INPUT, 1, "Nothing was removed."],
    ["an empty line", "\r", 1, "Nothing was removed."],
    ["no", "n\r", 1, "Nothing was removed."],
  ])("%s at the prompt is a no", async (_what, keys, code, said) => {
    const ended = await runAtTerminal("bin/piw-remove.ts", [...queueArgs(), "quick", "1.0"], keys);
    expect([ended.code, ended.text]).toEqual([code, expect.stringContaining(said)]);
    expect(ended.text).toContain("Upstream's next change of them brings them back");
  });
});

describe("the question", { timeout: PROCESSES_MS }, () => {
  it("leaves standard output to the outcome", async () => {
    const outcome = join(folder, "outcome");
    const args = [...queueArgs(), "quick", "1.0"];
    const { text } = await runAtTerminal("bin/piw-remove.ts", args, "n\r", outcome);
    expect(text).toContain("Go ahead? [y/N]");
    expect(readFileSync(outcome, "utf8")).toBe("Nothing was removed.\n");
  });
});

describe("a queue address", { timeout: PROCESSES_MS }, () => {
  const ask = (address: string) =>
    runSource("bin/piw-remove.ts", ["--import-queue", address, "--wait", "1s", "--yes", "quick"])
      .ended;

  it.concurrent("that is none is wrong usage", async () => {
    expect(await ask("http://x")).toEqual(fails(2, /is no queue address such as/));
  });

  it.concurrent("on another machine is wrong usage", async () => {
    expect(await ask("tcp://192.0.2.1:5000")).toEqual(
      fails(2, /^piw-remove: --import-queue: this link is local: use ipc or loopback\n$/),
    );
  });

  it.concurrent("where nobody is", async () => {
    expect(await ask(`ipc://${folder}/nobody`)).toEqual(fails(1, /is piw-master running, with/));
  });

  it.concurrent("of the master's other link is refused by it", async () => {
    const address = `ipc://${join(master.folder, "control")}`;
    expect(await ask(address)).toEqual(
      fails(1, /^piw-remove: the master says: [^\n]*control[^\n]*\n$/),
    );
  });

  it.concurrent("that is a file, or a socket of something else", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    expect(await ask(`ipc://${file}`)).toEqual(fails(1, /is no socket/));
    const server = createServer((socket) => socket.end("220 hello\r\n"));
    server.listen(join(folder, "socket"));
    await once(server, "listening");
    expect(await ask(`ipc://${folder}/socket`)).toEqual(fails(1, /no master answers at/));
    server.close();
  });

  it.concurrent("that is somebody else's says so", async () => {
    const place = mkdtempSync(join(tmpdir(), "ww-rights-"));
    const server = createServer();
    server.listen(join(place, "import"));
    await once(server, "listening");
    chmodSync(join(place, "import"), 0o000);
    chmodSync(place, 0o755);
    const source = new URL("../../bin/piw-remove.ts", import.meta.url).pathname;
    const args = ["--import-queue", `ipc://${place}/import`, "--wait", "1s", "--yes", "quick"];
    // Root may use everything.
    const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const child = spawn(process.execPath, ["--import", "tsx", source, ...args], {
      ...user,
      cwd: new URL("../../", import.meta.url).pathname,
      env: { PATH: process.env["PATH"], HOME: "/nonexistent" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (part: Buffer) => {
      said += part.toString();
    });
    const [code] = (await once(child, "close")) as [number];
    server.close();
    rmSync(place, { recursive: true });
    expect([code, said]).toEqual([
      1,
      expect.stringMatching(/^[^\n]*this user may not use [^\n]*\n$/),
    ]);
  });
});

describe("what the tools do", { timeout: PROCESSES_MS }, () => {
  it("piw-add says priority, date, yank and alias; its pages show it, and upstream does not undo it", async () => {
    const said = ["--yank", "leaks", "--released", "2020-01-31", "--priority", "5", "--yes"];
    const added = await tool("add", ...said, "quick", "1.0");
    expect(added).toMatchObject({
      code: 0,
      stderr: "",
      stdout: /^quick 1\.0: changed; 0 builds/.exec(added.stdout)?.input,
    });
    await master.until("the yank is on the page", () =>
      readFileSync(page("simple", "quick", "index.html"), "utf8").includes('data-yanked="leaks"'),
    );
    upstream.publish(slowSdist({ name: "quick", version: "4.0" }));
    await master.until("the new release is there", () => wheels().length === 4);
    expect(readFileSync(page("simple", "quick", "index.html"), "utf8")).toContain("leaks");
    const whole = ["--alias", "Quickly", "--description", "Ours", "--yes", "quick"];
    expect(await tool("add", ...whole)).toMatchObject({ code: 0, stderr: "" });
    expect((await tool("add", "--unyank", "--yes", "Quickly", "1.0")).stdout).toMatch(
      /^quick 1\.0/,
    );
    await master.until(
      "the yank is gone",
      () => !readFileSync(page("simple", "quick", "index.html"), "utf8").includes("data-yanked"),
    );
    expect(await database.sql`select summary from package where name = 'quick'`).toEqual([
      { summary: "Ours" },
    ]);
  });

  it("piw-add records what upstream does not have, and says that it is not built", async () => {
    const recorded = await runAtTerminal(
      "bin/piw-add.ts",
      [...queueArgs(), "in-house", "1.0"],
      "y\r",
    );
    expect(recorded.code).toBe(0);
    expect(recorded.text).toMatch(/It has no source, so it is not built.*in-house 1\.0: recorded/s);
    expect((await tool("add", "in-house", "1.0")).stdout).toMatch(/known already/);
    expect((await tool("remove", "--yes", "in-house")).stdout).toMatch(/removed 1 version/);
  });

  it("piw-remove --wanted takes requirements back, by their text or a project's name", async () => {
    const before = wheels();
    const wanted = async () =>
      (
        await database.sql<{ requirement: string }[]>`select requirement from wanted order by 1`
      ).map((row) => row.requirement);
    expect((await tool("add", "quick>=1", "quick<3", "other")).stdout).toBe("3 added\n");
    expect((await tool("remove", "--wanted", "--yes", "quick<3")).stdout).toBe("1 taken back\n");
    expect(await wanted()).toEqual(["other", "quick>=1"]);
    expect((await tool("remove", "--wanted", "--yes", "Quick", "other")).stdout).toBe(
      "2 taken back\n",
    );
    expect(await wanted()).toEqual([]);
    expect(wheels()).toEqual(before);
  });

  it("piw-remove --builds has it built again, under a build tag", async () => {
    const { stdout } = await tool("remove", "--builds", "--yes", "quick", "2.0");
    expect(stdout).toMatch(/^quick 2\.0: removed 1 build, 1 file; 1 build on the queue\n$/);
    await master.until("it was built again, and the former file is gone", () => {
      const names = wheels().filter((name) => name.startsWith("quick-2.0"));
      return names.length === 1 && names[0] === "quick-2.0-1-py3-none-any.whl";
    });
  });

  it("piw-remove takes files and pages away; upstream's next change brings it back, but not with --skip", async () => {
    const { stdout } = await tool("remove", "--yes", "other", "quick", "3.0");
    expect(stdout).toBe(
      "other: removed 1 version, 1 build, 1 file\nquick 3.0: removed 1 version, 1 build, 1 file\n",
    );
    await master.until(
      "files and pages are gone",
      () =>
        wheels("other").length === 0 &&
        !existsSync(page("project", "other", "index.html")) &&
        !existsSync(page("simple", "other", "index.html")) &&
        wheels().every((name) => !name.startsWith("quick-3.0")),
    );
    await master.until(
      "its project's page does not show it",
      () => !readFileSync(page("project", "quick", "index.html"), "utf8").includes("quick-3.0"),
    );
    expect((await tool("remove", "--yes", "--skip", "malware", "quick", "3.0")).code).toBe(0);
    upstream.publish(slowSdist({ name: "quick", version: "5.0" }));
    upstream.publish(slowSdist({ name: "other", version: "2.0" }));
    await master.until("the rest is back", () => wheels("other").length === 2);
    await master.until("what is new is there", () =>
      wheels().some((name) => name.startsWith("quick-5")),
    );
    expect(wheels().filter((name) => name.startsWith("quick-3.0"))).toEqual([]);
    expect(await database.sql`select skip from version where version = '3.0'`).toEqual([
      { skip: "malware" },
    ]);
  });

  it("piw-remove of what is being built: the slave drops it and goes on with something else", async () => {
    upstream.publish(slowSdist({ name: "lasting", version: "1.0", buildMs: 600_000 }));
    await master.until("it is being built", async () => (await master.report()).leased === 1);
    const { stdout } = await tool("remove", "--yes", "--skip", "hangs", "lasting");
    expect(stdout).toBe("lasting: removed 1 version, 0 builds, 0 files; 1 running build dropped\n");
    upstream.publish(slowSdist({ name: "quick", version: "6.0" }));
    await master.until("the slave is free again", () =>
      wheels().some((name) => name.startsWith("quick-6.0")),
    );
    expect(await database.sql`select 1 from lease`).toEqual([]);
  });

  it("piw-rebuild writes pages again that were spoilt, one or all", async () => {
    const spoil = (...path: string[]) => {
      rmSync(page(...path));
      writeFileSync(page(...path), "spoilt");
    };
    const isWhole = (...path: string[]) => readFileSync(page(...path), "utf8") !== "spoilt";
    spoil("project", "quick", "index.html");
    spoil("index.html");
    spoil("packages.json");
    for (const words of [["home"], ["search"], ["project", "Quick"]])
      expect(await tool("rebuild", ...words)).toMatchObject({ code: 0, stderr: "" });
    await master.until(
      "they are whole",
      () =>
        isWhole("project", "quick", "index.html") &&
        isWhole("index.html") &&
        isWhole("packages.json"),
    );
    expect(JSON.parse(readFileSync(page("packages.json"), "utf8"))).toEqual([
      ["other", 0, 0],
      ["quick", 0, 0],
    ]);
    spoil("simple", "quick", "index.html");
    spoil("simple", "other", "index.html");
    const all = await tool("rebuild", "--yes", "index");
    // It has waited for the end of it.
    expect(all).toMatchObject({ code: 0, stdout: "index: done, the pages of 2 packages\n" });
    expect(isWhole("simple", "quick", "index.html")).toBe(true);
    expect(isWhole("simple", "other", "index.html")).toBe(true);
    spoil("project", "quick", "index.html");
    const detached = await tool("rebuild", "--yes", "--detach", "all");
    expect(detached.code).toBe(0);
    expect(detached.stdout).toMatch(/^home: will be written\nsearch: will be written\n.*index: /s);
    await master.until("all are whole", () => isWhole("project", "quick", "index.html"));
    const progress = await tool("rebuild", "--progress");
    expect(progress).toMatchObject({ code: 0, stderr: "" });
    expect(progress.stdout).toContain("project: ");
    expect(progress.stdout).toContain("(asked for)");
  });

  it("piw target adds, shows, skips and unskips", async () => {
    const rows = async () =>
      JSON.parse((await tool("target", "list", "--json")).stdout) as TargetRow[];
    const own = (await rows())[0];
    expect(own).toMatchObject({ slaves: 1, isActive: true, skip: null });
    const tags = "cp399-cp399-linux_x86_64,py3-none-any";
    const added = await tool("target", "add", "cp399-linux_x86_64", "--tags", tags, "--rank", "1");
    expect(added).toEqual({ code: 0, stdout: "cp399-linux_x86_64: added, rank 1\n", stderr: "" });
    const python = await tool("target", "add", "--python", "python3");
    expect(python.stdout).toBe(`${own?.name}: known already, rank ${own?.rank}\n`);
    await tool("target", "skip", own?.name ?? "", "--reason", "out of order");
    const shown = await tool("target", "list");
    expect(shown.stdout).toMatch(/^cp399-linux_x86_64 +1 +3\.99\.0 +0 .*no slave lately/m);
    expect(shown.stdout).toMatch(/skipped: out of order/);
    upstream.publish(slowSdist({ name: "quick", version: "7.0" }));
    await master.until("nothing is built for it", async () => {
      const { rows: report } = await master.report();
      return report.some(
        ({ version, target, state }) =>
          version === "7.0" && target === "cp399-linux_x86_64" && state === "ready",
      );
    });
    expect((await tool("target", "unskip", own?.name ?? "")).stdout).toMatch(/now built for/);
    await master.until("it is built", () => wheels().some((name) => name.startsWith("quick-7.0")));
  });

  it("piw token creates, shows and revokes; the farm never has the token itself", async () => {
    const { stdout, stderr, code } = await tool("token", "create", "ops", "--right", "control");
    expect([code, stderr]).toEqual([
      0,
      "ops: may control, until it is revoked. The token is shown this once: the farm keeps only its hash.\n",
    ]);
    expect(stdout.trim()).toMatch(tokenPattern);
    const sha256 = createHash("sha256").update(stdout.trim()).digest("hex");
    const stored = await database.sql<{ sha256: string; may: string }[]>`
      select sha256, may from access_token`;
    expect([...stored]).toEqual([{ sha256, may: "control" }]);
    const again = await tool("token", "create", "ops");
    expect(again).toEqual(fails(1, /there is a token ops already: choose another name/));
    const short = JSON.parse(
      (await tool("token", "create", "prom", "--expire", "12h", "--json")).stdout,
    ) as Record<string, string>;
    expect(short).toMatchObject({ name: "prom", right: "watch" });
    expect(short["token"]).toMatch(tokenPattern);
    expect(Date.parse(short["expires"] ?? "")).toBeGreaterThan(Date.now() + 11 * 3_600_000);
    expect((await tool("token", "list")).stdout).toMatch(/^ops +control +valid .* never +never\n/m);
    expect((await tool("token", "revoke", "ops")).stdout).toBe("ops: revoked\n");
    expect(await tool("token", "revoke", "pron")).toEqual(fails(1, /the nearest is prom/));
    const rows = JSON.parse((await tool("token", "list", "--json")).stdout) as object[];
    expect(rows).toMatchObject([
      { name: "prom", state: "valid", used: null },
      { name: "ops", state: "revoked", expires: null },
    ]);
  });
});
