/**
 * The import link (`--import-queue`): what the command line tools ask of Mr. Chase: changes of what the farm
 * knows, and what a tool needs to know for them. Orders to the running tasks go over the control link.
 * Local, no keys. Each question is answered: done, with counts, or an error that says why not. Long work is
 * cut into questions that each do a bounded part, so that a tool that dies leaves whole parts done.
 */
import { z } from "zod";
import {
  MOST_TOKENS_LISTED,
  newTokenSchema,
  tokenCreatedSchema,
  tokenNameSchema,
  tokenRevokedSchema,
  tokenRowSchema,
} from "../model/access-token.ts";
import {
  changedSchema,
  lookUpSchema,
  packageChangeSchema,
  removalSchema,
  removedSchema,
  subjectSchema,
} from "../model/package-change.ts";
import { pageRebuildSchema } from "../model/page.ts";
import { signedStepSchema } from "../model/provenance.ts";
import { countSchema, projectNameSchema } from "../model/scalar.ts";
import { targetSpecSchema } from "../model/target.ts";
import {
  targetChangedSchema,
  targetChangeSchema,
  targetRankSchema,
  targetRowSchema,
} from "../model/target-row.ts";
import { declareLink, type MessagesOf } from "./declare.ts";
import { fetchMessages } from "./files.ts";
import { wheelImportMessages } from "./wheel-import.ts";

/** `simple` pages are what piw-rebuild calls the index. */
const rebuildSchema = z.union([
  z.strictObject({ kind: z.enum(["home", "search"]) }),
  z.strictObject({ kind: z.enum(["simple", "project"]), package: projectNameSchema }),
  /** Those of all packages, in the background. */
  z.strictObject({
    all: z
      .array(z.enum(["simple", "project"]))
      .min(1)
      .max(2),
  }),
]);

const toServer = {
  /** Adds requirements (PEP 508) to the wanted set; all of them or, with an error, none. */
  WANT: {
    body: z.object({
      requirements: z.array(z.string().max(2_000)).min(1).max(100_000),
      /** What their releases need at run time, or to be built, is wanted too. */
      withDeps: z.boolean(),
      withBuildDeps: z.boolean(),
    }),
    reply: z.object({ added: z.number(), known: z.number() }),
  },
  /** Takes requirements back from the wanted set, by their texts or all of a project's by its name. */
  UNWANT: {
    body: z.object({ requirements: z.array(z.string().max(2_000)).min(1).max(100_000) }),
    reply: z.object({ removed: countSchema }),
  },
  /** What the farm knows of a package and versions. */
  LOOK_UP: { body: subjectSchema, reply: lookUpSchema },
  /** Changes a package or some of its versions: all that is said, or nothing. */
  CHANGE: { body: packageChangeSchema, reply: changedSchema },
  REMOVE: { body: removalSchema, reply: removedSchema },
  /** Has pages written again. Replies how far the rebuilds of all pages are, as `REBUILDS` does. */
  REBUILD: { body: rebuildSchema, reply: z.array(pageRebuildSchema) },
  /** Rebuilds of all pages of a kind: those under way first, then the last one of each other kind. */
  REBUILDS: { body: z.object({}), reply: z.array(pageRebuildSchema) },
  /**
   * Has public wheels signed that have no provenance, of one package or of all, a stretch at a time: `after` is the
   * `next` of the answer before, 0 at first.
   */
  SIGN: {
    body: z.object({ package: projectNameSchema.nullable(), after: countSchema }),
    reply: signedStepSchema,
  },
  TARGETS: { body: z.object({}), reply: z.array(targetRowSchema) },
  ADD_TARGET: {
    body: z.object({ spec: targetSpecSchema, rank: targetRankSchema.nullable() }),
    reply: z.object({ isNew: z.boolean(), rank: targetRankSchema }),
  },
  CHANGE_TARGET: { body: targetChangeSchema, reply: targetChangedSchema },
  /** Who is let in over HTTP. The token that is created is known to the tool alone. */
  TOKENS: { body: z.object({}), reply: z.array(tokenRowSchema).max(MOST_TOKENS_LISTED) },
  CREATE_TOKEN: { body: newTokenSchema, reply: tokenCreatedSchema },
  REVOKE_TOKEN: { body: z.object({ name: tokenNameSchema }), reply: tokenRevokedSchema },
  ...wheelImportMessages,
};
const toClient = fetchMessages;

export const importLink = declareLink({ name: "import", version: 1, toServer, toClient });
export type ImportQuestions = MessagesOf<typeof toServer>;
export type ImportAnswers = MessagesOf<typeof toClient>;
