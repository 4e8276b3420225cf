/**
 * The file link (`--file-queue`): File Juggler pulls ranges of files, the slave answers with chunks.
 * Chunks may come late, twice or not at all; the puller asks again.
 */
import { z } from "zod";
import { plainFilenameSchema, tokenSchema } from "../model/build.ts";
import { declareLink, type MessagesOf } from "./declare.ts";

/** Largest chunk that may be asked for or sent. 1 MiB frames gave the best measured rate. */
export const MAX_CHUNK_BYTES = 1024 * 1024;

const file = { token: tokenSchema, filename: plainFilenameSchema };
const offset = z.number().int().nonnegative();

const toServer = {
  CHUNK: {
    body: z.object({
      ...file,
      offset,
      data: z.instanceof(Uint8Array).refine((data) => data.length <= MAX_CHUNK_BYTES, "too long"),
    }),
  },
  /** The slave cannot give the file: not held, cut short, unreadable. */
  MISSING: { body: z.object({ ...file, reason: z.string().max(1_000) }) },
};

const toClient = {
  FETCH: {
    body: z.object({
      ...file,
      offset,
      lengthBytes: z.number().int().positive().max(MAX_CHUNK_BYTES),
    }),
  },
};

export const filesLink = declareLink({ name: "files", version: 1, toServer, toClient });
export type FromFileSender = MessagesOf<typeof toServer>;
export type ToFileSender = MessagesOf<typeof toClient>;
