/** The farm's report as lines of text: what was built, what was not, and why. */
import { harmless } from "../config/log-line.ts";
import type { PackageReport } from "../protocol/model/queue.ts";
import type { FarmReport, ReportRow } from "../protocol/model/status.ts";
import { columns } from "./columns.ts";

/** A reason longer than this is cut: the build's log has it all. */
const MAX_REASON_CHARS = 120;

/** A table of the rows, then what is still to do. */
export function reportLines(report: FarmReport): string[] {
  const { slaves, ready, leased, waiting, blocked, unpublished, followed, unsatisfied } = report;
  const doing = [
    `${slaves} slave${slaves === 1 ? "" : "s"}`,
    `${leased} building`,
    `${ready} ready`,
    `${waiting} waiting`,
    `${blocked} blocked`,
    ...(unpublished === 0 ? [] : [`${unpublished} to publish`]),
    ...(followed ? [] : ["still reading the upstream"]),
  ];
  return [
    ...tableLines(report.rows),
    ...unsatisfied.map((requirement) => `not found upstream: ${harmless(requirement)}`),
    ...refusalLines(report.refused),
    ...report.troubles.map((trouble) => `trouble: ${harmless(trouble)}`),
    report.isComplete ? doing.join(", ") : "how the builds stand is not known just now",
  ];
}

function tableLines(rows: readonly ReportRow[]): string[] {
  const cells = rows.map((row) => [
    row.package,
    row.version,
    row.target,
    row.state,
    row.durationMs === null ? "" : `${(row.durationMs / 1000).toFixed(1)} s`,
    shortened(row.reason),
  ]);
  return columns(["PACKAGE", "VERSION", "TARGET", "STATE", "TIME", ""], cells);
}

/** A line for each task, the most frequent first. */
function refusalLines(refused: FarmReport["refused"]): string[] {
  const tasks = [...new Set(refused.map(({ task }) => task))];
  return tasks.map((task) => {
    const counts = refused
      .filter((one) => one.task === task)
      .sort((a, b) => b.count - a.count)
      .map(({ why, count }) => `${why} ${count}`);
    return harmless(`refused by ${task}: ${counts.join(", ")}`);
  });
}

/** Where the builds of one package stand, a line each. */
export function packageLines(report: PackageReport): string[] {
  const rows = report.standings.map(({ version, target, state, reason, position }) => {
    const place =
      position === null
        ? `behind more than ${report.positionsCounted} others`
        : `number ${position}`;
    const why =
      state === "ready" ? [place, reason].filter((part) => part !== "").join("; ") : reason;
    return [version, target, state, shortened(why)];
  });
  return [
    ...columns(["VERSION", "TARGET", "STATE", ""], rows),
    ...(report.isCut ? ["(there is more: name a version to see it)"] : []),
    ...(report.versions === 0 ? [`${report.package} has no versions yet`] : []),
  ];
}

function shortened(reason: string): string {
  const line = reason.replace(/\s+/g, " ").trim();
  return line.length > MAX_REASON_CHARS ? `${line.slice(0, MAX_REASON_CHARS - 1)}…` : line;
}
