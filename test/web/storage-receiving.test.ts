/** The way of a file from its first byte to its blob, on a real disk. */
import { createHash } from "node:crypto";
import { chmod, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { storageErrorFrom } from "../../web/storage/disk.ts";
import { openLocalStorage, type Storage, type StorageErrorCode } from "../../web/storage.ts";
import { makeScratchFolder } from "./scratch-folder.ts";

let output: string;
let storage: Storage;

beforeEach(async () => {
  output = await makeScratchFolder();
  storage = await openLocalStorage(output);
});
afterEach(() => rm(output, { recursive: true, force: true }));

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const withCode = (code: StorageErrorCode) => ({ name: "StorageError", code });

async function stage(token: number, filename: string, ...chunks: string[]): Promise<void> {
  const file = await storage.openStaged(token, filename);
  for (const chunk of chunks) await file.append(Buffer.from(chunk));
  await file.close();
}

describe("staging", () => {
  test("a transfer that was cut off goes on at its length, with its hash", async () => {
    await stage(7, "a.whl", "first ", "second ");
    const reopened = await (await openLocalStorage(output)).openStaged(7, "a.whl");
    expect(reopened.lengthBytes).toBe(13);
    await reopened.append(Buffer.from("third"));
    expect(reopened.sha256()).toBe(sha256("first second third"));
    await reopened.close();
    expect(await storage.stagedLength(7, "a.whl")).toBe(18);
    expect(await readFile(storage.stagedPath(7, "a.whl"), "utf8")).toBe("first second third");
  });

  test("a file of which nothing has arrived has the length 0", async () => {
    expect(await storage.stagedLength(8, "none.whl")).toBe(0);
  });

  test("a reset begins anew", async () => {
    const file = await storage.openStaged(7, "a.whl");
    await file.append(Buffer.from("wrong"));
    await file.reset();
    await file.append(Buffer.from("right"));
    expect([file.lengthBytes, file.sha256()]).toEqual([5, sha256("right")]);
    await file.close();
  });

  test("a second opening closes the first, which then writes no more", async () => {
    const first = await storage.openStaged(7, "a.whl");
    await first.append(Buffer.from("one"));
    const second = await storage.openStaged(7, "a.whl");
    await expect(first.append(Buffer.from("late"))).rejects.toMatchObject(withCode("failed"));
    expect(second.lengthBytes).toBe(3);
    await second.close();
    expect(await readFile(storage.stagedPath(7, "a.whl"), "utf8")).toBe("one");
  });

  test.each([
    ["", 1],
    ["..", 1],
    [".hidden", 1],
    ["a/b.whl", 1],
    ["a\0.whl", 1],
    ["../../etc/passwd", 1],
    ["x".repeat(256), 1],
    ["a.whl", 0],
    ["a.whl", -1],
    ["a.whl", 1.5],
    ["a.whl", Number.NaN],
    ["a.whl", 2 ** 53],
  ])("refuses the file name %j of token %d", async (filename, token) => {
    expect(() => storage.stagedPath(token, filename)).toThrow(
      expect.objectContaining(withCode("bad-name")),
    );
    await expect(storage.openStaged(token, filename)).rejects.toMatchObject(withCode("bad-name"));
  });

  test("lists what is staged with its size and age, and clears it", async () => {
    await stage(7, "a.whl", "abc");
    await stage(7, "build.log", "de");
    await stage(11, "b.whl");
    const listed = [...(await storage.listStaging())].sort((a, b) => a.token - b.token);
    expect(listed.map(({ token, sizeBytes }) => [token, sizeBytes])).toEqual([
      [7, 5],
      [11, 0],
    ]);
    expect(listed.every(({ idleMs }) => idleMs >= 0 && idleMs < 60_000)).toBe(true);
    await storage.clearStaging(7);
    await storage.clearStaging(7);
    expect((await storage.listStaging()).map(({ token }) => token)).toEqual([11]);
  });
});

describe("blobs", () => {
  test("a staged file becomes a blob, and committing again is the same", async () => {
    const hash = sha256("wheel");
    await stage(7, "a.whl", "wheel");
    await storage.commitBlob(7, "a.whl", hash);
    await storage.commitBlob(7, "a.whl", hash);
    expect(await readFile(storage.blobPath(hash), "utf8")).toBe("wheel");
    expect(await storage.stagedLength(7, "a.whl")).toBe(0);
    await stage(8, "a.whl", "wheel");
    await storage.commitBlob(8, "a.whl", hash);
    expect(await storage.stagedLength(8, "a.whl")).toBe(0);
  });

  test("two builds that commit one content at once give one blob", async () => {
    const hash = sha256("wheel");
    await Promise.all([stage(7, "a.whl", "wheel"), stage(8, "a.whl", "wheel")]);
    await Promise.all([
      storage.commitBlob(7, "a.whl", hash),
      storage.commitBlob(8, "a.whl", hash),
      storage.putBlob(Buffer.from("wheel")),
    ]);
    expect(await readFile(storage.blobPath(hash), "utf8")).toBe("wheel");
  });

  test("other bytes than the hash says are refused, and stay staged", async () => {
    await stage(7, "a.whl", "not it");
    const hash = sha256("wheel");
    await expect(storage.commitBlob(7, "a.whl", hash)).rejects.toMatchObject(withCode("mismatch"));
    expect(await storage.blobLength(hash)).toBeUndefined();
    expect(await storage.stagedLength(7, "a.whl")).toBe(6);
  });

  test("what was never staged is `missing`, and what is no hash is `bad-name`", async () => {
    const commit = (hash: string) => storage.commitBlob(7, "a.whl", hash);
    await expect(commit(sha256("x"))).rejects.toMatchObject(withCode("missing"));
    await expect(commit("../../x")).rejects.toMatchObject(withCode("bad-name"));
    await expect(commit(sha256("x").toUpperCase())).rejects.toMatchObject(withCode("bad-name"));
  });

  test("a straggling transfer cannot change a file that was committed", async () => {
    const file = await storage.openStaged(7, "a.whl");
    await file.append(Buffer.from("wheel"));
    await storage.commitBlob(7, "a.whl", sha256("wheel"));
    await expect(file.append(Buffer.from("!"))).rejects.toMatchObject(withCode("failed"));
    expect(await readFile(storage.blobPath(sha256("wheel")), "utf8")).toBe("wheel");
  });

  test("a sweep takes what nothing refers to, and only after the grace", async () => {
    const [kept, orphan] = [
      await storage.putBlob(Buffer.from("kept")),
      await storage.putBlob(Buffer.from("orphan")),
    ];
    const asked: string[] = [];
    const find = async (hashes: readonly string[]) => {
      asked.push(...hashes);
      return new Set([kept]);
    };
    expect(await storage.sweepBlobs(find, 60_000)).toBe(0);
    expect(asked).toEqual([]);
    expect(await storage.sweepBlobs(find, 0)).toBe(1);
    expect(asked.toSorted()).toEqual([kept, orphan].toSorted());
    const lengths = [await storage.blobLength(kept), await storage.blobLength(orphan)];
    expect(lengths).toEqual([4, undefined]);
  });

  test("a sweep does not ask about what has a public name, until that is taken away", async () => {
    const hash = await storage.putBlob(Buffer.from("public"));
    await storage.publishOnce("simple/tidepool/a.whl", hash);
    const asked: string[] = [];
    const find = async (hashes: readonly string[]) => {
      asked.push(...hashes);
      return new Set<string>();
    };
    expect(await storage.sweepBlobs(find, 0)).toBe(0);
    expect(asked).toEqual([]);
    await storage.remove("simple/tidepool/a.whl");
    expect(await storage.sweepBlobs(find, 0)).toBe(1);
  });

  test("the grace of a blob that is touched begins anew, and its contents keep their time", async () => {
    const hash = await storage.putBlob(Buffer.from("touched"));
    const before = await stat(storage.blobPath(hash), { bigint: true });
    const graceMs = 50;
    await expect.poll(() => Date.now()).toBeGreaterThan(Number(before.ctimeMs) + graceMs);
    expect(await storage.touchBlob(hash)).toBe(true);
    const after = await stat(storage.blobPath(hash), { bigint: true });
    expect(after.mtimeNs).toBe(before.mtimeNs);
    expect(after.ctimeNs).toBeGreaterThan(before.ctimeNs);
    expect(await storage.touchBlob("0".repeat(64))).toBe(false);
  });

  test("a blob that is stored again while a sweep asks about it stays", async () => {
    const hash = await storage.putBlob(Buffer.from("again"));
    const before = await stat(storage.blobPath(hash), { bigint: true });
    const graceMs = 50;
    await expect.poll(() => Date.now()).toBeGreaterThan(Number(before.ctimeMs) + graceMs);
    const swept = await storage.sweepBlobs(async () => {
      await storage.putBlob(Buffer.from("again"));
      return new Set();
    }, graceMs);
    expect(swept).toBe(0);
    const after = await stat(storage.blobPath(hash), { bigint: true });
    // The modification time is what HTTP clients validate by: the same file keeps it.
    expect([after.mtimeNs, after.ino]).toEqual([before.mtimeNs, before.ino]);
  });
});

test("opening makes a folder that is not there, and says so when it cannot", async () => {
  await openLocalStorage(join(output, "deep", "site"));
  await writeFile(join(output, "taken"), "");
  await expect(openLocalStorage(join(output, "taken"))).rejects.toMatchObject(withCode("failed"));
});

test("the store is for its owner only, also when it was opened to others", async () => {
  await chmod(join(output, ".store"), 0o755);
  await openLocalStorage(output);
  expect((await stat(join(output, ".store"))).mode & 0o777).toBe(0o700);
});

test("says how much room is left", async () => {
  const { freeBytes, sizeBytes } = await storage.room();
  expect(freeBytes).toBeGreaterThan(0);
  expect(sizeBytes).toBeGreaterThan(freeBytes);
});

test.each([
  ["ENOSPC", "full"],
  ["EDQUOT", "full"],
  ["EACCES", "failed"],
  ["EXDEV", "failed"],
])("the system's %s is `%s` to the caller", (systemCode, code) => {
  const error = Object.assign(new Error(systemCode), { code: systemCode });
  expect(storageErrorFrom(error, "writing")).toMatchObject({ code, cause: error });
});
