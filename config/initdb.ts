/** piw-initdb: its options, and the settings of the database's creation or upgrade. */
import { commonOptions } from "./common-options.ts";
import { dsnOption } from "./master.ts";
import { flag, list, option, optional, type Program, type Values } from "./option.ts";
import type { InitdbSettings } from "./settings.ts";
import { expiryFormat, textFormat } from "./value-format.ts";
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
  expire: optional(
    expiryFormat,
    "DURATION",
    "Keep the rows of the access log for so long (such as 90d, 12w, 2y), or never let them expire",
    { defaultText: "as it is; never at first", stored: false },
  ),
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
  const { dsn, user, reader, yes, expire } = values;
  return { version: productVersion, dsn, user, readers: reader, yes, accessExpiry: expire };
}
