/** piw-audit: checks the output folder against the database, and mends it with `--repair`. */
import { auditProgram } from "../../config/audit.ts";
import { ConfigurationError } from "../../config/configuration-error.ts";
import { harmless } from "../../config/log-line.ts";
import type { Values } from "../../config/option.ts";
import { expectedCounts, readOnly, whyNoRepair } from "../../db/audit.ts";
import { openConnection } from "../../db/connection.ts";
import { checkSchema } from "../../db/migrate.ts";
import { openLocalStorage, TreeInspection } from "../../web/storage.ts";
import { auditCounters } from "../audit/counters.ts";
import type { Audit, Finding } from "../audit/examination.ts";
import { auditLogs } from "../audit/logs.ts";
import { auditPages } from "../audit/pages.ts";
import { auditStrays } from "../audit/strays.ts";
import { auditWheels } from "../audit/wheels.ts";
import { confirm, REFUSED } from "../confirm.ts";
import { type Frame, runProgram } from "../program.ts";
import { openProgress } from "../progress.ts";

export function audit(argv: readonly string[]): Promise<void> {
  return runProgram({ program: auditProgram, logLevel: "warn", run }, argv);
}

/** Half-written things of a repair: the master empties its own folder of them. */
const TEMPORARY = "temporary-audit";

async function run(
  values: Values<typeof auditProgram.options>,
  _operands: readonly string[],
  frame: Frame,
): Promise<number> {
  if (values.quick && values.hash) throw new ConfigurationError("either --quick or --hash");
  const output = values["output-path"];
  const tree = await TreeInspection.open(output);
  const lost = new AbortController();
  const signal = AbortSignal.any([frame.signal, lost.signal]);
  const sql = openConnection(values.dsn, {
    applicationName: "piw-audit",
    statementTimeoutMs: 10 * 60_000,
    ...(values.repair ? { onLost: stop } : { admission: readOnly }),
  });
  // The lock of a repair went with its session, and another one may have it by now: no more is asked or moved.
  function stop(cause: Error): void {
    lost.abort(new Error("the repair stopped, what it mended stays: run it again", { cause }));
    void sql.end();
  }
  let isRepairing = false;
  try {
    await checkSchema(sql);
    if (values.repair) {
      const reason = await whyNoRepair(sql);
      if (reason !== undefined) throw new Error(reason);
      isRepairing = true;
      const question = `Mend what is found in ${output}? What is wrong there is moved to .store/quarantine.`;
      if (!(await confirm(question, values, { signal }))) {
        frame.print("Nothing was looked at.");
        return REFUSED;
      }
      signal.throwIfAborted();
    }
    const storage = values.repair ? await openLocalStorage(output, TEMPORARY) : undefined;
    const book = openBook(values.json, frame, await expectedCounts(sql));
    const work: Audit = {
      sql,
      tree,
      storage,
      isQuick: values.quick,
      signal,
      ...book,
    };
    // What does not belong there first: it may stand where something is missing.
    await auditStrays(work);
    await auditWheels(work);
    await auditLogs(work);
    await auditPages(work);
    await auditCounters(work);
    return book.close();
  } catch (error) {
    if (isRepairing) lost.signal.throwIfAborted();
    throw error;
  } finally {
    await sql.end();
  }
}

interface Book extends Pick<Audit, "report" | "looked"> {
  /** Says the sums. @returns exit code */
  close(): number;
}

function openBook(
  isJson: boolean,
  frame: Frame,
  expected: { readonly files: number; readonly logs: number },
): Book {
  const progress = openProgress();
  const looked = new Map<string, number>();
  const totals = new Map([
    ["wheels", expected.files],
    ["logs", expected.logs],
  ]);
  const sums = { found: 0, mended: 0 };
  return {
    report(finding) {
      sums.found += 1;
      if (finding.done !== undefined) sums.mended += 1;
      progress.clear();
      frame.print(isJson ? JSON.stringify(finding) : lineOf(finding));
    },
    looked(what, count) {
      const sum = (looked.get(what) ?? 0) + count;
      looked.set(what, sum);
      const total = totals.get(what) ?? 0;
      progress.show(`${what}: ${sum}${total > sum ? ` of about ${total}` : ""}`);
    },
    close() {
      progress.clear();
      const left = sums.found - sums.mended;
      const all = [...looked].map(([what, count]) => `${count} ${what}`).join(", ");
      if (isJson) {
        frame.print(JSON.stringify({ looked: Object.fromEntries(looked), ...sums, left }));
      } else {
        frame.print(`Looked at ${all}.`);
        if (sums.found === 0) frame.print("All is as it should be.");
        else frame.print(`${sums.found} found, ${sums.mended} mended, ${left} left.`);
      }
      return left === 0 ? 0 : 1;
    },
  };
}

/** One line, whatever the names are. */
function lineOf({ kind, place, detail, done, failure }: Finding): string {
  const after = done ?? (failure === undefined ? "" : `not mended: ${failure}`);
  return harmless(`${kind.padEnd(11)} ${place}: ${detail}${after === "" ? "" : `; ${after}`}`);
}
