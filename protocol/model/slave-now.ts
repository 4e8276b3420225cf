/** A slave at one moment, as its session and the database know it: what monitors show. */
import { z } from "zod";
import { tokenSchema } from "./build.ts";
import type { Immutable } from "./immutable.ts";
import {
  countSchema,
  instantSchema,
  projectNameSchema,
  rowIdSchema,
  versionSchema,
} from "./scalar.ts";
import { MOST_SLAVES_LISTED, sleeperSchema } from "./sleeper.ts";

/**
 * - `idle`: it waits for a build.
 * - `building`, `delivering`: its files are on their way, and it has no other build in hand.
 * - `cleaning`: it was told that its build is settled, and has not said since that it is idle.
 * - `asleep`: idle, and given no build until it is woken.
 * - `silent`: its connection is lost, or it was not here since the master began. What it has in hand is waited for.
 * - `gone`: it has ended in order, or was made to end.
 */
export const slaveNowStates = [
  "idle",
  "building",
  "delivering",
  "cleaning",
  "asleep",
  "silent",
  "gone",
] as const;
export const slaveNowStateSchema = z.enum(slaveNowStates);
export type SlaveNowState = z.infer<typeof slaveNowStateSchema>;

export const buildInHandSchema = z.object({
  token: tokenSchema,
  package: projectNameSchema,
  version: versionSchema,
  target: z.string().max(200),
  /** When it was given out. Instants are of the master's clock, in ms since 1970. */
  sinceAt: instantSchema,
});
export type BuildInHand = Immutable<z.infer<typeof buildInHandSchema>>;

export const slaveNowSchema = z.object({
  id: rowIdSchema,
  label: z.string().max(200),
  state: slaveNowStateSchema,
  /** Since when it is in this state. */
  sinceAt: instantSchema,
  /** One that is asleep may still have a build in hand. */
  asleep: z.object({ by: sleeperSchema, why: z.string().max(2_000) }).nullable(),
  /** Null too where only its token is known so far. */
  build: buildInHandSchema.nullable(),
  /** Finished builds of which the master still takes the files. */
  delivering: countSchema,
  /** Since when it is connected; null: it is not. */
  connectedAt: instantSchema.nullable(),
});
export type SlaveNow = Immutable<z.infer<typeof slaveNowSchema>>;

/** What it said of itself at HELLO. */
export const slaveFactsSchema = z.object({
  slot: z.string().max(200),
  /** Its proven public key, or `local:…` on a link without keys. */
  identity: z.string().max(200),
  hostname: z.string().max(1_000),
  /** Empty where they cannot be told. */
  os: z.string().max(1_000),
  board: z.string().max(1_000),
  /** Of the product. */
  version: z.string().max(50),
  /** Names, in the order of `sortedTargets`. */
  targets: z.array(z.string().max(200)).max(1_000),
});
export type SlaveFacts = Immutable<z.infer<typeof slaveFactsSchema>>;

/** All that the Slave Driver knows, at one moment of one of its lives. */
export const whereaboutsSchema = z.object({
  life: z.string().max(100),
  /** How many changes it has told. */
  change: countSchema,
  slaves: z.array(slaveNowSchema).max(MOST_SLAVES_LISTED),
});

/** As they are shown everywhere: `cp39…` before `cp311…`. */
export const sortedTargets = (names: readonly string[]): string[] =>
  names.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }));
