/** What readers of the output folder see, and when. */
import { createHash } from "node:crypto";
import {
  chmod,
  link,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  unlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isPublicKey, logKey, metadataKey, wheelKey } from "../../web/public-key.ts";
import { openLocalStorage, type Storage, type StorageErrorCode } from "../../web/storage.ts";
import { makeScratchFolder } from "./scratch-folder.ts";

let output: string;
let storage: Storage;

beforeEach(async () => {
  output = await makeScratchFolder();
  storage = await openLocalStorage(output);
});
afterEach(() => rm(output, { recursive: true, force: true }));

const withCode = (code: StorageErrorCode) => ({ name: "StorageError", code });
const put = (contents: string): Promise<string> => storage.putBlob(Buffer.from(contents));
const published = (key: string): Promise<string> => readFile(join(output, key), "utf8");

describe("publishing once", () => {
  const key = wheelKey("tidepool", "tidepool-1.0-py3-none-any.whl");

  test("gives a blob its public name, and again is fine", async () => {
    const hash = await put("wheel");
    await storage.publishOnce(key, hash);
    await storage.publishOnce(key, hash);
    expect(await published(key)).toBe("wheel");
  });

  test("never gives a published name other contents", async () => {
    await storage.publishOnce(key, await put("wheel"));
    const other = await put("another");
    await expect(storage.publishOnce(key, other)).rejects.toMatchObject(withCode("exists"));
    expect(await published(key)).toBe("wheel");
  });

  test("takes the same content under another inode, as a backup restores it", async () => {
    const hash = await put("wheel");
    await storage.publishOnce(key, hash);
    await unlink(join(output, key));
    await writeFile(join(output, key), "wheel");
    await storage.publishOnce(key, hash);
  });

  test("is done again after its blob is gone, and stays public", async () => {
    const hash = await put("wheel");
    await storage.publishOnce(key, hash);
    await unlink(storage.blobPath(hash));
    await storage.publishOnce(key, hash);
    expect(await published(key)).toBe("wheel");
  });

  test("without the blob is `missing`, and makes no folder", async () => {
    const hash = createHash("sha256").update("never").digest("hex");
    await expect(storage.publishOnce(key, hash)).rejects.toMatchObject(withCode("missing"));
    await expect(storage.publishCompressed(key, hash)).rejects.toMatchObject(withCode("missing"));
    expect(await readdir(output)).toEqual([".store"]);
  });

  test("lets many publish the same at once", async () => {
    const hash = await put("wheel");
    await Promise.all(Array.from({ length: 20 }, () => storage.publishOnce(key, hash)));
    expect(await published(key)).toBe("wheel");
  });
});

describe("pages", () => {
  test("are replaced whole, and a reader keeps what it opened", async () => {
    await storage.replace("simple/tidepool/index.html", "old ".repeat(50_000));
    const reader = await storage.open("simple/tidepool/index.html");
    await storage.replace("simple/tidepool/index.html", "new");
    expect(reader?.sizeBytes).toBe(200_000);
    expect(reader && (await text(reader.read()))).toBe("old ".repeat(50_000));
    expect(await published("simple/tidepool/index.html")).toBe("new");
  });

  test("have another version whenever they were replaced, also by as many bytes", async () => {
    const versions = new Set<string | undefined>();
    for (const contents of ["a", "b", "c", "d"]) {
      await storage.replace("index.html", contents);
      const file = await storage.open("index.html");
      versions.add(file?.version);
      await file?.close();
    }
    expect(versions.size).toBe(4);
  });

  test("and their folders are readable by all, whatever the umask", async () => {
    const before = process.umask(0o077);
    try {
      await storage.replace("project/tidepool/index.html", "page");
      await storage.publishOnce("simple/tidepool/a.whl", await put("wheel"));
      await storage.publishCompressed("logs/0000/0000/0001.txt.gz", await put("log"));
    } finally {
      process.umask(before);
    }
    const modes = await Promise.all(
      [
        "project",
        "project/tidepool",
        "project/tidepool/index.html",
        "simple/tidepool/a.whl",
        "logs/0000/0000",
        "logs/0000/0000/0001.txt.gz",
      ].map(async (key) => (await stat(join(output, key))).mode & 0o777),
    );
    expect(modes).toEqual([0o755, 0o755, 0o644, 0o644, 0o755, 0o644]);
  });

  test("survive the removal of their neighbours, which takes empty folders along", async () => {
    await Promise.all(
      Array.from({ length: 40 }, async (_, round) => {
        await storage.replace(`project/p${round % 4}/f${round}.html`, "page");
        await storage.remove(`project/p${round % 4}/f${round}.html`);
      }),
    );
    expect(await readdir(output)).toEqual([".store"]);
    await storage.remove("project/p0/never.html");
  });
});

