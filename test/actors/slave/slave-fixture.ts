/**
 * A slave whose builds take no time: its interpreter is a small shell script that answers the probe and,
 * asked to build, waits until the test lets it and leaves a wheel. Everything else is the real thing.
 */
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { unlimited } from "../../../actors/slave/sandbox/limits.ts";
import { startSlave } from "../../../actors/slave/tree.ts";
import { pipRunner } from "../../../config/runners.ts";
import type { SlaveSettings } from "../../../config/settings.ts";
import { slaveTimes } from "../../../config/times.ts";
import type { BuildOrder } from "../../../protocol/model/build.ts";
import { type Logger, type System, silentLogger } from "../../../supervisor/index.ts";
import { wheelPieces } from "../../protocol/packaging/wheel-builder.ts";
import { buildZip } from "../../protocol/packaging/zip-builder.ts";
import type { ScriptedMaster } from "./scripted-master.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export const TARGET = "cp311-linux_x86_64";
export const WHEEL_FILENAME = "demo_pkg-1.0-py3-none-any.whl";

const SDIST = Buffer.from("nobody unpacks this one");

export class SlaveFixture {
  readonly settings: SlaveSettings;
  readonly #folder: string;
  readonly #sdistUrl: string;

  private constructor(folder: string, sdistUrl: string, settings: SlaveSettings) {
    this.#folder = folder;
    this.#sdistUrl = sdistUrl;
    this.settings = settings;
  }

  static async create(
    master: Pick<ScriptedMaster, "slaveAddress" | "fileAddress">,
    settings: Partial<SlaveSettings> = {},
  ): Promise<SlaveFixture> {
    const folder = await temporaryFolder();
    const python = join(folder, "python");
    await writeFile(join(folder, "wheel"), buildZip(wheelPieces()));
    await writeFile(python, pythonScript(folder), { mode: 0o755 });
    await chmod(python, 0o755);
    return new SlaveFixture(folder, await serveSdist(), {
      version: "1.2.3",
      slaveQueue: master.slaveAddress,
      fileQueue: master.fileAddress,
      masterKey: undefined,
      keyFile: undefined,
      dir: join(folder, "slave"),
      label: "the slave",
      debug: [],
      pythons: [python],
      jobs: 1,
      timeoutMs: 60_000,
      runners: [],
      defaultRunner: pipRunner,
      pollMs: undefined,
      sandbox: "none",
      network: undefined,
      allowedHosts: [],
      limits: unlimited,
      devMode: true,
      times: { ...slaveTimes(true), reconnectMinMs: 10, reconnectMaxMs: 100, killGraceMs: 200 },
      ...settings,
    });
  }

  async start(logger: Logger = silentLogger): Promise<System> {
    const system = await startSlave(this.settings, logger);
    onTestFinished(() => system.stop());
    return system;
  }

  order(token: number, more: Partial<BuildOrder> = {}): BuildOrder {
    return {
      token,
      package: "demo-pkg",
      version: "1.0",
      target: TARGET,
      sdist: {
        filename: "demo_pkg-1.0.tar.gz",
        url: this.#sdistUrl,
        sha256: createHash("sha256").update(SDIST).digest("hex"),
        sizeBytes: SDIST.length,
      },
      buildTag: null,
      ...more,
    };
  }

  /** Lets builds end, also those to come. */
  async letBuildsEnd(): Promise<void> {
    await writeFile(join(this.#folder, "go"), "");
  }

  async holdBuilds(): Promise<void> {
    await rm(join(this.#folder, "go"), { force: true });
  }

  /** How often the interpreter was asked to build. */
  async builds(): Promise<number> {
    return (await readdir(join(this.#folder))).filter((name) => name.startsWith("build-")).length;
  }

  /** What lies in a folder of the slave's. */
  async list(name: "outbox" | "work"): Promise<string[]> {
    await mkdir(join(this.settings.dir, name), { recursive: true });
    return (await readdir(join(this.settings.dir, name))).sort();
  }
}

const pythonScript = (folder: string) => `#!/bin/sh
if [ "$1" = -c ]; then
  echo '${JSON.stringify({
    executable: join(folder, "python"),
    implementation: "CPython",
    major: 3,
    minor: 11,
    fullVersion: "3.11.7",
    platform: "linux_x86_64",
    pipVersion: "23.2.1",
    pipProblem: "",
    tags: ["cp311-cp311-linux_x86_64", "py3-none-any"],
    hasHeaders: true,
  })}'
  exit
fi
if [ "$1" = -I ]; then
  echo '["setuptools"]'
  exit
fi
: > ${folder}/build-$$
echo "building"
while [ ! -e ${folder}/go ]; do sleep 0.01; done
for word; do
  case $word in --wheel-dir=*) cp ${folder}/wheel "\${word#--wheel-dir=}/${WHEEL_FILENAME}";; esac
done
`;

async function serveSdist(): Promise<string> {
  const server = createServer((_request, response) => response.end(SDIST)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/demo_pkg-1.0.tar.gz`;
}
