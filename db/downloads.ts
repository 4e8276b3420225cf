/**
 * Downloads of the farm's wheels. Where no access logs are kept there are none to tell: null, which is
 * something else than 0. Read by statistics.ts with the other figures.
 */
import type { FarmFigures } from "../protocol/model/statistics.ts";

export type Downloads = Pick<FarmFigures, "downloadsLastHour" | "downloads30Days" | "downloads">;

/** Of a farm that keeps no access logs. */
export const NO_DOWNLOADS: Downloads = {
  downloadsLastHour: null,
  downloads30Days: null,
  downloads: null,
};
