/** The compressed copies of public files. Takes its time: only the page thread calls it, never the event loop. */

import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Variant } from "./variants.ts";

const GZIP_LEVEL = 6;
/** As quick as gzip's level 6 and a tenth smaller; the highest takes a hundred times as long. */
const BROTLI_QUALITY = 5;

export function compress(bytes: Uint8Array, encoding: Variant["encoding"]): Buffer {
  if (encoding === "gzip") return gzipSync(bytes, { level: GZIP_LEVEL });
  return brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
}
