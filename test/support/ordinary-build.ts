/**
 * A program that builds one package as an ordinary user, also where the tests run as root: it loads what it
 * needs, becomes `nobody`, and only then looks for an interpreter and opens the sandbox. Its job is its first
 * argument, its answer the last line that it prints, both JSON. Started by `buildAsOrdinaryUser`.
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { request } from "undici";
import { runBuild } from "../../actors/slave/build.ts";
import { findBuildProcesses } from "../../actors/slave/build-processes.ts";
import { type Interpreter, probeInterpreter } from "../../actors/slave/interpreter.ts";
import { Outbox } from "../../actors/slave/outbox.ts";
import { SandboxError } from "../../actors/slave/sandbox/sandbox.ts";
import { openSandbox } from "./open-sandbox.ts";
import type { OrdinaryBuild, OrdinaryResult } from "./ordinary-user.ts";

const job = JSON.parse(process.argv[2] ?? "{}") as OrdinaryBuild;

/** Where the repository lies may be closed to that user: what is loaded late is loaded now. */
async function becomeOrdinary(): Promise<void> {
  const { body } = await request(job.upstreamIndex);
  await body.dump();
  if (process.getuid?.() !== 0) return;
  process.setgroups?.([]);
  process.setgid?.(65_534);
  process.setuid?.(65_534);
}

/** That of PATH may be root's own. */
async function findInterpreter(): Promise<Interpreter> {
  let trouble: unknown;
  for (const command of ["python3", "/usr/bin/python3", "/usr/local/bin/python3"]) {
    try {
      return await probeInterpreter(command);
    } catch (error) {
      trouble = error;
    }
  }
  throw trouble;
}

async function answer(): Promise<OrdinaryResult> {
  await becomeOrdinary();
  const interpreter = await findInterpreter();
  const { outbox } = await Outbox.open(join(job.folder, "slave", "outbox"));
  const workFolder = join(job.folder, "slave", "work");
  await mkdir(workFolder);
  try {
    const sandbox = await openSandbox(join(job.folder, "slave"), interpreter, job.settings);
    const order = { ...job.order, target: interpreter.target.name };
    const result = await runBuild(
      { order, interpreter, upstreamIndex: job.upstreamIndex, farmIndex: null },
      { outbox, sandbox, workFolder, timeoutMs: job.timeoutMs, killGraceMs: 500 },
      new AbortController().signal,
    );
    const logPath = outbox.logPath(order.token);
    const log = await readFile(logPath, "utf8");
    const { buildId } = JSON.parse(
      await readFile(join(logPath, "..", "..", "order.json"), "utf8"),
    ) as { buildId: string };
    return { kind: "built", result, log, left: await findBuildProcesses(buildId) };
  } catch (error) {
    if (error instanceof SandboxError) return { kind: "no-sandbox", why: error.message };
    throw error;
  }
}

const text = `${JSON.stringify(await answer())}\n`;
process.stdout.write(text, () => process.exit(0));
