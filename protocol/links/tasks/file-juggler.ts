/**
 * What is said to File Juggler: slave sessions and the import desk have it collect, place and forget the
 * files of a build.
 */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { buildResultSchema, tokenSchema } from "../../model/build.ts";
import { logPartSchema, logPositionSchema } from "../../model/build-log.ts";
import { collectedSchema, deliverySchema } from "../../model/delivery.ts";
import { diskRoomSchema } from "../../model/host.ts";
import { signedStepSchema } from "../../model/provenance.ts";
import { countSchema, projectNameSchema } from "../../model/scalar.ts";
import { declareProtocol } from "../declare.ts";
import { chunkMessages } from "../files.ts";

export const fileJugglerProtocol = declareProtocol({
  name: "file-juggler",
  messages: {
    /**
     * Pulls and verifies the files of a build. Asked again for the same build it joins what runs. Refusal
     * codes: `full`; `transfer-ended` where they did not come. What arrived stays but on a full disk.
     */
    COLLECT: {
      body: z.object({
        delivery: deliverySchema,
        files: buildResultSchema.shape.files,
        /** Null: there is none. */
        log: buildResultSchema.shape.log.nullable(),
      }),
      reply: collectedSchema,
    },
    /**
     * Gives settled files and logs their public names: of one build, answered when they stand, or (null)
     * whatever is left. Refusal codes, of one build only: `full`; `missing` where its blobs are gone and
     * are to be collected again.
     */
    PLACE: { body: z.object({ token: tokenSchema.nullable() }) },
    /** A part of the log that was placed for a build; null where it is not there (any more). */
    READ_LOG: {
      body: z.object({ token: tokenSchema, position: logPositionSchema }),
      reply: logPartSchema.nullable(),
    },
    /**
     * Signs public wheels that have no provenance, after one, in the order of their numbers. Refusal codes: `full`;
     * `failed`, where the master has no key.
     */
    SIGN: {
      body: z.object({
        package: projectNameSchema.nullable(),
        after: countSchema,
        limit: z.int().positive().max(1_000),
      }),
      reply: signedStepSchema,
    },
    /** How much room the output disk has. */
    ROOM: { reply: diskRoomSchema },
    /** Whoever had the files has been told what became of them: what is staged for the build is not needed any more. */
    CLEAR: { body: z.object({ token: tokenSchema }) },
    /** From the import desk: what an importing tool answers to FETCH. Slaves say it on the file link. */
    ...chunkMessages,
  },
});
export type ToFileJuggler = MessagesOfProtocol<typeof fileJugglerProtocol>;
