/** piw slave-key and piw monitor-key, each with add, list, revoke: their options. */
import { commonOptions } from "./common-options.ts";
import { ConfigurationError } from "./configuration-error.ts";
import { authorizedKeysOption, monitorKeysOption } from "./master.ts";
import { flag, type Options, option, type Program } from "./option.ts";
import { section } from "./tools.ts";
import { choiceFormat } from "./value-format.ts";

const slaveOptions = { ...commonOptions, "authorized-keys": authorizedKeysOption };
const monitorOptions = { ...commonOptions, "monitor-keys": monitorKeysOption };

const revokedOperand = {
  name: "NAME",
  doc: "As the list shows it",
  variadic: false,
  required: true,
} as const;
const json = flag("Print everything as JSON", { stored: false });

type KeyProgram = Program<typeof commonOptions & Options>;

/** The three verbs over one folder of keys. */
export interface KeyPrograms {
  /** The option that names it. */
  readonly folder: "authorized-keys" | "monitor-keys";
  /** Whether its keys may not all do the same. */
  readonly hasRights: boolean;
  readonly add: KeyProgram;
  readonly list: KeyProgram;
  readonly revoke: KeyProgram;
}

export const slaveKeyPrograms: KeyPrograms = {
  folder: "authorized-keys",
  hasRights: false,
  add: {
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
    options: slaveOptions,
  },
  list: {
    name: "piw slave-key list",
    section,
    summary: "Shows the keys of slaves in the master's folder: authorised, damaged and revoked.",
    options: { ...slaveOptions, json },
  },
  revoke: {
    name: "piw slave-key revoke",
    section,
    summary:
      "Lets a slave in no more: moves its key to the folder revoked. A master that runs ends its session within seconds, and refuses the key from then on.",
    operand: revokedOperand,
    options: slaveOptions,
  },
};

export const monitorKeyPrograms: KeyPrograms = {
  folder: "monitor-keys",
  hasRights: true,
  add: {
    name: "piw monitor-key add",
    section,
    summary:
      "Lets somebody watch the farm over tcp, or control it too: puts a public key into the master's folder of monitors. Said again with another right it changes that. A master that runs sees it within a second.",
    operand: {
      name: "NAME KEY",
      doc: "A name, such as alice: orders are kept with it; the public key as 40 characters, or the FILE.pub that piw keygen made",
      variadic: true,
      required: true,
    },
    options: {
      ...monitorOptions,
      right: option(
        choiceFormat("watch", "control"),
        "RIGHT",
        "watch",
        "What the key may do: watch, or control (give orders too)",
        { stored: false },
      ),
    },
  },
  list: {
    name: "piw monitor-key list",
    section,
    summary: "Shows the keys of monitors in the master's folder, and what each may do.",
    options: { ...monitorOptions, json },
  },
  revoke: {
    name: "piw monitor-key revoke",
    section,
    summary:
      "Lets a key watch no more: moves it to the folder revoked. A master that runs ends its sessions within seconds, and refuses the key from then on.",
    operand: revokedOperand,
    options: monitorOptions,
  },
};

/** @throws ConfigurationError where nobody said which folder it is */
export function keysFolder(
  { folder }: KeyPrograms,
  values: Readonly<Record<string, unknown>>,
): string {
  const path = values[folder];
  if (typeof path === "string") return path;
  throw new ConfigurationError(
    `which folder has the keys? Give --${folder} DIR, as to the master, or ${folder} in the section [master]`,
  );
}
