/**
 * Free text that comes from another machine and goes to the database and to pages. What PostgreSQL
 * cannot hold (NUL, half a surrogate pair) becomes U+FFFD instead of an error that would come back for
 * ever.
 */
import { z } from "zod";

export const textSchema = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .transform((text) => text.replaceAll(/\0|\p{Surrogate}/gu, "\ufffd"));
