/**
 * What the readers of one page are shown, with the version at which each piece became what it is. So whoever has seen
 * a version is brought up to now by the pieces that changed since, whether a second or an hour has passed, and
 * nothing is kept per reader. Bounded by what the page holds; what has gone is remembered for a while, and who saw
 * still older versions is sent the whole.
 */
import type { Piece } from "./piece.ts";

/** What brings a reader from a version to the present one. */
export interface Update {
  readonly version: number;
  /** Pieces that are not in it are gone. */
  readonly isWhole: boolean;
  readonly pieces: readonly Piece[];
  /** Keys of pieces that are gone. */
  readonly gone: readonly string[];
}

const MOST_GONE = 5_000;

export class LiveView {
  #version = 0;
  #pieces = new Map<string, { readonly piece: Piece; readonly version: number }>();
  /** By key, the version at which it went; oldest first. */
  readonly #gone = new Map<string, number>();
  /** What went before it is forgotten. */
  #forgotten = 0;

  get version(): number {
    return this.#version;
  }

  /** @returns whether anything differs from before */
  show(pieces: readonly Piece[]): boolean {
    const version = this.#version + 1;
    const next = new Map<string, { readonly piece: Piece; readonly version: number }>();
    let isNew = false;
    for (const piece of pieces) {
      const known = this.#pieces.get(piece.key);
      const isSame =
        known !== undefined &&
        (known.piece === piece ||
          (known.piece.html === piece.html && known.piece.order === piece.order));
      if (!isSame) isNew = true;
      next.set(piece.key, isSame ? known : { piece, version });
      this.#gone.delete(piece.key);
    }
    for (const key of this.#pieces.keys()) {
      if (next.has(key)) continue;
      isNew = true;
      this.#gone.set(key, version);
    }
    this.#pieces = next;
    if (isNew) this.#version = version;
    this.#forget();
    return isNew;
  }

  /** @param version undefined: of one who has seen nothing */
  since(version: number | undefined): Update {
    if (version === undefined || version < this.#forgotten || version > this.#version) {
      return {
        version: this.#version,
        isWhole: true,
        pieces: [...this.#pieces.values()].map(({ piece }) => piece),
        gone: [],
      };
    }
    return {
      version: this.#version,
      isWhole: false,
      pieces: [...this.#pieces.values()].flatMap((each) =>
        each.version > version ? each.piece : [],
      ),
      gone: [...this.#gone].flatMap(([key, at]) => (at > version ? key : [])),
    };
  }

  /** As a page shows them first: one that stands by itself, or all of a list in their order. */
  pieces(keyOrList: string): readonly Piece[] {
    const alone = this.#pieces.get(keyOrList);
    if (alone !== undefined) return [alone.piece];
    return [...this.#pieces.values()]
      .flatMap(({ piece }) => (piece.list === keyOrList ? piece : []))
      .sort((one, other) => (one.order < other.order ? -1 : one.order > other.order ? 1 : 0));
  }

  #forget(): void {
    for (const [key, version] of this.#gone) {
      if (this.#gone.size <= MOST_GONE) return;
      this.#gone.delete(key);
      this.#forgotten = Math.max(this.#forgotten, version);
    }
  }
}
