/** The way out of a build with `network = index`: who is let through, and how. */
import { createServer, type RequestListener, request } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { AllowedHosts } from "../../../actors/slave/sandbox/allowed-hosts.ts";
import { IndexProxy } from "../../../actors/slave/sandbox/index-proxy.ts";
import { openTunnel, proxyFor } from "../../../actors/slave/sandbox/outer-proxy.ts";
import { temporaryFolder } from "./temporary-folder.ts";

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function openProxy(urls: string[], hosts: string[] = []) {
  const socketPath = join(await temporaryFolder(), "index.sock");
  const refused: string[] = [];
  const proxy = await IndexProxy.open(socketPath, new AllowedHosts(urls, hosts), (place) =>
    refused.push(place),
  );
  onTestFinished(() => proxy.close());
  return { proxy, socketPath, refused };
}

/** What a client is answered that says `path` to the proxy. */
const ask = (socketPath: string, path: string, method = "GET") =>
  new Promise<{ status: number; headers: object; text: string }>((resolve, reject) => {
    const asked = request({ socketPath, path, method, headers: { host: "x", accept: "a/b" } });
    asked.once("error", reject).once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.once("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    });
    asked.end();
  });

/** The first line that a client is answered to its CONNECT, and what comes when it then says `GET`. */
const tunnel = (socketPath: string, target: string) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect(socketPath);
    let text = "";
    socket.once("error", reject).on("data", (part) => {
      const isFirst = text === "";
      text += part.toString();
      if (isFirst && text.includes(" 200 ")) {
        socket.write("GET /through HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      }
    });
    socket.once("close", () => resolve(text));
    socket.write(`CONNECT ${target} HTTP/1.1\r\n\r\n`);
  });

test("a request to an allowed server comes through as it is, and its answer too", async () => {
  const index = await serve((asked, response) => {
    response.writeHead(206, { "content-encoding": "gzip", "x-said": String(asked.headers.accept) });
    response.end(`${asked.url} ${asked.headers.host}`);
  });
  const { socketPath, refused } = await openProxy([`http://${index}/simple`]);
  const answer = await ask(socketPath, `http://${index}/simple/demo/?a=b`);
  expect(answer).toMatchObject({ status: 206, text: `/simple/demo/?a=b ${index}` });
  expect(answer.headers).toMatchObject({ "content-encoding": "gzip", "x-said": "a/b" });
  expect(refused).toEqual([]);
});

test("a request to any other server, or port, is refused and told once", async () => {
  let visits = 0;
  const other = await serve((_asked, response) => {
    visits += 1;
    response.end();
  });
  const { socketPath, refused } = await openProxy(["http://127.0.0.1:1/simple"]);
  expect(await ask(socketPath, `http://${other}/`)).toMatchObject({ status: 403 });
  expect(await ask(socketPath, `http://${other}/again`)).toMatchObject({ status: 403 });
  expect(await tunnel(socketPath, other)).toMatch(/^HTTP\/1\.1 403 /);
  expect(refused).toEqual([other]);
  expect(visits).toBe(0);
});

test("a tunnel to an allowed server is open both ways", async () => {
  const files = await serve((asked, response) => response.end(`tunnelled ${asked.url}`));
  const { socketPath } = await openProxy([], [files]);
  expect(await tunnel(socketPath, files)).toMatch(
    /^HTTP\/1\.1 200 Connection established[\s\S]*tunnelled \/through/,
  );
});

test.each([
  ["GET", "/simple/", 400],
  ["GET", "ftp://127.0.0.1/x", 400],
  ["POST", "http://127.0.0.1:9/simple/", 405],
  ["GET", "http://127.0.0.1:9/simple/", 502],
])("%s %s is answered %i", async (method, path, status) => {
  const { socketPath } = await openProxy(["http://127.0.0.1:9/simple"]);
  expect(await ask(socketPath, path, method)).toMatchObject({ status });
});

test("what is no HTTP is cut, and a proxy that is closed cuts its tunnels", async () => {
  const silent = createTcpServer(() => undefined).listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  onTestFinished(() => {
    silent.close();
  });
  const place = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const { proxy, socketPath } = await openProxy([], [place]);
  const noise = connect(socketPath);
  noise.write("\u0000\u0001 no HTTP\r\n\r\n");
  await new Promise((resolve) => noise.once("close", resolve));
  const open = connect(socketPath);
  open.write(`CONNECT ${place} HTTP/1.1\r\n\r\n`);
  await new Promise((resolve) => open.once("data", resolve));
  const cut = new Promise((resolve) => open.once("close", resolve));
  await proxy.close();
  await cut;
});

test.each([
  ["https://files.example.org/x/y.tar.gz", "FILES.example.org", 443, true],
  ["https://files.example.org/x", "files.example.org", 80, false],
  ["http://[::1]:8080/simple", "::1", 8080, true],
  ["http://index.example.org/simple", "evil.index.example.org", 80, false],
  ["http://index.example.org/simple", "index.example.org.", 80, true],
  ["no URL", "no", 80, false],
])("of %s, %s at port %i: %s", (url, host, port, isAllowed) => {
  expect(new AllowedHosts([url], []).has(host, port)).toBe(isAllowed);
});

test("a host that is added counts for both web ports, or for its own", () => {
  const hosts = new AllowedHosts([], ["mirror.example.org", "192.0.2.1:81"]);
  expect([80, 443, 81].map((port) => hosts.has("mirror.example.org", port))).toEqual([
    ...[true, true, false],
  ]);
  expect([80, 81].map((port) => hosts.has("192.0.2.1", port))).toEqual([false, true]);
});

test.each([
  [{}, undefined],
  [{ https_proxy: "http://proxy:3128" }, "proxy:3128"],
  [{ HTTP_PROXY: "http://proxy:3128" }, "proxy:3128"],
  [{ https_proxy: "http://proxy:3128", no_proxy: "example.org" }, undefined],
  [{ https_proxy: "http://proxy:3128", NO_PROXY: ".example.org" }, undefined],
  [{ https_proxy: "http://proxy:3128", no_proxy: "files.example.org:444" }, "proxy:3128"],
  [{ https_proxy: "http://proxy:3128", no_proxy: "other, *" }, undefined],
  [{ https_proxy: "nonsense" }, undefined],
])("with %j files.example.org is reached through %s", (environment, proxy) => {
  expect(proxyFor("files.example.org", 443, environment)?.host).toBe(proxy);
});

test("a tunnel goes through the machine's proxy with its password, and its refusal is an error", async () => {
  const asked: string[] = [];
  const machines = createTcpServer((socket) => {
    socket.once("data", (data) => {
      asked.push(data.toString());
      const isGood = asked.length === 1;
      socket.end(isGood ? "HTTP/1.1 200 fine\r\n\r\nfirst words" : "HTTP/1.1 407 no\r\n\r\n");
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => machines.once("listening", resolve));
  onTestFinished(() => {
    machines.close();
  });
  const { port } = machines.address() as AddressInfo;
  const environment = { https_proxy: `http://us%65r:pass@127.0.0.1:${port}` };
  const socket = await openTunnel("files.example.org", 443, environment);
  const words = new Promise((resolve) => socket.once("data", (data) => resolve(data.toString())));
  socket.resume();
  expect(await words).toBe("first words");
  socket.destroy();
  expect(asked[0]).toContain("CONNECT files.example.org:443 HTTP/1.1\r\n");
  expect(asked[0]).toContain(`Basic ${Buffer.from("user:pass").toString("base64")}`);
  await expect(openTunnel("files.example.org", 443, environment)).rejects.toThrow("answered 407");
});
