/** A machine as it describes itself: what HELLO and the statistics carry. */
import { z } from "zod";
import type { Immutable } from "./immutable.ts";
import { textSchema } from "./text.ts";

export const hostFactsSchema = z.object({
  /** `Debian GNU/Linux 12`, from os-release. */
  os: textSchema(200),
  /** Board or machine model, empty where it cannot be told. */
  board: textSchema(200),
  hostname: textSchema(255),
  cores: z.number().int().positive(),
});
export type HostFacts = Immutable<z.infer<typeof hostFactsSchema>>;

const bytesSchema = z.int().nonnegative();

/** What a load average or a temperature may be: whoever measures keeps within it. */
export const MAX_LOAD = 1_000_000;
export const COLDEST_C = -100;
export const HOTTEST_C = 250;

/** Of the disk that counts there: a slave's builds, the master's output. Sizes are 0 where they cannot be told. */
export const diskRoomSchema = z.object({ freeBytes: bytesSchema, sizeBytes: bytesSchema });
export type DiskRoom = Immutable<z.infer<typeof diskRoomSchema>>;

export const hostStatsSchema = z.object({
  diskFreeBytes: bytesSchema,
  diskSizeBytes: bytesSchema,
  /** What programs can still have without swapping. */
  memoryFreeBytes: bytesSchema,
  memorySizeBytes: bytesSchema,
  /** Both 0 without swap. */
  swapFreeBytes: bytesSchema,
  swapSizeBytes: bytesSchema,
  /** Over the last minute. */
  loadAverage: z.number().nonnegative().max(MAX_LOAD),
  /** In degrees Celsius; null where the machine does not say. */
  temperatureC: z.number().min(COLDEST_C).max(HOTTEST_C).nullable(),
});
export type HostStats = Immutable<z.infer<typeof hostStatsSchema>>;
