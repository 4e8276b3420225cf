/**
 * Decides once, when a slave starts, what its builds may see and use on this machine, by trying it; then
 * opens a cell for each build. Called by tree.ts (start, `--check`) and by the workshop.
 *
 *     auto         bubblewrap where a trial of it works, else nothing around builds
 *     bubblewrap   the slave does not start where it does not work
 *     none         nothing around builds: they can read and write all that the slave's user can
 *
 * `lacks` says what this machine cannot enforce; the slave warns of it once, `--check` prints it.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, mkdtemp } from "node:fs/promises";
import { homedir, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import type { BuildEnvironment } from "../../../protocol/model/build.ts";
import { countTasksOfUser } from "../build-processes.ts";
import { buildEnvironment } from "../environment.ts";
import type { Interpreter } from "../interpreter.ts";
import { runCommand } from "../launch.ts";
import { removeTree } from "../remove-tree.ts";
import { AllowedHosts } from "./allowed-hosts.ts";
import type { BubblewrapMeans } from "./bubblewrap.ts";
import { Cell, type NetworkAccess, type OpenProxy } from "./cell.ts";
import { type BuildGroup, Cgroups } from "./cgroups.ts";
import { DiskWatch } from "./disk-watch.ts";
import { IndexProxy } from "./index-proxy.ts";
import type { ResourceLimits } from "./limits.ts";
import { extraPath, interpreterPaths, realPath } from "./visible-paths.ts";

export interface SandboxSettings {
  readonly sandbox: "auto" | "bubblewrap" | "none";
  /** Undefined: `index` within bubblewrap, else `full`. */
  readonly network: NetworkAccess | undefined;
  /** `HOST` or `HOST:PORT`, reached with `network = index` beside the indexes. */
  readonly allowedHosts: readonly string[];
  /** Of each build. */
  readonly limits: ResourceLimits;
  /** Builds that may run at the same time. */
  readonly jobs: number;
  /** The slave's own files and folders, for no build to see. */
  readonly secret: readonly string[];
  /** Sockets are made here; what lies in it goes at the next start. */
  readonly runFolder: string;
}

export interface CellRequest {
  /** Of the build, there already. */
  readonly folder: string;
  readonly buildId: string;
  readonly interpreter: Pick<Interpreter, "executable" | "prefixes">;
  /** Beside the system's: what a runner is made of. */
  readonly readable?: readonly string[];
  /** Of the indexes and of the sdist: what `network = index` lets through. */
  readonly urls: readonly string[];
  /** For the build's log. */
  readonly note: (line: string) => void;
}

/** A sandbox that was asked for and cannot be had. The message is one line and says what to do. */
export class SandboxError extends Error {
  override readonly name = "SandboxError";
}

interface Means {
  readonly bubblewrap: BubblewrapMeans | undefined;
  readonly network: NetworkAccess;
  readonly prlimit: string | undefined;
  readonly cgroups: Cgroups | undefined;
  readonly disk: DiskWatch;
}

export class Sandbox {
  readonly #settings: SandboxSettings;
  readonly #means: Means;
  /** What this machine cannot enforce, a line each. */
  readonly lacks: readonly string[];

  private constructor(settings: SandboxSettings, means: Means, lacks: readonly string[]) {
    this.#settings = settings;
    this.#means = means;
    this.lacks = lacks;
  }

