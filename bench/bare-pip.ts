/**
 * The raw baseline of builds: `pip wheel` with the very arguments and environment that the slave gives it,
 * in fresh folders as the slave's, and nothing around it. Only the command is timed, not the folders.
 */
import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildEnvironment } from "../actors/slave/environment.ts";
import type { Interpreter } from "../actors/slave/interpreter.ts";
import { pipCommand } from "../actors/slave/runner-pip.ts";

export interface BareBuild {
  readonly interpreter: Interpreter;
  readonly package: string;
  readonly sdist: { readonly filename: string; readonly contents: Buffer };
  readonly upstreamIndex: string;
  readonly farmIndex: string;
  /** An existing one, to make the build's own in. */
  readonly folder: string;
}

/** @throws Error with what pip said when it made no wheel */
export async function barePipWheel(
  build: BareBuild,
  signal: AbortSignal,
): Promise<{ durationMs: number; wheelSha256: string }> {
  const folder = mkdtempSync(join(build.folder, "bare-"));
  try {
    for (const name of ["home", "tmp", "out", "source", "cwd"]) mkdirSync(join(folder, name));
    const sdistPath = join(folder, "source", build.sdist.filename);
    writeFileSync(sdistPath, build.sdist.contents);
    const [command, ...args] = pipCommand({ ...build, sdistPath, outFolder: join(folder, "out") });
    const env = buildEnvironment(process.env, {
      executable: build.interpreter.executable,
      home: join(folder, "home"),
      temporary: join(folder, "tmp"),
      buildId: randomUUID(),
    });
    const startedAt = performance.now();
    const child = spawn(command, args, {
      cwd: join(folder, "cwd"),
      env,
      stdio: ["ignore", "pipe", "pipe"],
      signal,
    });
    const said: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => said.push(chunk));
    const [code] = (await once(child, "close")) as [number | null];
    const durationMs = performance.now() - startedAt;
    const [wheel] = readdirSync(join(folder, "out"));
    if (code !== 0 || wheel === undefined)
      throw new Error(`pip wheel ended with ${code}:\n${Buffer.concat(said).toString()}`);
    const bytes = readFileSync(join(folder, "out", wheel));
    return { durationMs, wheelSha256: createHash("sha256").update(bytes).digest("hex") };
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
