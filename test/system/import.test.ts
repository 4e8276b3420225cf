/** piw-import with a real master: what it brings is public or nothing is, whatever happens on the way. */
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { importWheels } from "../../bin/import-session.ts";
import { OfferedFile } from "../../bin/wheel-offer.ts";
import type { ImportOrder } from "../../protocol/links/wheel-import.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { silentLogger } from "../../supervisor/index.ts";
import { logKey } from "../../web/public-key.ts";
import { type PlainWheel, wheelBytes, wheelName, writeWheel } from "../support/plain-wheel.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { hello, target } from "../support/queue-fixture.ts";
import { python, TestFarm } from "../support/test-farm.ts";

const bin = new URL("../../dist/bin/piw-import.js", import.meta.url).pathname;
const MiB = 1024 * 1024;

let database: TestDatabase;
let upstream: SampleUpstream;
let farm: TestFarm;
let wheels: string;

beforeAll(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream();
  // Nothing upstream is wanted: the farm has what is imported.
  farm = new TestFarm({ dsn: database.dsn, upstream, master: ["--follow", "wanted"] });
  wheels = join(farm.folder, "wheels");
  await hello(database.sql, "a slave that was here once", [target(11), target(12)]);
  await farm.startMaster();
  await farm.until("the master is up", () => true);
}, 120_000);

