/** What a person does with slaves: which ones there are, and what was done to whom. Said on the control link. */
import { z } from "zod";
import { tokenSchema } from "./build.ts";
import type { Immutable } from "./immutable.ts";
import {
  durationSchema,
  instantSchema,
  projectNameSchema,
  rowIdSchema,
  versionSchema,
} from "./scalar.ts";
import { slaveNowStateSchema } from "./slave-now.ts";
import { sleeperSchema } from "./sleeper.ts";
import { textSchema } from "./text.ts";

/**
 * - `kill`: it drops what it builds and ends; should somebody start it again, it is a slave like any other.
 * - `sleep`: it finishes the build in hand and is given no other until it is woken, also by another master.
 * - `wake`: it is given builds again, whoever put it to sleep.
 * - `skip`: it drops the build in hand, which is for other slaves first.
 */
export const steeringSchema = z.enum(["kill", "sleep", "wake", "skip"]);
export type Steering = z.infer<typeof steeringSchema>;

/** A label, in which `*` stands for any letters; without a job's `#2` all jobs of the slave. Or one by its number. */
export const slavesAskedSchema = z.union([
  z.object({ label: textSchema(200) }),
  z.object({ id: rowIdSchema }),
]);
export type SlavesAsked = Immutable<z.infer<typeof slavesAskedSchema>>;

/** How long a process is not given a build again that a person had it drop. */
export const PASSED_FOR_MS = 600_000;

/** Who is meant, by what its session knows. The database has the same rule for all that it knows (`db/steering.ts`). */
export function slaveMatcher(
  asked: SlavesAsked,
): (slave: { readonly slaveId: number; readonly label: string }) => boolean {
  if ("id" in asked) return ({ slaveId }) => slaveId === asked.id;
  return ({ label }) =>
    fits(asked.label, label) || fits(asked.label, label.replace(/#[0-9]+$/, ""));
}

/** `*` stands for any letters. The first place where a piece fits is as good as any later one. */
function fits(pattern: string, label: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return label === pattern;
  if (!label.startsWith(first)) return false;
  let from = first.length;
  for (const piece of rest) {
    const at = label.indexOf(piece, from);
    if (at < 0) return false;
    from = at + piece.length;
  }
  return label.length - last.length >= from && label.endsWith(last);
}

const labelSchema = z.string().max(200);

export const slaveRowSchema = z.object({
  id: rowIdSchema,
  label: labelSchema,
  slot: z.string().max(200),
  /** Its proven public key, or `local:…` on a link without keys. */
  identity: z.string().max(200),
  hostname: z.string().max(1_000),
  /** Of the product, as it said. */
  version: z.string().max(50),
  os: z.string().max(1_000),
  board: z.string().max(1_000),
  targets: z.array(z.string().max(200)).max(1_000),
  state: slaveNowStateSchema,
  asleep: z.object({ by: sleeperSchema, why: z.string().max(2_000) }).nullable(),
  /** What it was given last and has not settled. */
  build: z
    .object({
      token: tokenSchema,
      package: projectNameSchema,
      version: versionSchema,
      target: z.string().max(200),
      sinceAt: instantSchema,
      forMs: durationSchema,
    })
    .nullable(),
  /** When it was heard last, to the minute. */
  seenAt: instantSchema,
  silentMs: durationSchema,
});
export type SlaveRow = Immutable<z.infer<typeof slaveRowSchema>>;

/** What was done to one slave. */
export const steeredSchema = z.object({
  id: rowIdSchema,
  label: labelSchema,
  /** False: nothing was to be done, or it is not there to be told; `what` says which. */
  isDone: z.boolean(),
  /** In a few words. */
  what: z.string().max(1_000),
});
export type Steered = Immutable<z.infer<typeof steeredSchema>>;
