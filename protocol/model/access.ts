/**
 * Visits to the site as piw-logger hands them on: a batch is a column per property, so that thousands of them
 * cost little to carry and to check. Made by `protocol/accesslog/`, stored by `db/access-log.ts`.
 */
import { isIP } from "node:net";
import { z } from "zod";
import { MAX_NAME_LENGTH } from "../packaging/canonical-name.ts";
import type { Immutable } from "./immutable.ts";
import { countSchema, instantSchema } from "./scalar.ts";

/**
 * `download`: a wheel; `search`: a project's Simple page, by an installer; `project`: a project's page; `json`:
 * its JSON; `page`: any other page.
 */
export const accessKinds = ["download", "search", "project", "json", "page"] as const;
export type AccessKind = (typeof accessKinds)[number];

/** Longest word that a client may say of itself; what is longer counts as not said. */
export const MAX_CLIENT_WORD = 80;
/** Longest path of a page that is kept. */
export const MAX_PATH = 300;
export const MAX_BATCH_RECORDS = 5_000;

/** What the text may hold: nothing that PostgreSQL or a terminal would stumble over. */
const plainText = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .regex(/^[^\p{C}]*$/u);
const word = plainText(MAX_CLIENT_WORD).nullable();

/** What pip and uv say of the machine that they run on; null where it was not said. */
export const accessClientSchema = z.object({
  arch: word,
  distroName: word,
  distroVersion: word,
  osName: word,
  osVersion: word,
  implementationName: word,
  implementationVersion: word,
  pythonVersion: word,
  installerName: word,
  installerVersion: word,
  setuptoolsVersion: word,
});
export type AccessClient = Immutable<z.infer<typeof accessClientSchema>>;

const column = <T extends z.ZodType>(schema: T) => z.array(schema).max(MAX_BATCH_RECORDS);

/** Row number n is the nth value of each column. `clients` holds each client once, rows name it by its index. */
export const accessBatchSchema = z
  .object({
    kinds: column(z.enum(accessKinds)),
    /** In ms since 1970. */
    ats: column(instantSchema),
    addresses: column(
      z
        .string()
        .max(45)
        .refine((text) => isIP(text) > 0)
        .nullable(),
    ),
    packages: column(
      z
        .string()
        .max(MAX_NAME_LENGTH)
        .regex(/^[a-z0-9-]+$/)
        .nullable(),
    ),
    filenames: column(plainText(255).nullable()),
    paths: column(plainText(MAX_PATH).nullable()),
    clientOf: column(countSchema),
    clients: column(accessClientSchema),
  })
  .refine(
    ({ clients, kinds, ...columns }) =>
      [
        columns.ats,
        columns.addresses,
        columns.packages,
        columns.filenames,
        columns.paths,
        columns.clientOf,
      ].every((each) => each.length === kinds.length) &&
      columns.clientOf.every((index) => index < clients.length),
    "the columns do not belong together",
  );
export type AccessBatch = Immutable<z.infer<typeof accessBatchSchema>>;

/**
 * Where a batch stands in the order of its piw-logger. Sequences begin at 1; `acknowledged` is the last one that
 * the piw-logger knows to be stored or refused.
 */
export const accessPlaceSchema = z.object({
  source: z.uuid(),
  sequence: z.int().positive(),
  acknowledged: countSchema,
});
