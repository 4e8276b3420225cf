/**
 * A master and a slave in this process, for fault tests that reach into the tree: crash one actor,
 * look at the state of another. Real database, real sockets on loopback, real builds.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startMaster } from "../../actors/master/tree.ts";
import { unlimited } from "../../actors/slave/sandbox/limits.ts";
import { startSlave } from "../../actors/slave/tree.ts";
import type { HookSettings } from "../../config/hooks.ts";
import { LogLevels } from "../../config/log-levels.ts";
import { type PartName, partNames } from "../../config/parts.ts";
import { pipRunner } from "../../config/runners.ts";
import type { UpstreamUrls } from "../../config/settings.ts";
import { type MasterTimes, masterTimes, slaveTimes } from "../../config/times.ts";
import type { QueueReport } from "../../db/report.ts";
import type { DatabaseMessages } from "../../db/requests.ts";
import { eachNode, type Logger, type System, silentLogger } from "../../supervisor/index.ts";

export interface LocalMasterOptions {
  readonly dsn: string;
  readonly upstream: UpstreamUrls;
  readonly slaves?: number;
  /** See `MasterSettings`. */
  readonly forceCodec?: boolean;
  readonly logger?: Logger;
  /** What the logger goes by, where that can be changed. */
  readonly log?: LogLevels;
  /** Of the master, in place of those of dev mode. */
  readonly times?: Partial<MasterTimes>;
  /** Default 0: none. */
  readonly diskReserveBytes?: number;
  /** Takes the database from another master. */
  readonly takeOver?: boolean;
  /** Default: everyone. */
  readonly metricsAccess?: "everyone" | "token" | "none";
  readonly hooks?: readonly HookSettings[];
  /** Default: wheels are not signed. */
  readonly signingKeyFile?: string;
  /** Default: everyone. */
  readonly dashboard?: "everyone" | "token" | "none";
  /** Default: `slave-NUMBER`. */
  readonly labelOf?: (number: number) => string;
  /** Default 0: a free one, and another one whenever the server is restarted. */
  readonly httpPort?: number;
}

const inProcess = Object.fromEntries(partNames.map((part) => [part, `inproc://${part}`])) as Record<
  PartName,
  string
>;

export class LocalMaster {
  readonly folder: string;
  readonly system: System;
  readonly #logger: Logger;
  readonly #labelOf: (number: number) => string;
  readonly #slaves: System[] = [];

  private constructor(
    folder: string,
    system: System,
    logger: Logger,
    labelOf: (number: number) => string,
  ) {
    this.folder = folder;
    this.system = system;
    this.#logger = logger;
    this.#labelOf = labelOf;
  }

  /** By their numbers, from 1; also those that have ended and were not started again. */
  get slaves(): readonly System[] {
    return this.#slaves;
  }

  slaveFolder(number: number): string {
    return join(this.folder, `slave-${number}`);
  }

  static async start(options: LocalMasterOptions): Promise<LocalMaster> {
    const folder = mkdtempSync(join(tmpdir(), "ww-local-"));
    const ipc = (name: string) => `ipc://${join(folder, name)}`;
    const logger = options.logger ?? silentLogger;
    const { simpleUrl, xmlrpcUrl, jsonUrl } = options.upstream;
    const system = await startMaster(
      {
        version: "test",
        dsn: options.dsn,
        takeOver: options.takeOver ?? false,
        outputPath: join(folder, "www"),
        diskReserveBytes: options.diskReserveBytes ?? 0,
        devMode: true,
        parts: partNames,
        partQueues: inProcess,
        forceCodec: options.forceCodec ?? process.env["WHEELWRIGHT_TEST_MASTER"] === "codec",
        times: { ...masterTimes(true), ...options.times },
        debug: [],
        upstream: { simpleUrl, xmlrpcUrl, jsonUrl },
        upstreamContact: undefined,
        queues: {
          status: ipc("status"),
          control: ipc("control"),
          import: ipc("import"),
          log: ipc("log"),
          slave: ipc("slave"),
          file: ipc("file"),
        },
        keyFile: undefined,
        authorizedKeysDir: undefined,
        monitorKeysDir: undefined,
        signingKeyFile: options.signingKeyFile,
        hooks: options.hooks ?? [],
        http: { host: "127.0.0.1", port: options.httpPort ?? 0 },
        indexUrl: undefined,
        follow: "all",
        oracles: 3,
        order: "newest",
        upstreamWheels: "ignore",
        httpTls: undefined,
        metricsAccess: options.metricsAccess ?? "everyone",
        accessLog: undefined,
        dashboard: options.dashboard ?? "everyone",
        publicUrl: undefined,
        mergeUpstream: false,
      },
      logger,
      options.log ?? new LogLevels("info", []),
    );
    const master = new LocalMaster(
      folder,
      system,
      logger,
      options.labelOf ?? ((number) => `slave-${number}`),
    );
    for (let number = 1; number <= (options.slaves ?? 1); number += 1)
      await master.startSlave(number);
    return master;
  }

  /** Starts a slave on its folder, also anew after it has ended. */
  async startSlave(number: number): Promise<System> {
    const ipc = (name: string) => `ipc://${join(this.folder, name)}`;
    const slave = await startSlave(
      {
        version: "test",
        slaveQueue: ipc("slave"),
        fileQueue: ipc("file"),
        masterKey: undefined,
        keyFile: undefined,
        dir: this.slaveFolder(number),
        label: this.#labelOf(number),
        debug: [],
        pythons: ["python3"],
        runners: [],
        defaultRunner: pipRunner,
        jobs: 1,
        timeoutMs: 120_000,
        pollMs: undefined,
        sandbox: "none",
        network: undefined,
        allowedHosts: [],
        limits: unlimited,
        devMode: true,
        times: slaveTimes(true),
      },
      this.#logger,
    );
    this.#slaves[number - 1] = slave;
    return slave;
  }

  /** Paths of the actors below a path that live now. */
  actorsBelow(path: string): string[] {
    const paths: string[] = [];
    for (const node of eachNode(this.system.tree()))
      if (node.path.startsWith(`${path}/`) && node.state === "running") paths.push(node.path);
    return paths;
  }

  report(): Promise<QueueReport> {
    return this.system.ref<DatabaseMessages>("/database/seraph").ask("queueReport", null);
  }

  async until(what: string, fits: () => boolean | Promise<boolean>, patienceMs = 60_000) {
    const deadline = performance.now() + patienceMs;
    let failure: unknown;
    while (performance.now() < deadline) {
      try {
        if (await fits()) return;
      } catch (error) {
        failure = error;
      }
      await delay(20);
    }
    throw new Error(`not within ${patienceMs} ms: ${what}`, { cause: failure });
  }

  /** Everything that upstream has is built or has failed, and all of it is published. */
  async untilIdle(packages: number): Promise<QueueReport> {
    let last: QueueReport | undefined;
    await this.until(
      "nothing is left to do",
      async () => {
        last = await this.report();
        const { unread, ready, leased, waiting, unpublished, rows } = last;
        return unread + ready + leased + waiting + unpublished === 0 && rows.length >= packages;
      },
      120_000,
    );
    if (last === undefined) throw new Error("no report");
    return last;
  }

  async end(): Promise<void> {
    for (const slave of this.#slaves) await slave.stop();
    await this.system.stop();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
