/** Seeded random numbers for jitter, so that a run can be repeated. Nothing secret comes from here. */

export type Random = () => number;

/** Numbers in [0, 1): mulberry32 over the seed and a name, so that each actor has a stream of its own. */
export function seededRandom(seed: number, name: string): Random {
  // FNV-1a.
  let state = 0x811c9dc5 ^ seed;
  for (let at = 0; at < name.length; at++) {
    state = Math.imul(state ^ name.charCodeAt(at), 0x01000193);
  }
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
