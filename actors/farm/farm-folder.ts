/**
 * Where everything of a farm on one machine lies. Each upstream has a home of its own below the data
 * folder: serials, names and files of two indexes do not mix. Made by tree.ts before anything starts.
 *
 *     HOME/database   PostgreSQL            HOME/keys      of master and slaves
 *     HOME/site       the output path       HOME/logs      one file per program
 *     HOME/slave-N    builds and spool      HOME/run       sockets and pid files
 */
import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  generateKeyPair,
  readKeyFile,
  writeKeyFile,
  writePublicKeyFile,
} from "../../protocol/transport/index.ts";
import type { FarmParts } from "./parts.ts";

/** `sun_path` of the smaller systems (104) without its ending zero and our longest socket's name. */
const RUN_FOLDER_MAX = 103 - "/control.sock".length;

export interface FarmFolder {
  readonly home: string;
  readonly database: string;
  readonly site: string;
  readonly keys: string;
  readonly logs: string;
  /** Short enough for sockets; elsewhere when `home` is too deep for them. */
  readonly run: string;
}

/** Makes the folders, for this user alone but for the way through them. */
export function makeFarmFolder(dataDir: string, upstreamSimpleUrl: string | undefined): FarmFolder {
  const home = join(dataDir, upstreamName(upstreamSimpleUrl));
  mkdirSync(dataDir, { recursive: true });
  mkdirSync(home, { recursive: true });
  // The database's user passes through here when root runs the farm.
  for (const folder of [dataDir, home]) allowPassage(folder);
  const folder = {
    home,
    database: join(home, "database"),
    site: join(home, "site"),
    keys: join(home, "keys"),
    logs: join(home, "logs"),
    run: makeRunFolder(home),
  };
  for (const inner of [folder.keys, folder.logs])
    mkdirSync(inner, { recursive: true, mode: 0o700 });
  mkdirSync(join(folder.keys, "authorized"), { recursive: true, mode: 0o700 });
  mkdirSync(folder.site, { recursive: true });
  return folder;
}

/** `sample`, `pypi.org`, or the host with a hash of the whole where there is more to it. */
export function upstreamName(simpleUrl: string | undefined): string {
  if (simpleUrl === undefined) return "sample";
  const { host, pathname } = new URL(simpleUrl);
  const plain = host.replaceAll(/[^a-z0-9.-]/g, "-").slice(0, 60);
  if (pathname.replace(/\/$/, "") === "/simple" && plain === host) return plain;
  return `${plain}-${createHash("sha256").update(simpleUrl).digest("hex").slice(0, 8)}`;
}

function allowPassage(folder: string): void {
  const { mode } = lstatSync(folder);
  if (process.getuid?.() === 0 && (mode & 0o001) === 0) chmodSync(folder, (mode & 0o777) | 0o011);
}

function makeRunFolder(home: string): string {
  const near = join(home, "run");
  const name = createHash("sha256").update(home).digest("hex").slice(0, 12);
  const run =
    Buffer.byteLength(near) <= RUN_FOLDER_MAX ? near : join(tmpdir(), `wheelwright-run-${name}`);
  mkdirSync(run, { recursive: true, mode: 0o700 });
  // In the folder for temporary files somebody else may have made that name, or a link of it.
  const made = lstatSync(run);
  if (!made.isDirectory() || (process.getuid !== undefined && made.uid !== process.getuid()))
    throw new Error(`${run} belongs to somebody else: remove it`);
  chmodSync(run, 0o700);
  return run;
}

export interface FarmKeys {
  readonly masterKey: string;
  readonly masterPublicKey: string;
  readonly authorizedKeys: string;
  /** See `makeSigningKey`. */
  readonly signingKey: string;
  slaveKey(number: number): string;
}

/** Makes what keys are missing: the master's, one for each slave, and the list of those that may come in. */
export function makeKeys(folder: FarmFolder, slaves: number): FarmKeys {
  const keys = {
    masterKey: join(folder.keys, "master.key"),
    masterPublicKey: join(folder.keys, "master.pub"),
    authorizedKeys: join(folder.keys, "authorized"),
    signingKey: join(folder.keys, "signing.key"),
    slaveKey: (number: number) => join(folder.keys, `slave-${number}.key`),
  };
  ensurePair(keys.masterKey, keys.masterPublicKey);
  for (let number = 1; number <= slaves; number += 1)
    ensurePair(keys.slaveKey(number), join(keys.authorizedKeys, `slave-${number}.pub`));
  return keys;
}

/** Makes the key that wheels are signed with, at the farm's first start. */
export async function makeSigningKey(
  { signingKey }: FarmKeys,
  parts: Pick<FarmParts, "makeSigningKey">,
): Promise<void> {
  if (lstatSync(signingKey, { throwIfNoEntry: false }) !== undefined) return;
  // The key is written last: these are of a start that was cut off before that.
  for (const ending of [".pub", ".crt"]) rmSync(`${signingKey}${ending}`, { force: true });
  await parts.makeSigningKey(signingKey);
}

/** The public file is written from the secret one where it is missing: a start may have been cut off between. */
function ensurePair(secretFile: string, publicFile: string): void {
  const isThere = (file: string) => lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  const pair = isThere(secretFile)
    ? readKeyFile(secretFile)
    : writeKeyFile(secretFile, generateKeyPair());
  if (!isThere(publicFile)) writePublicKeyFile(publicFile, pair.publicKey);
}
