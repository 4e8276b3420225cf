/** What `piw target` is told of a target: its name, and what it is where an interpreter or tags say so. */
import { InterpreterError, probeInterpreter } from "../actors/slave/interpreter.ts";
import { ConfigurationError } from "../config/configuration-error.ts";
import { harmless } from "../config/log-line.ts";
import { type TargetSpec, targetSpecSchema } from "../protocol/model/target.ts";

interface Said {
  readonly python?: string | undefined;
  readonly tags?: readonly string[];
  readonly "python-version"?: string | undefined;
}

interface ReadTarget {
  readonly name: string;
  /** Undefined where only the name was said. */
  readonly whole: TargetSpec | undefined;
}

const implementations: Readonly<Record<string, string>> = { cp: "CPython", pp: "PyPy" };

/** @throws ConfigurationError for what is no target; InterpreterError where an interpreter cannot say */
export async function readTarget(
  name: string | undefined,
  said: Said,
  signal: AbortSignal,
): Promise<ReadTarget> {
  const tags = said.tags ?? [];
  if (said.python !== undefined && tags.length > 0)
    throw new ConfigurationError(
      "--python and --tags contradict each other: the interpreter tells its tags",
    );
  if (said.python !== undefined) {
    const { target } = await probe(said.python, signal);
    if (name !== undefined && name !== target.name)
      throw new ConfigurationError(
        `${said.python} is ${target.name}, not ${harmless(name.slice(0, 60))}: leave the name out`,
      );
    return { name: target.name, whole: target };
  }
  if (name === undefined)
    throw new ConfigurationError("which target? give its NAME, or an interpreter with --python");
  if (!targetSpecSchema.shape.name.safeParse(name).success)
    throw new ConfigurationError(
      `"${harmless(name.slice(0, 60))}" is no target's name such as cp311-linux_x86_64`,
    );
  return { name, whole: tags.length === 0 ? undefined : fromTags(name, tags, said) };
}

/** The signal may come while it is asked: then that counts. */
async function probe(command: string, signal: AbortSignal) {
  try {
    return await probeInterpreter(command, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof InterpreterError && error.code === "missing")
      throw new ConfigurationError(error.message);
    throw error;
  }
}

/** The first tag is the interpreter's own, as pip lists them. */
function fromTags(name: string, texts: readonly string[], said: Said): TargetSpec {
  const tags = [
    ...new Set(texts.flatMap((text) => text.split(/[\s,]+/)).filter((tag) => tag !== "")),
  ];
  const own = /^(cp|pp)(\d)(\d+)-([a-z0-9_]+)-([a-z0-9_.]+)$/i.exec(tags[0] ?? "");
  const [, kind = "", major = "", minor = "", abi = "", platform = ""] = own ?? [];
  const interpreter = `${kind}${major}${minor}`;
  if (own === null || !name.startsWith(interpreter))
    throw new ConfigurationError(
      `the first tag is to be that of ${name} itself, such as cp311-cp311-linux_x86_64`,
    );
  const spec = targetSpecSchema.safeParse({
    name,
    implementation: implementations[kind.toLowerCase()] ?? kind,
    pythonVersion: `${major}.${minor}`,
    pythonFullVersion: said["python-version"] ?? `${major}.${minor}.0`,
    abiTag: abi,
    platformTag: platform,
    tags,
  });
  if (spec.success && spec.data.pythonFullVersion.startsWith(`${major}.${minor}.`))
    return spec.data;
  const wrong = spec.success ? "python-version" : (spec.error.issues[0]?.path.join(".") ?? "");
  throw new ConfigurationError(`--tags and --python-version do not describe ${name}: ${wrong}`);
}
