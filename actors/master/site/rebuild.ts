/**
 * A stretch of the rebuild that is under way (db/rebuilds.ts), for the Secretary. How far it is was written down
 * before the next stretch, so a restart repeats one stretch at most; what stands already is not written.
 */
import type { PageRebuild, PageRequest } from "../../../protocol/model/page.ts";
import type { DatabaseRef } from "../database.ts";

/** A new simple page waits for so many pages at most. */
const STRETCH = 100;

const pageKinds = {
  simple: "simple",
  project: "project",
  downloads: "project",
} as const satisfies Record<PageRebuild["kind"], PageRequest["kind"]>;

/** Of a page that nobody asked for: no request has it, so that none is crossed off. */
const NO_GENERATION = 0;

/**
 * @param write has pages written; false: not all were tried, so that the stretch is to be repeated
 * @returns whether there was anything to do
 */
export async function advanceRebuild(
  database: DatabaseRef,
  signal: AbortSignal,
  write: (pages: readonly PageRequest[]) => Promise<boolean>,
): Promise<boolean> {
  const asking = { timeoutMs: 30_000, signal };
  const stretch = await database.ask("nextOfRebuild", { limit: STRETCH }, asking);
  if (stretch === null) return false;
  const kind = pageKinds[stretch.kind];
  const pages = stretch.names.map((key) => ({ kind, key, generation: NO_GENERATION }));
  if (pages.length > 0 && !(await write(pages))) return false;
  await database.ask("rebuildAdvanced", stretch, asking);
  return true;
}
