/**
 * Many slaves in the process of a test: each a session of its own on the slave link that says HELLO and IDLE as piw-slave
 * does, and builds nothing.
 */
import { context } from "zeromq";
import { productVersion } from "../../config/version.ts";
import { type FromSlave, slaveLink } from "../../protocol/links/slave.ts";
import { connectEndpoint } from "../../protocol/transport/index.ts";
import { type ClientEndpoint, silentLogger } from "../../supervisor/index.ts";

export interface CrowdOptions {
  readonly address: string;
  readonly count: number;
  readonly abi: string;
  /** Default: `crowd-N`. */
  readonly label?: (number: number) => string;
}

// Three for each; it counts only until the process has its first socket.
context.maxSockets = 4_000;
/** Connecting at once. */
const AT_ONCE = 25;

export class SlaveCrowd {
  readonly #endpoints: ClientEndpoint<FromSlave>[] = [];
  readonly #timers: NodeJS.Timeout[] = [];

  /** Resolves when the master has taken each of them. */
  static async gather(options: CrowdOptions): Promise<SlaveCrowd> {
    const crowd = new SlaveCrowd();
    const numbers = Array.from({ length: options.count }, (_, at) => at + 1);
    const lane = async (): Promise<void> => {
      for (let next = numbers.shift(); next !== undefined; next = numbers.shift())
        await crowd.#join(options, next);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    return crowd;
  }

  async #join({ address, abi, label }: CrowdOptions, number: number): Promise<void> {
    const name = label?.(number) ?? `crowd-${number}`;
    await new Promise<void>((taken) => {
      const sayIdle = () => endpoint.send("IDLE", { stats: statsOf(number) });
      const endpoint = connectEndpoint(slaveLink, {
        address,
        identity: `local:crowd-${number}`,
        slot: `crowd-${number}`,
        heartbeatMs: 5_000,
        log: silentLogger,
        handlers: {
          // A new connection is a new session.
          up: () => endpoint.send("HELLO", hello(name, number, abi)),
          down: () => undefined,
          message: ({ type }) => {
            if (type === "ACK") this.#timers.push(setInterval(sayIdle, 2_000));
            if (type === "ACK" || type === "CONT") sayIdle();
            // A build is held, as by a slave that takes long.
            if (type === "SLEEP" || type === "BUILD") taken();
          },
        },
      });
      this.#endpoints.push(endpoint);
    });
  }

  async end(): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    await Promise.all(this.#endpoints.splice(0).map((endpoint) => endpoint.close()));
  }
}

function hello(label: string, number: number, abi: string) {
  return {
    version: productVersion,
    label,
    host: { os: "Linux", board: "", hostname: `crowd-${number}`, cores: 4 },
    targets: [
      {
        name: `${abi}-linux_x86_64`,
        implementation: "cpython",
        pythonVersion: abi.replace(/^cp(\d)/, "$1."),
        pythonFullVersion: `${abi.replace(/^cp(\d)/, "$1.")}.1`,
        abiTag: abi,
        platformTag: "linux_x86_64",
        tags: [`${abi}-${abi}-linux_x86_64`, `${abi}-none-any`, "py3-none-any"],
      },
    ],
    timeoutMs: 3_600_000,
    running: [],
    finished: [],
  };
}

const statsOf = (number: number) => ({
  diskFreeBytes: 1e11,
  diskSizeBytes: 2e11,
  memoryFreeBytes: 1e9,
  memorySizeBytes: 4e9,
  swapFreeBytes: 0,
  swapSizeBytes: 0,
  loadAverage: (number % 10) / 4,
  temperatureC: 40 + (number % 20),
});
