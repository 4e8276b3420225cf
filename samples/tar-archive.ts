/**
 * The little of the tar format (POSIX ustar) that sdists need: writing plain files so that the same
 * entries always give the same bytes, and finding one file. Called by `sdist.ts`. No links, no sparse
 * files, no pax headers, and nothing is ever unpacked to disk.
 */

export interface SourceEntry {
  /** Relative, with `/`. */
  readonly path: string;
  readonly data: Buffer;
  /** Default false: mode 0644. */
  readonly executable?: boolean;
}

const BLOCK_BYTES = 512;

/**
 * One archive of the entries, sorted by path, all owned by nobody in particular (uid and gid 0, no names).
 * @param modifiedAt unix seconds that every entry bears.
 * @throws Error where a path does not fit into a ustar header (255 bytes, parts of 100 and 155).
 */
export function packTar(entries: readonly SourceEntry[], modifiedAt: number): Buffer {
  const blocks: Buffer[] = [];
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  for (const entry of sorted) {
    blocks.push(header(entry, modifiedAt), entry.data);
    blocks.push(Buffer.alloc(paddingAfter(entry.data.length)));
  }
  blocks.push(Buffer.alloc(2 * BLOCK_BYTES));
  return Buffer.concat(blocks);
}

/** The first plain file whose path satisfies the test; undefined where there is none or the archive ends early. */
export function findInTar(tar: Buffer, matches: (path: string) => boolean): Buffer | undefined {
  let offset = 0;
  while (offset + BLOCK_BYTES <= tar.length && tar[offset] !== 0) {
    const block = tar.subarray(offset, offset + BLOCK_BYTES);
    const sizeBytes = Number.parseInt(textField(block, 124, 12), 8);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return undefined;
    const prefix = textField(block, 257, 5) === "ustar" ? textField(block, 345, 155) : "";
    const name = textField(block, 0, 100);
    const dataStart = offset + BLOCK_BYTES;
    const type = block[156];
    const isPlainFile = type === 0 || type === "0".charCodeAt(0);
    if (isPlainFile && matches(prefix === "" ? name : `${prefix}/${name}`)) {
      if (dataStart + sizeBytes > tar.length) return undefined;
      return tar.subarray(dataStart, dataStart + sizeBytes);
    }
    offset = dataStart + sizeBytes + paddingAfter(sizeBytes);
  }
  return undefined;
}

const paddingAfter = (sizeBytes: number): number =>
  (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;

const textField = (block: Buffer, start: number, length: number): string => {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? length : end).toString("utf8");
};

function header(entry: SourceEntry, modifiedAt: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const { prefix, name } = splitPath(entry.path);
  const octal = (value: number, start: number, digits: number): void => {
    block.write(`${value.toString(8).padStart(digits, "0")}\0`, start, "ascii");
  };
  block.write(name, 0, "utf8");
  octal(entry.executable === true ? 0o755 : 0o644, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(entry.data.length, 124, 11);
  octal(modifiedAt, 136, 11);
  block.write(" ".repeat(8), 148, "ascii");
  block.write("0", 156, "ascii");
  block.write("ustar\x0000", 257, "ascii");
  block.write(prefix, 345, "utf8");
  // The checksum counts its own field as spaces, which is what stands there now.
  const checksum = block.reduce((sum, byte) => sum + byte, 0);
  block.write(`${checksum.toString(8).padStart(6, "0")}\0 `, 148, "ascii");
  return block;
}

/** A path of more than 100 bytes is cut at a `/` so that both parts fit. */
function splitPath(path: string): { prefix: string; name: string } {
  if (Buffer.byteLength(path) <= 100) return { prefix: "", name: path };
  for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1)) {
    const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)];
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100 && name !== "")
      return { prefix, name };
  }
  throw new Error(`${path} is too long for a tar header`);
}
