/**
 * Metrics as values, in the form that Prometheus' clients give them: what a process of the master tells of itself, and what
 * the whole of `/metrics` is put together from.
 */
import { z } from "zod";
import type { Immutable } from "./immutable.ts";

export const metricFamilySchema = z.object({
  name: z.string().max(200),
  help: z.string().max(500),
  type: z.enum(["counter", "gauge", "histogram", "summary"]),
  values: z
    .array(
      z.object({
        /** Of a histogram: with `_bucket`, `_sum` or `_count`. */
        metricName: z.string().max(200),
        labels: z.record(z.string().max(100), z.string().max(200)),
        value: z.number(),
      }),
    )
    .max(20_000),
});
export type MetricFamily = Immutable<z.infer<typeof metricFamilySchema>>;
const metricFamiliesSchema = z.array(metricFamilySchema).max(1_000);

/** What one process of the master tells of itself. */
export const processVitalsSchema = z.object({
  process: z.string().max(200),
  families: metricFamiliesSchema,
});
export type ProcessVitals = Immutable<z.infer<typeof processVitalsSchema>>;
