/**
 * The last bytes of a stream, in memory: a ring of a fixed size. The build log keeps its newest text in one,
 * from where it is written to disk, read by who watches, and searched for the cause of a failure.
 */
export class LastBytes {
  readonly #ring: Buffer;
  #end = 0;

  constructor(sizeBytes: number) {
    this.#ring = Buffer.allocUnsafe(sizeBytes);
  }

  /** Position of the oldest byte that is kept. */
  get start(): number {
    return Math.max(0, this.#end - this.#ring.length);
  }

  /** Position after the newest byte. */
  get end(): number {
    return this.#end;
  }

  push(bytes: Buffer): void {
    const size = this.#ring.length;
    const kept = bytes.subarray(Math.max(0, bytes.length - size));
    const at = (this.#end + bytes.length - kept.length) % size;
    const upToEdge = kept.copy(this.#ring, at);
    if (upToEdge < kept.length) kept.copy(this.#ring, 0, upToEdge);
    this.#end += bytes.length;
  }

  /** A copy of what is kept between two positions. */
  read(from: number, to: number): Buffer<ArrayBuffer> {
    const start = Math.max(from, this.start);
    const length = Math.min(to, this.#end) - start;
    if (length <= 0) return Buffer.alloc(0);
    const size = this.#ring.length;
    const at = start % size;
    const upToEdge = Math.min(length, size - at);
    return Buffer.concat([
      this.#ring.subarray(at, at + upToEdge),
      this.#ring.subarray(0, length - upToEdge),
    ]);
  }
}
