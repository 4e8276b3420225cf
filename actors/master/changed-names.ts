/**
 * Names as the changelog or a listing tells them, gathered for the database: canonical, each spelling once
 * with its highest serial, in batches of a bounded size. Called by the followers.
 */
import { CHANGES_A_BATCH, type ListedProject } from "../../db/changes.ts";
import { canonicalName, isValidName } from "../../protocol/packaging/canonical-name.ts";
import type { Logger } from "../../supervisor/index.ts";

export class ChangedNames {
  readonly #bySpelling = new Map<string, ListedProject>();
  #refused = 0;
  #firstRefused = "";

  get isFull(): boolean {
    return this.#bySpelling.size >= CHANGES_A_BATCH;
  }

  /** A name that no index can have, or over 200 characters long, is refused; see `warn`. */
  add(spelling: string, serial: number | null): void {
    if (!isValidName(spelling)) {
      if (this.#refused === 0) this.#firstRefused = spelling.slice(0, 80);
      this.#refused += 1;
      return;
    }
    const known = this.#bySpelling.get(spelling);
    if (known === undefined || (known.serial ?? 0) < (serial ?? 0))
      this.#bySpelling.set(spelling, { name: canonicalName(spelling), spelling, serial });
  }

  /** What was gathered, in batches; afterwards nothing is. */
  take(): (readonly ListedProject[])[] {
    const all = [...this.#bySpelling.values()];
    this.#bySpelling.clear();
    const batches: ListedProject[][] = [];
    for (let at = 0; at < all.length; at += CHANGES_A_BATCH)
      batches.push(all.slice(at, at + CHANGES_A_BATCH));
    return batches;
  }

  /** Says what was refused, in one line however many they were: there may be a whole index of them. */
  warn(log: Logger): void {
    if (this.#refused === 0) return;
    log.warn(
      { package: this.#firstRefused, count: this.#refused },
      "upstream names projects that cannot be, or are over-long; they are passed over",
    );
    this.#refused = 0;
  }
}
