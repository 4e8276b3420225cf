/**
 * Single values of messages and database requests: numbers of rows, instants, durations, names. Those that
 * mean something of their own (a token, a hash, a file name) are in the files of what they belong to.
 */
import { z } from "zod";
import { MAX_NAME_LENGTH } from "../packaging/canonical-name.ts";

/** The number of a slave, a target or a file in the database. */
export const rowIdSchema = z.int().positive();

/** How many of something there are. */
export const countSchema = z.int().nonnegative();

/** Milliseconds since 1970, UTC: a Date would not cross from one process to another. */
export const instantSchema = z.int();

/** In ms; not always a whole number. */
export const durationSchema = z.number().nonnegative().max(Number.MAX_SAFE_INTEGER);

/** A project's canonical name, or a spelling of it. */
export const projectNameSchema = z.string().min(1).max(MAX_NAME_LENGTH);

export const versionSchema = z.string().min(1).max(MAX_NAME_LENGTH);
