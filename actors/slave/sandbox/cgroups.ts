/**
 * Control groups of version 2 (Linux, Documentation/admin-guide/cgroup-v2.rst): where the slave's own group
 * is delegated to it, as `Delegate=yes` of a systemd unit does, each build gets a group below it, and the
 * kernel itself holds memory and processes of the whole tree. Opened once by the sandbox; a cell takes a
 * group for its build. Where there is no delegation the watch counts instead.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type LimitHit, limitText, type ResourceLimits } from "./limits.ts";

const CONTROLLERS = ["memory", "pids"];

/** How long the kernel may take to empty a group whose processes were killed. */
const EMPTY_TIMEOUT_MS = 5_000;

export class Cgroups {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Takes the slave's own group over: the slave goes into a leaf of it, since a group that hands out
   * controllers may hold no processes itself.
   * @returns in words why not, where it cannot
   */
  static take(folder: string | undefined = ownGroup(), pid = process.pid): Cgroups | string {
    if (folder === undefined) return "this machine has no cgroup v2";
    try {
      const offered = words(join(folder, "cgroup.controllers"));
      const missing = CONTROLLERS.filter((name) => !offered.includes(name));
      if (missing.length > 0) return `cgroup v2 offers no ${missing.join(" and no ")} here`;
      accessSync(join(folder, "cgroup.subtree_control"), constants.W_OK);
      const others = words(join(folder, "cgroup.procs")).filter((each) => each !== String(pid));
      if (others.length > 0) return "the slave shares its cgroup with other programs";
      const own = join(folder, "slave");
      mkdirSync(own, { recursive: true });
      writeFileSync(join(own, "cgroup.procs"), String(pid));
      writeFileSync(
        join(folder, "cgroup.subtree_control"),
        CONTROLLERS.map((name) => `+${name}`).join(" "),
      );
      return new Cgroups(folder);
    } catch {
      return "the slave's cgroup is not delegated to it (systemd: Delegate=yes)";
    }
  }

  /** @throws when the kernel refuses a group or a limit */
  openGroup(name: string, limits: ResourceLimits): BuildGroup {
    const folder = join(this.#folder, `build-${name}`);
    mkdirSync(folder);
    const { memoryBytes, processes } = limits;
    const values: [string, string | undefined][] = [
      ["memory.max", memoryBytes?.toString()],
      // Without swap, or a build would first fill that.
      ["memory.swap.max", memoryBytes === undefined ? undefined : "0"],
      // All of it ends, not its largest process alone.
      ["memory.oom.group", "1"],
      ["pids.max", processes?.toString()],
    ];
    for (const [file, value] of values) {
      if (value === undefined) continue;
      try {
        writeFileSync(join(folder, file), value);
      } catch (error) {
        // A kernel without accounting of swap has no such file.
        if (file !== "memory.swap.max") throw error;
      }
    }
    return new BuildGroup(folder, limits);
  }
}

/** The group of one build: its processes, whatever they do to their parents and environments. */
export class BuildGroup {
  readonly #folder: string;
  readonly #limits: ResourceLimits;

  constructor(folder: string, limits: ResourceLimits) {
    this.#folder = folder;
    this.#limits = limits;
  }

  /** A process that writes 0 or its pid into this file is in the group, with all that it starts. */
  get entrance(): string {
    return join(this.#folder, "cgroup.procs");
  }

  /** What the kernel had to refuse or end so far. */
  findHit(): LimitHit | undefined {
    if (this.#count("memory.events", "oom_kill") > 0) return this.#hit("memory");
    return this.#count("pids.events", "max") > 0 ? this.#hit("processes") : undefined;
  }

  /** Kills what is left in it and removes it. A group that cannot be emptied stays, with its limits. */
  async close(): Promise<void> {
    const kill = join(this.#folder, "cgroup.kill");
    const endAt = performance.now() + EMPTY_TIMEOUT_MS;
    for (;;) {
      try {
        // Linux 5.14; before it the process tree and its ids are all there is.
        if (existsSync(kill)) writeFileSync(kill, "1");
        rmdirSync(this.#folder);
        return;
      } catch {
        if (!existsSync(this.#folder) || performance.now() > endAt) return;
        await delay(20);
      }
    }
  }

  #hit(kind: "memory" | "processes"): LimitHit {
    const limit = limitText(kind, this.#limits) ?? `what the machine has of ${kind}`;
    return { kind, message: `ended at ${limit}` };
  }

  /** `NAME COUNT` lines. */
  #count(file: string, name: string): number {
    try {
      const text = readFileSync(join(this.#folder, file), "latin1");
      return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
    } catch {
      return 0;
    }
  }
}

/** `0::/PATH` in /proc/self/cgroup, below where cgroup2 is mounted. */
function ownGroup(): string | undefined {
  try {
    const path = /^0::(\/.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
    const mounts = readFileSync("/proc/self/mounts", "utf8");
    const mount = /^\S+ (\S+) cgroup2 /m.exec(mounts)?.[1];
    return path === undefined || mount === undefined ? undefined : join(mount, path);
  } catch {
    return undefined;
  }
}

const words = (file: string): string[] => readFileSync(file, "latin1").split(/\s+/).filter(Boolean);
