/** The web server and those who mean no good, or know no better, and its own beginning and end. */
import { mkdir } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWebServer } from "../../web/server.ts";
import { silent, startTestSite, type TestSite, WHEEL, wheel } from "./test-site.ts";

let site: TestSite;
let ask: TestSite["ask"];

beforeAll(async () => {
  site = await startTestSite();
  ask = site.ask;
});
afterAll(() => site.close());

describe("hostile requests", () => {
  const stored = () => join("/.store/blobs", site.wheelHash.slice(0, 2), site.wheelHash);

  test.each([
    ["the store", () => stored()],
    ["the store, spelled otherwise", () => stored().replace(".store", "%2estore")],
    ["the store by a detour", () => `/simple/..${stored()}`],
    ["the store by an encoded detour", () => `/simple/%2e%2e${stored()}`],
    ["the store under double slashes", () => `/${stored()}`],
    ["the store by backslashes", () => `/${stored().replaceAll("/", "\\")}`],
    ["staging", () => "/.store/staging/"],
    ["a file of the system", () => "/../../../../etc/passwd"],
    ["a file of the system, encoded", () => "/%2e%2e/%2e%2e/%2e%2e/etc/passwd"],
    ["a file of the system, encoded twice", () => "/%252e%252e/%252e%252e/etc/passwd"],
    ["an encoded separator", () => "/..%2f..%2f..%2fetc%2fpasswd"],
    ["a NUL", () => "/index.html%00.txt"],
    ["a bad escape", () => "/%zz"],
    ["half an escape", () => "/simple/%e0%a4/"],
    ["a header in the path", () => "/simple/A%0d%0aSet-Cookie:%20x"],
    ["another host", () => "//elsewhere.example/simple"],
    ["a folder", () => "/simple/tide-pool/../"],
    ["a listing", () => "/assets/"],
    ["a long segment", () => `/${"x".repeat(5_000)}`],
    ["a long path", () => `/${"x/".repeat(5_000)}`],
  ])("for %s get nothing", async (_what, path) => {
    const answer = await ask(path());
    expect(answer.status).toBe(404);
    expect(answer.body.toString()).toBe("404: nothing here\n");
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
    expect(answer.headers["set-cookie"]).toBeUndefined();
  });

  test("with headers or paths beyond all measure are refused, and the server goes on", async () => {
    expect((await ask("/", { "x-long": "x".repeat(20_000) })).status).toBe(431);
    expect((await ask(`/${"x".repeat(20_000)}`)).status).toBe(431);
    expect((await ask("/")).status).toBe(200);
  });

  test.each(["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])(
    "that would change something (%s) are refused",
    async (method) => {
      const answer = await ask("/simple/tide-pool/", { "content-length": "0" }, method);
      expect([answer.status, answer.headers.allow]).toEqual([405, "GET, HEAD, OPTIONS"]);
    },
  );

  test("that are no HTTP are answered and closed", async () => {
    const { hostname, port } = new URL(site.url);
    const socket = connect(Number(port), hostname);
    socket.end("\x16\x03\x01 nonsense\r\n\r\n");
    expect((await buffer(socket)).toString()).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("that go away in mid-answer harm nobody else", async () => {
    await site.storage.replace("large/index.html", "x".repeat(5_000_000));
    const { hostname, port } = new URL(site.url);
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = connect(Number(port), hostname);
        socket.write("GET /large/ HTTP/1.1\r\nHost: x\r\n\r\n");
        await new Promise((resolve) => socket.once("data", resolve));
        socket.destroy();
      }),
    );
    expect((await ask("/large/")).body.length).toBe(5_000_000);
    await expect.poll(site.openFiles).toEqual([]);
  });
});

test("a thousand wheels asked for in one breath hold one file open, and come whole to who reads", async () => {
  const { hostname, port } = new URL(site.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  const path = `/simple/tide-pool/${WHEEL}`;
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(1_000));
  expect((await ask(path)).body.equals(wheel)).toBe(true);
  expect((await site.openFiles()).length).toBeLessThan(10);
  let bytes = 0;
  await new Promise<void>((resolve) => {
    socket.on("data", (part) => {
      bytes += part.length;
      if (bytes >= 1_000 * wheel.length) resolve();
    });
    socket.resume();
  });
  socket.destroy();
  await expect.poll(site.openFiles).toEqual([]);
});

test("a folder under the name of a page is nothing", async () => {
  await mkdir(join(site.output, "odd", "index.html"), { recursive: true });
  expect((await ask("/odd/")).status).toBe(404);
});

describe("starting and stopping", () => {
  const start = (address: string) =>
    startWebServer({ address, outputPath: site.output, log: silent });

  test("a port in use is one clear error", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    await expect(start(`http://127.0.0.1:${port}`)).rejects.toMatchObject({
      name: "WebServerError",
      code: "address-in-use",
      message: `the web address 127.0.0.1 port ${port} is in use by another program: stop that, or choose another port`,
    });
    await new Promise((resolve) => other.close(resolve));
  });

  test.each([
    ["", "bad-address"],
    ["https://127.0.0.1:0", "bad-address"],
    ["http://127.0.0.1:0/path", "bad-address"],
    ["http://127.0.0.1:99999", "bad-address"],
    ["tcp://127.0.0.1:8080", "bad-address"],
    ["http://192.0.2.1:0", "address-unavailable"],
  ])("the address %j is refused as %s", async (address, code) => {
    await expect(start(address)).rejects.toMatchObject({ name: "WebServerError", code });
  });

  test("closing ends a download that hangs, within the deadline, and may be repeated", async () => {
    await site.storage.replace("endless/index.html", "x".repeat(20_000_000));
    const closing = await startWebServer({
      address: "127.0.0.1:0",
      outputPath: site.output,
      log: silent,
      closeDeadlineMs: 50,
    });
    const { hostname, port } = new URL(closing.url);
    const socket = connect(Number(port), hostname);
    const isClosed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => undefined);
    socket.write("GET /endless/ HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => socket.once("readable", resolve));
    await Promise.all([closing.close(), closing.close()]);
    socket.resume();
    await isClosed;
    await expect(fetch(closing.url)).rejects.toThrow();
  });
});
