/**
 * What is odd about a wheel that is valid: asked by the slave for its log and by the master for everybody. It
 * is no reason to refuse one.
 */
import type { WheelFacts } from "./wheel-archive.ts";

/**
 * A platform tag keeps a wheel from every other platform, which only machine code needs: without any, the
 * build most likely left out what it could not compile. Null when nothing is odd.
 */
export function suspicionOf(
  facts: Pick<WheelFacts, "tags" | "sharedObjects" | "programs">,
): string | null {
  const platforms = facts.tags
    .map((tag) => tag.slice(tag.lastIndexOf("-") + 1))
    .filter((platform) => platform !== "any");
  const [platform] = platforms;
  if (platform === undefined || platforms.length < facts.tags.length) return null;
  if (facts.sharedObjects > 0 || facts.programs > 0) return null;
  return `it is for ${platform} alone, and there is no shared object and no program in it`;
}
