import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openConnection, type Sql } from "../../db/connection.ts";
import {
  type EmbeddedOptions,
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from "../../db/embedded.ts";
import { ensureFarmDatabase } from "../../db/farm-database.ts";

const root = process.getuid?.() === 0;
let home: string;
/** Its cluster is made once and used by most tests, one after the other. */
let folder: string;
const said: string[] = [];
const servers: EmbeddedPostgres[] = [];
const starters: ChildProcess[] = [];

async function start(options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({
    folder,
    allowRoot: true,
    durable: false,
    log: (line) => said.push(line),
    ...options,
  });
  servers.push(server);
  return server;
}

async function asked<T>(server: EmbeddedPostgres, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = openConnection(server.superuserDsn("postgres"));
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

/** Another process that starts the server; resolves with the server's pid when it is there. */
async function startElsewhere(
  ...args: string[]
): Promise<{ starter: ChildProcess; serverPid: number }> {
  const script = join(import.meta.dirname, "../support/embedded-starter.ts");
  const starter = spawn(process.execPath, ["--import", "tsx", script, folder, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  starters.push(starter);
  const serverPid = await new Promise<number>((resolve, reject) => {
    starter.stdout.once("data", (chunk: Buffer) => {
      resolve(Number(chunk.toString()));
    });
    starter.once("exit", () => {
      reject(new Error("the starter ended"));
    });
  });
  return { starter, serverPid };
}

const ended = (child: ChildProcess) =>
  new Promise((resolve) => {
    child.once("exit", resolve);
  });
const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
};

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "ww-embedded-"));

  folder = join(tmpdir(), `ww-embedded-shared-${process.pid}`);
});
afterEach(async () => {
  for (const starter of starters.splice(0)) starter.kill("SIGKILL");
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});
afterAll(() => {
  rmSync(home, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
});

describe("the embedded server", { timeout: 30_000 }, () => {
  test("keeps its data between runs, stops in order, and leaves the process's signals alone", async () => {
    const listeners = () =>
      ["SIGINT", "SIGTERM", "exit"].map((name) => process.listenerCount(name));
    const before = listeners();
    const first = await start();
    await asked(first, (sql) => sql`create table kept as select 42 as v`);
    await first.stop();
    await first.stop();
    expect(await first.exited).toEqual({ code: 0, signal: null });
    const second = await start();
    expect(await asked(second, (sql) => sql`select v from kept`)).toEqual([{ v: 42 }]);
    expect(listeners()).toEqual(before);
  });

  test("can be reached by nobody without its password, and its secret read by nobody else", async () => {
    const server = await start();
    const sql = openConnection(server.superuserDsn("postgres").replace(/:[^:@]+@/, ":guessed@"));
    await expect(sql`select 1`).rejects.toThrow("password authentication failed");
    await sql.end();
    expect(statSync(join(server.folder, "secret")).mode & 0o077).toBe(0);
    expect(statSync(server.folder).mode & 0o077).toBe(0);
  });

  test("gives the farm a database with two roles that are no superusers, at each start anew", async () => {
    const server = await start();
    const first = await ensureFarmDatabase(server);
    expect(await ensureFarmDatabase(server)).toEqual(first);
    for (const dsn of [first.ownerDsn, first.masterDsn]) {
      const sql = openConnection(dsn);
      const [row] = await sql`
        select rolsuper or rolcreatedb or rolcreaterole as mighty, current_database() as database
        from pg_roles where rolname = current_user`;
      expect(row).toEqual({ mighty: false, database: "piwheels" });
      await sql.end();
    }
  });

  test("listens on a loopback port where one is asked for, and says so when that is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const failure = start({ port });
    await expect(failure).rejects.toThrow(
      /^the embedded database does not start: .*(in use|TCP\/IP).*$/,
    );
    await expect(failure).rejects.toHaveProperty(
      "logTail",
      expect.arrayContaining([expect.stringContaining("Address already in use")]),
    );
    await new Promise((resolve) => other.close(resolve));
    const server = await start({ port });
    const password = /:([^:@]+)@/.exec(server.superuserDsn("postgres"))?.[1] ?? "";
    const sql = openConnection(`postgres://postgres:${password}@127.0.0.1:${port}/postgres`);
    expect(await sql`select 1 as v`).toEqual([{ v: 1 }]);
    await sql.end();
  });

  test("is kept for one: a second start names the process that has it", async () => {
    await start();
    await expect(start()).rejects.toThrow(`in use by process ${process.pid}`);
  });

  test("that is killed is told of, and recovers at the next start", async () => {
    const server = await start();
    await asked(server, (sql) => sql`create table if not exists survived as select 7 as v`);
    process.kill(server.pid, "SIGKILL");
    expect(await server.exited).toEqual({ code: null, signal: "SIGKILL" });
    expect(await asked(await start(), (sql) => sql`select v from survived`)).toEqual([{ v: 7 }]);
  });

  test("ends in order when the process that started it is killed", async () => {
    const { starter, serverPid } = await startElsewhere();
    const gone = ended(starter);
    starter.kill("SIGKILL");
    await gone;
    await expect.poll(() => isThere(serverPid), { timeout: 10_000 }).toBe(false);
    expect(readFileSync(join(folder, "postgresql.log"), "utf8").trimEnd()).toMatch(
      /database system is shut down$/,
    );
  });

  test("left over from a killed farm is shut in order before the next start", async () => {
    const { starter, serverPid } = await startElsewhere("unguarded");
    const gone = ended(starter);
    starter.kill("SIGKILL");
    await gone;
    expect(isThere(serverPid)).toBe(true);
    said.length = 0;
    const server = await start();
    expect(isThere(serverPid)).toBe(false);
    expect(said.join("\n")).toContain(`still there (pid ${serverPid})`);
    expect(await asked(server, (sql) => sql`select 1 as v`)).toEqual([{ v: 1 }]);
  });

  test.skipIf(process.platform !== "linux")(
    "is not held up by a pid file whose number is another process's by now",
    async () => {
      await (await start()).stop();
      const owner = statSync(join(folder, "data")).uid;
      const other = spawn("sleep", ["60"], { uid: owner, stdio: "ignore" });
      starters.push(other);
      writeFileSync(
        join(folder, "data/postmaster.pid"),
        `${other.pid}\n${folder}/data\n0\n5432\n\n\n  0  0\nready   \n`,
      );
      const server = await start();
      expect(await asked(server, (sql) => sql`select 1 as v`)).toEqual([{ v: 1 }]);
      expect(isThere(other.pid ?? 0)).toBe(true);
    },
  );

  test("says in one line that the data are another version's, or its settings broken", async () => {
    const server = await start();
    await server.stop();
    const version = join(folder, "data/PG_VERSION");
    const real = readFileSync(version, "utf8");
    writeFileSync(version, "9.6\n");
    await expect(start()).rejects.toThrow(/^.*made by PostgreSQL 9.6, and this is \d+: .*$/);
    writeFileSync(version, real);
    const settings = join(folder, "data/postgresql.auto.conf");
    writeFileSync(settings, "colour = 'red'\n");
    await expect(start()).rejects.toThrow(
      /^the embedded database does not start: [^\n]+ \(log: [^\n]+\)$/,
    );
    writeFileSync(settings, "");
    await start();
  });

  test("works in a folder whose name is too long for a socket, and after a making that was cut off", async () => {
    const deep = join(tmpdir(), `ww-embedded-deep-${process.pid}`, "d".repeat(60), "e".repeat(60));
    mkdirSync(join(deep, "data.new/base"), { recursive: true });
    writeFileSync(join(deep, "data.new/PG_VERSION"), "half");
    try {
      const server = await start({ folder: deep, durable: true });
      expect(await asked(server, (sql) => sql`select 1 as v`)).toEqual([{ v: 1 }]);
      expect(readdirSync(deep)).not.toContain("data.new");
      await server.stop();
    } finally {
      rmSync(join(tmpdir(), `ww-embedded-deep-${process.pid}`), { recursive: true, force: true });
    }
  });

  test.runIf(root)("is refused to root who does not say so", async () => {
    await expect(start({ allowRoot: false })).rejects.toThrow("--allow-root");
  });

  test.runIf(root)(
    "goes where its user can reach it when root's folder is closed, and says where",
    async () => {
      const closed = join(home, "closed");
      mkdirSync(closed, { mode: 0o700 });
      said.length = 0;
      // The home of shared things must be open itself.
      const sharedHome = mkdtempSync(join(tmpdir(), "ww-shared-"));
      rmSync(sharedHome, { recursive: true });
      mkdirSync(sharedHome, { mode: 0o755 });
      try {
        const server = await start({ folder: join(closed, "pg"), sharedHome });
        expect(server.folder.startsWith(`${sharedHome}/database-`)).toBe(true);
        expect(said.join("\n")).toContain(server.folder);
        expect(existsSync(join(closed, "pg"))).toBe(false);
        await server.stop();
      } finally {
        rmSync(sharedHome, { recursive: true, force: true });
      }
    },
  );
});
