import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import {
  parseAddress,
  refuseInner,
  resolveToConnect,
} from "../../../protocol/transport/address.ts";
import { EndpointConfigError, generateKeyPair } from "../../../protocol/transport/index.ts";
import { callEcho, closeAll, serveEcho, until } from "./echo-link.ts";

const folder = mkdtempSync(join(tmpdir(), "addresses-"));
afterEach(closeAll);
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const secret = generateKeyPair();
const keys = { secret, isAuthorised: () => true };

describe("an address", { timeout: 10_000 }, () => {
  it.each([
    "tcp://*:0",
    "tcp://0.0.0.0:0",
    "tcp://[::]:0",
    "tcp://192.0.2.1:5555",
    "tcp://build.example:5555",
  ])("that other machines can reach is refused without keys: %s", async (address) => {
    await expect(serveEcho({ address })).rejects.toThrow(
      /needs keys.*piw keygen.*--key.*--authorized-keys/,
    );
  });

  it("of another machine is not connected to without keys", () => {
    expect(() => callEcho("tcp://192.0.2.1:5555")).toThrow(EndpointConfigError);
  });

  it.each(["tcp://*:0", "tcp://[::]:0", "tcp://[::1]:0", "tcp://localhost:0", "tcp://127.0.0.1:*"])(
    "is bound with keys, and the real port told: %s",
    async (address) => {
      const server = await serveEcho({ address, keys });
      const port = /:(\d+)$/.exec(server.address)?.[1];
      expect(Number(port)).toBeGreaterThan(0);
      const host = address.includes("::1") ? "[::1]" : "127.0.0.1";
      const client = callEcho(`tcp://${host}:${port}`, {
        keys: { own: generateKeyPair(), serverPublicKey: secret.publicKey },
      });
      await until(() => client.ups() === 1, "up");
    },
  );

  it.each([
    "",
    "5555",
    "tcp://*",
    "tcp://*:99999",
    "tcp://a b:1",
    "udp://127.0.0.1:1",
    "inproc://",
    "inproc://a b",
    "memory://alone",
    "memory://no-such-network/x",
    "ipc://relative",
    "ipc://@abstract",
    "ipc://*",
  ])("that is none is refused with a sentence: '%s'", async (address) => {
    await expect(serveEcho({ address })).rejects.toThrow(EndpointConfigError);
    expect(() => callEcho(address)).toThrow(EndpointConfigError);
  });

  it("that is none is told all the forms that there are", () => {
    expect(() => parseAddress("udp://x:1")).toThrow(
      /tcp:\/\/HOST:PORT.*ipc:\/\/\/PATH.*inproc:\/\/NAME.*memory:\/\/NETWORK\/NAME/,
    );
  });

  it("with a wildcard is not connected to", () => {
    expect(() => callEcho("tcp://127.0.0.1:*")).toThrow(/name the host and the port/);
  });

  it.each([{ kind: "tcp" }, { kind: "ipc" }])(
    "in use is refused with one clear error: $kind",
    async ({ kind }) => {
      const address = kind === "ipc" ? `ipc://${folder}/used` : "tcp://127.0.0.1:0";
      const server = await serveEcho({ address });
      await expect(serveEcho({ address: server.address })).rejects.toThrow(
        /in use by another process/,
      );
      const client = callEcho(server.address);
      await until(() => client.ups() === 1, "the first one serves on");
    },
  );

  it("by name is looked up again at each attempt, one answer after the other", async () => {
    const find = (text: string) => refuseInner(parseAddress(text));
    const address = find("tcp://localhost:5555");
    const endpoints = await Promise.all(
      [0, 1, 2].map((attempt) => resolveToConnect(address, attempt)),
    );
    for (const { endpoint } of endpoints)
      expect(endpoint).toMatch(/^tcp:\/\/(127\.0\.0\.1|\[::1\]):5555$/);
    await expect(resolveToConnect(find("tcp://nowhere.invalid:1"), 0)).rejects.toThrow();
  });

  it("keys that do not belong together are refused before anything is bound", async () => {
    const mixed = { publicKey: secret.publicKey, secretKey: generateKeyPair().secretKey };
    await expect(serveEcho({ keys: { ...keys, secret: mixed } })).rejects.toThrow(
      EndpointConfigError,
    );
    const bad = { own: mixed, serverPublicKey: secret.publicKey };
    expect(() => callEcho("tcp://127.0.0.1:1", { keys: bad })).toThrow(EndpointConfigError);
    const worse = { own: secret, serverPublicKey: "short" };
    expect(() => callEcho("tcp://127.0.0.1:1", { keys: worse })).toThrow(EndpointConfigError);
  });
});

describe("an ipc socket", { timeout: 10_000 }, () => {
  it("is for its owner and group only, whatever the umask, and is removed at the end", async () => {
    const path = join(folder, "private");
    const server = await serveEcho({ address: `ipc://${path}` });
    expect(statSync(path).mode & 0o7777).toBe(0o660);
    expect(server.address).toBe(`ipc://${path}`);
    await server.close();
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.startsWith(".w"))).toEqual([]);
  });

  it("of a dead process is replaced", async () => {
    const path = join(folder, "stale");
    const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    spawnSync(process.execPath, ["-e", script]);
    expect(statSync(path).isSocket()).toBe(true);
    const server = await serveEcho({ address: `ipc://${path}` });
    const client = callEcho(server.address);
    await until(() => client.ups() === 1, "up");
  });

  it("does not take the place of a file, and says where it cannot be made", async () => {
    const path = join(folder, "file");
    writeFileSync(path, "precious");
    await expect(serveEcho({ address: `ipc://${path}` })).rejects.toThrow(/no socket/);
    expect(statSync(path).isFile()).toBe(true);
    await expect(serveEcho({ address: `ipc://${folder}/none/x` })).rejects.toThrow(/cannot make/);
    await expect(serveEcho({ address: `ipc://${folder}/${"x".repeat(100)}` })).rejects.toThrow(
      /too long/,
    );
  });
});
