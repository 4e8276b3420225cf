/** SHA-256 of what is in memory, lower-case hexadecimal. */
import { createHash } from "node:crypto";

export const sha256Of = (contents: string | Uint8Array): string =>
  createHash("sha256").update(contents).digest("hex");
