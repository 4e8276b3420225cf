import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { FolderInUseError, lockFolder } from "../../../actors/slave/folder-lock.ts";
import { temporaryFolder } from "./temporary-folder.ts";

test("a folder that a living slave holds is refused with its process id and what to do", async () => {
  const folder = await temporaryFolder();
  const lock = await lockFolder(folder);
  const refusal = await lockFolder(folder).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(FolderInUseError);
  expect((refusal as FolderInUseError).pid).toBe(process.pid);
  expect((refusal as FolderInUseError).message).toMatch(/stop it, or give --dir another folder/);
  await lock.release();
  await (await lockFolder(folder)).release();
  expect(await readdir(folder)).toEqual([]);
});

test("the lock of a slave that was killed is taken over", async () => {
  const folder = await temporaryFolder();
  const dead = spawn("true");
  await once(dead, "exit");
  await writeFile(join(folder, "slave.pid"), `${dead.pid} 12345 x\n`);
  await (await lockFolder(folder)).release();
  expect(await readdir(folder)).toEqual([]);
});

test("a process id that another program has now is no lock", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "slave.pid"), `${process.pid} 1 x\n`);
  await (await lockFolder(folder)).release();
});

test.each(["", "nonsense", "-1 0 x", "999999999999 0 x"])(
  "a lock file that says %j is taken over",
  async (text) => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "slave.pid"), text);
    await (await lockFolder(folder)).release();
  },
);

test("of many that find a dead lock at once, one gets it", async () => {
  for (let round = 0; round < 30; round += 1) {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "slave.pid"), "999999 1 x\n");
    // Not in step, or all would look before any of them acts.
    const late = async (turns: number) => {
      for (let turn = 0; turn < turns; turn += 1) await setImmediate();
      return lockFolder(folder);
    };
    const starters = Array.from({ length: 10 }, (_, index) => late((index * round) % 17));
    const tries = await Promise.allSettled(starters);
    expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const each of tries) {
      if (each.status === "rejected") expect(each.reason).toBeInstanceOf(FolderInUseError);
    }
    expect(await readdir(folder)).toEqual(["slave.pid"]);
  }
}, 10_000);
