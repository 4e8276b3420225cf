/**
 * The farm as the screens show it: plain values that the watcher makes of what it knows (`picture-view.ts`) and the
 * screens only read. Texts are as the master said them: the screens clean them.
 */
import type { HostStats } from "../../../protocol/model/host.ts";
import type { FarmFigures, TargetFigures } from "../../../protocol/model/statistics.ts";
import type { TaskNode } from "../../../protocol/model/task-tree.ts";

/** The master, or the number of a slave. */
export type SubjectKey = "master" | number;

/** What a line of the list says first, and its colour. The master is `running`, or one of the last four. */
export type SubjectState =
  | "idle"
  | "building"
  | "sending"
  | "cleaning"
  | "silent"
  | "dead"
  | "asleep"
  | "running"
  | "degraded"
  | "paused"
  | "resting"
  | "away";

export interface BuildShown {
  readonly token: number;
  readonly package: string;
  readonly version: string;
  readonly target: string;
}

/** The master or a slave. Instants are of the master's clock, in ms since 1970. */
export interface Subject {
  readonly key: SubjectKey;
  readonly label: string;
  /** Such as `cp311`, of several interpreters `cp39 cp311`; empty for the master, and where nobody said. */
  readonly abi: string;
  readonly state: SubjectState;
  /** Since when it is up; null: it is not, or nobody knows. */
  readonly upSinceAt: number | null;
  /** What it does, in words: a build, why it sleeps, what it lacks. */
  readonly task: string;
  /** Since when it does it. */
  readonly taskSinceAt: number | null;
  readonly isAsleep: boolean;
  /** In hand, or null. */
  readonly build: BuildShown | null;
  /** The last one of which there may be a log: the one in hand, or the one that ended last. */
  readonly lastBuild: BuildShown | null;
  readonly stats: HostStats | null;
  /** What else is known: host, system, version, targets. */
  readonly facts: readonly string[];
}

/** The last hour of one figure. */
export interface PlotData {
  readonly title: string;
  readonly unit: "number" | "bytes" | "percent" | "celsius";
  /** One for each step of 10 s, the latest last; null: not measured. */
  readonly values: readonly (number | null)[];
  /** What the top of the plot is at least. */
  readonly ceiling: number;
}

export type Tone = "good" | "bad" | "warning" | "news" | "quiet";

/** One line of what has happened. */
export interface EventShown {
  readonly number: number;
  readonly at: number;
  readonly tone: Tone;
  readonly text: string;
}

export interface Connection {
  readonly isHere: boolean;
  /** Nobody has answered yet, since this monitor began. */
  readonly isNew: boolean;
  /** Since when that is so; by this machine's clock. */
  readonly sinceAt: number;
  /** Why it is away, where that is known. */
  readonly why: string | null;
}

export interface FarmView {
  readonly connection: Connection;
  /** What is to be added to this machine's clock to have the master's, in ms. */
  readonly clockOffsetMs: number;
  /** The master, then the slaves by ABI and label. */
  readonly subjects: readonly Subject[];
  readonly farm: FarmFigures | null;
  /** By rank. */
  readonly targets: readonly TargetFigures[];
  /** Parents first; null: not asked yet. */
  readonly tasks: readonly TaskNode[] | null;
  /** Parts of a split master that did not answer. */
  readonly silentParts: readonly string[];
  /** The oldest first. */
  readonly events: readonly EventShown[];
  /** Of the selected one. */
  readonly plots: readonly PlotData[];
}

export const emptyView = (now: number): FarmView => ({
  connection: { isHere: false, isNew: true, sinceAt: now, why: null },
  clockOffsetMs: 0,
  subjects: [],
  farm: null,
  targets: [],
  tasks: null,
  silentParts: [],
  events: [],
  plots: [],
});
