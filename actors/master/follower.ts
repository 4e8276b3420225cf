/** How Cloud Gazer learns which projects to read, and what it says of itself to do so: see choose-follower.ts. */
import type { UpstreamClient } from "../../protocol/upstream/index.ts";
import type { Logger } from "../../supervisor/index.ts";
import type { Asker, DatabaseRef } from "./database.ts";
import type { UpstreamMeters } from "./metrics/meters.ts";

export interface FollowerArgs {
  readonly database: DatabaseRef;
  readonly upstream: UpstreamClient;
  readonly follow: "all" | "wanted";
  /** See `masterTimes`. */
  readonly listingMs: number;
  readonly lookAgainMs: number;
  readonly meters: UpstreamMeters;
}

/** What a follower needs of the actor that it works for. */
export interface FollowerContext extends Asker {
  readonly log: Logger;
}

export interface Follower {
  /** The latest serial that upstream has shown. */
  readonly highestSerial: number;
  /** When the page of a project without serials is looked at again; null: never by itself. */
  readonly lookAgainMs: number | null;
  /**
   * Notes which projects changed. Returns whether there is more to note at once.
   * @throws UpstreamError; AskError `aborted`
   */
  follow(ctx: FollowerContext): Promise<boolean>;
}
