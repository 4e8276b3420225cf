/** Runs a build as an ordinary user, whoever runs the tests: see ordinary-build.ts, the program that it starts. */
import { spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { onTestFinished, type TestContext } from "vitest";
import type { SandboxSettings } from "../../actors/slave/sandbox/sandbox.ts";
import type { BuildOrder, BuildResult } from "../../protocol/model/build.ts";
import { type SampleFileInput, startSampleUpstream } from "../../samples/index.ts";
import { temporaryFolder } from "../actors/slave/temporary-folder.ts";
import { type ScriptedSdist, scriptedSdist } from "./scripted-sdist.ts";

export interface OrdinaryBuild {
  readonly folder: string;
  readonly order: BuildOrder;
  readonly upstreamIndex: string;
  readonly settings: Partial<SandboxSettings>;
  readonly timeoutMs: number;
}

export type OrdinaryResult =
  | {
      readonly kind: "built";
      readonly result: BuildResult;
      readonly log: string;
      /** Processes of the build that still run. */
      readonly left: readonly number[];
    }
  | { readonly kind: "no-sandbox"; readonly why: string };

export interface Attempt extends ScriptedSdist {
  readonly settings: Partial<SandboxSettings>;
  /** Default 60 s. */
  readonly timeoutMs?: number;
  /** Of the slave, beyond what it needs. */
  readonly environment?: Record<string, string>;
  /** The index has these too. */
  readonly files?: readonly SampleFileInput[];
}

/** The folder of a slave's user: a home with a secret in it. The build's files lie beside, in `slave/`. */
export async function slaveHome(): Promise<{ folder: string; secretFile: string }> {
  const folder = await temporaryFolder();
  const home = join(folder, "home");
  mkdirSync(home);
  mkdirSync(join(folder, "slave"));
  const secretFile = join(home, "slave.key");
  writeFileSync(secretFile, "the slave's s3cret key");
  if (process.getuid?.() === 0) {
    for (const path of [folder, home, join(folder, "slave"), secretFile]) {
      chownSync(path, 65_534, 65_534);
    }
  }
  return { folder, secretFile };
}

const program = fileURLToPath(new URL("./ordinary-build.ts", import.meta.url));

/** Where the machine lets an ordinary user make a sandbox, one that cannot be made is ours. */
function skipWithout(why: string, context: TestContext): never {
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const plain = ["--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/"];
  const { status } = spawnSync("bwrap", [...plain, "--proc", "/proc", "true"], user);
  if (status === 0) throw new Error(`bubblewrap works here, and a build's walls do not: ${why}`);
  return context.skip(why);
}

/** Starts the program; its last line is its answer. */
async function startOrdinaryBuild(attempt: Attempt, folder: string) {
  const sdist = scriptedSdist(attempt);
  const upstream = await startSampleUpstream({ files: [sdist, ...(attempt.files ?? [])] });
  onTestFinished(() => upstream.close());
  const page = await fetch(`${upstream.simpleUrl}/demo-pkg/`, { headers: { accept: "text/html" } });
  const href = /href="([^"#]+)/.exec(await page.text())?.[1] ?? "";
  const job: OrdinaryBuild = {
    folder,
    upstreamIndex: upstream.simpleUrl,
    settings: attempt.settings,
    timeoutMs: attempt.timeoutMs ?? 60_000,
    order: {
      token: 1,
      package: "demo-pkg",
      version: "1.0",
      target: "any",
      sdist: {
        filename: sdist.filename,
        url: new URL(href, page.url).href,
        sha256: createHash("sha256").update(sdist.contents).digest("hex"),
        sizeBytes: sdist.contents.length,
      },
      buildTag: null,
    },
  };
  const running = execa(process.execPath, ["--import", "tsx", program, JSON.stringify(job)], {
    env: {
      PATH: process.getuid?.() === 0 ? "/usr/local/bin:/usr/bin:/bin" : process.env["PATH"],
      HOME: join(folder, "home"),
      ...attempt.environment,
    },
    extendEnv: false,
    stdin: "ignore",
    stderr: "inherit",
    timeout: 110_000,
  });
  // Not itself: it is a promise too.
  return { running };
}

const answerOf = (stdout: string) =>
  JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as OrdinaryResult;

/** Skips the test where this machine has no working bubblewrap. */
export async function buildAsOrdinaryUser(
  attempt: Attempt,
  context: TestContext,
  home?: { folder: string },
): Promise<Extract<OrdinaryResult, { kind: "built" }>> {
  const { folder } = home ?? (await slaveHome());
  const { running } = await startOrdinaryBuild(attempt, folder);
  const result = answerOf((await running).stdout);
  if (result.kind === "no-sandbox") return skipWithout(result.why, context);
  return result;
}

/** Kills the program (SIGKILL) once it is time. Skips as `buildAsOrdinaryUser` does; fails where the build ends before. */
export async function killOrdinaryBuild(
  attempt: Attempt,
  isTime: () => boolean,
  context: TestContext,
): Promise<void> {
  const { folder } = await slaveHome();
  const { running } = await startOrdinaryBuild(attempt, folder);
  const state = { isOver: false };
  const ended = running.then(
    ({ stdout }) => {
      state.isOver = true;
      return answerOf(stdout);
    },
    (error: unknown) => {
      state.isOver = true;
      return error;
    },
  );
  while (!isTime() && !state.isOver) await delay(50);
  if (!state.isOver) {
    running.kill("SIGKILL");
    await ended;
    return;
  }
  const answer = await ended;
  if (answer instanceof Error) throw answer;
  const result = answer as OrdinaryResult;
  if (result.kind === "no-sandbox") return skipWithout(result.why, context);
  throw new Error(`the build ended before it was killed: ${result.result.message}`);
}

/** A word for a command line, by which its process is found whatever it does to its environment. */
export const processMark = (): string => `mark-${randomUUID()}`;

/** How many processes have the word in their command line. */
export const countMarked = (mark: string): number =>
  readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "latin1").includes(mark);
    } catch {
      return false;
    }
  }).length;
