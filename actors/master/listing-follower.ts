/**
 * Follows an index without a changelog: by the serials of its listing where it has any (PEP 691 with
 * `_last-serial`), else by looking at all project pages in turn. Listing and pages are asked for with the
 * validators that they had, so that what has not changed costs a 304. A farm that follows a wanted set asks
 * for no listing. Used by Cloud Gazer.
 */

import { canonicalName } from "../../protocol/packaging/canonical-name.ts";
import type { UpstreamListing } from "../../protocol/upstream/index.ts";
import { ChangedNames } from "./changed-names.ts";
import { askUntilDone } from "./database.ts";
import type { Follower, FollowerArgs, FollowerContext } from "./follower.ts";

/** A listing that takes long to read is asked for so much more rarely. */
const REST_PER_LISTING = 10;
const NAMES_A_STEP = 20_000;

export class ListingFollower implements Follower {
  highestSerial = 0;
  readonly lookAgainMs: number;
  readonly #args: FollowerArgs;
  #nextListingAt = 0;

  constructor(args: FollowerArgs) {
    this.#args = args;
    this.lookAgainMs = args.lookAgainMs;
  }

  async follow(ctx: FollowerContext): Promise<boolean> {
    const { database, upstream, follow, listingMs } = this.#args;
    if (follow === "wanted") {
      await askUntilDone(ctx, database, "lookAtWanted", null);
      return false;
    }
    const startedAt = performance.now();
    if (startedAt < this.#nextListingAt) return false;
    const known = await askUntilDone(ctx, database, "listingValidators", null);
    const listing = await upstream.listing(ctx.signal, known);
    if (listing !== "unchanged") await this.#takeUp(ctx, listing);
    const endedAt = performance.now();
    const restMs = Math.max(listingMs, REST_PER_LISTING * (endedAt - startedAt));
    this.#nextListingAt = endedAt + restMs;
    return false;
  }

  async #takeUp(ctx: FollowerContext, listing: UpstreamListing): Promise<void> {
    const { database } = this.#args;
    const names = new ChangedNames();
    /** Some 60 MB for an index of PyPI's size, while it is read. */
    const listed = new Set<string>();
    let hasSerials = false;
    const flush = async () => {
      for (const projects of names.take())
        await askUntilDone(ctx, database, "recordListing", { projects });
    };
    for await (const { name, lastSerial } of listing.projects) {
      names.add(name, lastSerial);
      listed.add(canonicalName(name));
      if (lastSerial !== null) {
        hasSerials = true;
        this.highestSerial = Math.max(this.highestSerial, lastSerial);
      }
      if (names.isFull) await flush();
    }
    await flush();
    names.warn(ctx.log);
    // Without serials each project is looked at in turn, and so is found missing by itself.
    if (hasSerials) await this.#lookAtUnlisted(ctx, listed);
    await askUntilDone(ctx, database, "listingTaken", listing.validators);
    ctx.log.debug({ projects: listed.size, hasSerials }, "the upstream listing was taken up");
  }

  /** That they are listed no more says little: their pages say whether they are there. */
  async #lookAtUnlisted(ctx: FollowerContext, listed: ReadonlySet<string>): Promise<void> {
    const { database } = this.#args;
    for (let after: string | undefined = ""; after !== undefined; ) {
      const known: readonly string[] = await askUntilDone(ctx, database, "listedNames", {
        after,
        limit: NAMES_A_STEP,
      });
      const names = known.filter((name) => !listed.has(name));
      if (names.length > 0) await askUntilDone(ctx, database, "lookAt", { names });
      after = known.at(-1);
    }
  }
}
