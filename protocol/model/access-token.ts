/**
 * Tokens of those who look at the farm over HTTP: their form, their rights, and how `piw token` shows them. The token
 * itself is made by the tool that is asked for one and shown once; everybody else knows its hash only.
 */
import { z } from "zod";
import type { Immutable } from "./immutable.ts";
import { instantSchema } from "./scalar.ts";

/** `control` may do what `watch` may. */
export const rights = ["watch", "control"] as const;
export const rightSchema = z.enum(rights);
export type Right = z.infer<typeof rightSchema>;

export const isEnough = (has: Right, needed: Right): boolean => has === needed || has === "control";

/** As keys are named: it may stand in lines, tables and paths. */
export const tokenNameSchema = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._@-]{0,99}$/);

/** A word that is found in texts that it does not belong in, and 32 bytes in base64url. */
export const tokenPattern = /^piw_[A-Za-z0-9_-]{43}$/;

/** SHA-256 of a token's text, in hex. */
export const tokenHashSchema = z.string().regex(/^[0-9a-f]{64}$/);

/** Who was let in by one. */
export const tokenHolderSchema = z.object({ name: tokenNameSchema, right: rightSchema });
export type TokenHolder = Immutable<z.infer<typeof tokenHolderSchema>>;

export const newTokenSchema = tokenHolderSchema.extend({
  sha256: tokenHashSchema,
  /** Null: it lasts until it is revoked. */
  lifetimeMs: z
    .int()
    .positive()
    .max(100 * 366 * 86_400_000)
    .nullable(),
});
export const tokenCreatedSchema = z.object({
  /** `taken`: another one has that name. `full`: there are as many as there may be. */
  outcome: z.enum(["created", "taken", "full"]),
});
/** Living ones. */
export const MOST_TOKENS = 1_000;

export const tokenRowSchema = tokenHolderSchema.extend({
  state: z.enum(["valid", "expired", "revoked"]),
  createdAt: instantSchema,
  expiresAt: instantSchema.nullable(),
  revokedAt: instantSchema.nullable(),
  /** To the minute. */
  usedAt: instantSchema.nullable(),
});
export type TokenRow = Immutable<z.infer<typeof tokenRowSchema>>;
/** Those that ended within a year are listed too, the newest first. */
export const MOST_TOKENS_LISTED = 5_000;

export const tokenRevokedSchema = z.object({
  isRevoked: z.boolean(),
  /** Names of those that could have been meant. */
  known: z.array(tokenNameSchema).max(MOST_TOKENS),
});
