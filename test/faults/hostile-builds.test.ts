/**
 * Builds that mean harm, each an sdist, built by an ordinary user with the real pip: at each limit the whole
 * process tree ends and the result says which limit, and nothing of the slave's is seen.
 */

import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readlinkSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { unlimited } from "../../actors/slave/sandbox/limits.ts";
import { wheelPieces } from "../protocol/packaging/wheel-builder.ts";
import { buildZip } from "../protocol/packaging/zip-builder.ts";
import {
  buildAsOrdinaryUser,
  countMarked,
  killOrdinaryBuild,
  processMark,
  slaveHome,
} from "../support/ordinary-user.ts";

const isLinux = process.platform === "linux";

describe.skipIf(!isLinux).for(["bubblewrap", "none"] as const)("with sandbox = %s", (sandbox) => {
  const limitedTo = (limits: Partial<typeof unlimited>) => ({
    sandbox,
    limits: { ...unlimited, ...limits },
  });

  test("a fork bomb ends at the limit of processes", async (context) => {
    const { result, left } = await buildAsOrdinaryUser(
      {
        settings: limitedTo({ processes: 60 }),
        body: `
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.01)`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "resource-limit", files: [] });
    expect(result.message).toMatch(/^ended at the limit of processes, 60: \d+ ran$/);
    expect(left).toEqual([]);
  });

  test("one process that takes too much memory fails at the limit", async (context) => {
    const { result } = await buildAsOrdinaryUser(
      {
        settings: limitedTo({ memoryBytes: 400_000_000 }),
        body: `
taken = []
while True:
    taken.append(b"x" * 10_000_000)`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "out-of-memory", files: [] });
    expect(result.message).toMatch(/the limit of memory, 400 MB/);
  });

  test("many processes that take too much memory together end at the limit", async (context) => {
    const { result, left } = await buildAsOrdinaryUser(
      {
        settings: limitedTo({ memoryBytes: 300_000_000 }),
        body: `
for n in range(6):
    if os.fork() == 0:
        taken = os.urandom(100_000_000)
        time.sleep(1000)
time.sleep(1000)`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "out-of-memory", files: [] });
    expect(result.message).toMatch(/^ended at the limit of memory, 300 MB: its processes held \d/);
    expect(left).toEqual([]);
  });

  test("a disk filler ends at the limit of disk, wherever it writes", async (context) => {
    const { result, left } = await buildAsOrdinaryUser(
      {
        settings: limitedTo({ diskBytes: 80_000_000 }),
        body: `
folders = [os.getcwd(), os.path.expanduser("~"), os.environ["TMPDIR"]]
for n in range(300):
    with open(os.path.join(folders[n % len(folders)], "filler-%d" % n), "wb") as file:
        file.write(b"x" * 1_000_000)
time.sleep(1000)`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "out-of-disk", files: [] });
    expect(result.message).toMatch(
      /^ended at the limit of disk, 80 MB: its folder held \d+(\.\d)? MB$/,
    );
    expect(left).toEqual([]);
  });

  test("what a build locks against reading counts at the limit of disk all the same", async (context) => {
    const { result } = await buildAsOrdinaryUser(
      {
        settings: limitedTo({ diskBytes: 60_000_000 }),
        body: `
os.makedirs("locked/inner")
for n in range(90):
    with open("locked/inner/filler-%d" % n, "wb") as file:
        file.write(b"x" * 1_000_000)
os.chmod("locked/inner", 0)
os.chmod("locked", 0)
time.sleep(1000)`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "out-of-disk", files: [] });
    expect(result.message).toMatch(
      /^ended at the limit of disk, 60 MB: its folder held \d+(\.\d)? MB$/,
    );
  });

  test("what others write to the disk is not counted against a build, also where it locks its folders", async (context) => {
    const home = await slaveHome();
    const neighbour = join(home.folder, "neighbour");
    let written = 0;
    const writing = setInterval(() => {
      if (written < 20) appendFileSync(neighbour, Buffer.alloc(10_000_000, 1));
      written += 1;
    }, 200);
    onTestFinished(() => clearInterval(writing));
    const { result } = await buildAsOrdinaryUser(
      {
        settings: limitedTo({ diskBytes: 60_000_000 }),
        body: `
os.mkdir("locked")
for _ in range(200):
    os.chmod("locked", 0)
    time.sleep(0.03)`,
      },
      context,
      home,
    );
    expect(written).toBeGreaterThan(10);
    expect(result).toMatchObject({ cause: "built" });
  });

  test("a build that locks the folder of its wheels has failed, and not the slave", async (context) => {
    const { result } = await buildAsOrdinaryUser(
      {
        settings: { sandbox },
        // pip can still move a wheel into it, and nobody can list it.
        body: `os.chmod(os.path.join(os.environ["HOME"], "../out"), 0o300)`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "build-failed", files: [] });
    expect(result.message).toMatch(
      /^the build has locked or moved what is in its folder: .* 'out'$/,
    );
  });

  test("a single file stops growing at the limit of disk", async (context) => {
    const { result } = await buildAsOrdinaryUser(
      {
        settings: limitedTo({ diskBytes: 50_000_000 }),
        body: `
with open("filler", "wb") as file:
    while True:
        file.write(b"x" * 1_000_000)`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "out-of-disk", files: [] });
    expect(result.message).toMatch(/the limit of disk, 50 MB/);
  });

  test("a build that opens files without end fails at the limit of files", async (context) => {
    const { result } = await buildAsOrdinaryUser(
      {
        settings: limitedTo({ files: 100 }),
        body: `
opened = []
while True:
    opened.append(open("PKG-INFO"))`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "resource-limit", files: [] });
    expect(result.message).toMatch(/^failed at the limit of open files, 100 per process/);
  });

  test("endless output ends the build at the limit of output, and a part of it is kept", async (context) => {
    const { result, log, left } = await buildAsOrdinaryUser(
      {
        settings: limitedTo({ logBytes: 3_000_000 }),
        body: `
while True:
    print("more " * 100)`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "resource-limit", files: [] });
    expect(result.message).toBe("ended at the limit of output, 3 MB");
    expect(log).toContain("more more");
    expect(log).toMatch(/The build ended at the limit of output, 3 MB\n$/);
    expect(left).toEqual([]);
  });

  test("a build that ignores SIGTERM, with its children, is killed at the limit of time", async (context) => {
    const mark = processMark();
    const { result, log, left } = await buildAsOrdinaryUser(
      {
        settings: { sandbox },
        timeoutMs: 25_000,
        body: `
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sh", "-c", "trap '' TERM; while :; do sleep 1; done", "${mark}"])
print("not going")
while True:
    time.sleep(1)`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "timeout", files: [] });
    expect(result.message).toMatch(/25 s/);
    expect(log).toContain("not going");
    expect(left).toEqual([]);
    expect(countMarked(mark)).toBe(0);
  });

  test("a daemon does not outlive the build that started it", async (context) => {
    const mark = processMark();
    // Without a pid namespace a process is known by its environment.
    const environment = sandbox === "none" ? "os.environ" : "{}";
    const { result, left } = await buildAsOrdinaryUser(
      {
        settings: { sandbox },
        body: `
if os.fork() == 0:
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    if os.fork() == 0:
        os.execve("/bin/sh", ["sh", "-c", "touch started; while :; do sleep 1; done", "${mark}"], ${environment})
    os._exit(0)
os.wait()
while not os.path.exists("started"):
    time.sleep(0.01)`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "built" });
    expect(left).toEqual([]);
    expect(countMarked(mark)).toBe(0);
  });
});

