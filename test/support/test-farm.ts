/**
 * A farm of real processes for system and fault tests: the built piw-master and piw-slave on loopback,
 * a database and an upstream that the test brings. Everything can be killed and started again; `end`
 * ends what is left.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { type ControlQuestions, controlLink } from "../../protocol/links/control.ts";
import { importLink } from "../../protocol/links/import.ts";
import type { FarmReport } from "../../protocol/model/status.ts";
import type { TaskNode } from "../../protocol/model/task-tree.ts";
import { type ClientKeys, connectEndpoint } from "../../protocol/transport/index.ts";
import { type BodyOf, type ReplyOf, silentLogger } from "../../supervisor/index.ts";

const run = promisify(execFile);
const bin = (name: string) => new URL(`../../dist/bin/${name}.js`, import.meta.url).pathname;

export interface TestFarmOptions {
  readonly dsn: string;
  readonly upstream: {
    readonly simpleUrl: string;
    readonly xmlrpcUrl: string;
    readonly jsonUrl: string;
  };
  /** Where its control link is found, and with which keys; the arguments for the master say so too. */
  readonly control?: { readonly address: string; readonly keys: ClientKeys };
  /** More arguments for piw-master. */
  readonly master?: readonly string[];
  /** Default: as the environment says. */
  readonly shape?: MasterShape;
  /** More arguments for each piw-slave. */
  readonly slave?: readonly string[];
  /** Another installation's folder of built programs, for a program that is not of this version. */
  readonly programs?: (part: string) => string | undefined;
}

export interface LinkPorts {
  readonly slave: number;
  readonly file: number;
}

type MasterProcess = "master" | "master-db" | "master-web";
type Part = MasterProcess | `slave-${number}`;

/**
 * How the master runs, by the environment (`WHEELWRIGHT_TEST_MASTER`): `whole` in one process; `codec` so too,
 * with what its tasks say forced through the wire's codec; `ipc` and `tcp` as three processes, in the latter with
 * CURVE. The same tests hold for all of them.
 */
export type MasterShape = "whole" | "codec" | "ipc" | "tcp";
const shapes: readonly MasterShape[] = ["whole", "codec", "ipc", "tcp"];

/** Which tasks run in which process of a split master. */
const processes: Readonly<Record<MasterProcess, string>> = {
  "master-db": "seraph",
  "master-web": "scribe,cloud-gazer",
  master: "main,architect,slave-driver,file-juggler",
};
const partQueues = ["stats", "db", "builds", "driver", "fs", "web", "front"];

export class TestFarm {
  readonly folder = mkdtempSync(join(tmpdir(), "ww-farm-"));
  readonly output = join(this.folder, "www");
  readonly #options: TestFarmOptions;
  readonly #processes = new Map<Part, ChildProcess>();
  readonly shape: MasterShape;
  #ports: { slave: number; file: number; http: number } | undefined;
  #slaveKeys: readonly string[] = [];
  #splitArguments: readonly string[] | undefined;

  constructor(options: TestFarmOptions) {
    this.#options = options;
    const asked = options.shape ?? process.env["WHEELWRIGHT_TEST_MASTER"];
    this.shape = shapes.find((shape) => shape === asked) ?? "whole";
  }

  /** The processes of the master, in the order in which they are started. */
  get masterProcesses(): readonly MasterProcess[] {
    const isSplit = this.shape === "ipc" || this.shape === "tcp";
    return isSplit ? (Object.keys(processes) as MasterProcess[]) : ["master"];
  }

