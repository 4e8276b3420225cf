/**
 * What the pages of the site say: db/ fills these, web/ renders them; and which page is meant. The views
 * are made in one query each and thrown away. Those of the package index are in simple-page.ts.
 */
import { z } from "zod";
import type { Immutable } from "./immutable.ts";
import { countSchema, instantSchema } from "./scalar.ts";

/**
 * `simple` and `project` have a package's name as key; `root`, `home` and `search` (the list that is
 * searched, not a page to look at) the empty string.
 */
export const pageKindSchema = z.enum(["simple", "root", "project", "home", "search"]);
export type PageKind = z.infer<typeof pageKindSchema>;

export const pageRequestSchema = z.object({
  kind: pageKindSchema,
  key: z.string().max(1_000),
  /** Raised when the page is asked for again while it is being written. */
  generation: countSchema,
});
export type PageRequest = Immutable<z.infer<typeof pageRequestSchema>>;

/** `downloads`: the project pages of those packages that were downloaded lately, for their counts. */
export const rebuildKindSchema = z.enum(["simple", "project", "downloads"]);

export const pageRebuildSchema = z.object({
  kind: rebuildKindSchema,
  /** Who or what asked for it, in words. */
  reason: z.string(),
  /** Pages of the packages up to this name are in place. */
  after: z.string(),
  done: countSchema,
  /** As many packages as there were when it began. */
  total: countSchema,
  startedAt: instantSchema,
  /** Null: it is under way. */
  endedAt: instantSchema.nullable(),
});
/** The pages of all packages, made again in the background. */
export type PageRebuild = Immutable<z.infer<typeof pageRebuildSchema>>;

/** Wheels fetched, as the access logs say; zeros where none is fed to the farm. */
/** Wheels fetched, as the access logs say; zeros where none is fed to the farm. */
export const downloadsSchema = z.object({
  /** The present day and the 29 before it, days of UTC. */
  last30Days: countSchema,
  ever: countSchema,
});
