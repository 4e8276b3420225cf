import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
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
      "verify-full",
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
