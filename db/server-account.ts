/**
 * Which user the embedded PostgreSQL runs as, and which folders that user can reach. PostgreSQL
 * refuses to run as root, so that a farm started by root hands it to an unprivileged user of the
 * machine. Called by embedded.ts.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

export interface ServerAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** In this order: the one made for it, then the one that owns nothing. */
const CANDIDATES = ["postgres", "_postgres", "nobody"];

/** Undefined: this process's own user, which is not root. @throws Error when root finds nobody to hand it to. */
export function findServerAccount(): ServerAccount | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readUsers();
  const found = CANDIDATES.map((name) => users.get(name)).find((user) => user !== undefined);
  if (found !== undefined) return found;
  throw new Error(
    "PostgreSQL does not run as root, and this machine has no user to run it as: create one (useradd --system postgres)",
  );
}

/**
 * Can this user enter the folder, by the mode bits of it and of all above it? Access control lists are
 * not looked at; who has such a folder gets PostgreSQL's own error.
 */
export function canEnter(folder: string, account: ServerAccount): boolean {
  const above = dirname(folder);
  if (above !== folder && !canEnter(above, account)) return false;
  if (!existsSync(folder)) return true;
  const { mode, uid, gid } = statSync(folder);
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
  return (mode & bit) !== 0;
}

/**
 * Copies a folder to where everybody can read it, once: `home` gets a folder `name`, complete or not
 * at all, also when two do it at once.
 */
export function copyForAll(source: string, home: string, name: string): string {
  const target = join(home, name);
  if (existsSync(target)) return target;
  mkdirSync(home, { recursive: true, mode: 0o755 });
  const half = join(home, `.${name}.${process.pid}`);
  rmSync(half, { recursive: true, force: true });
  cpSync(source, half, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(half, target);
  } catch (error) {
    rmSync(half, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}

function readUsers(): Map<string, ServerAccount> {
  const users = new Map<string, ServerAccount>();
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [name, , uid, gid] = line.split(":");
    if (name === undefined || uid === undefined || gid === undefined) continue;
    if (Number(uid) > 0) users.set(name, { name, uid: Number(uid), gid: Number(gid) });
  }
  return users;
}
