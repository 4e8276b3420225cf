/** A sandbox for tests that build: as a slave without options would have it, but for what the test says. */
import { join } from "node:path";
import type { Interpreter } from "../../actors/slave/interpreter.ts";
import { unlimited } from "../../actors/slave/sandbox/limits.ts";
import { Sandbox, type SandboxSettings } from "../../actors/slave/sandbox/sandbox.ts";

/** @param folder of the test; the sandbox makes its sockets below it */
export const openSandbox = (
  folder: string,
  interpreter: Interpreter,
  settings: Partial<SandboxSettings> = {},
): Promise<Sandbox> =>
  Sandbox.open(
    {
      sandbox: "auto",
      network: undefined,
      allowedHosts: [],
      limits: unlimited,
      jobs: 1,
      secret: [folder],
      runFolder: join(folder, "run"),
      ...settings,
    },
    [interpreter],
  );