  /**
   * @param interpreters each has to run inside
   * @throws SandboxError when what the settings ask for does not work here
   */
  static async open(
    settings: SandboxSettings,
    interpreters: readonly CellRequest["interpreter"][],
  ): Promise<Sandbox> {
    const prlimit = (await answers("prlimit", ["--version"])) === undefined ? undefined : "prlimit";
    const disk = new DiskWatch();
    const taken = Cgroups.take();
    const cgroups = taken instanceof Cgroups ? taken : undefined;
    const found =
      settings.sandbox === "none"
        ? "--sandbox none was given"
        : await findBubblewrap(settings, interpreters, { prlimit, cgroups, disk });
    const bubblewrap = typeof found === "string" ? undefined : found;
    if (settings.sandbox === "bubblewrap" && typeof found === "string") {
      throw new SandboxError(`the sandbox does not work here: ${found}`);
    }
    const network = settings.network ?? (bubblewrap === undefined ? "full" : "index");
    if (network !== "full" && typeof found === "string") {
      throw new SandboxError(
        `network = ${network} needs the sandbox, which builds do not have here (${found}): give --network full, or mend that`,
      );
    }
    const lacks = [
      ...(typeof found === "string"
        ? [
            `no sandbox, builds can read and write all that this user can, and use the whole network: ${found}`,
          ]
        : []),
      ...(process.getuid?.() === 0
        ? [
            "the slave runs as root: builds read what only root may, and the kernel does not limit their processes; give it a user of its own",
          ]
        : []),
      ...(prlimit === undefined
        ? [
            "open files are not limited, and one large process is seen late: install util-linux for prlimit",
          ]
        : []),
      ...(settings.jobs > 1 && isTooMuchMemory(settings)
        ? [
            `${settings.jobs} builds together may take more memory than this machine has, and the kernel then ends any of them: lower --max-memory or --jobs`,
          ]
        : []),
      ...(cgroups === undefined && typeof taken === "string"
        ? [
            `memory and processes of a build are counted four times a second, not held by the kernel: ${taken}`,
          ]
        : []),
    ];
    return new Sandbox(settings, { bubblewrap, network, prlimit, cgroups, disk }, lacks);
  }

  /** In one line for people: `bubblewrap, network index`. */
  get description(): string {
    const { bubblewrap, network } = this.#means;
    return `${bubblewrap === undefined ? "no sandbox" : "bubblewrap"}, network ${network}`;
  }

