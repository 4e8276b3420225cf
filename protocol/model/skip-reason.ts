/**
 * Why something is not built. Upstream's reasons go when upstream changes; any other is an operator's, and
 * stands until an operator takes it back. So an operator cannot use upstream's.
 */
import { z } from "zod";

export const upstreamReasons = ["binary only", "no hash", "deleted"] as const;

const isUpstreams = (reason: string) => (upstreamReasons as readonly string[]).includes(reason);

/** What an operator may say: one line, none of upstream's reasons. */
export const operatorReasonSchema = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\p{C}]+$/u, "it has to be one line of text")
  .refine((reason) => !isUpstreams(reason), "it is what upstream's own reasons are called");
