/**
 * Where an embedded server lives and as whom, settled before it runs: user, folders, binaries, secret.
 * Called by embedded.ts, which runs the server, and embedded-cluster.ts, which makes its data.
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { findServerBinaries } from "./embedded-binaries.ts";
import { canEnter, copyForAll, findServerAccount, type ServerAccount } from "./server-account.ts";

export interface EmbeddedOptions {
  /** For everything of the server: data, log, password. Absolute, or taken from the working folder. */
  readonly folder: string;
  /** Listens on 127.0.0.1 too, e.g. for psql. Default: on the socket only. */
  readonly port?: number;
  /** What is worth saying at a start, a line at a time. */
  readonly log: (line: string) => void;
  /** As root the server runs as another user; without this, root is refused. Default false. */
  readonly allowRoot?: boolean;
  /** False: nothing is synced to disk, for tests. The data survive a killed server, not a crash of the machine. Default true. */
  readonly durable?: boolean;
  /** False: the server outlives this process, and whoever started it sees to its end. Default true. */
  readonly guard?: boolean;
  /** Where root keeps what the server's user could not reach elsewhere. Default `/var/lib/wheelwright`. */
  readonly sharedHome?: string;
}

/** The server did not start. `message` is one line that says why; `logTail` the last lines of its log. */
export class EmbeddedPostgresError extends Error {
  readonly logTail: readonly string[];
  constructor(message: string, logTail: readonly string[] = [], options?: ErrorOptions) {
    super(message, options);
    this.name = "EmbeddedPostgresError";
    this.logTail = logTail;
  }
}

export const SUPERUSER = "postgres";
/** `sun_path` of the smaller systems, with the lock file's longer name and the ending zero. */
const SOCKET_FOLDER_MAX = 103 - "/.s.PGSQL.65535.lock".length;

/** Everything that is known before the server runs. */
export interface Place {
  readonly account: ServerAccount | undefined;
  readonly folder: string;
  readonly data: string;
  readonly logFile: string;
  readonly sockets: string;
  readonly bin: (program: string) => string;
}

/** Makes the folders. @throws EmbeddedPostgresError */
export function preparePlace(options: EmbeddedOptions): Place {
  const asked = resolve(options.folder);
  if (process.getuid?.() === 0 && options.allowRoot !== true)
    throw new EmbeddedPostgresError(
      "the embedded database is not started by root; say --allow-root where that is meant",
    );
  return guarded(() => {
    const account = findServerAccount();
    const home = options.sharedHome ?? "/var/lib/wheelwright";
    let folder = asked;
    // The folder itself will belong to the server's user; those above it are somebody's.
    if (account !== undefined && !canEnter(dirname(asked), account)) {
      folder = join(
        home,
        `database-${createHash("sha256").update(asked).digest("hex").slice(0, 12)}`,
      );
      options.log(
        `the database is kept in ${folder}: its user ${account.name} cannot enter ${dirname(asked)}`,
      );
    }
    makeFolder(folder, account);
    const binaries = findServerBinaries();
    let root = binaries.folder;
    if (account !== undefined && !canEnter(join(root, "bin"), account)) {
      root = copyForAll(root, home, binaries.name);
      options.log(
        `PostgreSQL runs from ${root}: its user ${account.name} cannot enter ${binaries.folder}`,
      );
    }
    const bin = (program: string) => join(root, "bin", program);
    return {
      account,
      folder,
      data: join(folder, "data"),
      logFile: join(folder, "postgresql.log"),
      sockets: makeSocketFolder(folder, account),
      bin,
    };
  });
}

function makeFolder(folder: string, account: ServerAccount | undefined): void {
  mkdirSync(dirname(folder), { recursive: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
}

/** Below the data where the name is short enough for a socket, else in the folder for temporary files. */
function makeSocketFolder(folder: string, account: ServerAccount | undefined): string {
  const near = join(folder, "run");
  const name = createHash("sha256").update(folder).digest("hex").slice(0, 12);
  const sockets = near.length <= SOCKET_FOLDER_MAX ? near : join(tmpdir(), `wheelwright-${name}`);
  mkdirSync(sockets, { recursive: true, mode: 0o700 });
  // Somebody else may have made that name, or a link of it.
  const owner = lstatSync(sockets);
  const mine = [process.getuid?.(), account?.uid];
  if (!owner.isDirectory() || !mine.includes(owner.uid))
    throw new Error(`${sockets} belongs to somebody else: remove it`);
  chmodSync(sockets, 0o700);
  if (account !== undefined) chownSync(sockets, account.uid, account.gid);
  return sockets;
}

/** One secret from which each role's password is made. */
export function readSecret(file: string): string {
  if (!existsSync(file)) {
    writeFileSync(`${file}.new`, randomBytes(32).toString("hex"), { mode: 0o600, flush: true });
    renameSync(`${file}.new`, file);
  }
  return readFileSync(file, "utf8");
}

export const passwordOf = (secret: string, role: string) =>
  createHmac("sha256", secret).update(role).digest("base64url");

/** Whom to run a program of the server as. */
export const identity = (account: ServerAccount | undefined) =>
  account === undefined ? {} : { uid: account.uid, gid: account.gid };

/** No PG* variable of the user's reaches the server, no locale changes the words of its log. */
export const serverEnvironment = (): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"] ?? "/usr/bin:/bin",
  LC_ALL: "C",
  TZ: "UTC",
});

/** Errors of the file system become one line that names the cause. */
export function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) throw error;
    throw new EmbeddedPostgresError(
      `the embedded database does not start: ${messageOf(error)}`,
      [],
      { cause: error },
    );
  }
}

export const messageOf = (error: unknown) =>
  error instanceof Error ? error.message : String(error);
