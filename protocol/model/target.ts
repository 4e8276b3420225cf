/**
 * A target: what wheels are built for. It is a row of the database with a name, made from what a
 * slave's interpreter says of itself; see docs on targets in ARCHITECTURE.md.
 */
import { z } from "zod";
import type { Immutable } from "./immutable.ts";

/** What an interpreter reports. `tags` are in pip's order of preference (PEP 425). */
export const targetSpecSchema = z.object({
  /** `cp311-linux_x86_64`: interpreter tag and platform. */
  name: z
    .string()
    .max(200)
    .regex(/^[a-z0-9_]+-[a-z0-9_.]+$/),
  implementation: z
    .string()
    .max(20)
    .regex(/^[a-z]+$/i),
  /** `3.11`: major and minor, as Requires-Python is compared with `pythonFullVersion`. */
  pythonVersion: z
    .string()
    .max(20)
    .regex(/^\d+\.\d+$/),
  pythonFullVersion: z
    .string()
    .max(40)
    .regex(/^\d+\.\d+[0-9a-z.+]*$/),
  abiTag: z
    .string()
    .max(60)
    .regex(/^[a-z0-9_]+$/i),
  platformTag: z
    .string()
    .max(100)
    .regex(/^[a-z0-9_.]+$/i),
  tags: z
    .array(
      z
        .string()
        .max(150)
        .regex(/^[a-z0-9_.-]+$/i),
    )
    .min(1)
    .max(10_000),
});
export type TargetSpec = Immutable<z.infer<typeof targetSpecSchema>>;