describe.skipIf(!isLinux)("what a build needs", () => {
  test("is told to the master without the secrets in it", async (context) => {
    const secret = "ghp_abcdefghijklmnopqrstuvwxyz0123";
    const { result, log } = await buildAsOrdinaryUser(
      {
        settings: { sandbox: "none" },
        requires: [],
        // As pip says it of what it has installed.
        body: `print("Successfully installed ${secret}-1.0 harmless-2.0")`,
      },
      context,
    );
    expect(log).toContain("Successfully installed ***");
    expect(result.resolved).toMatchObject([{ name: "harmless", version: "2.0" }]);

    const url = "https://someone:hunter2word@127.0.0.1:9/helper-1.0.tar.gz";
    const needy = await buildAsOrdinaryUser(
      {
        settings: { sandbox: "none" },
        requires: [`helper @ ${url}`],
        body: "pass",
      },
      context,
    );
    expect(JSON.stringify(needy)).not.toContain("hunter2word");
    expect(needy.result.buildRequires).toEqual([
      "helper @ https://***@127.0.0.1:9/helper-1.0.tar.gz",
    ]);
  });
});

const bwrap = spawnSync("bwrap", ["--help"], { encoding: "utf8" });
// Null where there is none.
const canDisableUserNamespaces = `${bwrap.stdout}`.includes("--disable-userns");

