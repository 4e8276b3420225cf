/** piw-initdb: its options, and the settings of the database's creation or upgrade. */
import { commonOptions } from "./common-options.ts";
import { dsnOption } from "./master.ts";
import { flag, list, option, type Program, type Values } from "./option.ts";
import type { InitdbSettings } from "./settings.ts";
import { textFormat } from "./value-format.ts";
import { productVersion } from "./version.ts";

const initdbOptions = {
  ...commonOptions,
  dsn: {
    ...dsnOption,
    doc: "The database, as libpq understands it; its user must be a superuser or own it",
  },
  user: option(textFormat, "NAME", "piwheels", "The role that gets the master's rights", {
    short: "u",
  }),
  reader: list("NAME", "A role that may read everything and change nothing. Repeatable"),
  yes: flag("Go ahead without asking", { short: "y", stored: false }),
};

export const initdbProgram = {
  name: "piw-initdb",
  section: "initdb",
  summary: "Creates the farm's tables in a database, or upgrades them, in one transaction.",
  options: initdbOptions,
} satisfies Program;

export function initdbSettings(values: Values<typeof initdbOptions>): InitdbSettings {
  return {
    version: productVersion,
    dsn: values.dsn,
    user: values.user,
    readers: values.reader,
    yes: values.yes,
  };
}
