/** What limits say, what the kernel is given to hold, and which limit is seen behind a failure. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Cgroups } from "../../../actors/slave/sandbox/cgroups.ts";
import {
  causeOfLimit,
  hardLimits,
  limitText,
  prlimitArguments,
  sizeText,
  unlimited,
} from "../../../actors/slave/sandbox/limits.ts";
import { findRefusal } from "../../../actors/slave/sandbox/refusal.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const limits = {
  memoryBytes: 2_000_000_000,
  processes: 100,
  files: 50,
  diskBytes: 1_500_000_000,
  logBytes: 900,
};

test.each([
  [900, "900 bytes"],
  [1_500, "1.5 kB"],
  [2_000_000_000, "2 GB"],
  [20e9, "20 GB"],
  [3e15, "3000 TB"],
])("%d bytes are %s", (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});

test("each kind is said with its figure, and has a cause", () => {
  expect(limitText("memory", limits)).toBe("the limit of memory, 2 GB");
  expect(limitText("processes", limits)).toBe("the limit of processes, 100");
  expect(limitText("files", limits)).toBe("the limit of open files, 50 per process");
  expect(limitText("disk", unlimited)).toBeUndefined();
  expect(causeOfLimit({ kind: "disk", message: "" })).toBe("out-of-disk");
  expect(causeOfLimit({ kind: "log", message: "" })).toBe("resource-limit");
});

test("the kernel is given what it can hold per process, and room for the user's other processes", () => {
  expect(prlimitArguments(limits, 30, hardLimits(""))).toEqual([
    ...["--core=0", "--nofile=50", "--data=2000000000", "--fsize=1500000000", "--nproc=156"],
  ]);
  expect(prlimitArguments(unlimited, 30)).toEqual(["--core=0"]);
  // Among the others may be builds, which would find the wall as this one does.
  expect(prlimitArguments(limits, undefined, hardLimits("")).join()).not.toContain("nproc");
});

test("nothing is asked of the kernel that the slave itself may not have", () => {
  const hardest = hardLimits(
    [
      "Limit                     Soft Limit           Hard Limit           Units     ",
      "Max file size             unlimited            unlimited            bytes     ",
      "Max processes             900                  120                  processes ",
      "Max open files            20                   40                   files     ",
    ].join("\n"),
  );
  expect(prlimitArguments(limits, 30, hardest)).toEqual([
    ...["--core=0", "--nofile=40", "--data=2000000000", "--fsize=1500000000", "--nproc=120"],
  ]);
});

const failed = { code: 1, signal: null, endedBy: "itself" } as const;

test.each([
  ["files", "OSError: [Errno 24] Too many open files: 'x'"],
  ["processes", "RuntimeError: can't start new thread"],
  ["processes", "BlockingIOError: [Errno 11] Resource temporarily unavailable"],
  ["processes", "sh: 0: Cannot fork"],
  ["processes", "bash: fork: retry: Resource temporarily unavailable"],
  ["disk", "OSError: [Errno 27] File too large"],
  ["memory", "  MemoryError"],
  ["memory", "cc1plus: out of memory allocating 65536 bytes"],
  ["memory", "terminate called after throwing an instance of 'std::bad_alloc'"],
])("the limit of %s is seen behind %s", (kind, line) => {
  expect(findRefusal(failed, `first\n${line}\nlast\n`, limits)?.kind).toBe(kind);
  expect(findRefusal(failed, `first\n${line}\nlast\n`, unlimited)).toBeUndefined();
});

test("a limit is not seen in what was said long before the end, nor in words that are alike", () => {
  const early = `[Errno 24] Too many open files\n${"line\n".repeat(100)}error: no such header\n`;
  expect(findRefusal(failed, early, limits)).toBeUndefined();
  expect(findRefusal(failed, "checking for MemoryError... no\n", limits)).toBeUndefined();
});

test("a process that the kernel ended for the length of its file failed at the limit of disk", () => {
  const exit = { code: null, signal: "SIGXFSZ", endedBy: "itself" } as const;
  expect(findRefusal(exit, "", limits)).toEqual({
    kind: "disk",
    message: "failed at the limit of disk, 1.5 GB",
  });
});

/** A folder with the files of a delegated cgroup: what is written where is all that can be seen without one. */
async function groupFolder(files: Record<string, string>): Promise<string> {
  const folder = await temporaryFolder();
  const all = {
    "cgroup.controllers": "cpu memory pids\n",
    "cgroup.subtree_control": "",
    "cgroup.procs": "",
    ...files,
  };
  for (const [name, text] of Object.entries(all)) writeFileSync(join(folder, name), text);
  return folder;
}

test("in a delegated cgroup the slave goes into a leaf, and each build has a group with its limits", async () => {
  const folder = await groupFolder({ "cgroup.procs": "77\n" });
  const groups = Cgroups.take(folder, 77);
  if (!(groups instanceof Cgroups)) throw new Error(groups);
  const read = (path: string) => readFileSync(join(folder, path), "utf8");
  expect(read("slave/cgroup.procs")).toBe("77");
  expect(read("cgroup.subtree_control")).toBe("+memory +pids");
  const group = groups.openGroup("b1", limits);
  expect(group.entrance).toBe(join(folder, "build-b1", "cgroup.procs"));
  expect(read("build-b1/memory.max")).toBe("2000000000");
  expect(read("build-b1/memory.swap.max")).toBe("0");
  expect(read("build-b1/memory.oom.group")).toBe("1");
  expect(read("build-b1/pids.max")).toBe("100");
  expect(group.findHit()).toBeUndefined();
  writeFileSync(join(folder, "build-b1", "pids.events"), "max 3\n");
  expect(group.findHit()?.message).toBe("ended at the limit of processes, 100");
  writeFileSync(join(folder, "build-b1", "memory.events"), "low 0\noom 1\noom_kill 4\n");
  expect(group.findHit()?.message).toBe("ended at the limit of memory, 2 GB");
});

test.each([
  ["no controllers", { "cgroup.controllers": "cpu\n" }, /offers no memory and no pids/],
  ["other programs", { "cgroup.procs": "77\n78\n" }, /shares its cgroup/],
])("a cgroup with %s is left as it is, and the reason is told", async (_what, files, reason) => {
  const folder = await groupFolder(files);
  const before = readdirSync(folder);
  expect(Cgroups.take(folder, 77)).toMatch(reason);
  expect(readdirSync(folder)).toEqual(before);
});

test("a cgroup that is not there, or is not one, is no error", async () => {
  const folder = await temporaryFolder();
  mkdirSync(join(folder, "empty"));
  expect(Cgroups.take(join(folder, "empty"), 1)).toMatch(/not delegated/);
});
