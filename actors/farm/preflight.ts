/**
 * What has to be there before anything is started or made: an interpreter with pip, a C compiler, the
 * programs, a free address for the site. Called by tree.ts. Each failure is one line that says what to do.
 */
import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { createServer } from "node:net";
import type { FarmParts } from "./parts.ts";

/** Long enough for an interpreter on a slow board that was just switched on. */
const PROBE_MS = 30_000;

/**
 * Returns warnings for what will make some builds fail.
 * @throws Error for what will make all, or the farm, fail.
 */
export async function checkMachine(
  parts: Pick<FarmParts, "checkPython" | "masterCommand" | "slaveCommand">,
  pythons: readonly string[],
): Promise<string[]> {
  for (const command of [parts.masterCommand, parts.slaveCommand]) {
    const script = command.at(-1) ?? "";
    await access(script).catch(() => {
      throw new Error(`the program ${script} is not there: run "npm run build"`);
    });
  }
  const warnings: string[] = [];
  for (const python of pythons.length > 0 ? pythons : ["python3"]) {
    const { hasHeaders } = await parts.checkPython(python);
    if (!hasHeaders)
      warnings.push(
        `${python} has no C headers, so that extensions will not build: install them (Debian: python3-dev)`,
      );
  }
  if (!(await hasCompiler()))
    throw new Error(
      "there is no C compiler, which extensions are built with: install one (Debian: apt install build-essential)",
    );
  return warnings;
}

/** `CC` is what Python's build tools use where it is set. */
async function hasCompiler(): Promise<boolean> {
  const own = process.env["CC"]?.trim().split(/\s+/)[0];
  for (const command of own !== undefined && own !== "" ? [own] : ["cc", "gcc", "clang"])
    if (await answers(command)) return true;
  return false;
}

const answers = (command: string) =>
  new Promise<boolean>((resolve) => {
    execFile(command, ["--version"], { timeout: PROBE_MS }, (error) => {
      resolve(error === null);
    });
  });

/**
 * The address with a real port in place of 0.
 * @throws Error when nobody can listen there now.
 */
export async function findFreeAddress(address: {
  readonly host: string;
  readonly port: number;
}): Promise<{ readonly host: string; readonly port: number }> {
  const { host, port } = address;
  const shown = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const server = createServer();
  const bound = new Promise<number>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, exclusive: true }, () => {
      const given = server.address();
      resolve(typeof given === "object" && given !== null ? given.port : port);
    });
  });
  try {
    return { host, port: await bound };
  } catch (error) {
    throw new Error(`the site cannot be served at ${shown}: ${reasonOf(error)}`, { cause: error });
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE")
    return "the port is in use: stop what uses it, or name another with --http HOST:PORT";
  if (code === "EACCES")
    return "this user may not use that port: name one above 1023 with --http HOST:PORT";
  return `${error instanceof Error ? error.message : String(error)}: name another address with --http HOST:PORT`;
}
