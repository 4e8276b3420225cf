/**
 * What the dashboard knows of the farm, and how it asks and orders: given by whoever mounts it (an actor of the master that
 * watches its own queues). Values only; this room knows neither links nor tasks.
 */
import type { LogAnswer } from "../../protocol/model/build-log.ts";
import type { HostStats } from "../../protocol/model/host.ts";
import type { KeptOrder } from "../../protocol/model/order.ts";
import type { PackageReport } from "../../protocol/model/queue.ts";
import type { BuildInHand, SlaveFacts, SlaveNow } from "../../protocol/model/slave-now.ts";
import type { FarmStatistics, HistoryPoint, SubjectKind } from "../../protocol/model/statistics.ts";
import type { EndedBuild } from "../../protocol/model/status.ts";
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
  readonly connection: {
    readonly isHere: boolean;
    readonly sinceAt: number;
    /** For people; empty where nothing is wrong. */
    readonly why: string;
  };
  readonly figures: FarmStatistics;
  readonly slaves: readonly SlaveSeen[];
  /** Those that ended last, newest first. */
  readonly ended: readonly EndedBuild[];
  /** What happened last, newest first. */
  readonly notes: readonly Note[];
  /** As it was last seen; null before that. */
  readonly tree: TreeReading | null;
}

export interface SlaveSeen extends SlaveNow {
  /** Null until they are known. */
  readonly facts: SlaveFacts | null;
  /** Null: it has said nothing of its machine. */
  readonly stats: HostStats | null;
  readonly heardAt: number | null;
  /** The last word of the runner about the build in hand; null: none was heard. */
  readonly says: { readonly status: string; readonly text: string } | null;
}

/** Slaves that have a build in hand, the one that was given out last first. */
export const builders = (slaves: readonly SlaveSeen[]): (SlaveSeen & { build: BuildInHand })[] =>
  slaves
    .flatMap((slave) => (slave.build === null ? [] : { ...slave, build: slave.build }))
    .sort((one, other) => other.build.sinceAt - one.build.sinceAt || one.id - other.id);

/** One thing that happened, in words. */
export interface Note {
  readonly number: number;
  readonly at: number;
  readonly kind: "build" | "slave" | "order" | "published" | "master";
  readonly text: string;
  readonly tone: "good" | "bad" | "busy" | "calm";
}
