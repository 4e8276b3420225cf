/**
 * A changelog like PyPI's for the bench `upstream`: the same rows for the same numbers, made when they are asked
 * for, so that neither side has to keep a million of them. A few projects have most of the events.
 */
import type { ChangelogRow } from "../../samples/sample-index.ts";
import { seededRandom } from "../../supervisor/index.ts";

export const EVENTS = 1_000_000;
export const EVENTS_AN_ANSWER = 50_000;
/** Serials skip numbers. */
const SERIAL_STEP = 3;
export const FIRST_SERIAL = 20_000_000;
const PROJECTS = 100_000;
const SEED = 4;

/** The rows from `start` on, in order; as many as fit into an answer. */
export function eventsFrom(start: number): ChangelogRow[] {
  const random = seededRandom(SEED, String(start));
  const count = Math.max(0, Math.min(EVENTS_AN_ANSWER, EVENTS - start));
  return Array.from({ length: count }, (_, at) => {
    const number = Math.floor(PROJECTS * random() ** 2);
    const name = number % 3 === 0 ? `Project_Of.${number}` : `project-of-${number}`;
    const version = `${1 + (start % 7)}.${at % 40}.${number % 9}`;
    return {
      name,
      version,
      // Goes backwards now and then.
      at: 1_700_000_000 + start + at - Math.floor(300 * random() ** 8),
      action: `add source file ${name.toLowerCase()}-${version}.tar.gz`,
      serial: FIRST_SERIAL + (start + at + 1) * SERIAL_STEP,
    };
  });
}

/** Where the rows after a serial begin. */
export const startAfter = (serial: number): number =>
  Math.max(0, Math.floor((serial - FIRST_SERIAL) / SERIAL_STEP));
