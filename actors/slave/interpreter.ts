/**
 * Asks a Python interpreter who it is: the target that it builds for, its tags in pip's order, its pip.
 * Called at start by the slave's tree and by `--check`; the target travels to the master in HELLO.
 *
 * It trusts nothing but the interpreter's own answer: no table of versions or platforms is kept here.
 */
import { execa } from "execa";
import { z } from "zod";
import { type TargetSpec, targetSpecSchema } from "../../protocol/model/target.ts";
import { pythonEnvironment } from "./environment.ts";
import { probeSource } from "./interpreter-probe.ts";

export interface Interpreter {
  /** As configured: `python3`, `/opt/py/bin/python3.12`. */
  readonly command: string;
  /** Where it really is; shims and links of version managers are resolved by the interpreter itself. */
  readonly executable: string;
  /** Its folders (sys.prefix, sys.base_prefix): in a sandbox they have to be seen. */
  readonly prefixes: readonly string[];
  readonly pipVersion: string;
  /** Whether `Python.h` is there, without which no extension module can be compiled. */
  readonly hasHeaders: boolean;
  readonly target: TargetSpec;
}

/** An interpreter that cannot be used. The message is one line and says what to do. */
export class InterpreterError extends Error {
  readonly code: "missing" | "silent" | "too-old" | "no-pip" | "unusable";
  constructor(code: InterpreterError["code"], message: string) {
    super(message);
    this.name = "InterpreterError";
    this.code = code;
  }
}

const answerSchema = z.object({
  executable: z.string().min(1),
  prefixes: z.array(z.string()).default([]),
  implementation: z.string(),
  major: z.number().int(),
  minor: z.number().int(),
  fullVersion: z.string(),
  platform: z.string(),
  pipVersion: z.string().nullable(),
  pipProblem: z.string(),
  tags: z.array(z.string()),
  hasHeaders: z.boolean(),
});
type Answer = z.infer<typeof answerSchema>;

/** A cold start of pip from a memory card takes seconds; an interpreter that takes longer is broken. */
const PROBE_TIMEOUT_MS = 60_000;

/**
 * @param command a path or a name to be found on PATH
 * @throws InterpreterError
 */
export async function probeInterpreter(
  command = "python3",
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
): Promise<Interpreter> {
  const timeoutMs = options.timeoutMs ?? PROBE_TIMEOUT_MS;
  const run = await execa(command, ["-c", probeSource], {
    cwd: "/",
    env: pythonEnvironment(process.env),
    extendEnv: false,
    stdin: "ignore",
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    maxBuffer: 4 * 1024 * 1024,
    reject: false,
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
  });
  if (run.timedOut) {
    throw new InterpreterError(
      "silent",
      `${command} did not say what it is within ${timeoutMs / 1000} s: try it by hand, or name another interpreter`,
    );
  }
  if (run.exitCode === undefined && run.cause instanceof Error)
    throw notStarted(command, run.cause);
  if (run.exitCode !== 0) {
    throw new InterpreterError(
      "unusable",
      `${command} is no usable Python: ${lastLine(run.stderr)}`,
    );
  }
  return interpreterOf(command, parseAnswer(command, run.stdout));
}

function notStarted(command: string, cause: Error & { code?: string }): InterpreterError {
  const why =
    cause.code === "ENOENT"
      ? "was not found"
      : cause.code === "EACCES"
        ? "may not be executed"
        : `could not be started (${cause.message})`;
  return new InterpreterError(
    "missing",
    `${command} ${why}: install Python 3.6 or later with pip, or name an interpreter that is there`,
  );
}

function parseAnswer(command: string, stdout: string): Answer {
  try {
    return answerSchema.parse(JSON.parse(lastLine(stdout)));
  } catch {
    throw new InterpreterError(
      "unusable",
      `${command} is no usable Python: it answered ${JSON.stringify(lastLine(stdout).slice(0, 100))}`,
    );
  }
}

function interpreterOf(command: string, answer: Answer): Interpreter {
  if (answer.major < 3 || (answer.major === 3 && answer.minor < 6)) {
    throw new InterpreterError(
      "too-old",
      `${command} is Python ${answer.fullVersion}: builds need Python 3.6 or later`,
    );
  }
  if (answer.pipVersion === null) {
    throw new InterpreterError(
      "no-pip",
      `${command} (Python ${answer.fullVersion}) has no pip: run "${command} -m ensurepip" or install python3-pip (${answer.pipProblem})`,
    );
  }
  if (answer.tags.length === 0) {
    throw new InterpreterError(
      "unusable",
      `pip ${answer.pipVersion} of ${command} does not tell its tags: upgrade it with "${command} -m pip install --upgrade pip"`,
    );
  }
  const target = targetSpecSchema.safeParse(targetOf(answer));
  if (!target.success) {
    throw new InterpreterError("unusable", `${command} describes itself in no known way`);
  }
  return {
    command,
    executable: answer.executable,
    prefixes: answer.prefixes,
    pipVersion: answer.pipVersion,
    hasHeaders: answer.hasHeaders,
    target: target.data,
  };
}

function targetOf(answer: Answer): TargetSpec {
  const [interpreterTag = "", abiTag = ""] = (answer.tags[0] ?? "").split("-");
  const platforms = platformsOf(answer.tags, interpreterTag, abiTag);
  const platformTag = specificPlatform(platforms) ?? answer.platform;
  // Two C libraries on one kernel are two platforms, though both say linux_x86_64.
  const usesMusl = platforms.some((tag) => tag.startsWith("musllinux_"));
  const platform = usesMusl ? platformTag.replace(/^linux_/, "musllinux_") : platformTag;
  return {
    name: `${interpreterName(interpreterTag, abiTag)}-${platform}`,
    implementation: answer.implementation,
    pythonVersion: `${answer.major}.${answer.minor}`,
    pythonFullVersion: answer.fullVersion,
    abiTag,
    platformTag,
    tags: [...new Set(answer.tags)],
  };
}

/** The platforms that go with the interpreter's own ABI, most specific first (manylinux before linux). */
const platformsOf = (tags: readonly string[], interpreter: string, abi: string): string[] =>
  tags
    .filter((tag) => tag.startsWith(`${interpreter}-${abi}-`))
    .map((tag) => tag.slice(interpreter.length + abi.length + 2));

/**
 * What a locally built wheel is tagged with: `linux_x86_64`, never a manylinux promise, which only an
 * audit of the file can give. The last one, since a 32-bit userland lists its kernel's name first.
 * Elsewhere (macOS) the first is the most specific.
 */
const specificPlatform = (platforms: readonly string[]): string | undefined =>
  platforms.findLast((tag) => tag.startsWith("linux_")) ?? platforms[0];

/** `cp311`; `cp313t` for a free-threaded and `cp313d` for a debug build, which need wheels of their own. */
function interpreterName(interpreter: string, abi: string): string {
  if (!abi.startsWith(interpreter)) return interpreter;
  return /^cp3[67]m/.test(abi) ? abi.replace("m", "") : abi;
}

const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1)?.trim() ?? "";
