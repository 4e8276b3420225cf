/**
 * Delivers an event by running a command: the message as JSON on standard input, its fields as PIW_ variables. It gets
 * little else of the master's environment, which has passwords. It is limited in time, and what it says is kept
 * to the last lines only; nothing that it started outlives it.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import type { HookDelivery } from "../../../protocol/model/hook.ts";
import type { Attempt } from "./attempt.ts";
import { messageOf } from "./webhook.ts";

/** Between SIGTERM and SIGKILL. */
const GRACE_MS = 2_000;
const KEPT_BYTES = 2_000;
const PASSED_ON = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];

export interface HookCommand {
  readonly argv: readonly [string, ...string[]];
  readonly timeoutMs: number;
}

export function runHookCommand(
  { argv: [program, ...args], timeoutMs }: HookCommand,
  delivery: HookDelivery,
  signal: AbortSignal,
): Promise<Attempt> {
  let [resolve, reject] = [
    (_attempt: Attempt): void => undefined,
    (_error: Error): void => undefined,
  ];
  const promise = new Promise<Attempt>((done, failed) => {
    [resolve, reject] = [done, failed];
  });
  const started = start(program, args, delivery);
  if ("failed" in started)
    return Promise.resolve({
      kind: "failed",
      reason: `${program} cannot be run: ${started.failed}`,
    });
  const { child } = started;
  let said = "";
  let isLate = false;
  let killing: NodeJS.Timeout | undefined;
  const kill = (name: NodeJS.Signals): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, name);
    } catch {
      // It is gone.
    }
  };
  const end = (): void => {
    kill("SIGTERM");
    killing ??= setTimeout(() => kill("SIGKILL"), GRACE_MS);
  };
  const limit = setTimeout(() => {
    isLate = true;
    end();
  }, timeoutMs);
  signal.addEventListener("abort", end, { once: true });
  const close = (): void => {
    clearTimeout(limit);
    clearTimeout(killing);
    signal.removeEventListener("abort", end);
    kill("SIGKILL");
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  };
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString("utf8")).slice(-KEPT_BYTES);
    });
  // A command that does not read its input is welcome.
  child.stdin.on("error", () => undefined);
  child.stdin.end(messageOf(delivery));
  child.once("error", (error) => {
    close();
    resolve({ kind: "failed", reason: `${program} cannot be run: ${error.message}` });
  });
  // Not `close`: something in the background may hold the pipes.
  child.once("exit", (code, name) => {
    close();
    if (signal.aborted) reject(signal.reason as Error);
    else if (isLate)
      resolve({ kind: "failed", reason: `${program} ran for longer than ${timeoutMs / 1000} s` });
    else if (code === 0) resolve({ kind: "delivered" });
    else {
      const last = said.trimEnd().split("\n").at(-1)?.trim().slice(0, 200) ?? "";
      const how = code === null ? `was ended by ${name ?? "a signal"}` : `ended with ${code}`;
      resolve({ kind: "failed", reason: `${program} ${how}${last === "" ? "" : `: ${last}`}` });
    }
  });
  if (signal.aborted) end();
  return promise;
}

/** Some of what may go wrong is thrown at once (no memory, a file for a folder), the rest is said later. */
function start(
  program: string,
  args: readonly string[],
  delivery: HookDelivery,
): { readonly child: ChildProcessWithoutNullStreams } | { readonly failed: string } {
  try {
    // A group of its own, so that what it starts can be ended with it.
    const child = spawn(program, args, {
      detached: true,
      env: environmentOf(delivery),
      stdio: ["pipe", "pipe", "pipe"],
    });
    return { child };
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}

function environmentOf({ event, eventId, body }: HookDelivery): Record<string, string> {
  const environment: Record<string, string> = { PIW_EVENT: event, PIW_EVENT_ID: eventId };
  for (const name of PASSED_ON) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  for (const [key, value] of Object.entries(body)) {
    if (value === null) continue;
    const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
    environment[`PIW_${name}`] = String(value).replaceAll("\0", "").slice(0, 10_000);
  }
  return environment;
}
