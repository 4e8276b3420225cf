/**
 * The rows of `piw-slave --check` about what builds may see and use: the sandbox is tried as a start of the
 * slave would try it. Called by tree.ts.
 */
import type { CheckRow } from "../check.ts";
import { probeInterpreter } from "../interpreter.ts";
import { Sandbox, SandboxError, type SandboxSettings } from "./sandbox.ts";

export async function checkSandbox(
  settings: SandboxSettings,
  pythons: readonly string[],
): Promise<CheckRow[]> {
  // What is wrong with an interpreter has a row of its own.
  const probes = await Promise.allSettled(pythons.map((python) => probeInterpreter(python)));
  const interpreters = probes.flatMap((probe) =>
    probe.status === "fulfilled" ? [probe.value] : [],
  );
  try {
    const { lacks, description } = await Sandbox.open(settings, interpreters);
    return [
      { state: "ok", text: `builds run with ${description}` },
      ...lacks.map((text): CheckRow => ({ state: "lacks", text })),
    ];
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    return [{ state: "fails", text: error.message }];
  }
}
