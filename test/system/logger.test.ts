/** piw-logger with a real master: whatever form the log comes in, and whether the master is there or not. */
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { downloads, LoggerProgram } from "../support/logger-program.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { TestFarm } from "../support/test-farm.ts";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "ww-logger-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const started: LoggerProgram[] = [];
const start = (...args: readonly string[]): LoggerProgram => {
  const program = new LoggerProgram(...args);
  started.push(program);
  return program;
};
afterEach(() => {
  for (const { child } of started.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
});

const fifo = (name: string): string => {
  const path = join(folder, name);
  execFileSync("mkfifo", [path]);
  return path;
};

const file = (name: string, contents: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, contents);
  return path;
};

describe("piw-logger with a master", () => {
  let database: TestDatabase;
  let upstream: SampleUpstream;
  let farm: TestFarm;
  let queue: readonly string[];

  beforeAll(async () => {
    database = await createTestDatabase();
    upstream = await startSampleUpstream({ files: [] });
    farm = new TestFarm({ dsn: database.dsn, upstream });
    await farm.startMaster();
    await farm.report().catch(() => undefined);
    queue = ["--log-queue", farm.logAddress];
  }, 120_000);
  afterAll(async () => {
    await farm.end();
    await upstream.close();
    await database.end();
  }, 60_000);
  beforeEach(() =>
    database.sql.unsafe(
      "delete from access_log; delete from access_package; delete from access_package_day",
    ),
  );

  const stored = async () => {
    const [row] = await database.sql<{ rows: number; addresses: number; counted: number }[]>`
      select count(*)::int as rows, count(distinct address)::int as addresses,
        (select coalesce(sum(downloads), 0)::int from access_package_day) as counted from access_log`;
    return row;
  };
  const all = (rows: number) => ({ rows, addresses: rows, counted: rows });

  it("stores what is in files, compressed files of several members and its standard input", async () => {
    const plain = file("access.log", downloads(0, 3_000));
    const packed = file(
      "access.log.1.gz",
      Buffer.concat([gzipSync(downloads(3_000, 9_000)), gzipSync(downloads(9_000, 9_500))]),
    );
    const empty = file("empty.log", "");
    const program = start(...queue, plain, packed, empty, "-");
    const noise = `\u0000\u00ff\n${"x".repeat(200_000)}\n10.9.9.9 - - [22/Nov/2025:12:00:00 +0000] "HEAD / HTTP/1.1" 200 1 "-" "-"\n`;
    const end = await program.end(noise + downloads(9_500, 9_600).trimEnd());
    expect(end).toMatchObject({
      code: 0,
      stdout:
        "9603 lines: 9600 downloads, 0 searches, 0 project pages, 0 JSON, 0 other pages; 1 not counted, 2 malformed; 9600 records stored\n",
    });
    expect(end.stderr).toContain("standard input, line 1 is not in the format combined");
    expect(await stored()).toEqual(all(9_600));
  });

  it("reads a compressed file that is cut off up to the cut, and says so", async () => {
    const packed = gzipSync(downloads(0, 20_000));
    const program = start(...queue, file("cut.gz", packed.subarray(0, packed.length / 2)));
    const end = await program.end();
    expect(end.code).toBe(1);
    expect(end.stderr).toMatch(/cut\.gz: the gzip file is cut off; what comes before was read/);
    const rows = (await stored())?.rows ?? 0;
    expect(rows).toBeGreaterThan(5_000);
    expect(end.stdout).toContain(`${rows} records stored`);
  });

  it.each(["SIGTERM", "SIGINT"] as const)(
    "stores all that was written into its pipe before %s",
    async (signal) => {
      const program = start(...queue);
      await program.write(downloads(0, 12_345));
      program.child.kill(signal);
      expect(await program.ended).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("12345 records stored") as string,
      });
      expect(await stored()).toEqual(all(12_345));
    },
  );

  it("stores what is written into a named pipe, and ends with its writer", async () => {
    const pipe = fifo("whole.pipe");
    const program = start(...queue, pipe);
    const writer = await open(pipe, "w");
    await writer.writeFile(downloads(0, 5_000));
    await writer.close();
    expect(await program.ended).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("5000 records stored") as string,
    });
    expect(await stored()).toEqual(all(5_000));
  });

  it("stores what was written into a named pipe before SIGTERM, though its writer stays", async () => {
    const pipe = fifo("silent.pipe");
    const program = start(...queue, pipe, fifo("later.pipe"));
    const writer = await open(pipe, "w");
    try {
      await writer.writeFile(downloads(0, 7));
      await expect.poll(stored, { timeout: 20_000 }).toEqual(all(7));
      program.child.kill("SIGTERM");
      expect(await program.ended).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("7 records stored") as string,
      });
    } finally {
      await writer.close();
    }
  });

  it("goes on to the next log where one cannot be read, and stores the others", async () => {
    // Opens, and gives an error when it is read.
    const end = await start(
      ...queue,
      file("before.log", downloads(0, 4)),
      "/proc/self/mem",
      file("after.log", downloads(4, 5)),
    ).end();
    expect(end).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("5 records stored") as string,
    });
    expect(end.stderr).toContain("EIO: i/o error, read");
    expect(await stored()).toEqual(all(5));
  });

  it("hands on the few lines of a quiet pipe by itself", async () => {
    const program = start(...queue);
    await program.write(downloads(0, 3));
    await expect.poll(stored, { timeout: 20_000 }).toEqual(all(3));
    expect((await program.end()).code).toBe(0);
  });

  it("waits while its lumberjack is paused, says so, and goes on by itself", async () => {
    const piw = (subcommand: string) =>
      run(process.execPath, [
        new URL("../../dist/bin/piw.js", import.meta.url).pathname,
        ...[subcommand, "--control-queue", farm.controlAddress, "lumberjack"],
      ]);
    await piw("pause");
    const program = start(...queue);
    await program.write(downloads(0, 10));
    await program.complained("is its lumberjack paused?");
    expect(await stored()).toEqual(all(0));
    await piw("resume");
    expect((await program.end()).stdout).toContain("10 records stored");
    expect(await stored()).toEqual(all(10));
  });

  it("counts nothing of a log in another format, and says which line", async () => {
    const end = await start(
      ...queue,
      "--format",
      "common_vhost",
      file("other.log", "a b c\nd e f\n"),
    ).end();
    expect(end.code).toBe(1);
    expect(end.stderr).toMatch(/other\.log, line 1 is not in the format common_vhost: a b c/);
    expect(end.stderr).toMatch(/piw-logger: no line is in the format common_vhost/);
  });
});

