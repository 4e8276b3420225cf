/**
 * Which transfers run and which wait for their turn. Each has files open and ranges in memory, so a thousand slaves
 * that come back at once must not all be served at once; and one slave with many finished builds must not keep the others
 * waiting, so turns go round by the holder's identity. Used by File Juggler.
 */
import { MAX_CHUNK_BYTES } from "../../protocol/links/files.ts";
import type { Token } from "../../protocol/model/build.ts";

export const TRANSFERS_AT_ONCE = 64;
/** Of one identity, whatever it has: the jobs of one machine share its network. */
const OF_ONE_AT_ONCE = 16;
/** What the one range that each of them may always ask for can come to. */
export const ALWAYS_ALLOWED_BYTES = TRANSFERS_AT_ONCE * MAX_CHUNK_BYTES;

export class TransferQueue {
  /** By identity; whose turn is next comes first. */
  readonly #waiting = new Map<string, Token[]>();
  readonly #running = new Map<Token, string>();
  readonly #countOf = new Map<string, number>();

  add(identity: string, token: Token): void {
    const tokens = this.#waiting.get(identity);
    if (tokens === undefined) this.#waiting.set(identity, [token]);
    else tokens.push(token);
  }

  /** The next one that may begin, which runs from here on; undefined where none may. */
  next(): Token | undefined {
    if (this.#running.size >= TRANSFERS_AT_ONCE) return undefined;
    for (const [identity, tokens] of this.#waiting) {
      const count = this.#countOf.get(identity) ?? 0;
      if (count >= OF_ONE_AT_ONCE) continue;
      const token = tokens.shift();
      this.#waiting.delete(identity);
      if (token === undefined) continue;
      if (tokens.length > 0) this.#waiting.set(identity, tokens);
      this.#running.set(token, identity);
      this.#countOf.set(identity, count + 1);
      return token;
    }
    return undefined;
  }

  get counts(): { readonly running: number; readonly waiting: number } {
    let waiting = 0;
    for (const tokens of this.#waiting.values()) waiting += tokens.length;
    return { running: this.#running.size, waiting };
  }

  /** Somebody has no turn yet that would have one if another ended. */
  get hasWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  isRunning(token: Token): boolean {
    return this.#running.has(token);
  }

  /** It has ended. One that waits keeps its place. */
  ended(token: Token): void {
    const identity = this.#running.get(token);
    if (identity === undefined) return;
    this.#running.delete(token);
    const count = (this.#countOf.get(identity) ?? 1) - 1;
    if (count === 0) this.#countOf.delete(identity);
    else this.#countOf.set(identity, count);
  }
}
