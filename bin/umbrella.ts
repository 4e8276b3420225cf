/**
 * The subcommands of `piw`. Each loads its own part only when it is called for, so that `piw keygen` does
 * not start the database's client.
 */

import { harmless } from "../config/log-line.ts";
import { findNearest } from "../config/nearest.ts";
import { productVersion } from "../config/version.ts";

type Run = (argv: readonly string[]) => Promise<void>;

interface Subcommand {
  readonly doc: string;
  readonly load: () => Promise<Run>;
}

const subcommands: ReadonlyMap<string, Subcommand> = new Map([
  [
    "farm",
    {
      doc: "Run everything on this machine, with a database of its own",
      load: async () => (await import("./commands/farm.ts")).farm,
    },
  ],
  [
    "master",
    {
      doc: "Run the master (piw-master)",
      load: async () => (await import("./commands/master.ts")).master,
    },
  ],
  [
    "slave",
    {
      doc: "Run a build slave (piw-slave)",
      load: async () => (await import("./commands/slave.ts")).slave,
    },
  ],
  [
    "initdb",
    {
      doc: "Create or upgrade the database (piw-initdb)",
      load: async () => (await import("./commands/initdb.ts")).initdb,
    },
  ],
  [
    "add",
    {
      doc: "Add packages to what the master builds (piw-add)",
      load: async () => (await import("./commands/add.ts")).add,
    },
  ],
  [
    "remove",
    {
      doc: "Remove packages, versions or their builds (piw-remove)",
      load: async () => (await import("./commands/remove.ts")).remove,
    },
  ],
  [
    "rebuild",
    {
      doc: "Have pages of the site written again (piw-rebuild)",
      load: async () => (await import("./commands/rebuild.ts")).rebuild,
    },
  ],
  [
    "target",
    {
      doc: "List, add, skip and unskip what wheels are built for",
      load: async () => (await import("./commands/target.ts")).target,
    },
  ],
  [
    "token",
    {
      doc: "Create, list and revoke the tokens of those who are let in over HTTP",
      load: async () => (await import("./commands/token.ts")).token,
    },
  ],
  [
    "import",
    {
      doc: "Publish wheels that were built elsewhere (piw-import)",
      load: async () => (await import("./commands/import.ts")).importCommand,
    },
  ],
  [
    "logger",
    {
      doc: "Feed a web server's access logs to the master (piw-logger)",
      load: async () => (await import("./commands/logger.ts")).logger,
    },
  ],
  [
    "audit",
    {
      doc: "Check the output folder against the database (piw-audit)",
      load: async () => (await import("./commands/audit.ts")).audit,
    },
  ],
  [
    "monitor",
    {
      doc: "Watch the master and its slaves on the terminal, and steer them (piw-monitor)",
      load: async () => (await import("./commands/monitor.ts")).monitor,
    },
  ],
  [
    "status",
    {
      doc: "Show what the master has built and is building",
      load: async () => (await import("./commands/queue.ts")).status,
    },
  ],
  [
    "log",
    {
      doc: "Show the log of a build, also while it runs",
      load: async () => (await import("./commands/log.ts")).log,
    },
  ],
  [
    "slaves",
    {
      doc: "List slaves, kill them, put them to sleep, wake them, have them skip a build",
      load: async () => (await import("./commands/slaves.ts")).slaves,
    },
  ],
  [
    "pause",
    {
      doc: "Pause a task of the master",
      load: async () => (await import("./commands/control.ts")).pause,
    },
  ],
  [
    "resume",
    {
      doc: "Let a task go on that was paused or stopped",
      load: async () => (await import("./commands/control.ts")).resume,
    },
  ],
  [
    "tasks",
    {
      doc: "Show the tasks of the master, and what each lacks",
      load: async () => (await import("./commands/control.ts")).tasks,
    },
  ],
  [
    "quit",
    {
      doc: "Stop a task of the master, or all of it",
      load: async () => (await import("./commands/control.ts")).quit,
    },
  ],
  [
    "orders",
    {
      doc: "Show what the master was ordered to do, by whom, and what became of it",
      load: async () => (await import("./commands/orders.ts")).orders,
    },
  ],
  [
    "log-level",
    {
      doc: "Show and change how much a running master logs",
      load: async () => (await import("./commands/log-level.ts")).logLevel,
    },
  ],
  [
    "keygen",
    {
      doc: "Make a key pair for a master, a slave or a monitor, or a key to sign wheels with",
      load: async () => (await import("./commands/keygen.ts")).keygen,
    },
  ],
  [
    "verify",
    {
      doc: "Check a wheel against what the farm signed about it",
      load: async () => (await import("./commands/verify.ts")).verify,
    },
  ],
  [
    "slave-key",
    {
      doc: "Add, list and revoke the keys of slaves that the master lets in",
      load: async () => (await import("./commands/keys.ts")).slaveKey,
    },
  ],
  [
    "monitor-key",
    {
      doc: "Add, list and revoke the keys of those who may watch and control over tcp",
      load: async () => (await import("./commands/keys.ts")).monitorKey,
    },
  ],
]);

/** Runs `piw SUBCOMMAND …`, or prints what there is. */
export async function umbrella([name, ...argv]: readonly string[]): Promise<void> {
  if (name === "--version") {
    process.stdout.write(`${productVersion}\n`);
    return;
  }
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(overview());
    return;
  }
  if (name.startsWith("-")) {
    process.stderr.write(
      `piw: options come after the subcommand: piw SUBCOMMAND ${harmless(name.slice(0, 60))} (piw --help lists all)\n`,
    );
    process.exitCode = 2;
    return;
  }
  const subcommand = subcommands.get(name);
  if (subcommand === undefined) {
    const nearest = findNearest(name, subcommands.keys()) ?? "";
    const asked = harmless(name.slice(0, 60));
    process.stderr.write(
      `piw: there is no "piw ${asked}"; the nearest is "piw ${nearest}" (piw --help lists all)\n`,
    );
    process.exitCode = 2;
    return;
  }
  const run = await subcommand.load();
  await run(argv);
}

function overview(): string {
  const width = Math.max(...[...subcommands.keys()].map((name) => name.length));
  const lines = [...subcommands].map(([name, { doc }]) => `  ${name.padEnd(width)}  ${doc}`);
  return [
    "Usage: piw SUBCOMMAND [options]",
    "",
    "A supervised build farm for Python packages.",
    "",
    ...lines,
    "",
    "piw SUBCOMMAND --help shows its options; piw --version the version.",
    "",
  ].join("\n");
}
