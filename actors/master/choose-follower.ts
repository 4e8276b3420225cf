/**
 * How Cloud Gazer learns which projects to read: from the changelog, or from listing and pages of an index
 * that has none. Chosen once per start; an index that has shown a changelog once is held to it.
 */
import { UpstreamError } from "../../protocol/upstream/index.ts";
import { ChangelogFollower } from "./changelog-follower.ts";
import { askUntilDone } from "./database.ts";
import type { Follower, FollowerArgs, FollowerContext } from "./follower.ts";
import { ListingFollower } from "./listing-follower.ts";

export async function chooseFollower(ctx: FollowerContext, args: FollowerArgs): Promise<Follower> {
  const { database, upstream } = args;
  const { index } = upstream;
  const { isOther, hasChangelog } = await askUntilDone(ctx, database, "followIndex", { index });
  if (isOther)
    ctx.log.warn({ index }, "another index is followed than before: all projects are read anew");
  if (upstream.hasXmlRpc && (hasChangelog || (await findChangelog(ctx, args)))) {
    await askUntilDone(ctx, database, "foundChangelog", null);
    ctx.log.info({ index }, "upstream is followed by its changelog");
    return new ChangelogFollower(args);
  }
  ctx.log.info({ index }, "upstream is followed by its pages, without a changelog");
  return new ListingFollower(args);
}

/** @throws UpstreamError where nothing can be said: upstream is away */
async function findChangelog(ctx: FollowerContext, { upstream }: FollowerArgs): Promise<boolean> {
  try {
    await upstream.changelogLastSerial(ctx.signal);
    return true;
  } catch (error) {
    const isNone =
      error instanceof UpstreamError && (error.code === "refused" || error.code === "garbled");
    if (!isNone) throw error;
    ctx.log.debug({ reason: error.message }, "no changelog was found");
    return false;
  }
}
