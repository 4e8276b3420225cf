/**
 * The file link (`--file-queue`): File Juggler pulls ranges of files, the slave answers with chunks.
 * Chunks may come late, twice or not at all; the puller asks again. The same messages are said where
 * an importing tool has the files (`wheel-import.ts`).
 */
import { z } from "zod";
import { plainFilenameSchema, tokenSchema } from "../model/build.ts";
import { declareLink, type MessagesOf } from "./declare.ts";

/** Largest chunk that may be asked for or sent. 1 MiB frames gave the best measured rate. */
export const MAX_CHUNK_BYTES = 1024 * 1024;

const file = { token: tokenSchema, filename: plainFilenameSchema };
const offset = z.number().int().nonnegative();

/** What whoever holds the files answers. */
export const chunkMessages = {
  CHUNK: {
    body: z.object({
      ...file,
      offset,
      data: z.instanceof(Uint8Array).refine((data) => data.length <= MAX_CHUNK_BYTES, "too long"),
    }),
  },
  /** The file cannot be given: not held, cut short, unreadable. */
  MISSING: { body: z.object({ ...file, reason: z.string().max(1_000) }) },
};

/** What is asked of whoever holds the files. */
export const fetchMessages = {
  FETCH: {
    body: z.object({
      ...file,
      offset,
      lengthBytes: z.number().int().positive().max(MAX_CHUNK_BYTES),
    }),
  },
};

export const filesLink = declareLink({
  name: "files",
  version: 2,
  toServer: chunkMessages,
  toClient: fetchMessages,
});
export type FromFileSender = MessagesOf<typeof chunkMessages>;
export type ToFileSender = MessagesOf<typeof fetchMessages>;