afterAll(async () => {
  await farm.end();
  await upstream.close();
  await database.end();
}, 60_000);

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const tool = (...args: string[]): Promise<Said> =>
  new Promise((resolve) => {
    const words = [bin, "--import-queue", farm.importAddress, "-y", ...args];
    execFile(process.execPath, words, { timeout: 60_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });

const listed = async (name: string): Promise<string[]> => {
  const response = await fetch(`${farm.indexUrl}${name}/`, {
    headers: { accept: "application/vnd.pypi.simple.v1+json" },
  });
  if (response.status === 404) return [];
  const page = (await response.json()) as { files: { filename: string }[] };
  return page.files.map((file) => file.filename);
};

const untilListed = async (name: string): Promise<string[]> => {
  for (let at = 0; at < 200; at += 1) {
    const files = await listed(name);
    if (files.length > 0) return files;
    await delay(50);
  }
  throw new Error(`${name} is not listed\n${farm.logs()}`);
};

const buildsOf = async (name: string): Promise<number> => {
  const rows = await database.sql`
    select from build b join version v on v.id = b.version_id join package p on p.id = v.package_id
    where p.name = ${name}`;
  return rows.length;
};

const staged = () => readdirSync(join(farm.output, ".store", "staging"));

describe("piw-import", () => {
  it("publishes wheels that pip installs then, as one build with its log, and says imported", async () => {
    const log = join(farm.folder, "build-output.txt");
    writeFileSync(log, "built on another machine\n");
    const said = await tool(
      ...["--output", log, "--duration", "90s", "--package", "Oar_Lock"],
      writeWheel(wheels, { name: "oar_lock", version: "1.0", tag: "cp311-none-any", says: "hi" }),
      writeWheel(wheels, { name: "oar_lock", version: "1.0", tag: "py3-none-any", says: "hi" }),
    );
    expect(said).toEqual({
      code: 0,
      out: "oar_lock-1.0-cp311-none-any.whl: published\noar_lock-1.0-py3-none-any.whl: published\n",
      err: "",
    });
    expect(await untilListed("oar-lock")).toHaveLength(2);
    const folder = await farm.pipInstall("oar-lock");
    expect(await python("import oar_lock; print(oar_lock.says)", folder)).toBe("hi");
    const [row] = (await farm.report()).rows;
    expect(row).toMatchObject({ package: "oar-lock", state: "imported", durationMs: 90_000 });
    expect(await buildsOf("oar-lock")).toBe(1);
    const [build] = await database.sql<{ token: number }[]>`select token from build`;
    const text = readFileSync(join(farm.output, logKey(build?.token ?? 0)));
    expect(gunzipSync(text).toString()).toBe("built on another machine\n");
    expect(staged()).toEqual([]);
  });

  it("said again changes nothing, and says the same", async () => {
    const path = writeWheel(wheels, { name: "again", version: "2.0" });
    const first = await tool(path);
    expect(await tool(path)).toEqual(first);
    expect(first.out).toBe("again-2.0-py3-none-any.whl: published\n");
    expect(await buildsOf("again")).toBe(1);
  });

  it("says of a wheel that another import published that it was public already", async () => {
    const [one, two] = ["py3-none-any", "cp312-none-any"].map((tag) =>
      writeWheel(wheels, { name: "partly", version: "1.0", tag }),
    );
    expect((await tool(one ?? "", two ?? "")).code).toBe(0);
    const { code, out } = await tool(one ?? "");
    expect([code, out]).toEqual([0, "partly-1.0-py3-none-any.whl: was public already\n"]);
    expect(await buildsOf("partly")).toBe(1);
  });

  it("removes the originals with --delete once they are public, and no other time", async () => {
    const path = writeWheel(wheels, { name: "mover", version: "1.0", says: "first" });
    expect((await tool("--delete", path)).code).toBe(0);
    expect(existsSync(path)).toBe(false);
    // The name stands with other contents.
    writeWheel(wheels, { name: "mover", version: "1.0", says: "second" });
    const again = await tool("--delete", path);
    expect(again.code).toBe(1);
    expect(again.out).toContain("this name stands with other contents");
    expect(existsSync(path)).toBe(true);
    const folder = await farm.pipInstall("mover");
    expect(await python("import mover; print(mover.says)", folder)).toBe("first");
    // Under a build tag it is another file.
    const tagged = writeWheel(wheels, {
      name: "mover",
      version: "1.0",
      buildTag: "1",
      says: "second",
    });
    expect((await tool("--delete", tagged)).code).toBe(0);
    expect(existsSync(tagged)).toBe(false);
  });

  const good = (wheel: Partial<PlainWheel> = {}) =>
    writeWheel(join(wheels, "good"), { name: "sound", version: "1.0", ...wheel });
  const garbage = (name: string, bytes: Buffer | string) => {
    const path = join(wheels, name);
    writeFileSync(path, bytes);
    return path;
  };

  it.each<[string, () => string[], number, RegExp]>([
    ["no file", () => [join(wheels, "nothing-1.0-py3-none-any.whl")], 1, /cannot be read.*ENOENT/],
    ["a name that is no wheel's", () => [garbage("sound.zip", "x")], 2, /no wheel file name/],
    ["an empty file", () => [garbage("void-1.0-py3-none-any.whl", "")], 1, /it is empty/],
    ["no zip", () => [garbage("junk-1.0-py3-none-any.whl", "not a zip at all")], 1, /junk-1\.0/],
    [
      "a named pipe",
      () => {
        mkdirSync(wheels, { recursive: true });
        const path = join(wheels, "pipe-1.0-py3-none-any.whl");
        execFileSync("mkfifo", [path]);
        return [path];
      },
      1,
      /pipe-1\.0[^\n]* cannot be read.*it is no ordinary file/,
    ],
    [
      "a wheel under another's name",
      () => [garbage("fake-1.0-py3-none-any.whl", wheelBytes({ name: "sound", version: "1.0" }))],
      1,
      /nothing was imported: fake-1\.0-py3-none-any\.whl: /,
    ],
    [
      "wheels of two projects",
      () => [good(), good({ name: "other" })],
      2,
      /a wheel of other, not of sound/,
    ],
    [
      "wheels of two versions",
      () => [good(), good({ version: "2.0" })],
      2,
      /version 2\.0, not 1\.0/,
    ],
    ["another version than is said", () => ["--package-version", "3", good()], 2, /1\.0, not 3/],
    [
      "tags that no target admits",
      () => [good({ tag: "cp27-none-win32" })],
      1,
      /none of its tags is one of a target of this farm \(targets: cp311-linux_x86_64, cp312/,
    ],
    [
      "a target that there is not",
      () => ["--target", "cp39-linux_x86_64", good()],
      1,
      /the farm has no target cp39-linux_x86_64/,
    ],
    [
      "tags of another target than is said",
      () => ["--target", "cp311-linux_x86_64", good({ tag: "cp312-none-any" })],
      1,
      /none of its tags is one of cp311-linux_x86_64/,
    ],
    [
      "one bad wheel among good ones",
      () => [good(), garbage("sound-1.0-cp311-none-any.whl", "x")],
      1,
      /sound-1\.0-cp311/,
    ],
  ])("refuses %s in one line, and nothing becomes public", async (_what, args, code, line) => {
    const said = await tool(...args());
    expect(said.err).toMatch(line);
    expect(said.err.trim().split("\n")).toHaveLength(1);
    expect([said.code, said.out]).toEqual([code, ""]);
    expect(await database.sql`select from package where name in ('sound', 'junk', 'fake')`).toEqual(
      [],
    );
  });

  it("gives up in one line where no master answers", async () => {
    const said = await tool(
      ...["--import-queue", `ipc://${farm.folder}/nobody`],
      "--wait",
      "300ms",
      good(),
    );
    expect(said.code).toBe(1);
    expect(said.err).toMatch(/^piw-import: no master answers at ipc:.*is piw-master running/);
  });

  it("says what is wrong with an address where no master can be", async () => {
    const ordinary = garbage("ordinary", "");
    const said = await tool("--import-queue", `ipc://${ordinary}`, "--wait", "300ms", good());
    expect(said.err).toMatch(/^piw-import: .*ordinary is no socket: nobody can be asked there\n$/);
    const remote = await tool("--import-queue", "tcp://192.0.2.1:5000", good());
    expect([remote.code, remote.err]).toEqual([
      2,
      "piw-import: --import-queue: this link is local: use ipc or loopback\n",
    ]);
  });

  it("refuses what a person has skipped", async () => {
    await database.sql`insert into package (name, display_name, skip) values ('shut', 'shut', 'not ours')`;
    const said = await tool(writeWheel(wheels, { name: "shut", version: "1.0" }));
    expect(said.err).toContain("shut is skipped (not ours)");
  });
});

/** The tool within this process, so that the test can reach into what it reads. */
async function bring(
  wheel: PlainWheel,
  between: (file: OfferedFile) => void = () => undefined,
  onSent: (sent: number) => void = () => undefined,
) {
  const path = writeWheel(wheels, wheel);
  const never = new AbortController().signal;
  const file = await OfferedFile.open(path, basename(path), never);
  try {
    between(file);
    const order: ImportOrder = {
      package: wheel.name,
      version: wheel.version,
      target: null,
      durationMs: 0,
      host: "here",
      files: [file.facts],
      log: null,
    };
    return await importWheels({
      address: farm.importAddress,
      order,
      files: new Map([[file.facts.filename, file]]),
      waitMs: 60_000,
      logger: silentLogger,
      signal: never,
      onSent,
    });
  } finally {
    await file.close();
  }
}

describe("an import that is disturbed", () => {
  it("is refused when the file is cut short while it is read", async () => {
    const outcome = await bring({ name: "short", version: "1.0", ballastBytes: 3 * MiB }, (file) =>
      truncateSync(file.path, 2 * MiB),
    );
    expect(outcome).toMatchObject({
      state: "refused",
      reason: expect.stringContaining("cut short while it was read") as string,
    });
    expect(await listed("short")).toEqual([]);
  });

  it("is refused when the file's contents change while it is read", async () => {
    const outcome = await bring({ name: "shifty", version: "1.0", says: "aaaa" }, (file) =>
      writeFileSync(file.path, wheelBytes({ name: "shifty", version: "1.0", says: "bbbb" })),
    );
    expect(outcome).toMatchObject({
      state: "refused",
      reason: expect.stringContaining("are not those of its SHA-256") as string,
    });
  });

  it("goes on when the master is killed in the middle, and is published once", async () => {
    let restart: Promise<void> | undefined;
    const wheel = { name: "steady", version: "1.0", ballastBytes: 30 * MiB };
    const outcome = await bring(wheel, undefined, () => {
      restart ??= farm.kill("master").then(() => farm.startMaster());
    });
    await restart;
    expect(outcome).toEqual({
      state: "done",
      files: [{ filename: wheelName(wheel), state: "published" }],
    });
    expect(await buildsOf("steady")).toBe(1);
    expect(await untilListed("steady")).toEqual([wheelName(wheel)]);
  }, 120_000);

  it("leaves nothing when the tool is killed in the middle; said again it is published", async () => {
    const path = writeWheel(wheels, { name: "cut", version: "1.0", ballastBytes: 120 * MiB });
    const child = spawn(process.execPath, [bin, "--import-queue", farm.importAddress, "-y", path]);
    const gone = once(child, "exit");
    for (let at = 0; at < 1_000 && staged().length === 0; at += 1) await delay(20);
    child.kill("SIGKILL");
    await gone;
    expect(await listed("cut")).toEqual([]);
    expect(await buildsOf("cut")).toBe(0);
    for (let at = 0; at < 900 && staged().length > 0; at += 1) await delay(50);
    expect(staged()).toEqual([]);
    expect(await tool(path)).toMatchObject({ code: 0 });
    expect(await buildsOf("cut")).toBe(1);
  }, 120_000);

  it("several at once are all published", async () => {
    const names = Array.from({ length: 12 }, (_, at) => `crowd${at}`);
    const outcomes = await Promise.all(
      names.map((name) => bring({ name, version: "1.0", ballastBytes: 2 * MiB })),
    );
    expect(outcomes.map((outcome) => outcome.state)).toEqual(names.map(() => "done"));
  }, 60_000);
});

describe("a master of several processes", () => {
  it("takes an import as one of one process does", async () => {
    const own = await createTestDatabase();
    await hello(own.sql, "a slave", [target(11)]);
    const split = new TestFarm({ dsn: own.dsn, upstream, shape: "ipc" });
    try {
      await split.startMaster();
      await split.until("the master is up", () => true);
      const path = writeWheel(wheels, { name: "split", version: "1.0", ballastBytes: 9 * MiB });
      const args = [bin, "--import-queue", split.importAddress, "-y", path];
      const child = spawn(process.execPath, args, { stdio: "ignore" });
      expect(await once(child, "exit")).toEqual([0, null]);
      expect(existsSync(join(split.output, "simple/split", basename(path)))).toBe(true);
    } finally {
      await split.end();
      await own.end();
    }
  }, 120_000);
});
