/** What does one change cost the root of the index at the size of PyPI? A part of the bench `pages`. */
import type { Findings } from "../frame.ts";

export async function measureRoot(_signal: AbortSignal): Promise<Findings> {
  return { tables: [], notes: [], figures: {}, aims: [] };
}
