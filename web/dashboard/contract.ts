/**
 * What the dashboard knows of the farm, and how it asks and orders: given by whoever mounts it (an actor of the master that
 * watches its own queues). Values only; this room knows neither links nor tasks.
 */
import type { LogAnswer } from "../../protocol/model/build-log.ts";
import type { Cause } from "../../protocol/model/cause.ts";
import type { HostStats } from "../../protocol/model/host.ts";
import type { PackageReport } from "../../protocol/model/queue.ts";
import type {
  FarmFigures,
  HistoryPoint,
  SubjectKind,
  TargetFigures,
} from "../../protocol/model/statistics.ts";
import type { SlaveRow } from "../../protocol/model/steering.ts";
import type { TaskNode } from "../../protocol/model/task-tree.ts";
import type { Order, OrderOutcome } from "./orders.ts";

/** All instants are in ms since 1970. */
export interface Farm {
  /** As it is now; objects in it are replaced when they change, never changed. */
  readonly picture: Picture;
  /** How often the tree is asked for while somebody looks at it; null: nobody does. */
  readonly lookAtTree: (everyMs: number | null) => void;
  /**
   * The history of one subject, from an instant on.
   * @throws Error in words for people, as do all of these
   */
  readonly readHistory: (question: HistoryAsked) => Promise<readonly HistoryPoint[]>;
  readonly readLog: (token: number, position: number, waitMs: number) => Promise<LogAnswer>;
  readonly explain: (name: string) => Promise<PackageReport>;
  /** Kept orders, newest first. */
  readonly readOrders: (limit: number) => Promise<readonly KeptOrder[]>;
  /** @param by who says it */
  readonly order: (order: Order, by: string) => Promise<OrderOutcome>;
}

export interface HistoryAsked {
  readonly kind: SubjectKind;
  readonly subject: number;
  readonly stepS: 10 | 300 | 3600;
  readonly fromAt: number;
}

export interface TreeReading {
  readonly tasks: readonly TaskNode[];
  /** Parts of the master that did not answer. */
  readonly silent: readonly string[];
}

export interface Picture {
  readonly connection: { readonly isHere: boolean; readonly sinceAt: number };
  /** When the farm's figures were taken; null before the first time. */
  readonly asOf: number | null;
  readonly farm: FarmFigures | null;
  /** By rank. */
  readonly targets: readonly TargetFigures[];
  readonly master: HostStats | null;
  /** Why no builds are given out; null when they are. */
  readonly resting: string | null;
  readonly slaves: readonly SlaveSeen[];
  readonly building: readonly BuildSeen[];
  /** Those that ended last, newest first. */
  readonly ended: readonly EndedBuild[];
  /** What happened last, newest first. */
  readonly notes: readonly Note[];
  /** As it was last seen; null before that. */
  readonly tree: TreeReading | null;
}

export type SlaveState = SlaveRow["state"] | "cleaning" | "gone";

export interface SlaveSeen {
  readonly id: number;
  readonly label: string;
  readonly state: SlaveState;
  /** Since it is in this state; null: not known. */
  readonly sinceAt: number | null;
  readonly asleep: { readonly by: "person" | "farm"; readonly why: string } | null;
  readonly build: BuildSeen | null;
  readonly targets: readonly string[];
  readonly hostname: string;
  readonly version: string;
  /** Null: it has said nothing of its machine yet. */
  readonly stats: HostStats | null;
  readonly heardAt: number;
}

export interface BuildSeen {
  readonly token: number;
  readonly package: string;
  readonly version: string;
  readonly target: string;
  readonly slave: string;
  readonly slaveId: number | null;
  readonly sinceAt: number;
  /** What its runner said of it last; empty where it said nothing. */
  readonly status: string;
}

export interface EndedBuild {
  /** A number of its own, ascending. */
  readonly number: number;
  readonly token: number;
  readonly package: string;
  readonly version: string;
  readonly target: string;
  readonly slave: string;
  readonly slaveId: number | null;
  readonly cause: Cause;
  readonly message: string;
  readonly durationMs: number;
  readonly endedAt: number;
  readonly files: readonly string[];
}

/** One thing that happened, in words. */
export interface Note {
  readonly number: number;
  readonly at: number;
  readonly kind: "build" | "slave" | "order" | "published" | "master";
  readonly text: string;
  readonly tone: "good" | "bad" | "busy" | "calm";
}

export interface KeptOrder {
  readonly id: number;
  readonly at: number;
  readonly by: string;
  readonly via: string;
  readonly what: string;
  readonly isDone: boolean;
  readonly outcome: string;
}
