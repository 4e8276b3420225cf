/** What a slave decides at its start, and the walls that it puts around a build. */
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { bubblewrapArguments, type Walls } from "../../../actors/slave/sandbox/bubblewrap.ts";
import { unlimited } from "../../../actors/slave/sandbox/limits.ts";
import { Sandbox, type SandboxSettings } from "../../../actors/slave/sandbox/sandbox.ts";
import { interpreterPaths } from "../../../actors/slave/sandbox/visible-paths.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A machine where no program of that kind is installed. */
function withoutPrograms(): void {
  const before = process.env["PATH"];
  process.env["PATH"] = "/nonexistent";
  onTestFinished(() => {
    process.env["PATH"] = before;
  });
}

const open = async (settings: Partial<SandboxSettings>) =>
  Sandbox.open(
    {
      sandbox: "auto",
      network: undefined,
      allowedHosts: [],
      limits: unlimited,
      jobs: 1,
      secret: [],
      runFolder: await temporaryFolder(),
      ...settings,
    },
    [],
  );

test("without bubblewrap auto builds without a sandbox, and says so and what to do", async () => {
  withoutPrograms();
  const sandbox = await open({});
  expect(sandbox.description).toBe("no sandbox, network full");
  expect(sandbox.lacks.join("\n")).toMatch(/bubblewrap is not installed \(Debian: apt install/);
  expect(sandbox.lacks.join("\n")).toMatch(/install util-linux for prlimit/);
});

test.each([
  ["bubblewrap", undefined, /^the sandbox does not work here: bubblewrap is not installed/],
  ["auto", "index", /^network = index needs the sandbox, .*: give --network full/],
  ["none", "none", /^network = none needs the sandbox, .*--sandbox none was given/],
] as const)(
  "sandbox %s with network %s does not start without it",
  async (sandbox, network, why) => {
    withoutPrograms();
    await expect(open({ sandbox, network })).rejects.toThrow(why);
  },
);

test.each([
  [1, /--nproc=\d+/],
  [3, /^(?!.*--nproc)/],
])(
  "without a sandbox the kernel counts the processes of all builds: with %d jobs no build's wall may be another's",
  async (jobs, words) => {
    const folder = await temporaryFolder();
    const sandbox = await open({
      sandbox: "none",
      jobs,
      limits: { ...unlimited, processes: 50 },
    });
    const cell = await sandbox.openCell({
      ...{ folder, buildId: "b", urls: [], note: () => undefined },
      interpreter: { executable: "/usr/bin/python3", prefixes: [] },
    });
    onTestFinished(() => cell.close());
    expect(cell.commandLine(["true"], folder).join(" ")).toMatch(words);
  },
);

test("builds that may take more memory together than there is are told of", async () => {
  const limits = { ...unlimited, memoryBytes: totalmem() / 2 };
  const said = /3 builds together may take more memory than this machine has/;
  expect((await open({ sandbox: "none", jobs: 3, limits })).lacks.join("\n")).toMatch(said);
  expect((await open({ sandbox: "none", jobs: 2, limits })).lacks.join("\n")).not.toMatch(said);
});

const walls = (more: Partial<Walls>): Walls => ({
  program: "bwrap",
  folder: "/srv/slave/work/1",
  visible: [],
  secret: [],
  sharesNetwork: false,
  proxySocket: undefined,
  canDisableUserNamespaces: true,
  ...more,
});

test("only folders of the build can be written to, and neither its scratch nor its log", () => {
  const words = bubblewrapArguments(walls({}), "/srv/slave/work/1/cwd");
  const writable = words.flatMap((word, at) => (word === "--bind" ? [words[at + 2]] : []));
  expect(writable).toEqual([
    ...["/tmp", "/dev/shm", "/srv/slave/work/1/home", "/srv/slave/work/1/tmp"],
    ...["/srv/slave/work/1/out", "/srv/slave/work/1/cwd", "/srv/slave/work/1/shm"],
  ]);
  expect(words).toContain("--unshare-net");
  expect(bubblewrapArguments(walls({ sharesNetwork: true }), "/")).not.toContain("--unshare-net");
});

test("every wall stands, whatever else a build has", () => {
  const text = bubblewrapArguments(walls({ sharesNetwork: true }), "/").join(" ");
  for (const wall of [
    ...[
      "--unshare-user",
      "--unshare-pid",
      "--unshare-ipc",
      "--unshare-uts",
      "--unshare-cgroup-try",
    ],
    ...["--disable-userns", "--die-with-parent", "--new-session", "--hostname build"],
    // An ordinary user's bubblewrap drops them by itself, root's does not.
    "--cap-drop ALL",
    ...["--remount-ro /dev", "--remount-ro /", "--proc /proc", "--dev /dev"],
  ])
    expect(`${text} `).toContain(`${wall} `);
});

test("a slave of root has builds without a single capability", async (context) => {
  if (spawnSync("bwrap", ["--ro-bind", "/", "/", "true"]).status !== 0)
    context.skip("bubblewrap cannot work here");
  const folder = await temporaryFolder();
  for (const name of ["home", "tmp", "out", "cwd", "shm", "source", "scratch"])
    mkdirSync(join(folder, name));
  const [program, ...words] = bubblewrapArguments(
    walls({ folder, canDisableUserNamespaces: false }),
    join(folder, "cwd"),
  );
  const { stdout, stderr } = spawnSync(program, [...words, "grep", "Cap", "/proc/self/status"], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(stdout.match(/^Cap\w+:\s0+$/gm)).toHaveLength(5);
});

test("what is the slave's own within a folder that is shown is covered", async () => {
  const shown = await temporaryFolder();
  mkdirSync(join(shown, "slave"));
  writeFileSync(join(shown, "slave.key"), "");
  const secret = ["slave", "slave.key", "not-there"].map((name) => join(shown, name));
  const text = bubblewrapArguments(walls({ visible: [{ path: shown }], secret }), "/").join(" ");
  expect(text).toContain(`--tmpfs ${shown}/slave `);
  expect(text).toContain(`--remount-ro ${shown}/slave `);
  expect(text).toContain(`--ro-bind /dev/null ${shown}/slave.key`);
  expect(text).not.toContain("not-there");
});

test("of an interpreter its prefixes are shown, and those on the way of its links", async () => {
  const folder = await temporaryFolder();
  for (const name of ["venv", "base"]) mkdirSync(join(folder, name, "bin"), { recursive: true });
  writeFileSync(join(folder, "base", "bin", "python3"), "");
  symlinkSync(join(folder, "base", "bin", "python3"), join(folder, "venv", "bin", "python"));
  const executable = join(folder, "venv", "bin", "python");
  expect(interpreterPaths(executable, ["/usr"], []).map(({ path }) => path)).toEqual([
    ...[join(folder, "venv"), join(folder, "base")],
  ]);
});

test("of a prefix that holds a home or the slave only the interpreter's folders are shown", async () => {
  const home = await temporaryFolder();
  for (const name of ["bin", "lib", "letters"]) mkdirSync(join(home, name));
  const paths = interpreterPaths(join(home, "bin", "python3"), [home], [home]);
  expect(paths.map(({ path }) => path)).toEqual([join(home, "bin"), join(home, "lib")]);
});
