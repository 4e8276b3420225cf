/** piw status: what the farm has to build, and why. */
import { ConfigurationError } from "../../config/configuration-error.ts";
import { findNearest } from "../../config/nearest.ts";
import { statusProgram } from "../../config/tools.ts";
import type { PackageReport } from "../../protocol/model/queue.ts";
import type { Everything } from "../../protocol/model/statistics.ts";
import { askMaster } from "../ask-master.ts";
import { runProgram } from "../program.ts";
import { packageLines, reportLines } from "../report-table.ts";
import { statisticsLines } from "../statistics-lines.ts";
import { masterOf } from "./control.ts";

/** Names that are told of for one that is not known. */
const SIMILAR_SHOWN = 3;

export function status(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: statusProgram,
      logLevel: "warn",
      run: async (values, [name, version, ...more], frame) => {
        if (more.length > 0) {
          throw new ConfigurationError("one package at a time, and one of its versions");
        }
        const question = masterOf(values, frame);
        if (name === undefined) {
          const report = await askMaster({ ...question, type: "REPORT", body: {} });
          const statistics = await findStatistics(() =>
            askMaster({ ...question, type: "HELLO", body: {} }),
          );
          const lines = statistics === null ? [] : statisticsLines(statistics);
          (values.json
            ? [asJson({ ...report, statistics })]
            : [...reportLines(report), ...lines]
          ).forEach(frame.print);
          return report.isComplete ? 0 : 1;
        }
        const body = { package: name, version: version ?? null };
        const report = await askMaster({ ...question, type: "EXPLAIN", body });
        if (!report.isKnown) {
          throw new Error(unknownPackage(report));
        }
        if (version !== undefined && report.standings.length === 0) {
          throw new Error(`${report.package} has no version ${version} here`);
        }
        (values.json ? [asJson(report)] : packageLines(report)).forEach(frame.print);
        return 0;
      },
    },
    argv,
  );
}

/** Null from a master whose Big Brother does not answer: the report says what is wrong with it. */
async function findStatistics(ask: () => Promise<Everything>): Promise<Everything | null> {
  try {
    return await ask();
  } catch {
    return null;
  }
}

const asJson = (report: object): string => JSON.stringify(report, undefined, 2);

function unknownPackage({ package: name, similar }: PackageReport): string {
  const left = new Set(similar);
  const nearest: string[] = [];
  while (nearest.length < SIMILAR_SHOWN && left.size > 0) {
    const next = findNearest(name, left) ?? "";
    left.delete(next);
    nearest.push(next);
  }
  const hint = nearest.length === 0 ? "" : `; the nearest: ${nearest.join(", ")}`;
  return `the farm knows no package ${name}${hint}`;
}
