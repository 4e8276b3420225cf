/** piw slave-key add, list, revoke: their options. */
import { commonOptions } from "./common-options.ts";
import { ConfigurationError } from "./configuration-error.ts";
import { authorizedKeysOption } from "./master.ts";
import { flag, type Program } from "./option.ts";
import { section } from "./tools.ts";

const options = { ...commonOptions, "authorized-keys": authorizedKeysOption };

export const addSlaveKeyProgram = {
  name: "piw slave-key add",
  section,
  summary:
    "Lets a slave in: puts its public key into the master's folder of authorised keys. A master that runs sees it within a second.",
  operand: {
    name: "NAME KEY",
    doc: "A name for the slave, such as board-1; its public key as 40 characters, or the FILE.pub that piw keygen made there",
    variadic: true,
    required: true,
  },
  options,
} satisfies Program;

export const listSlaveKeysProgram = {
  name: "piw slave-key list",
  section,
  summary: "Shows the keys of slaves in the master's folder: authorised, damaged and revoked.",
  options: { ...options, json: flag("Print everything as JSON", { stored: false }) },
} satisfies Program;

export const revokeSlaveKeyProgram = {
  name: "piw slave-key revoke",
  section,
  summary:
    "Lets a slave in no more: moves its key to the folder revoked. A master that runs ends its session within seconds, and refuses the key from then on.",
  operand: { name: "NAME", doc: "As piw slave-key list shows it", variadic: false, required: true },
  options,
} satisfies Program;

/** @throws ConfigurationError where nobody said which folder it is */
export function authorizedKeysFolder(values: {
  readonly "authorized-keys": string | undefined;
}): string {
  const folder = values["authorized-keys"];
  if (folder === undefined) {
    throw new ConfigurationError(
      "which folder has the keys? Give --authorized-keys DIR, as to the master, or authorized-keys in the section [master]",
    );
  }
  return folder;
}
