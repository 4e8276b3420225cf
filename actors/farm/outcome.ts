/** What a report means to `piw farm --once`: whether anything is left to do, and whether all went well. */
import type { FarmReport, ReportRow } from "../../protocol/model/status.ts";

/**
 * Nothing moves any more by itself: upstream is read, a slave was there to say what it builds for, and
 * nothing is to be built, tried again or written. What is blocked waits for something that is not coming.
 */
export function isSettled(report: FarmReport): boolean {
  const { isComplete, followed, slaves, ready, leased, waiting, unpublished } = report;
  return isComplete && followed && slaves > 0 && ready + leased + waiting + unpublished === 0;
}

/** All that was to be built is built. What is skipped (yanked, no sdist) was not to be built. */
export function isAllBuilt(report: FarmReport): boolean {
  const isDone = (row: ReportRow) => row.state === "built" || row.state === "skipped";
  return report.unsatisfied.length === 0 && report.blocked === 0 && report.rows.every(isDone);
}