describe.skipIf(!isLinux)("in the sandbox", () => {
  const settings = { sandbox: "bubblewrap", limits: unlimited } as const;

  test("neither the slave's files, nor its environment, nor its processes are seen, and nothing else is written to", async (context) => {
    const home = await slaveHome();
    const { result, log } = await buildAsOrdinaryUser(
      {
        settings,
        environment: { SLAVE_SECRET: "s3cret environment" },
        body: `
def attempt(what, action):
    try:
        print("TRY", what, "->", action())
    except OSError as error:
        print("TRY", what, "->", error.strerror)
attempt("key", lambda: open("${home.secretFile}").read())
attempt("home", lambda: os.listdir("${home.folder}/home"))
attempt("outbox", lambda: os.listdir("${home.folder}/slave/outbox"))
attempt("usr", lambda: open("/usr/harm", "w"))
attempt("etc", lambda: open("/etc/harm", "w"))
attempt("root", lambda: open("/harm", "w"))
attempt("dev", lambda: open("/dev/harm", "w"))
attempt("sdist", lambda: open(os.path.join(os.environ["HOME"], "../source/harm"), "w"))
attempt("tmp", lambda: open("/tmp/fine", "w").name)
attempt("shm", lambda: open("/dev/shm/fine", "w").name)
for pid in os.listdir("/proc"):
    if pid.isdigit():
        print("PROCESS", open("/proc/%s/cmdline" % pid).read().replace(chr(0), " ")[:60])
        attempt("environment", lambda: open("/proc/%s/environ" % pid).read())
print("ENV", sorted(os.environ.items()))
for name in os.listdir("/proc/self/ns"):
    print("NAMESPACE", name, os.readlink("/proc/self/ns/" + name))
print("HOST", socket.gethostname())
print("SESSION", os.getsid(0))
for line in open("/proc/self/status"):
    if line.startswith(("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd", "NoNewPrivs")):
        print("STATUS", *line.split())
print("CORE", *resource.getrlimit(resource.RLIMIT_CORE))
print("UNSHARE", subprocess.call(["unshare", "--user", "--map-root-user", "true"]))`,
      },
      context,
      home,
    );
    expect(result).toMatchObject({ cause: "built" });
    expect(log).not.toContain("s3cret");
    const outcome = (what: string) => new RegExp(`TRY ${what} -> (.*)`).exec(log)?.[1];
    expect(outcome("key")).toBe("No such file or directory");
    expect(outcome("home")).toBe("No such file or directory");
    expect(outcome("outbox")).toBe("No such file or directory");
    for (const what of ["usr", "etc", "root", "dev", "sdist"]) {
      expect(outcome(what)).toMatch(/Read-only file system|Permission denied/);
    }
    expect(outcome("tmp")).toBe("/tmp/fine");
    expect(outcome("shm")).toBe("/dev/shm/fine");
    expect(log).not.toMatch(/PROCESS .*ordinary-build/);
    expect(log.match(/^ *PROCESS /gm)?.length).toBeLessThan(12);
    const kinds = ["user", "pid", "ipc", "uts", "net", "mnt", "cgroup"];
    for (const name of kinds.filter((kind) => existsSync(`/proc/self/ns/${kind}`))) {
      const inside = new RegExp(`NAMESPACE ${name} (\\S+)`).exec(log)?.[1];
      expect(inside).toMatch(new RegExp(`^${name}:`));
      expect(inside).not.toBe(readlinkSync(`/proc/self/ns/${name}`));
    }
    expect(log).toMatch(/^ *HOST build$/m);
    // Of a session that began outside there is no number in here; its terminal could be written to.
    expect(log).toMatch(/^ *SESSION [1-9]\d*$/m);
    expect(log.match(/STATUS Cap\w+: 0+$/gm)).toHaveLength(5);
    expect(log).toMatch(/STATUS NoNewPrivs: 1$/m);
    expect(log).toMatch(/^ *CORE 0 0$/m);
    if (canDisableUserNamespaces) expect(log).toMatch(/^ *UNSHARE [1-9]\d*$/m);
  });

  test("with network = index a build has what it needs from the index, and reaches nothing else", async (context) => {
    const victim = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    let visits = 0;
    victim.on("connection", () => {
      visits += 1;
    });
    onTestFinished(() => {
      victim.close();
    });
    await new Promise((resolve) => victim.once("listening", resolve));
    const { port } = victim.address() as AddressInfo;
    const helper = wheelPieces({
      distInfo: "helper_pkg-1.0.dist-info",
      metadata: "Metadata-Version: 2.1\nName: helper-pkg\nVersion: 1.0\n",
      files: [{ name: "helper_pkg.py", data: "answer = 42\n" }],
    });
    const { result, log } = await buildAsOrdinaryUser(
      {
        settings,
        requires: ["helper-pkg"],
        files: [{ filename: "helper_pkg-1.0-py3-none-any.whl", contents: buildZip(helper) }],
        body: `
import helper_pkg, urllib.request
print("HELPER", helper_pkg.answer)
try:
    socket.create_connection(("127.0.0.1", ${port}), 5)
    print("DIRECT reached")
except OSError as error:
    print("DIRECT", error)
try:
    print("PLAIN", urllib.request.urlopen("http://127.0.0.1:${port}/").status)
except OSError as error:
    print("PLAIN", error)
tunnel = socket.create_connection(("127.0.0.1", int(os.environ["http_proxy"].split(":")[-1])), 5)
tunnel.sendall(b"CONNECT 127.0.0.1:${port} HTTP/1.1\\r\\n\\r\\n")
print("TUNNEL", tunnel.recv(100).split(b"\\r")[0].decode())`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "built" });
    expect(log).toContain("HELPER 42");
    expect(log).toMatch(/DIRECT .*refused/);
    expect(log).toMatch(/PLAIN .*403/);
    expect(log).toContain("TUNNEL HTTP/1.1 403 Forbidden");
    expect(log).toContain(`The sandbox kept this build from 127.0.0.1:${port}`);
    expect(visits).toBe(0);
  });

  test("all of a build ends with a slave that is killed, at once and by nobody's hand", async (context) => {
    const mark = processMark();
    await killOrdinaryBuild(
      {
        settings,
        body: `
if os.fork() == 0:
    os.setsid()
    os.execve("/bin/sh", ["sh", "-c", "while :; do sleep 1; done", "${mark}"], {})
time.sleep(1000)`,
      },
      () => countMarked(mark) > 0,
      context,
    );
    await expect.poll(() => countMarked(mark), { timeout: 30_000 }).toBe(0);
  });

  test("with network = none not even the index is reached", async (context) => {
    const { result, log } = await buildAsOrdinaryUser(
      {
        settings: { ...settings, network: "none" },
        body: `
print("PROXY", os.environ.get("http_proxy"))
for name in os.listdir("/sys/class/net") if os.path.exists("/sys/class/net") else []:
    print("DEVICE", name)
try:
    socket.create_connection(("192.0.2.1", 80), 5)
except OSError as error:
    print("DIRECT", error.strerror)`,
      },
      context,
    );
    expect(result).toMatchObject({ cause: "built" });
    expect(log).toContain("PROXY None");
    expect(log).toContain("DIRECT Network is unreachable");
  });
});
