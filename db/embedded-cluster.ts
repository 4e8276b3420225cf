/**
 * The data folder of an embedded server: made by initdb at the first start, checked at each later one.
 * Called by embedded.ts while it holds the folder's lock.
 */
import { spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  EmbeddedPostgresError,
  identity,
  type Place,
  passwordOf,
  SUPERUSER,
  serverEnvironment,
} from "./embedded-place.ts";

/** Runs initdb beside the final name, so that a half-made cluster is never taken for one. */
export async function makeCluster(place: Place, secret: string, durable: boolean): Promise<void> {
  if (existsSync(place.data)) {
    const major = readFileSync(join(place.data, "PG_VERSION"), "utf8").trim();
    const output = run(place, "postgres", ["--version"]);
    const own = /\(PostgreSQL\) (\d+)/.exec(output)?.[1];
    if (own !== major)
      throw new EmbeddedPostgresError(
        `${place.data} was made by PostgreSQL ${major}, and this is ${own ?? "unknown"}: move it away, or export and import it with the old program`,
      );
    return;
  }
  const half = join(place.folder, "data.new");
  const passwordFile = join(place.folder, "password.new");
  rmSync(half, { recursive: true, force: true });
  rmSync(passwordFile, { force: true });
  writeFileSync(passwordFile, passwordOf(secret, SUPERUSER), { mode: 0o600 });
  if (place.account !== undefined) chownSync(passwordFile, place.account.uid, place.account.gid);
  try {
    await runLogged(place, "initdb", [
      `--pgdata=${half}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      // Sorts and folds the same on every machine, whatever locales it has.
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--locale=C",
      "--no-instructions",
      ...(durable ? [] : ["--no-sync"]),
    ]);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(half, place.data);
}

function run(place: Place, program: string, args: readonly string[]): string {
  const result = spawnSync(place.bin(program), args, {
    ...identity(place.account),
    cwd: place.folder,
    env: serverEnvironment(),
    encoding: "utf8",
  });
  if (result.error === undefined && result.status === 0) return result.stdout;
  throw new EmbeddedPostgresError(
    `PostgreSQL's ${program} does not run on this machine: ${result.error?.message ?? lastLine(result.stderr)}`,
  );
}

async function runLogged(place: Place, program: string, args: readonly string[]): Promise<void> {
  const child = spawn(place.bin(program), args, {
    ...identity(place.account),
    cwd: place.folder,
    env: serverEnvironment(),
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-10_000);
  });
  const failure = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => {
      resolve(error.message);
    });
    child.once("close", (code) => {
      resolve(code === 0 ? undefined : lastLine(errors) || `it ended with code ${code}`);
    });
  });
  if (failure === undefined) return;
  throw new EmbeddedPostgresError(
    `PostgreSQL's ${program} failed in ${place.folder}: ${failure}`,
    errors.trimEnd().split("\n").slice(-20),
  );
}

/** The error is the line that says so, not initdb's word that it removes what it made. */
const lastLine = (text: string): string => {
  const lines = text.trim().split("\n");
  return lines.findLast((line) => /error|fatal|could not/i.test(line)) ?? lines.at(-1) ?? "";
};