  /** For whoever reads what a build ran in. */
  get facts(): Omit<BuildEnvironment, "runner"> {
    const { bubblewrap, network } = this.#means;
    const limits = Object.entries(this.#settings.limits) as [string, number | undefined][];
    return {
      sandbox: bubblewrap === undefined ? "none" : "bubblewrap",
      network,
      limits: Object.fromEntries(limits.map(([name, value]) => [name, value ?? null])),
    };
  }

  openCell(request: CellRequest): Promise<Cell> {
    return openCell(this.#settings, this.#means, request);
  }
}

const isTooMuchMemory = ({ limits, jobs }: SandboxSettings): boolean =>
  (limits.memoryBytes ?? Number.POSITIVE_INFINITY) * jobs > totalmem();

/** @returns in words why not, where it does not work */
async function findBubblewrap(
  settings: SandboxSettings,
  interpreters: readonly CellRequest["interpreter"][],
  means: Pick<Means, "prlimit" | "cgroups" | "disk">,
): Promise<BubblewrapMeans | string> {
  const help = await answers("bwrap", ["--help"]);
  if (help === undefined) return "bubblewrap is not installed (Debian: apt install bubblewrap)";
  const choices = help.includes("--disable-userns") ? [true, false] : [false];
  let why = "";
  for (const canDisableUserNamespaces of choices) {
    const secret = settings.secret.flatMap((path) => [...new Set([path, realPath(path)])]);
    const bubblewrap = { program: "bwrap", canDisableUserNamespaces, secret };
    const network = settings.network ?? "index";
    const trouble = await troubleOf(settings, { ...means, bubblewrap, network }, interpreters);
    if (trouble === undefined) return bubblewrap;
    why = trouble;
  }
  return `a trial of bubblewrap failed: ${why}`;
}

const TRIAL_MS = 60_000;

/** Runs pip of each interpreter in a cell such as builds get. */
async function troubleOf(
  settings: SandboxSettings,
  means: Means,
  interpreters: readonly CellRequest["interpreter"][],
): Promise<string | undefined> {
  for (const interpreter of interpreters) {
    const buildId = randomUUID();
    await mkdir(settings.runFolder, { recursive: true, mode: 0o700 });
    const folder = await mkdtemp(join(settings.runFolder, "trial-"));
    let output = "";
    try {
      const cell = await openCell(settings, means, {
        ...{ folder, buildId, interpreter, urls: [], note: () => undefined },
      });
      try {
        const exit = await runCommand(
          {
            argv: [interpreter.executable, "-c", "import pip"],
            cwd: join(folder, "cwd"),
            env: buildEnvironment(process.env, {
              executable: interpreter.executable,
              home: join(folder, "home"),
              temporary: join(folder, "tmp"),
              buildId,
            }),
            buildId,
            cell,
          },
          { timeoutMs: TRIAL_MS },
          (chunk) => {
            output = `${output}${chunk.toString()}`.slice(-2_000);
          },
          new AbortController().signal,
        );
        if (exit.code !== 0) return lastLine(output) || `exit code ${exit.code ?? "unknown"}`;
      } finally {
        await cell.close();
      }
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      await removeTree(folder);
    }
  }
  return undefined;
}

async function openCell(
  settings: SandboxSettings,
  means: Means,
  { folder, buildId, interpreter, readable = [], urls, note }: CellRequest,
): Promise<Cell> {
  const { bubblewrap, network, prlimit, cgroups, disk } = means;
  const { limits, allowedHosts, runFolder, jobs } = settings;
  const visible = [
    ...interpreterPaths(interpreter.executable, interpreter.prefixes, [
      homedir(),
      ...settings.secret,
    ]),
    ...[...certificates(process.env), ...readable].flatMap(extraPath),
  ];
  const proxy =
    network === "index"
      ? await openProxy(runFolder, new AllowedHosts(urls, allowedHosts), note)
      : undefined;
  let group: BuildGroup | undefined;
  try {
    group = cgroups?.openGroup(buildId, limits);
    return await Cell.create({
      folder,
      python: interpreter.executable,
      walls: bubblewrap === undefined ? undefined : { ...bubblewrap, visible },
      network,
      proxy,
      limits,
      prlimit,
      otherTasks: otherTasks(bubblewrap !== undefined, jobs),
      disk,
      group,
    });
  } catch (error) {
    await group?.close();
    await proxy?.close();
    throw error;
  }
}

/** The first Linux that counts the tasks of a user in each user namespace by itself. */
const COUNTS_BY_NAMESPACE = [5, 14] as const;

/** What RLIMIT_NPROC counts beside the build's own tasks; undefined where that may be other builds'. */
function otherTasks(hasOwnNamespace: boolean, jobs: number): number | undefined {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  const [since, sinceMinor] = COUNTS_BY_NAMESPACE;
  const isCountedAlone = major > since || (major === since && minor >= sinceMinor);
  if (hasOwnNamespace && isCountedAlone) return 0;
  return jobs === 1 ? countTasksOfUser() : undefined;
}

/** Longest path of a unix socket, with the zero at its end (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;

async function openProxy(
  runFolder: string,
  allowed: AllowedHosts,
  note: (line: string) => void,
): Promise<OpenProxy> {
  const name = `index-${randomBytes(6).toString("hex")}.sock`;
  let socket = join(runFolder, name);
  let folder: string | undefined;
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH_BYTES) {
    folder = await mkdtemp(join(tmpdir(), "piw-"));
    socket = join(folder, "index.sock");
  }
  const removeSocket = () => removeTree(folder ?? socket);
  try {
    const proxy = await IndexProxy.open(socket, allowed, (place) => {
      note(`The sandbox kept this build from ${place} (network = index; --allow-host lets it)`);
    });
    const close = async () => {
      await proxy.close();
      await removeSocket();
    };
    return { socket, close };
  } catch (error) {
    await removeSocket();
    throw error;
  }
}

/** Certificate authorities of the machine's own, which the environment of builds names. */
const certificates = (environment: NodeJS.ProcessEnv): string[] =>
  ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].flatMap((name) => {
    const path = environment[name];
    return path === undefined || path === "" ? [] : [path];
  });

/** What a program printed; undefined where it is not there. */
async function answers(command: string, args: readonly string[]): Promise<string | undefined> {
  const run = await execa(command, args, { reject: false, timeout: 10_000, all: true });
  return run.exitCode === undefined ? undefined : run.all;
}

const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1)?.trim() ?? "";