  get siteUrl(): string {
    return `http://127.0.0.1:${this.#ports?.http ?? 0}`;
  }
  get indexUrl(): string {
    return `${this.siteUrl}/simple/`;
  }
  /** Where the master takes slaves and files; known once it was started. */
  get linkPorts(): LinkPorts {
    return { slave: this.#ports?.slave ?? 0, file: this.#ports?.file ?? 0 };
  }
  slaveAddresses({ slave, file } = this.linkPorts): string[] {
    return [
      ...["--slave-queue", `tcp://127.0.0.1:${slave}`],
      ...["--file-queue", `tcp://127.0.0.1:${file}`],
    ];
  }

  async startMaster(): Promise<void> {
    const [slave, file, http] = [await freePort(), await freePort(), await freePort()];
    this.#ports ??= { slave, file, http };
    for (const part of this.masterProcesses) await this.startMasterProcess(part);
  }

  /** Starts one process of the master again, with the addresses that it had. */
  async startMasterProcess(part: MasterProcess): Promise<void> {
    if (this.#ports === undefined) throw new Error("startMaster comes first");
    const { upstream, dsn } = this.#options;
    const tasks = this.masterProcesses.length > 1 ? ["--tasks", processes[part]] : [];
    await this.#start(part, "piw-master", [
      ...["--dsn", dsn, "--output-path", this.output, "--dev-mode"],
      ...["--pypi-simple", upstream.simpleUrl, "--pypi-xmlrpc", upstream.xmlrpcUrl],
      ...["--pypi-json", upstream.jsonUrl, ...this.slaveAddresses()],
      ...["--status-queue", this.#ipc("status"), "--control-queue", this.#ipc("control")],
      ...["--log-queue", this.logAddress],
      ...["--import-queue", this.#ipc("import"), "--http", `127.0.0.1:${this.#ports.http}`],
      ...(this.#options.master ?? []),
      ...(this.shape === "codec" ? ["--force-codec"] : []),
      ...tasks,
      ...(await this.#partArguments()),
    ]);
  }

  /** Where the processes of a split master find each other, and over tcp the key that proves them. */
  async #partArguments(): Promise<readonly string[]> {
    if (this.masterProcesses.length === 1) return [];
    if (this.#splitArguments) return this.#splitArguments;
    const words: string[] = [];
    for (const queue of partQueues) {
      const address =
        this.shape === "tcp" ? `tcp://127.0.0.1:${await freePort()}` : this.#ipc(`part-${queue}`);
      words.push(`--${queue}-queue`, address);
    }
    if (this.shape === "tcp" && !(this.#options.master ?? []).includes("--key")) {
      words.push("--key", await this.#keyFile("master"));
      const slave = await this.#keyFile("slave");
      const authorized = join(this.folder, "authorized");
      mkdirSync(authorized, { recursive: true });
      copyFileSync(`${slave}.pub`, join(authorized, "slave.pub"));
      words.push("--authorized-keys", authorized);
      this.#slaveKeys = ["--key", slave, "--master-key", join(this.folder, "master.key.pub")];
    }
    this.#splitArguments = words;
    return words;
  }

  async #keyFile(name: string): Promise<string> {
    const file = join(this.folder, `${name}.key`);
    await run(process.execPath, [bin("piw"), "keygen", file]);
    return file;
  }

  /** @param ports where it reaches the master, such as those of a proxy before it */
  async startSlave(number = 1, ports = this.linkPorts): Promise<void> {
    await this.#start(`slave-${number}`, "piw-slave", [
      ...["--dir", join(this.folder, `slave-${number}`), "--label", `slave-${number}`],
      ...["--dev-mode", ...this.slaveAddresses(ports), ...(this.#options.slave ?? [])],
      ...this.#slaveKeys,
    ]);
  }

  async #start(part: Part, program: string, args: readonly string[]): Promise<void> {
    const root = process.getuid?.() === 0 ? ["--allow-root"] : [];
    const child = spawn(
      process.execPath,
      ["--enable-source-maps", this.#program(part, program), ...args, ...root],
      {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, NODE_ENV: "test" },
      },
    );
    const log = createWriteStream(this.#log(part), { flags: "a" });
    child.stdout.pipe(log);
    child.stderr.pipe(log, { end: false });
    this.#processes.set(part, child);
    await once(child, "spawn");
  }

  #program(part: Part, program: string): string {
    const folder = this.#options.programs?.(part);
    return folder === undefined ? bin(program) : join(folder, `${program}.js`);
  }

  /** Ends a part, of a split master all its processes, and waits until it is gone. */
  async kill(part: Part, signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    if (part !== "master") return this.killProcess(part, signal);
    const codes = await Promise.all(
      this.masterProcesses.map((each) => this.killProcess(each, signal)),
    );
    return codes.find((code) => code !== 0) ?? codes[0] ?? null;
  }

  async killProcess(part: Part, signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    const child = this.#processes.get(part);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
    return child.exitCode;
  }

  /** Sends a signal that does not end it. */
  signal(part: Part, signal: "SIGSTOP" | "SIGCONT"): void {
    this.#processes.get(part)?.kill(signal);
  }

  pidOf(part: Part): number | undefined {
    return this.#processes.get(part)?.pid;
  }

  /** Waits until these processes have ended by themselves. */
  async untilEnded(parts: readonly Part[], patienceMs = 30_000): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (parts.some((part) => this.isRunning(part))) {
      if (performance.now() > deadline) throw new Error(`still running\n${this.logs()}`);
      await delay(50);
    }
  }

  /** Of a process that has ended by itself. */
  exitCode(part: Part): number | null {
    return this.#processes.get(part)?.exitCode ?? null;
  }

  get controlAddress(): string {
    return this.#options.control?.address ?? this.#ipc("control");
  }

  get statusAddress(): string {
    return this.#ipc("status");
  }

  get importAddress(): string {
    return this.#ipc("import");
  }

  get logAddress(): string {
    return this.#ipc("log");
  }

  isRunning(part: Part): boolean {
    const child = this.#processes.get(part);
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  async report(): Promise<FarmReport> {
    return this.control("REPORT", {});
  }

  /** Every task of the master as it is now. */
  async tasks(): Promise<readonly TaskNode[]> {
    return (await this.control("TREE", { sessions: true })).tasks;
  }

  /** Of its control link. */
  async control<K extends keyof ControlQuestions & string>(
    type: K,
    body: BodyOf<ControlQuestions, K>,
  ): Promise<ReplyOf<ControlQuestions, K>> {
    return this.#ask((up) => {
      const endpoint = connectEndpoint(controlLink, {
        address: this.controlAddress,
        ...(this.#options.control && { keys: this.#options.control.keys }),
        log: silentLogger,
        handlers: { up, message: () => undefined, down: () => undefined },
      });
      return { endpoint, ask: () => endpoint.ask(type, body, 10_000) };
    });
  }

  async want(
    requirements: readonly string[],
    more: { withDeps?: boolean; withBuildDeps?: boolean } = {},
  ): Promise<{ added: number; known: number }> {
    return this.#ask((up) => {
      const endpoint = connectEndpoint(importLink, {
        address: this.#ipc("import"),
        log: silentLogger,
        handlers: { up, message: () => undefined, down: () => undefined },
      });
      return {
        endpoint,
        ask: () =>
          endpoint.ask(
            "WANT",
            { requirements: [...requirements], withDeps: false, withBuildDeps: false, ...more },
            5_000,
          ),
      };
    });
  }

  async #ask<T>(
    connect: (up: () => void) => { endpoint: { close(): Promise<void> }; ask: () => Promise<T> },
  ): Promise<T> {
    const { promise, resolve } = deferred();
    const { endpoint, ask } = connect(resolve);
    try {
      await Promise.race([
        promise,
        delay(10_000).then(() => {
          throw new Error("the master does not answer");
        }),
      ]);
      return await ask();
    } finally {
      await endpoint.close();
    }
  }

