/**
 * Opens a connection to a server as this machine reaches it: directly, or through the proxy that its
 * environment names (https_proxy, http_proxy, no_proxy). Called by the index proxy for CONNECT; plain
 * requests go through undici, which reads the same variables.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

const CONNECT_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 16 * 1024;

/** @throws Error when there is no way, or the machine's proxy says no */
export async function openTunnel(
  host: string,
  port: number,
  environment: NodeJS.ProcessEnv,
): Promise<Socket> {
  const proxy = proxyFor(host, port, environment);
  if (proxy === undefined) return opened(connect({ host, port }), "connect");
  const address = {
    host: proxy.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: proxy.port === "" ? (proxy.protocol === "https:" ? 443 : 80) : Number(proxy.port),
  };
  const socket =
    proxy.protocol === "https:"
      ? await opened(connectTls({ ...address, servername: address.host }), "secureConnect")
      : await opened(connect(address), "connect");
  const target = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${credentialsOf(proxy)}\r\n`);
  await readAnswer(socket, proxy.host);
  return socket;
}

/** The machine's proxy for a server; undefined where it is reached directly. */
export function proxyFor(
  host: string,
  port: number,
  environment: NodeJS.ProcessEnv,
): URL | undefined {
  const named = (name: string) => environment[name] || environment[name.toUpperCase()] || "";
  const text = named("https_proxy") || named("http_proxy");
  if (!URL.canParse(text) || isExcepted(host, port, named("no_proxy"))) return undefined;
  return new URL(text);
}

/** `no_proxy`: `*`, or hosts with or without a port, `.example.org` for all below one. */
function isExcepted(host: string, port: number, list: string): boolean {
  return list.split(/[\s,]+/).some((entry) => {
    const [, name = "", onlyPort] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    if (name === "" || (onlyPort !== undefined && Number(onlyPort) !== port)) return false;
    const bare = name.replace(/^\*?\./, "");
    return name === "*" || host === bare || host.endsWith(`.${bare}`);
  });
}

const credentialsOf = ({ username, password }: URL): string => {
  if (username === "") return "";
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Proxy-Authorization: Basic ${Buffer.from(text).toString("base64")}\r\n`;
};

function opened<S extends Socket>(socket: S, event: "connect" | "secureConnect"): Promise<S> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    const onTimeout = () => fail(new Error("no answer in time"));
    socket.setTimeout(CONNECT_TIMEOUT_MS, onTimeout);
    socket.once("error", fail);
    socket.once(event, () => {
      socket.setTimeout(0).off("timeout", onTimeout).off("error", fail);
      resolve(socket);
    });
  });
}

/** Reads up to the empty line; what comes after it belongs to the tunnel. */
function readAnswer(socket: Socket, proxyName: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer = Buffer.alloc(0);
    const fail = (text: string) => {
      socket.destroy();
      reject(new Error(`the machine's proxy ${proxyName} ${text}`));
    };
    const onData = (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf("\r\n\r\n");
      if (end === -1) {
        if (answer.length > MAX_ANSWER_BYTES) fail("gave no answer that ends");
        return;
      }
      done();
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(answer.toString("latin1"))?.[1];
      if (status !== "200") return fail(`answered ${status ?? "no HTTP"}`);
      socket.pause();
      if (answer.length > end + 4) socket.unshift(answer.subarray(end + 4));
      resolve();
    };
    const onEnd = () => fail("closed the connection");
    const onTimeout = () => fail("gave no answer in time");
    const done = () =>
      socket.setTimeout(0).off("data", onData).off("close", onEnd).off("timeout", onTimeout);
    socket.setTimeout(CONNECT_TIMEOUT_MS, onTimeout).on("data", onData).once("close", onEnd);
    socket.on("error", () => undefined);
  });
}
