import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { checkMachine } from "../../../actors/slave/check.ts";
import { checkIndexes } from "../../../actors/slave/check-indexes.ts";
import { checkMaster } from "../../../actors/slave/check-master.ts";
import { generateKeyPair } from "../../../protocol/transport/index.ts";
import { ScriptedMaster } from "./scripted-master.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const PATIENCE_MS = 60_000;
const lines = (rows: readonly { state: string; text: string }[]) =>
  rows.map(({ state, text }) => `${state}: ${text}`);

test(
  "a machine with a Python can join, and each line says what there is or what to do",
  async () => {
    const rows = await checkMachine({ dir: await temporaryFolder(), pythons: ["python3"] });
    const said = lines(rows);
    expect(rows.every(({ state }) => state !== "fails")).toBe(true);
    expect(said[0]).toMatch(/^ok: CPython 3\.\d+\.\d+, pip \d/);
    expect(said).toContainEqual(expect.stringMatching(/^ok: C compiler \(/));
    expect(said).toContainEqual(expect.stringMatching(/^ok: C\+\+ compiler \(/));
  },
  PATIENCE_MS,
);

test(
  "a machine without the interpreter or the folder cannot join",
  async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "file"), "");
    const rows = await checkMachine({
      dir: join(folder, "file", "slave"),
      pythons: [join(folder, "python9")],
    });
    expect(rows.filter(({ state }) => state === "fails").map(({ text }) => text)).toEqual([
      expect.stringMatching(/python9 was not found: install Python/) as string,
      expect.stringMatching(/cannot be written to: give --dir another folder/) as string,
    ]);
  },
  PATIENCE_MS,
);

test(
  "a compiler that is there and cannot compile is told from none, with its own complaint",
  async () => {
    const folder = await temporaryFolder();
    const path = process.env["PATH"];
    onTestFinished(() => {
      process.env["PATH"] = path;
    });
    const script = "#!/bin/sh\necho 'fatal error: stdio.h: No such file' >&2\nexit 1\n";
    await writeFile(join(folder, "gcc"), script, { mode: 0o755 });
    process.env["PATH"] = folder;
    const said = lines(await checkMachine({ dir: folder, pythons: [] }));
    expect(said).toContainEqual(
      expect.stringMatching(/^lacks: C compiler: gcc cannot compile: fatal error: stdio\.h/),
    );
    expect(said).toContainEqual(expect.stringMatching(/^lacks: C\+\+ compiler: there is none;/));
  },
  PATIENCE_MS,
);

const secret = generateKeyPair();
const own = generateKeyPair();
const keys = { own, serverPublicKey: secret.publicKey };
const isAuthorised = (key: string) => key === own.publicKey;

test(
  "the master's version and its word on the key are asked, in a session that is not the slave's",
  async () => {
    const master = await ScriptedMaster.start({ secret, isAuthorised });
    const queues = { slaveQueue: master.slaveAddress, fileQueue: master.fileAddress };
    const same = await checkMaster({ ...queues, version: "1.2.3", keys });
    expect(lines(same.rows)).toEqual([
      `ok: master 1.2.3 at ${master.slaveAddress}, and it lets this slave's key in`,
    ]);
    expect(same.indexes).toEqual(["http://127.0.0.1:1/simple"]);
    const other = await checkMaster({ ...queues, version: "1.3.0", keys });
    expect(lines(other.rows)).toEqual([
      `fails: the master at ${master.slaveAddress} is version 1.2.3, this slave is 1.3.0: install the same version on both`,
    ]);
    expect(master.heard.map(({ type }) => type)).toEqual(["PROBE", "PROBE"]);
  },
  PATIENCE_MS,
);

test(
  "a key that the master does not let in is told, with what to say on the master's machine",
  async () => {
    const master = await ScriptedMaster.start({ secret, isAuthorised: () => false });
    const { rows } = await checkMaster({
      slaveQueue: master.slaveAddress,
      fileQueue: master.fileAddress,
      version: "1.2.3",
      keys,
    });
    expect(rows).toHaveLength(2);
    for (const { state, text } of rows) {
      expect(state).toBe("fails");
      expect(text).toContain(`piw slave-key add NAME '${own.publicKey}'`);
    }
  },
  PATIENCE_MS,
);

test(
  "a master that is not there fails the check with what is in the way",
  async () => {
    const gone = await listening();
    const queues = { slaveQueue: `tcp://127.0.0.1:${gone}`, fileQueue: "tcp://nosuch.invalid:1" };
    const { rows, indexes } = await checkMaster({ ...queues, version: "1.2.3", keys });
    expect(rows[0]).toMatchObject({ state: "fails" });
    expect(rows[0]?.text).toMatch(/nothing listens there: is the master running\?$/);
    expect(rows[1]).toMatchObject({ state: "fails" });
    expect(indexes).toEqual([]);
  },
  PATIENCE_MS,
);

/** A port that nothing listens at any more. */
async function listening(): Promise<number> {
  const { server, port } = await serve("");
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function serve(date: string, age = "") {
  const server = createServer((_request, response) => {
    response.sendDate = false;
    if (date !== "") response.setHeader("date", date);
    if (age !== "") response.setHeader("age", age);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

const at = (offMs: number) => new Date(Date.now() + offMs).toUTCString();

test.each([
  { what: "the right time", date: () => at(0), age: "", clock: /^ok: clock$/ },
  {
    what: "an hour later",
    date: () => at(3.6e6),
    age: "",
    clock: /^lacks: clock: 60 minutes behind/,
  },
  {
    what: "an hour earlier",
    date: () => at(-3.6e6),
    age: "",
    clock: /^lacks: clock: 60 minutes ahead/,
  },
  { what: "a copy of an hour ago", date: () => at(-3.6e6), age: "3600", clock: /^ok: clock$/ },
  { what: "no time", date: () => "", age: "", clock: /^lacks: clock: no index told the time/ },
])(
  "the clock is compared with an index that says $what",
  async ({ date, age, clock }) => {
    const { port } = await serve(date(), age);
    const said = lines(await checkIndexes([`http://127.0.0.1:${port}/simple`]));
    expect(said[0]).toBe(`ok: index http://127.0.0.1:${port}/simple`);
    expect(said[1]).toMatch(clock);
  },
  PATIENCE_MS,
);

test(
  "an index that cannot be reached is told, and one whose own clock is wrong blames nobody",
  async () => {
    const wrong = await serve(at(-3.6e6));
    const right = await serve(at(0));
    const gone = await listening();
    const urls = [gone, wrong.port, right.port].map((port) => `http://127.0.0.1:${port}/simple`);
    const said = lines(await checkIndexes(urls));
    expect(said[0]).toMatch(/^lacks: index \S+ could not be reached \(.*ECONNREFUSED.*\): builds/);
    expect(said.at(-1)).toBe("ok: clock");
  },
  PATIENCE_MS,
);
