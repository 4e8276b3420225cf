/**
 * What one build runs in: the walls around its commands, its way to the index, its limits and the watch over
 * them. Opened by the sandbox for each build, closed by the workshop after it. launch.ts asks it for the
 * command line of each command, and for the watch while that runs.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { ProcessTree } from "../build-processes.ts";
import { type BubblewrapMeans, bubblewrapArguments, PROXY_SOCKET_INSIDE } from "./bubblewrap.ts";
import type { BuildGroup } from "./cgroups.ts";
import type { DiskWatch } from "./disk-watch.ts";
import { watchLimits } from "./limit-watch.ts";
import { type LimitHit, prlimitArguments, type ResourceLimits } from "./limits.ts";
import { RELAY_PORT, relaySource } from "./relay.ts";
import type { Visible } from "./visible-paths.ts";

export type NetworkAccess = "index" | "full" | "none";

type Words = readonly [string, ...string[]];

/** The way to the index, from inside by its socket. */
export interface OpenProxy {
  readonly socket: string;
  /** Removes the socket too. */
  readonly close: () => Promise<void>;
}

export interface CellParts {
  /** The build's folder; the cell's own folders are made in it. */
  readonly folder: string;
  /** The interpreter that builds. */
  readonly python: string;
  /** Undefined: no walls. */
  readonly walls: (BubblewrapMeans & { readonly visible: readonly Visible[] }) | undefined;
  readonly network: NetworkAccess;
  /** Where the network is the index's. */
  readonly proxy: OpenProxy | undefined;
  readonly limits: ResourceLimits;
  /** The program; undefined where there is none. */
  readonly prlimit: string | undefined;
  /** Tasks of this user that the kernel counts with the build's own; undefined: other builds' too, so that no wall stands. */
  readonly otherTasks: number | undefined;
  readonly disk: DiskWatch;
  readonly group: BuildGroup | undefined;
}

const proxyVariables = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];

export class Cell {
  readonly #parts: CellParts;

  private constructor(parts: CellParts) {
    this.#parts = parts;
  }

  static async create(parts: CellParts): Promise<Cell> {
    for (const name of ["home", "tmp", "out", "source", "scratch", "cwd", "shm"]) {
      await mkdir(join(parts.folder, name), { recursive: true, mode: 0o700 });
    }
    return new Cell(parts);
  }

  get limits(): ResourceLimits {
    return this.#parts.limits;
  }

  /** Whether its processes have a pid namespace: the first one's end is that of all. */
  get isPidNamespace(): boolean {
    return this.#parts.walls !== undefined;
  }

  /** The environment of a build as it is right in here: the machine's proxy, and its password, stay outside. */
  environment(variables: Readonly<Record<string, string>>): Record<string, string> {
    if (this.#parts.network === "full") return { ...variables };
    const own = Object.entries(variables).filter(
      ([name]) => !proxyVariables.includes(name.toLowerCase()),
    );
    const url = `http://127.0.0.1:${RELAY_PORT}`;
    const way =
      this.#parts.proxy === undefined
        ? {}
        : { http_proxy: url, https_proxy: url, HTTP_PROXY: url, HTTPS_PROXY: url };
    return { ...Object.fromEntries(own), ...way };
  }

  /** The words that run a command in here; `cwd` lies in the build's folder. */
  commandLine(argv: Words, cwd: string): Words {
    const { folder, walls, proxy, limits, prlimit, otherTasks, group, python } = this.#parts;
    let words: Words = argv;
    if (prlimit !== undefined) {
      words = [prlimit, ...prlimitArguments(limits, otherTasks), "--", ...words];
    }
    if (proxy !== undefined) {
      words = [
        ...[python, "-I", "-S", "-c", relaySource, PROXY_SOCKET_INSIDE, String(RELAY_PORT)],
        ...words,
      ] as unknown as Words;
    }
    if (walls !== undefined) {
      const outer = bubblewrapArguments(
        {
          ...walls,
          folder,
          sharesNetwork: this.#parts.network === "full",
          proxySocket: proxy?.socket,
        },
        cwd,
      );
      words = [...outer, ...words];
    }
    if (group !== undefined) {
      words = ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', group.entrance, ...words];
    }
    return words;
  }

  /** Watches over a command until the returned function is called. `onHit` is called at most once. */
  watch(tree: ProcessTree, onHit: (hit: LimitHit) => void): () => void {
    const { folder, limits, group, disk } = this.#parts;
    return watchLimits({ tree, folder, limits, group, disk }, onHit);
  }

  /** A limit that the kernel held by itself. */
  findHit(): LimitHit | undefined {
    return this.#parts.group?.findHit();
  }

  /** After the last process has ended. */
  async close(): Promise<void> {
    const { proxy, group } = this.#parts;
    await group?.close();
    await proxy?.close();
  }
}
