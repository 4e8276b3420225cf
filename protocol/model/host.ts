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

export const hostStatsSchema = z.object({
  diskFreeBytes: z.number().nonnegative(),
  diskSizeBytes: z.number().nonnegative(),
  memoryFreeBytes: z.number().nonnegative(),
  memorySizeBytes: z.number().nonnegative(),
  loadAverage: z.number().nonnegative(),
});
export type HostStats = Immutable<z.infer<typeof hostStatsSchema>>;
