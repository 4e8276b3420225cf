/**
 * What piw-import says on the import link: IMPORT with what it has, then the chunks that it is asked for
 * with FETCH, which are those of the file link. IMPORT may be said again at any time, by whomever: an
 * import is known by its wheels, so nothing is done twice.
 */
import { z } from "zod";
import { buildResultSchema, plainFilenameSchema } from "../model/build.ts";
import { durationSchema, projectNameSchema, versionSchema } from "../model/scalar.ts";
import { textSchema } from "../model/text.ts";
import type { MessagesOf } from "./declare.ts";
import { chunkMessages } from "./files.ts";

/**
 * What became of a wheel. `published`: by this import. `present`: the same file was public already.
 * `superseded`: the name stands with other contents. `withdrawn`: the name was used and taken back.
 */
export const importedFileSchema = z.object({
  filename: plainFilenameSchema,
  state: z.enum(["published", "present", "superseded", "withdrawn"]),
});

/** What became of an import; `pending`: not known yet, say IMPORT again. */
const importOutcomeSchema = z.discriminatedUnion("state", [
  z.object({ state: z.literal("pending") }),
  /** Nothing became public; why, in one line. */
  z.object({ state: z.literal("refused"), reason: z.string().max(4_000) }),
  z.object({ state: z.literal("done"), files: z.array(importedFileSchema).max(100) }),
]);

export const wheelImportMessages = {
  /** Answered when it is known what became of it, or after some seconds with `pending`. */
  IMPORT: {
    body: z.object({
      package: projectNameSchema,
      version: versionSchema,
      /** The target that the wheels are for; null: any that admits them. */
      target: z.string().max(200).nullable(),
      /** How long it took to build them. */
      durationMs: durationSchema,
      /** Where the wheels come from: the name of the tool's machine. */
      host: textSchema(100),
      files: buildResultSchema.shape.files.min(1),
      /** Null where there is none. */
      log: buildResultSchema.shape.log.nullable(),
    }),
    reply: importOutcomeSchema,
  },
  ...chunkMessages,
};

export type WheelImportQuestions = MessagesOf<typeof wheelImportMessages>;
export type ImportOrder = WheelImportQuestions["IMPORT"]["body"];
export type ImportOutcome = WheelImportQuestions["IMPORT"]["reply"];
