/** Who put a slave to sleep, and how many slaves are told of at once. */
import { z } from "zod";

export const sleeperSchema = z.enum(["person", "farm"]);

/** More slaves than are listed at once. */
export const MOST_SLAVES_LISTED = 10_000;
