/**
 * Control groups on a real cgroup v2, where this machine lets us make groups in one: the kernel's own files, not stand-ins
 * (those are in sandbox-limits.test.ts). Where it has no memory and no pids controller to hand out, only what needs none is tested.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { BuildGroup, Cgroups } from "../../../actors/slave/sandbox/cgroups.ts";
import { unlimited } from "../../../actors/slave/sandbox/limits.ts";
import { until } from "./scripted-master.ts";

const read = (path: string) => readFileSync(path, "latin1");

/** A group that we may fill, in the first cgroup v2 that is mounted; in words why there is none. */
function findRoom(): { readonly folder: string } | string {
  if (process.platform !== "linux") return "no Linux";
  const mount = /^\S+ (\S+) cgroup2 /m.exec(read("/proc/self/mounts"))?.[1];
  if (mount === undefined) return "no cgroup v2 is mounted";
  const own = /^0::(\/.*)$/m.exec(read("/proc/self/cgroup"))?.[1] ?? "/";
  const parent = join(mount, own);
  const folder = join(existsSync(parent) ? parent : mount, `ww-test-${randomUUID()}`);
  try {
    mkdirSync(folder);
    rmdirSync(folder);
    return { folder };
  } catch (error) {
    return `no group can be made: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const room = findRoom();

/** The group and all below it go with the test. */
function openFolder(folder: string): string {
  mkdirSync(folder);
  onTestFinished(async () => {
    for (const name of readdirSync(folder, { withFileTypes: true })) {
      if (name.isDirectory()) await new BuildGroup(join(folder, name.name), unlimited).close();
    }
    await new BuildGroup(folder, unlimited).close();
    expect(existsSync(folder)).toBe(false);
  });
  return folder;
}

/** As a cell enters it. */
function runIn(entrance: string, script: string): ChildProcess {
  const child = spawn(
    "/bin/sh",
    ["-c", 'echo $$ > "$0" && exec "$@"', entrance, "/bin/sh", "-c", script],
    { stdio: "ignore" },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

const pidsIn = (folder: string) => read(join(folder, "cgroup.procs")).split("\n").filter(Boolean);

test("whoever is in a build's group ends with it, whatever became of its parents and its environment", async (context) => {
  if (typeof room === "string") return context.skip(room);
  const folder = openFolder(room.folder);
  const path = join(folder, "build");
  mkdirSync(path);
  const group = new BuildGroup(path, unlimited);
  runIn(group.entrance, "setsid env -i /bin/sh -c 'sleep 1000 & sleep 1001' & sleep 1002");
  await until("all to run", () => (pidsIn(path).length >= 4 ? true : undefined));
  const pids = pidsIn(path);
  expect(group.findHit()).toBeUndefined();
  await group.close();
  expect(existsSync(path)).toBe(false);
  const isGone = (pid: string) => {
    try {
      return /^State:\s+[ZX]/m.test(read(`/proc/${pid}/status`));
    } catch {
      return true;
    }
  };
  await until("all to be gone", () => (pids.every(isGone) ? true : undefined));
});

test("the kernel holds processes and memory of a build, and says which it was", async (context) => {
  if (typeof room === "string") return context.skip(room);
  const folder = openFolder(room.folder);
  // Stands for the slave, alone in its group.
  const slave = spawn("sleep", ["1000"], { stdio: "ignore" });
  onTestFinished(() => void slave.kill("SIGKILL"));
  writeFileSync(join(folder, "cgroup.procs"), String(slave.pid));
  const groups = Cgroups.take(folder, slave.pid);
  if (typeof groups === "string" && groups.includes("offers no")) return context.skip(groups);
  if (typeof groups === "string") throw new Error(groups);
  expect(pidsIn(join(folder, "slave"))).toEqual([String(slave.pid)]);

  const forking = groups.openGroup("forking", { ...unlimited, processes: 20 });
  runIn(forking.entrance, "for n in $(seq 100); do sleep 1000 & done; wait");
  await until("the limit of processes", () => forking.findHit());
  expect(forking.findHit()?.message).toBe("ended at the limit of processes, 20");

  const hoarding = groups.openGroup("hoarding", { ...unlimited, memoryBytes: 50_000_000 });
  const hoarder = runIn(hoarding.entrance, "tail /dev/zero");
  await until("the limit of memory", () => hoarding.findHit());
  expect(hoarding.findHit()?.message).toBe("ended at the limit of memory, 50 MB");
  await until("it to end", () => hoarder.exitCode ?? hoarder.signalCode ?? undefined);
  expect(slave.exitCode).toBeNull();
  await Promise.all([forking.close(), hoarding.close()]);
  expect(readdirSync(folder).filter((name) => name.startsWith("build-"))).toEqual([]);
});
