/** piw log-level: how much a running master logs. */
import { ConfigurationError } from "../../config/configuration-error.ts";
import { harmless } from "../../config/log-line.ts";
import { logLevelProgram } from "../../config/tools.ts";
import { type LogLevel, logLevelSchema, type PartLogLevels } from "../../protocol/model/order.ts";
import { askMaster } from "../ask-master.ts";
import { columns } from "../columns.ts";
import { orderedBy } from "../ordered-by.ts";
import { runProgram } from "../program.ts";
import { masterOf, report } from "./control.ts";

export function logLevel(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: logLevelProgram,
      logLevel: "warn",
      run: async (values, [word, task = null, ...more], frame) => {
        const question = masterOf(values, frame);
        if (word === undefined) {
          const levels = await askMaster({ ...question, type: "LOG_LEVELS", body: {} });
          if (values.json) frame.print(JSON.stringify(levels, undefined, 2));
          else levelLines(levels.parts, levels.silent).forEach(frame.print);
          return levels.silent.length === 0 ? 0 : 1;
        }
        if (more.length > 0) throw new ConfigurationError("say one level and one task");
        const body = { task, level: levelOf(word), by: orderedBy(logLevelProgram.name) };
        return report(await askMaster({ ...question, type: "LOG_LEVEL", body }), values, frame);
      },
    },
    argv,
  );
}

/** Null: as it was configured. */
function levelOf(word: string): LogLevel | null {
  if (word === "reset") return null;
  const level = logLevelSchema.safeParse(word);
  if (level.success) return level.data;
  throw new ConfigurationError(
    `"${harmless(word.slice(0, 60))}" is no level: ${logLevelSchema.options.join(", ")}, or reset`,
  );
}

const levelLines = (parts: readonly PartLogLevels[], silent: readonly string[]): string[] => [
  ...columns(
    ["PART", "LEVEL", ""],
    parts.map(({ part, level, tasks }) => [
      part,
      level,
      tasks.map((one) => `${harmless(one.task)}: ${one.level ?? "as configured"}`).join(", "),
    ]),
  ),
  ...silent.map((part) => `the part ${harmless(part)} does not answer`),
];
