/**
 * The resident memory of a real piw-master on the bench's database, after it has followed an empty upstream,
 * swept the queue and answered `piw status`. Needs /proc: elsewhere the figure is not a number.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startSampleUpstream } from "../../samples/index.ts";
import type { BenchDatabase } from "./bench-database.ts";

const PATIENCE_MS = 90_000;
/** Several sweeps of dev mode. */
const WATCHED_MS = 10_000;

export async function masterMemoryMiB(
  { dsn, folder }: BenchDatabase,
  signal: AbortSignal,
): Promise<number> {
  const upstream = await startSampleUpstream({ files: [] });
  const ipc = (name: string): string => `ipc://${join(folder, name)}`;
  const child = spawn(
    process.execPath,
    [
      builtProgram("piw-master"),
      ...["--configuration=/dev/null", "--dev-mode", "--allow-root"],
      ...[`--output-path=${join(folder, "site")}`, "--follow=all"],
      ...[`--pypi-simple=${upstream.simpleUrl}`, `--pypi-json=${upstream.jsonUrl}`],
      ...[`--pypi-xmlrpc=${upstream.xmlrpcUrl}`],
      ...["status", "control", "import", "slave", "file"].map(
        (name) => `--${name}-queue=${ipc(name)}`,
      ),
    ],
    { env: { ...process.env, PIW_DSN: dsn }, stdio: ["ignore", "ignore", "pipe", "ipc"] },
  );
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4_000);
  });
  try {
    const deadlineAt = performance.now() + PATIENCE_MS;
    while (!existsSync(join(folder, "control"))) {
      if (child.exitCode !== null || performance.now() > deadlineAt)
        throw new Error(`piw-master does not run on the bench's database:\n${said}`);
      await delay(100, undefined, { signal });
    }
    await delay(WATCHED_MS, undefined, { signal });
    return residentMiB(child.pid ?? 0);
  } finally {
    child.kill("SIGTERM");
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once("exit", resolve));
    await upstream.close();
  }
}

function residentMiB(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** Beside this folder in dist; two folders up from the source. */
function builtProgram(name: string): string {
  const places = [`../../bin/${name}.js`, `../../dist/bin/${name}.js`].map((place) =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  const found = places.find((place) => existsSync(place));
  if (found === undefined) throw new Error(`${name} is not built: npm run build`);
  return found;
}
