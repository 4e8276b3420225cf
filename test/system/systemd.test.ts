/** The daemons as services of systemd: what they tell it, and the units in deploy/. */
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runSource } from "../support/run-source.ts";

const run = promisify(execFile);
const has = (program: string) =>
  spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;
const deploy = new URL("../../deploy/", import.meta.url).pathname;
const units = readdirSync(deploy).filter((file) => file.endsWith(".service"));

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "piw-systemd-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The end of systemd: Node has no such socket. Prints each word that it is told. */
const listener = `
import socket, sys
end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
end.bind(sys.argv[1])
print("listening", flush=True)
while True:
    print(end.recv(4096).decode(), flush=True)
`;

async function listen(path: string) {
  const child = spawn("python3", ["-c", listener, path], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (part: Buffer) => {
    text += part.toString();
  });
  const words = () => text.split("\n").filter((line) => /^(READY|WATCHDOG|STOPPING)=1$/.test(line));
  await expect.poll(() => text, { timeout: 30_000 }).toContain("listening");
  return {
    words,
    end: async () => {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
}

describe("a daemon that systemd has started", { timeout: 120_000 }, () => {
  it.skipIf(!has("systemd-notify"))(
    "says that it is ready when its tree stands, that it lives while its loop turns, and that it stops",
    async () => {
      const path = join(folder, "notify");
      const systemd = await listen(path);
      const program = runSource("test/support/framed-program.ts", ["--allow-root", "-q", "tree"], {
        env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: "300000" },
      });
      try {
        await expect.poll(systemd.words, { timeout: 60_000 }).toContain("WATCHDOG=1");
        expect(systemd.words()[0]).toBe("READY=1");
        const before = systemd.words().length;
        await expect
          .poll(() => systemd.words().length, { timeout: 60_000 })
          .toBeGreaterThan(before + 2);
        program.child.kill("SIGTERM");
        expect(await program.ended).toMatchObject({ code: 0 });
        await expect.poll(systemd.words, { timeout: 60_000 }).toContain("STOPPING=1");
      } finally {
        program.child.kill("SIGKILL");
        await systemd.end();
      }
    },
  );

  it.skipIf(!has("systemd-notify"))(
    "says nothing of being ready when its tree cannot stand",
    async () => {
      const path = join(folder, "notify");
      const systemd = await listen(path);
      try {
        const args = ["--allow-root", "-qq", "treeFails"];
        const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "300000" };
        const ended = await runSource("test/support/framed-program.ts", args, { env }).ended;
        expect(ended.code).toBe(1);
        expect(systemd.words()).toEqual([]);
      } finally {
        await systemd.end();
      }
    },
  );

  it("says once what is missing where systemd-notify is not installed, and works on", async () => {
    const program = runSource("test/support/framed-program.ts", ["--allow-root", "tree"], {
      env: { NOTIFY_SOCKET: join(folder, "notify"), WATCHDOG_USEC: "300000", PATH: folder },
    });
    await program.said("standing");
    let log = "";
    program.child.stderr?.on("data", (part: Buffer) => {
      log += part.toString();
    });
    await expect.poll(() => log, { timeout: 60_000 }).toMatch(/is systemd-notify installed\?/);
    program.child.kill("SIGTERM");
    const { code, stderr } = await program.ended;
    expect(code).toBe(0);
    expect(stderr.match(/is systemd-notify installed/g)).toHaveLength(1);
  });
});

describe("the units in deploy/", { timeout: 120_000 }, () => {
  it("are there for master and slave", () => {
    expect(units).toEqual(["piw-master.service", "piw-slave.service"]);
  });

  it.skipIf(!has("systemd-analyze"))("are units that systemd understands", async () => {
    // It also looks for the programs: they are stood in for, as they would be installed.
    const copies = units.map((unit) => {
      const text = readFileSync(join(deploy, unit), "utf8");
      for (const [, program = ""] of text.matchAll(/\/usr\/local\/bin\/([\w-]+)/g)) {
        writeFileSync(join(folder, program), "#!/bin/sh\n");
        chmodSync(join(folder, program), 0o755);
      }
      const copy = join(folder, unit);
      writeFileSync(copy, text.replaceAll("/usr/local/bin", folder));
      return copy;
    });
    const { stderr } = await run("systemd-analyze", ["verify", ...copies]);
    const complaints = stderr.split("\n").filter((line) => line.includes(folder));
    expect(complaints).toEqual([]);
  });

  it.each(units)(
    "%s runs as a user of its own, under a watchdog that systemd-notify may feed",
    (unit) => {
      const text = readFileSync(join(deploy, unit), "utf8");
      const user = unit.replace(".service", "");
      expect(text).toMatch(new RegExp(`^User=${user}$`, "m"));
      expect(text).toMatch(/^Type=notify$/m);
      expect(text).toMatch(/^NotifyAccess=all$/m);
      expect(text).toMatch(/^WatchdogSec=/m);
      expect(readFileSync(join(deploy, "piwheels.sysusers.conf"), "utf8")).toContain(`u ${user} `);
    },
  );

  it("leave a slave be that was given wrong options or that a person has killed", () => {
    const text = readFileSync(join(deploy, "piw-slave.service"), "utf8");
    expect(text).toMatch(/^Restart=on-failure$/m);
    expect(text).toMatch(/^RestartPreventExitStatus=2 3$/m);
  });

  it("let bubblewrap work within the slave's", () => {
    const text = readFileSync(join(deploy, "piw-slave.service"), "utf8");
    expect(text).not.toMatch(
      /^(?:RestrictNamespaces|SystemCallFilter|PrivateUsers|ProtectProc|ProcSubset|ProtectKernelTunables|ProtectKernelLogs)=/m,
    );
  });
});