test("a log is published compressed", async () => {
  await storage.publishCompressed(logKey(123_456_789), await put("line\n".repeat(10_000)));
  const compressed = await readFile(join(output, "logs/0001/2345/6789.txt.gz"));
  expect(compressed.length).toBeLessThan(1_000);
  expect(gunzipSync(compressed).toString()).toBe("line\n".repeat(10_000));
});

test("an opening leaves alone what another program writes beside it, in a folder of its own", async () => {
  const other = join(output, ".store", "temporary-web");
  await openLocalStorage(output, "temporary-web");
  await writeFile(join(other, "half"), "half a page");
  await openLocalStorage(output, "temporary-fs");
  expect(await readdir(other)).toEqual(["half"]);
});

test("nothing temporary is left, neither by a failure nor, after a reopening, by a crash", async () => {
  const temporary = join(output, ".store", "temporary");
  await mkdir(join(output, "taken"));
  await expect(storage.replace("taken", "page")).rejects.toMatchObject(withCode("failed"));
  expect(await readdir(temporary)).toEqual([]);
  await writeFile(join(temporary, "half"), "half a pa");
  await openLocalStorage(output);
  expect(await readdir(temporary)).toEqual([]);
});

test("a crash between the link of a blob and the end of the commit is made good", async () => {
  const file = await storage.openStaged(7, "a.whl");
  await file.append(Buffer.from("wheel"));
  const hash = file.sha256();
  await file.close();
  await mkdir(join(storage.blobPath(hash), ".."), { recursive: true });
  await link(storage.stagedPath(7, "a.whl"), storage.blobPath(hash));
  const restarted = await openLocalStorage(output);
  await restarted.commitBlob(7, "a.whl", hash);
  expect(await restarted.stagedLength(7, "a.whl")).toBe(0);
  await restarted.publishOnce("simple/a/a.whl", hash);
  expect(await published("simple/a/a.whl")).toBe("wheel");
});

test.skipIf(process.getuid?.() === 0)("a folder without rights is `failed`", async () => {
  await chmod(output, 0o500);
  await expect(storage.replace("index.html", "page")).rejects.toMatchObject(withCode("failed"));
  await chmod(output, 0o700);
});

const hostileKeys = [
  "",
  "/",
  "/etc/passwd",
  "../x",
  "simple/../../x",
  "simple//x",
  "simple/x/",
  ".store/blobs/x",
  "simple/.hidden",
  "simple/.",
  "simple/x\0.html",
  "simple/x\n",
  "simple\\..\\x",
  "C:x",
  "simple/~root",
  "simple/ü",
  "simple/%2e%2e",
  `simple/${"x".repeat(256)}`,
  Array.from({ length: 200 }, () => "segment").join("/"),
];

test.each(hostileKeys)("the key %j names nothing, for writing as for reading", async (key) => {
  const hash = await put("x");
  await expect(storage.replace(key, "x")).rejects.toMatchObject(withCode("bad-name"));
  await expect(storage.publishOnce(key, hash)).rejects.toMatchObject(withCode("bad-name"));
  await expect(storage.publishCompressed(key, hash)).rejects.toMatchObject(withCode("bad-name"));
  await expect(storage.remove(key)).rejects.toMatchObject(withCode("bad-name"));
  expect(await storage.open(key)).toBeUndefined();
});

test("no key whatever leads out of the output folder or into what is hidden", () => {
  const segment = fc.oneof(
    fc.constantFrom("..", ".", "", ".store", "a", "%2e", "\\"),
    fc.string({ maxLength: 5 }),
  );
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 5 }), (segments) => {
      const key = segments.join("/");
      if (!isPublicKey(key)) return;
      const place = join("/output", key);
      expect(place).toBe(`/output/${key}`);
      expect(place).not.toMatch(/\/\.|[^ -~]/);
    }),
  );
});

test.each([
  [1, "logs/0000/0000/0001.txt.gz"],
  [10_000, "logs/0000/0001/0000.txt.gz"],
  [123_456_789, "logs/0001/2345/6789.txt.gz"],
  [Number.MAX_SAFE_INTEGER, "logs/90071992/5474/0991.txt.gz"],
])("the log of token %d is %s", (token, key) => {
  expect(logKey(token)).toBe(key);
  expect(isPublicKey(key)).toBe(true);
});

test("the metadata of a wheel is the wheel's name and .metadata", () => {
  expect(metadataKey("a", "a-1+x-py3-none-any.whl")).toBe(
    "simple/a/a-1+x-py3-none-any.whl.metadata",
  );
});
