/**
 * The runner `pip`: the command line that turns a sdist into a wheel. Called by runner.ts. It starts nothing
 * itself and reads nothing of the machine: what it is given is what it says.
 */
import type { Interpreter } from "./interpreter.ts";

export interface PipRun {
  readonly interpreter: Interpreter;
  readonly package: string;
  readonly sdistPath: string;
  readonly outFolder: string;
  /** Simple API of the followed index, and the farm's own (null where it has none). */
  readonly upstreamIndex: string;
  readonly farmIndex: string | null;
  /** Further ones, e.g. `--config-settings=…`. */
  readonly arguments?: readonly string[];
}

/** Build dependencies come from both indexes; the package itself only from the file. */
export function pipCommand(run: PipRun): [string, ...string[]] {
  const indexes = [run.upstreamIndex, ...(run.farmIndex === null ? [] : [run.farmIndex])];
  const [major = 0] = run.interpreter.pipVersion.split(".").map(Number);
  return [
    run.interpreter.executable,
    "-m",
    "pip",
    "wheel",
    // What the back-end says, as it says it; without it pip shows output only of builds that fail.
    "--verbose",
    "--progress-bar=off",
    "--no-deps",
    `--no-binary=${run.package}`,
    "--no-cache-dir",
    // Always in an environment of its own, also for a project without pyproject.toml: whether the
    // interpreter happens to have setuptools must not decide. pip before 19 does not know it.
    ...(major >= 19 ? ["--use-pep517"] : []),
    `--wheel-dir=${run.outFolder}`,
    `--index-url=${run.upstreamIndex}`,
    ...(run.farmIndex === null ? [] : [`--extra-index-url=${run.farmIndex}`]),
    ...untrustedHosts(indexes).map((host) => `--trusted-host=${host}`),
    ...(run.arguments ?? []),
    run.sdistPath,
  ];
}

/** Hosts that are spoken to in plain http, which pip ignores unless told to trust them. Loopback needs no telling. */
function untrustedHosts(indexes: readonly string[]): string[] {
  const hosts = indexes
    .filter((index) => URL.canParse(index))
    .map((index) => new URL(index))
    .filter((url) => url.protocol === "http:" && !isLoopback(url.hostname))
    .map((url) => url.hostname);
  return [...new Set(hosts)];
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
