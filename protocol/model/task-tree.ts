/** What monitors see of the tree of tasks: one row for each actor and supervisor, parents first. */
import { z } from "zod";
import { textSchema } from "./text.ts";

const name = z.string().max(2_000);
const count = z.number().int().nonnegative();

export const taskNodeSchema = z.object({
  /** The part of the master that runs it. */
  part: name,
  path: name,
  role: name,
  kind: z.enum(["worker", "supervisor", "dynamic"]),
  state: z.enum(["starting", "running", "paused", "restarting", "failed", "stopped"]),
  /** What PAUSE does to it. */
  pause: z.enum(["never", "drain", "park"]),
  incarnation: count,
  mailboxDepth: count,
  /** How long the message in hand has been in hand. */
  busyMs: z.number().nonnegative(),
  handled: count,
  restarts: count,
  lastError: textSchema(2_000).optional(),
  /** In ms since 1970, by the clock of its machine. */
  degraded: z.object({ reason: textSchema(2_000), sinceAt: z.number() }).optional(),
  /** Of a dynamic supervisor whose children are not listed: how many there are, and the most that any of them has. */
  below: z
    .object({
      count,
      mailboxDepth: count,
      busyMs: z.number().nonnegative(),
      handled: count,
      /** Those that do without something that they need. */
      degraded: count,
    })
    .exactOptional(),
  /** How often it refused what, by reason, since its process started; absent where it was nothing. */
  refused: z.record(z.string().max(100), count).optional(),
});
export type TaskNode = z.infer<typeof taskNodeSchema>;
export const taskTreeSchema = z.array(taskNodeSchema).max(100_000);
