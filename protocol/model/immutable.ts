/**
 * What a schema's value is to whoever gets it: the same, but read-only all the way down. Messages and rows
 * are shared by reference within a process, so nobody may change what it was sent. Costs nothing at run time.
 */

type Untouched = string | number | boolean | bigint | symbol | null | undefined | Uint8Array;

/** `unknown` stays unknown; lists become readonly lists, binaries stay what they are. */
export type Immutable<T> = unknown extends T
  ? T
  : T extends Untouched
    ? T
    : { readonly [K in keyof T]: Immutable<T[K]> };
