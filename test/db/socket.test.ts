import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { DatabaseUnavailable } from "../../db/database-error.ts";
import { connectionOptions } from "../../db/dsn.ts";
import { openSocket } from "../../db/socket.ts";

/** Servers that are none of PostgreSQL's: they answer the request for TLS in their own ways. */
const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(
    servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))),
  );
});

/** A server that says this to whoever says something; undefined hangs up, "" says nothing. */
async function portOf(answer: string | undefined): Promise<number> {
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.once("data", () => {
      if (answer === undefined) socket.destroy();
      else socket.write(answer);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

const open = async (dsn: string, timeoutMs = 500) => {
  const socket = await openSocket(connectionOptions(dsn, {}), timeoutMs);
  sockets.push(socket);
  return socket;
};

describe("a socket to a server that", () => {
  test("offers no TLS is plain where TLS is only preferred", async () => {
    const port = await portOf("N");
    const socket = await open(`postgres://u:p@127.0.0.1:${port}/d`);
    const answered = new Promise((resolve) =>
      socket.once("data", (data: Buffer) => resolve(data.toString())),
    );
    sockets[0]?.once("data", () => sockets[0]?.write("hello"));
    socket.write("x");
    expect(await answered).toBe("hello");
  });

  test.each([
    ["offers no TLS", "N", "require", "it offers no TLS, which sslmode=require asks for"],
    [
      "answers nonsense",
      "E",
      "verify-full&sslrootcert=system",
      "it offers no TLS, which sslmode=verify-full asks for",
    ],
    ["says more than it should before TLS", "SX", "prefer", "more than it should"],
    ["hangs up", undefined, "prefer", "closed the connection"],
    ["says nothing", "", "prefer", "no answer within 500 ms"],
  ])(
    "%s is refused in one line that names it",
    { timeout: 3_000 },
    async (_title, answer, mode, words) => {
      const port = await portOf(answer);
      const failure = open(`postgres://u:secret@127.0.0.1:${port}/d?sslmode=${mode}`);
      await expect(failure).rejects.toBeInstanceOf(DatabaseUnavailable);
      await expect(failure).rejects.toThrow(words);
      await expect(failure).rejects.toThrow(
        new RegExp(`^no database answers at 127.0.0.1:${port}: [^\\n]+$`),
      );
    },
  );

  test("is the second of two is found when the first is not there", async () => {
    const port = await portOf("N");
    const socket = await open(`postgres://127.0.0.1:1,127.0.0.1:${port}/d`);
    expect(socket.remotePort).toBe(port);
  });
});

const hasOpenssl = spawnSync("openssl", ["version"]).error === undefined;

describe.skipIf(!hasOpenssl)("a certificate of the server's", () => {
  /** A home with the roots that signed the certificates `good` and `bad`, of which the second was revoked. */
  function makeHome(): string {
    const home = mkdtempSync(join(tmpdir(), "tls-"));
    onTestFinished(() => rmSync(home, { recursive: true }));
    const folder = join(home, ".postgresql");
    mkdirSync(folder);
    writeFileSync(
      join(home, "ca.conf"),
      `[ca]\ndefault_ca=own\n[own]\ndatabase=${home}/index\ndefault_md=sha256\ndefault_crl_days=30\n` +
        "[req]\ndistinguished_name=name\n[name]\n[v3_ca]\nbasicConstraints=critical,CA:true\n[v3_end]\nsubjectAltName=IP:127.0.0.1\n",
    );
    writeFileSync(join(home, "index"), "");
    const openssl = (...words: string[]) => {
      const { status, stderr } = spawnSync("openssl", words, { cwd: home, encoding: "utf8" });
      if (status !== 0) throw new Error(stderr);
    };
    const key = (name: string) => ["-newkey", "rsa:2048", "-nodes", "-keyout", `${name}.key`];
    openssl(
      ...["req", "-x509", ...key("ca"), "-config", "ca.conf", "-extensions", "v3_ca"],
      ...["-days", "30", "-subj", "/CN=roots", "-out", ".postgresql/root.crt"],
    );
    for (const name of ["good", "bad"]) {
      openssl(
        "req",
        "-config",
        "ca.conf",
        ...key(name),
        "-subj",
        `/CN=${name}`,
        "-out",
        `${name}.csr`,
      );
      openssl(
        ...[
          "x509",
          "-req",
          "-in",
          `${name}.csr`,
          "-CA",
          ".postgresql/root.crt",
          "-CAkey",
          "ca.key",
        ],
        ...["-set_serial", name === "good" ? "2" : "3", "-days", "30", "-out", `${name}.crt`],
        ...["-extfile", "ca.conf", "-extensions", "v3_end"],
      );
    }
    const ca = ["-config", "ca.conf", "-keyfile", "ca.key", "-cert", ".postgresql/root.crt"];
    openssl("ca", ...ca, "-revoke", "bad.crt");
    openssl("ca", ...ca, "-gencrl", "-out", "revoked.crl");
    return home;
  }

  async function serveTls(home: string, name: string): Promise<number> {
    const [key, cert] = ["key", "crt"].map((kind) => readFileSync(join(home, `${name}.${kind}`)));
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      socket.once("data", () => {
        socket.write("S");
        const encrypted = new TLSSocket(socket, { isServer: true, key, cert });
        encrypted.on("error", () => undefined);
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    return (server.address() as { port: number }).port;
  }

  test("that was revoked is refused once root.crl lies beside the roots, and no other is", async () => {
    const home = makeHome();
    const connect = async (name: string) => {
      const port = await serveTls(home, name);
      const options = connectionOptions(`postgres://127.0.0.1:${port}/d?sslmode=verify-full`, {
        HOME: home,
      });
      const socket = await openSocket(options, 30_000);
      sockets.push(socket);
    };
    await connect("good");
    await connect("bad");
    writeFileSync(join(home, ".postgresql", "root.crl"), readFileSync(join(home, "revoked.crl")));
    await connect("good");
    await expect(connect("bad")).rejects.toThrow(/certificate revoked/);
  }, 60_000);
});
