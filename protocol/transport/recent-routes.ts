/**
 * Remembers something about the routing ids that spoke lately, within bounds: which of them were just
 * asked who they are, and how the sessions of others ended. Used by the bound side against strangers.
 */
const MOST = 4_096;

export class RecentRoutes<V> {
  readonly #forMs: number;
  readonly #entries = new Map<string, { readonly value: V; readonly untilMs: number }>();

  constructor(forMs: number) {
    this.#forMs = forMs;
  }

  /** At the bound the oldest is forgotten. */
  add(route: string, value: V): void {
    this.#entries.delete(route);
    this.#entries.set(route, { value, untilMs: performance.now() + this.#forMs });
    if (this.#entries.size <= MOST) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  find(route: string): V | undefined {
    const entry = this.#entries.get(route);
    if (entry === undefined) return undefined;
    if (performance.now() < entry.untilMs) return entry.value;
    this.#entries.delete(route);
    return undefined;
  }
}
