/**
 * Walks over a msgpack frame before it is decoded and finds what must not be there: extensions (records,
 * regular expressions, typed arrays and whatever else msgpackr would make of a peer's bytes), deep nesting, keys
 * that are not strings, lengths that the frame cannot hold, bytes left over. Called by the codec on every frame from outside.
 */

/** Messages are a few levels deep. */
const DEEPEST = 32;

/** Values still to come at each level outside the present one; negative numbers count a map's keys and values. Of the scan that runs: none is inside another. */
const open: number[] = new Array<number>(DEEPEST).fill(0);

/**
 * Says what is wrong, or undefined where the frame may be decoded. Takes time linear in the frame's length.
 * `levelsAbove`: so many levels are to be put around this value yet, which count as its own.
 */
export function findMsgpackFault(frame: Uint8Array, levelsAbove = 0): string | undefined {
  const deepest = DEEPEST - levelsAbove;
  const end = frame.length;
  let level = 0;
  let left = 1;
  let position = 0;
  for (;;) {
    while (left === 0 && level > 0) {
      level -= 1;
      left = open[level] ?? 0;
    }
    if (left === 0) break;
    if (position >= end) return "truncated";
    const token = frame[position] ?? 0;
    position += 1;
    const isKey = left < 0 && left % 2 === 0;
    left += left < 0 ? 1 : -1;

    const size = fixedSizes[token] ?? -1;
    if (size >= 0) {
      if (isKey && (token & 0xe0) !== 0xa0) return "a key is not a string";
      position += size;
      continue;
    }
    if (token === 0xd4) {
      // fixext 1 of type 0 is how msgpackr says `undefined`; the only extension let in.
      if (position + 2 > end) return "truncated";
      if (isKey || frame[position] !== 0 || frame[position + 1] !== 0) return "an extension";
      position += 2;
      continue;
    }
    const width = lengthWidths[token] ?? 0;
    const isShort = token < 0xa0;
    if (width === 0 && !isShort) return "an extension or an unknown token";
    let count = token & 0x0f;
    if (width > 0) {
      if (position + width > end) return "truncated";
      count = 0;
      for (const stop = position + width; position < stop; position += 1) {
        count = count * 256 + (frame[position] ?? 0);
      }
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
    if (level + 1 >= deepest) return "nested too deeply";
    open[level] = left;
    level += 1;
    left = isMap ? -2 * count : count;
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

/** Bytes of the length that follows the token of binaries, strings, arrays and maps; 0 for all others. */
const lengthWidths = Uint8Array.from({ length: 256 }, (_, token) => {
  // bin 8, 16, 32; str 8, 16, 32; array 16, 32; map 16, 32.
  if (token >= 0xc4 && token <= 0xc6) return 2 ** (token - 0xc4);
  if (token >= 0xd9 && token <= 0xdb) return 2 ** (token - 0xd9);
  if (token >= 0xdc && token <= 0xdf) return token % 2 === 0 ? 2 : 4;
  return 0;
});
