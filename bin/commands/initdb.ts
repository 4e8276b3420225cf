/** piw-initdb: creates or upgrades the database, after a question unless `-y` was said. */
import { createInterface } from "node:readline/promises";
import { ConfigurationError } from "../../config/configuration-error.ts";
import { initdbProgram, initdbSettings } from "../../config/initdb.ts";
import { type UpgradePlan, upgradeDatabase } from "../../db/migrate.ts";
import { type Frame, runProgram } from "../program.ts";

export function initdb(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: initdbProgram,
      logLevel: "warn",
      run: async (values, _operands, frame) => {
        const { dsn, user, readers, yes } = initdbSettings(values);
        const outcome = await upgradeDatabase(dsn, {
          masterRole: user,
          readers,
          log: frame.print,
          ...(yes ? {} : { confirm: (plan: UpgradePlan) => confirm(plan, frame) }),
        });
        const said = {
          created: "The database is ready.",
          upgraded: "The database is upgraded.",
          current: "The database is up to date.",
          refused: "Nothing was changed.",
        }[outcome];
        frame.print(said);
        return outcome === "refused" ? 1 : 0;
      },
    },
    argv,
  );
}

/** No answer is a no. @throws ConfigurationError where nobody can answer */
async function confirm(plan: UpgradePlan, frame: Frame): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new ConfigurationError("there is no terminal to ask at: say -y to go ahead");
  }
  const question =
    plan.from === 0
      ? `Create the farm's tables in ${plan.database}?`
      : `Upgrade ${plan.database} from version ${plan.from} to ${plan.to}? Take a backup first: there is no way back.`;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  // Ctrl-C at the question goes to the terminal's reader, not to the process.
  terminal.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    const answer = await terminal.question(`${question} [y/N] `, { signal: frame.signal });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
