/**
 * Walks over a msgpack frame before it is decoded and finds what must not be there: extensions (records,
 * regular expressions, typed arrays and whatever else msgpackr would make of a peer's bytes), deep nesting, keys
 * that are not strings, lengths that the frame cannot hold, bytes left over. Called by the codec on every frame from outside.
 */

/** Messages are a few levels deep. */
const DEEPEST = 32;

/** Says what is wrong, or undefined where the frame may be decoded. Takes time linear in the frame's length. */
export function findMsgpackFault(frame: Uint8Array): string | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const end = frame.length;
  /** Values still to come at each open level; negative numbers count a map's keys and values. */
  const open = [1];
  let position = 0;
  while (open.length > 0) {
    const level = open.length - 1;
    const left = open[level] ?? 0;
    if (left === 0) {
      open.pop();
      continue;
    }
    if (position >= end) return "truncated";
    const token = frame[position] ?? 0;
    position += 1;
    const isKey = left < 0 && left % 2 === 0;
    open[level] = left < 0 ? left + 1 : left - 1;

    const size = fixedSizes[token];
    if (size !== undefined && size >= 0) {
      if (isKey && (token & 0xe0) !== 0xa0) return "a key is not a string";
      position += size;
      continue;
    }
    if (token === 0xd4) {
      // fixext 1 of type 0 is how msgpackr says `undefined`; the only extension let in.
      if (position + 2 > end) return "truncated";
      if (isKey || view.getInt16(position) !== 0) return "an extension";
      position += 2;
      continue;
    }
    const width = lengthWidths[token];
    const isShort = token < 0xa0;
    if (width === undefined && !isShort) return "an extension or an unknown token";
    let count = token & 0x0f;
    if (width !== undefined) {
      if (position + width > end) return "truncated";
      count =
        width === 1
          ? view.getUint8(position)
          : width === 2
            ? view.getUint16(position)
            : view.getUint32(position);
      position += width;
    }
    if (token >= 0xc4 && token <= 0xdb) {
      if (isKey && token < 0xd9) return "a key is not a string";
      position += count;
      continue;
    }
    if (isKey) return "a key is not a string";
    // Each value takes a byte at least: a header that promises more is a lie.
    const isMap = token >= 0xde || (isShort && token < 0x90);
    if (count * (isMap ? 2 : 1) > end - position) return "truncated";
    if (open.length >= DEEPEST) return "nested too deeply";
    open.push(isMap ? -2 * count : count);
  }
  if (position > end) return "truncated";
  return position < end ? "bytes left over" : undefined;
}

/** Bytes after the token of values whose length the token tells; -1 for all others. */
const fixedSizes = Int8Array.from({ length: 256 }, (_, token) => {
  if (token < 0x80 || token >= 0xe0 || token === 0xc0 || token === 0xc2 || token === 0xc3) return 0;
  if (token >= 0xa0 && token < 0xc0) return token & 0x1f;
  if (token === 0xca) return 4;
  if (token === 0xcb) return 8;
  // Integers of 1, 2, 4 and 8 bytes, unsigned and signed.
  if (token >= 0xcc && token <= 0xd3) return 2 ** ((token - 0xcc) % 4);
  return -1;
});

/** Bytes of the length that follows the token of binaries, strings, arrays and maps. */
const lengthWidths: Readonly<Record<number, 1 | 2 | 4>> = {
  196: 1, // bin 8
  197: 2,
  198: 4,
  217: 1, // str 8
  218: 2,
  219: 4,
  220: 2, // array 16
  221: 4,
  222: 2, // map 16
  223: 4,
};
