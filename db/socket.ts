/**
 * Opens the socket of one database session: tries the hosts in order, and negotiates TLS as libpq's
 * `sslmode` says. Called by session.ts, which hands the socket to the driver; the driver never
 * connects by itself, so that one client is one connection for all its life.
 *
 * Source: PostgreSQL manual, "SSL Session Encryption" (protocol) and "SSL Support" (libpq).
 */
import { readFileSync } from "node:fs";
import { isIP, Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions as TlsOptions } from "node:tls";
import { codeOf, DatabaseUnavailable } from "./database-error.ts";
import type { ConnectionOptions, DatabaseHost } from "./dsn.ts";

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/**
 * A connected socket to the first host that answers within `timeoutMs` each.
 * @throws DatabaseUnavailable naming the last host and what was wrong there.
 */
export async function openSocket(options: ConnectionOptions, timeoutMs: number): Promise<Socket> {
  let failure: DatabaseUnavailable | undefined;
  for (const place of options.hosts) {
    try {
      return await openPlace(place, options, timeoutMs);
    } catch (error) {
      failure = unavailable(place, error);
    }
  }
  throw failure ?? new DatabaseUnavailable("the database has no address", "ENOENT");
}

async function openPlace(
  place: DatabaseHost,
  options: ConnectionOptions,
  timeoutMs: number,
): Promise<Socket> {
  const socket = new Socket();
  const timer = setTimeout(() => {
    socket.destroy(
      Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: "ETIMEDOUT" }),
    );
  }, timeoutMs);
  try {
    await settled(socket, "connect", () => {
      if ("path" in place) socket.connect(place.path);
      else socket.connect(place.port, place.address ?? place.host);
    });
    socket.setNoDelay(true);
    // A socket file needs no encryption; libpq does not offer it there.
    if ("path" in place || options.sslMode === "disable") return socket;
    return await encrypt(socket, place.host, options);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function encrypt(socket: Socket, host: string, options: ConnectionOptions): Promise<Socket> {
  const answer = await new Promise<Buffer>((resolve, reject) => {
    const data = (bytes: Buffer) => {
      done();
      resolve(bytes);
    };
    const closed = () => {
      done();
      reject(new Error("it closed the connection when asked for TLS"));
    };
    const failed = (error: Error) => {
      done();
      reject(error);
    };
    const done = () => {
      socket.off("data", data).off("close", closed).off("error", failed);
    };
    socket.on("data", data).on("close", closed).on("error", failed);
    socket.write(SSL_REQUEST);
  });
  // More than one byte before the handshake was put there by somebody in between (CVE-2021-23222).
  if (answer.length !== 1) throw new Error("it sent more than it should before TLS began");
  if (answer[0] !== 0x53) {
    if (options.sslMode === "prefer") return socket;
    throw new Error(`it offers no TLS, which sslmode=${options.sslMode} asks for`);
  }
  const encrypted = connectTls({ socket, ...tlsOptions(host, options) });
  try {
    await settled(encrypted, "secureConnect", () => undefined);
  } catch (error) {
    encrypted.destroy();
    throw error;
  }
  return encrypted;
}

/** `verify-ca` checks the chain, `verify-full` the name too; the others encrypt only, as libpq does. */
function tlsOptions(host: string, options: ConnectionOptions): TlsOptions {
  const verified = options.sslMode === "verify-ca" || options.sslMode === "verify-full";
  const root = options.sslRootCert;
  return {
    rejectUnauthorized: verified,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(options.sslMode === "verify-full" ? { host } : { checkServerIdentity: () => undefined }),
    ...(verified && root !== undefined ? { ca: readFileSync(root) } : {}),
    ...(verified && options.sslCrl !== undefined ? { crl: readFileSync(options.sslCrl) } : {}),
    ...(options.sslCert === undefined ? {} : { cert: readFileSync(options.sslCert) }),
    ...(options.sslKey === undefined ? {} : { key: readFileSync(options.sslKey) }),
  };
}

/** Waits for one event of a socket; an error or a close before it is the failure. */
function settled(
  socket: Socket,
  event: "connect" | "secureConnect",
  begin: () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      socket.off(event, ready).off("close", closed).off("error", failed);
    };
    const ready = () => {
      done();
      resolve();
    };
    const closed = () => {
      done();
      reject(new Error("it closed the connection"));
    };
    const failed = (error: Error) => {
      done();
      reject(error);
    };
    socket.once(event, ready).once("close", closed).once("error", failed);
    begin();
  });
}

function unavailable(place: DatabaseHost, error: unknown): DatabaseUnavailable {
  const where = "path" in place ? place.path : `${place.host}:${place.port}`;
  const code = codeOf(error) ?? "ECONNREFUSED";
  const reason = error instanceof Error ? error.message : String(error);
  return new DatabaseUnavailable(`no database answers at ${where}: ${reason}`, code, {
    cause: error,
  });
}
