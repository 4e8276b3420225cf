/**
 * Names as the changelog or a listing tells them, gathered for the database: canonical, each spelling once
 * with its highest serial, in batches of a bounded size. Called by the followers.
 */
import { CHANGES_A_BATCH, type ListedProject } from "../../db/changes.ts";
import { canonicalName, isValidName } from "../../protocol/packaging/canonical-name.ts";
import type { Logger } from "../../supervisor/index.ts";

/** Of the names and spellings of one batch: as a message it stays below the limit of a frame. */
const CHARS_A_BATCH = 4_000_000;

interface Gathered extends ListedProject {
  serial: number | null;
}

export class ChangedNames {
  readonly #bySpelling = new Map<string, Gathered>();
  #refused = 0;
  #firstRefused = "";

  get size(): number {
    return this.#bySpelling.size;
  }

  get isFull(): boolean {
    return this.#bySpelling.size >= CHANGES_A_BATCH;
  }

  /** A name that no index can have, or over 200 characters long, is refused; see `warn`. */
  add(spelling: string, serial: number | null): void {
    const known = this.#bySpelling.get(spelling);
    if (known !== undefined) {
      if ((known.serial ?? 0) < (serial ?? 0)) known.serial = serial;
      return;
    }
    if (!isValidName(spelling)) {
      if (this.#refused === 0) this.#firstRefused = spelling.slice(0, 80);
      this.#refused += 1;
      return;
    }
    // A copy: as it is, each would hold the piece of the answer that it was cut from.
    const copy = Buffer.from(spelling, "latin1").toString("latin1");
    this.#bySpelling.set(copy, { name: canonicalName(copy), spelling: copy, serial });
  }

  /** What was gathered, in batches; afterwards nothing is. */
  take(): (readonly ListedProject[])[] {
    const batches: ListedProject[][] = [];
    let batch: ListedProject[] = [];
    let chars = 0;
    for (const project of this.#bySpelling.values()) {
      chars += project.name.length + project.spelling.length;
      if (batch.length === CHANGES_A_BATCH || chars > CHARS_A_BATCH) {
        batches.push(batch);
        batch = [];
        chars = project.name.length + project.spelling.length;
      }
      batch.push(project);
    }
    if (batch.length > 0) batches.push(batch);
    this.#bySpelling.clear();
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
