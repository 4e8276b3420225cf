/**
 * Clients of a web server for the bench `pages serve`: connections that stay open and ask for the same again and again,
 * over bare sockets, so that the client is not what is measured.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface Visit {
  readonly perSecond: number;
  readonly p99Ms: number;
}

/** @throws Error where an answer is not 200, or tells no length */
export async function visit(
  url: string,
  headers: Readonly<Record<string, string>>,
  { connections, forMs }: { readonly connections: number; readonly forMs: number },
): Promise<Visit> {
  const { hostname, port, host, pathname } = new URL(url);
  const lines = Object.entries({ Host: host, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const request = Buffer.from(`GET ${pathname} HTTP/1.1\r\n${lines.join("")}\r\n`);
  const startAt = performance.now();
  const endAt = startAt + forMs;
  const visitor = async (): Promise<number[]> => {
    const waits: number[] = [];
    // nginx closes a connection after a thousand requests.
    while (performance.now() < endAt) {
      const socket = connect(Number(port), hostname).setNoDelay(true);
      try {
        await once(socket, "connect");
        await ask(socket, request, endAt, waits);
      } finally {
        socket.destroy();
      }
    }
    return waits;
  };
  const waits = (await Promise.all(Array.from({ length: connections }, visitor))).flat();
  waits.sort((one, other) => one - other);
  return {
    perSecond: (waits.length * 1_000) / (performance.now() - startAt),
    p99Ms: waits[Math.floor(waits.length * 0.99)] ?? Number.NaN,
  };
}

/** One request after the other; adds how long each took, in ms. Resolves at the end, or where the server wants no more. */
function ask(socket: Socket, request: Buffer, endAt: number, waits: number[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let isLast = false;
    let askedAt = performance.now();
    let head = "";
    /** Of the body; undefined before its head is read. */
    let left: number | undefined;
    socket.on("error", reject).on("close", () => reject(new Error("the server hung up")));
    socket.on("data", (part: Buffer) => {
      let bytes = part.length;
      if (left === undefined) {
        const text = part.toString("latin1");
        const end = (head + text).indexOf("\r\n\r\n");
        if (end === -1) {
          head += text;
          return;
        }
        const whole = head + text;
        const length = /\r\ncontent-length: *(\d+)/i.exec(whole.slice(0, end))?.[1];
        if (!whole.startsWith("HTTP/1.1 200 ") || length === undefined) {
          reject(new Error(`not a whole answer: ${whole.slice(0, end)}`));
          return;
        }
        bytes = whole.length - end - 4;
        head = "";
        isLast = /\r\nconnection: *close/i.test(whole.slice(0, end));
        left = Number(length);
      }
      left -= bytes;
      if (left > 0) return;
      left = undefined;
      const now = performance.now();
      waits.push(now - askedAt);
      if (now >= endAt || isLast) {
        resolve();
        return;
      }
      askedAt = now;
      socket.write(request);
    });
    socket.write(request);
  });
}