describe("piw-logger without a master", () => {
  const nowhere = ["--log-queue", `ipc://${join(folder, "nobody")}`];

  it("waits for one, says what for, and holds up its pipe instead of its memory", async () => {
    const program = start(...nowhere);
    let isTaken = false;
    // The pipe breaks when the program has ended.
    const writing = program.write(downloads(0, 400_000)).then(
      () => {
        isTaken = true;
      },
      () => undefined,
    );
    await program.complained("waiting for a master at ipc://");
    await program.complained("is piw-master running, with this --log-queue?");
    expect(isTaken).toBe(false);
    const status = readFileSync(`/proc/${program.child.pid}/status`, "utf8");
    expect(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])).toBeLessThan(350_000);
    program.child.kill("SIGTERM");
    const end = await program.ended;
    await writing;
    expect(end.code).toBe(1);
    expect(end.stderr).toMatch(/\d+ records were read and could not be stored/);
  });

  it("says what is wrong with the address that it waits at", async () => {
    const address = `ipc://${file("ordinary", "")}`;
    const program = start("--log-queue", address, file("some.log", downloads(0, 1)));
    await program.complained("is no socket: nobody can be asked there");
  });

  it("drops, with --drop, what it cannot keep, and says how many", async () => {
    const program = start("--drop", ...nowhere);
    await program.write(downloads(0, 200_000));
    await program.complained("records were dropped so far");
    const end = await program.end();
    expect(end.code).toBe(0);
    expect(end.stdout).toContain("200000 downloads");
    expect(end.stdout).toContain("0 records stored; 200000 dropped");
  });

  it("ends at SIGTERM while nobody writes into its named pipe", async () => {
    const pipe = fifo("nobody.pipe");
    // The log before it: what is waited for below says that reading has begun.
    const program = start(...nowhere, file("first.log", "of another format\n"), pipe);
    await program.complained("is not in the format combined");
    program.child.kill("SIGTERM");
    expect(await program.ended).toMatchObject({
      stdout: expect.stringContaining("1 malformed") as string,
    });
  });

  it("refuses a socket among its logs before it reads one", async () => {
    const server = createServer().listen(join(folder, "socket"));
    await once(server, "listening");
    try {
      const end = await start(
        ...nowhere,
        file("good.log", downloads(0, 3)),
        server.address() as string,
      ).end();
      expect(end).toMatchObject({ code: 2, stdout: "" });
      expect(end.stderr).toMatch(/^piw-logger: cannot read [^\n]*it is a socket[^\n]*\n$/);
    } finally {
      server.close();
    }
  });

  it.each([
    [["--format", "%h %l"], 2, "--format: the format has no time (%t)"],
    [["--format", "combind"], 2, "neither one of common, common_vhost, combined"],
    [["--log-queue", "http://x"], 2, '--log-queue: "http://x" is no queue address'],
    [
      ["--log-queue", "tcp://192.0.2.1:5000"],
      2,
      "--log-queue: this link is local: use ipc or loopback",
    ],
    [[join(folder, "missing.log")], 2, "missing.log: there is no such file"],
    [["-", "-"], 2, "standard input (-) can be read once only"],
    [[folder], 2, "it is a folder"],
  ])("refuses %j with one line", async (args, code, message) => {
    mkdirSync(folder, { recursive: true });
    const end = await start(...nowhere, ...args).end();
    expect(end).toMatchObject({ code, stdout: "" });
    expect(end.stderr).toContain(message);
    expect(end.stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});
