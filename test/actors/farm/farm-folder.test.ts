import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeFarmFolder, makeKeys, upstreamName } from "../../../actors/farm/farm-folder.ts";
import { checkMachine, findFreeAddress } from "../../../actors/farm/preflight.ts";
import { readAuthorizedKeys, readKeyFile } from "../../../protocol/transport/index.ts";

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "ww-folder-"));
});
afterEach(() => {
  rmSync(scratch, { recursive: true });
});

test.each([
  [undefined, "sample"],
  ["https://pypi.org/simple", "pypi.org"],
  ["http://127.0.0.1:3141/simple", /^127\.0\.0\.1-3141-[0-9a-f]{8}$/],
  ["https://pypi.org/other/simple", /^pypi\.org-[0-9a-f]{8}$/],
  ["http://[::1]:80/simple", /^--1-[0-9a-f]{8}$|^---1--[0-9a-f]{8}$/],
])("the home of upstream %s is %s", (url, expected) => {
  expect(upstreamName(url)).toMatch(expected);
});

describe("a farm's folder", () => {
  test("has sockets that fit into an address, however deep it lies", () => {
    const deep = join(scratch, "d".repeat(80), "e".repeat(80));
    const folder = makeFarmFolder(deep, undefined);
    expect(Buffer.byteLength(`${folder.run}/control.sock`)).toBeLessThanOrEqual(103);
    expect(statSync(folder.run).mode & 0o077).toBe(0);
    expect(makeFarmFolder(deep, undefined).run).toBe(folder.run);
    expect(makeFarmFolder(join(scratch, "shallow"), undefined).run).toBe(
      join(scratch, "shallow/sample/run"),
    );
    rmSync(folder.run, { recursive: true });
  });

  test("keeps keys from others, and makes only those that are missing", () => {
    const folder = makeFarmFolder(scratch, undefined);
    const first = makeKeys(folder, 1);
    const master = readFileSync(first.masterKey, "utf8");
    const keys = makeKeys(folder, 2);
    expect(readFileSync(keys.masterKey, "utf8")).toBe(master);
    expect(statSync(folder.keys).mode & 0o077).toBe(0);
    const authorized = readAuthorizedKeys(keys.authorizedKeys);
    expect(
      [1, 2].map((n) => authorized.find(readKeyFile(keys.slaveKey(n)).publicKey)?.name),
    ).toEqual(["slave-1", "slave-2"]);
  });

  test("completes keys whose making was cut off", () => {
    const folder = makeFarmFolder(scratch, undefined);
    const keys = makeKeys(folder, 1);
    rmSync(join(keys.authorizedKeys, "slave-1.pub"));
    makeKeys(folder, 1);
    expect(readAuthorizedKeys(keys.authorizedKeys).list()).toHaveLength(1);
  });
});

describe("before anything starts", () => {
  const script = process.execPath;
  const parts = {
    checkPython: () => Promise.resolve({ hasHeaders: true }),
    masterCommand: [script] as const,
    slaveCommand: [script] as const,
  };
  const own = process.env["CC"];
  afterEach(() => {
    if (own === undefined) delete process.env["CC"];
    else process.env["CC"] = own;
  });

  test("a machine with everything passes, one without C headers with a warning", async () => {
    process.env["CC"] = `${process.execPath} -O2`;
    expect(await checkMachine(parts, [])).toEqual([]);
    const warnings = await checkMachine(
      { ...parts, checkPython: () => Promise.resolve({ hasHeaders: false }) },
      ["python9"],
    );
    expect(warnings).toEqual([expect.stringMatching(/^python9 has no C headers.*python3-dev/)]);
  });

  test("a missing compiler, interpreter or program is one line that says what to do", async () => {
    process.env["CC"] = "/nonexistent/cc";
    await expect(checkMachine(parts, [])).rejects.toThrow(/no C compiler.*install/);
    const noPython = { ...parts, checkPython: () => Promise.reject(new Error("no python3")) };
    await expect(checkMachine(noPython, [])).rejects.toThrow("no python3");
    await expect(
      checkMachine({ ...parts, masterCommand: ["/nonexistent/piw-master.js"] }, []),
    ).rejects.toThrow("npm run build");
  });

  test("a free address is given with its port, a taken one refused with the option to change", async () => {
    const { port } = await findFreeAddress({ host: "127.0.0.1", port: 0 });
    expect(port).toBeGreaterThan(0);
    const other = createServer();
    await new Promise<void>((resolve) => {
      other.listen(port, "127.0.0.1", resolve);
    });
    await expect(findFreeAddress({ host: "127.0.0.1", port })).rejects.toThrow(
      `127.0.0.1:${port}: the port is in use: stop what uses it, or name another with --http`,
    );
    await new Promise((resolve) => other.close(resolve));
    await expect(findFreeAddress({ host: "192.0.2.1", port: 0 })).rejects.toThrow("--http");
  });
});

test("a run folder that is a link to somewhere is refused", () => {
  mkdirSync(join(scratch, "sample"));
  symlinkSync(tmpdir(), join(scratch, "sample/run"));
  expect(() => makeFarmFolder(scratch, undefined)).toThrow("belongs to somebody else");
});
