/** piw-initdb: creates or upgrades the database, after a question unless `-y` was said. */
import { initdbProgram, initdbSettings } from "../../config/initdb.ts";
import { type UpgradePlan, upgradeDatabase } from "../../db/migrate.ts";
import { confirm, REFUSED } from "../confirm.ts";
import { runProgram } from "../program.ts";

export function initdb(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: initdbProgram,
      logLevel: "warn",
      run: async (values, _operands, frame) => {
        const { dsn, user, readers, yes, accessExpiry } = initdbSettings(values);
        const outcome = await upgradeDatabase(dsn, {
          masterRole: user,
          readers,
          log: frame.print,
          confirm: (plan) => confirm(questionOf(plan), { yes }, frame),
          ...(accessExpiry !== undefined && {
            accessExpiryDays: accessExpiry === "never" ? null : accessExpiry.days,
          }),
        });
        const said = {
          created: "The database is ready.",
          upgraded: "The database is upgraded.",
          current: "The database is up to date.",
          refused: "Nothing was changed.",
        }[outcome];
        frame.print(said);
        return outcome === "refused" ? REFUSED : 0;
      },
    },
    argv,
  );
}

const questionOf = (plan: UpgradePlan): string =>
  plan.from === 0
    ? `Create the farm's tables in ${plan.database}?`
    : `Upgrade ${plan.database} from version ${plan.from} to ${plan.to}? Take a backup first: there is no way back.`;
