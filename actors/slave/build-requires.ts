/**
 * What an sdist says it needs to be built: `[build-system] requires` of its pyproject.toml (PEP 518), or
 * what pip takes where there is none. Called by the workshop before the runner; nothing of the sdist is
 * run. It is told to the master also when the build fails, since that may be for want of just these. What a
 * back-end asks for beyond them (get_requires_for_build_wheel) only its own code could say.
 */
import { textSchema } from "../../protocol/model/text.ts";
import { parseRequirement } from "../../protocol/packaging/requirement.ts";
import type { Interpreter } from "./interpreter.ts";
import { runCommand } from "./launch.ts";
import type { Cell } from "./sandbox/cell.ts";

/** A sdist without a readable answer in this time has none. */
const TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 256 * 1024;
const MAX_REQUIREMENTS = 200;
const requirementSchema = textSchema(500);

/** pip brings a TOML reader to interpreters that have none. The file is at the top of the one folder. */
const SCRIPT = `
import json, sys, tarfile, zipfile
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
limit = 1 << 20
def pyproject(path):
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.count("/") == 1 and name.endswith("/pyproject.toml"):
                    with archive.open(name) as file:
                        return file.read(limit)
        return None
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.name.count("/") == 1 and member.name.endswith("/pyproject.toml"):
                return archive.extractfile(member).read(limit)
    return None
text = pyproject(sys.argv[1])
found = {} if text is None else tomllib.loads(text.decode("utf-8")).get("build-system", {})
json.dump(found.get("requires", ["setuptools>=40.8.0"]), sys.stdout)
`;

interface Means {
  readonly interpreter: Interpreter;
  readonly cell?: Cell;
  readonly cwd: string;
  readonly env: Record<string, string>;
  readonly buildId: string;
  readonly signal: AbortSignal;
}

/** PEP 508 texts; undefined where they cannot be told. Throws only when aborted. */
export async function readBuildRequires(
  sdistPath: string,
  { interpreter, cell, cwd, env, buildId, signal }: Means,
): Promise<string[] | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  await runCommand(
    {
      argv: [interpreter.executable, "-I", "-c", SCRIPT, sdistPath],
      cwd,
      env,
      buildId,
      ...(cell && { cell }),
    },
    { timeoutMs: TIMEOUT_MS },
    (chunk) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= MAX_OUTPUT_BYTES) chunks.push(Buffer.from(chunk));
    },
    signal,
  );
  signal.throwIfAborted();
  return requirementsOf(Buffer.concat(chunks).toString("utf8"));
}

/** Whatever is no list of requirements is no answer: a traceback, a list that is too long, a text in it that is none. */
function requirementsOf(output: string): string[] | undefined {
  try {
    const said: unknown = JSON.parse(output);
    if (!Array.isArray(said) || said.length > MAX_REQUIREMENTS) return undefined;
    return said.map((text) => {
      const requirement = requirementSchema.parse(text);
      parseRequirement(requirement);
      return requirement;
    });
  } catch {
    return undefined;
  }
}