  /** Waits until the report fits; fails with the last report and the ends of the logs. */
  async until(
    what: string,
    fits: (report: FarmReport) => boolean,
    patienceMs = 90_000,
  ): Promise<FarmReport> {
    const deadline = performance.now() + patienceMs;
    let last: FarmReport | undefined;
    let failure = "";
    while (performance.now() < deadline) {
      try {
        last = await this.report();
        if (last.isComplete && fits(last)) return last;
      } catch (error) {
        failure = String(error);
      }
      await delay(100);
    }
    throw new Error(
      `not within ${patienceMs} ms: ${what}\n${JSON.stringify(last ?? failure, null, 1)}\n${this.logs()}`,
    );
  }

  /** Nothing is left to do, and all of it is published. */
  async untilIdle(patienceMs?: number): Promise<FarmReport> {
    return this.until(
      "nothing is left to do",
      (report) =>
        report.followed && report.ready + report.leased + report.waiting + report.unpublished === 0,
      patienceMs,
    );
  }

  logs(lines = 60): string {
    return [...this.#processes.keys()]
      .map((part) => {
        const path = this.#log(part);
        const text = existsSync(path) ? readFileSync(path, "utf8") : "";
        const kept = text.split("\n").filter((line) => !line.includes('"level":"debug"'));
        return `--- ${part}\n${kept.slice(-lines).join("\n")}`;
      })
      .join("\n");
  }

  /** Installs from the farm's index alone, without dependencies, and gives the folder. */
  async pipInstall(...args: readonly string[]): Promise<string> {
    const target = mkdtempSync(join(this.folder, "site-"));
    await run(
      "python3",
      [
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-cache-dir",
        "--target",
        target,
        "--index-url",
        this.indexUrl,
        ...args,
      ],
      { env: pipEnvironment(), timeout: 120_000 },
    );
    return target;
  }

  async end(): Promise<void> {
    for (const part of [...this.#processes.keys()].reverse()) {
      const child = this.#processes.get(part);
      if (child !== undefined && this.isRunning(part)) {
        const gone = once(child, "exit");
        child.kill("SIGTERM");
        await Promise.race([gone, delay(12_000)]);
        if (this.isRunning(part)) await this.kill(part);
      }
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #log(part: Part): string {
    return join(this.folder, `${part}.log`);
  }
  #ipc(name: string): string {
    return `ipc://${join(this.folder, name)}`;
  }
}

/** pip with nothing of this machine's configuration: what a user without one has. */
export function pipEnvironment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("PIP_"));
  return { ...Object.fromEntries(kept), PIP_CONFIG_FILE: "/dev/null", ...more };
}

export async function python(code: string, path: string): Promise<string> {
  const { stdout } = await run("python3", ["-c", code], {
    env: { ...process.env, PYTHONPATH: path },
  });
  return stdout.trim();
}

/** Given out by this process: the system may give the same one again while nobody listens there yet. */
const givenPorts = new Set<number>();

export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    server.close();
    await once(server, "close");
    if (address === null || typeof address === "string") throw new Error("no port");
    if (givenPorts.has(address.port)) continue;
    givenPorts.add(address.port);
    return address.port;
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
