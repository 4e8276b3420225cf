/**
 * The parts that a master can be split into (`piw-master --tasks`): which tasks only work together, the queue
 * on which the others speak to them, and whom they speak to. A part runs whole in one process.
 */
import { taskMatcher } from "./task-pattern.ts";

interface Part {
  /** As `--tasks`, `--debug` and `piw pause` name them. */
  readonly tasks: readonly string[];
  /** The option, without `-queue`, of the address on which other processes reach the part. */
  readonly queue: string;
  /** The parts that it speaks to. */
  readonly needs: readonly string[];
}

const table = {
  main: {
    tasks: ["main", "control", "status", "big-brother"],
    queue: "stats",
    needs: ["db", "builds", "driver", "fs", "web", "front"],
  },
  db: { tasks: ["seraph", "oracle", "listener"], queue: "db", needs: ["builds"] },
  builds: { tasks: ["architect"], queue: "builds", needs: ["main", "db", "driver"] },
  driver: {
    tasks: ["slave-driver"],
    queue: "driver",
    needs: ["main", "db", "builds", "fs", "web"],
  },
  fs: { tasks: ["file-juggler"], queue: "fs", needs: ["db", "front"] },
  web: {
    tasks: ["secretary", "scribe", "http", "dashboard", "readiness", "metrics"],
    queue: "web",
    needs: ["main", "db"],
  },
  front: {
    tasks: ["cloud-gazer", "mr-chase", "import-desk", "lumberjack", "herald"],
    queue: "front",
    needs: ["main", "db", "fs", "web"],
  },
} as const satisfies Record<string, Part>;

export type PartName = keyof typeof table;

export const partNames = Object.keys(table) as readonly PartName[];

/** What `--tasks` can name. */
export const splitTasks: readonly string[] = Object.values<Part>(table).flatMap(
  ({ tasks }) => tasks,
);

/** The option of the address of a part, such as `db-queue`. */
export const partQueue = (part: PartName) => `${table[part].queue}-queue` as const;

/** The tasks of a part. */
export const tasksOf = (part: PartName): readonly string[] => table[part].tasks;

/** The parts that a part speaks to. */
export const needsOf = (part: PartName): readonly PartName[] => table[part].needs;

/**
 * The parts that hold these tasks; all of them for the empty list.
 *
 * @throws Error for a name or pattern that no task has
 */
export function partsOf(patterns: readonly string[]): readonly PartName[] {
  for (const pattern of patterns) {
    if (!splitTasks.some(taskMatcher([pattern]))) {
      throw new Error(`"${pattern}" is no task; the tasks are ${splitTasks.join(", ")}`);
    }
  }
  if (patterns.length === 0) return partNames;
  const isWanted = taskMatcher(patterns);
  return partNames.filter((part) => tasksOf(part).some(isWanted));
}
