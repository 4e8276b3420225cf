/** How fast is the site served, beside nginx on the same tree? A part of the bench `pages`. */
import type { Findings } from "../frame.ts";

export async function measureServing(_signal: AbortSignal): Promise<Findings> {
  return { tables: [], notes: [], figures: {}, aims: [] };
}
