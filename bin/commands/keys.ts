/**
 * piw slave-key and piw monitor-key: which slaves the master lets in, and who may watch and control it over tcp. They change
 * its folders of keys and ask no master, so they work while none runs; one that runs looks at the folders every second.
 */
import { existsSync, readFileSync } from "node:fs";
import { ConfigurationError } from "../../config/configuration-error.ts";
import {
  type KeyPrograms,
  keysFolder,
  monitorKeyPrograms,
  slaveKeyPrograms,
} from "../../config/key-tools.ts";
import {
  type Added,
  addKey,
  listKeys,
  type RegisteredKey,
  readPublicKeyFile,
  revokeKey,
} from "../../protocol/transport/index.ts";
import { columns } from "../columns.ts";
import { runProgram } from "../program.ts";
import { runVerb } from "../run-verb.ts";

/** `piw slave-key VERB …` */
export const slaveKey = (argv: readonly string[]): Promise<void> =>
  runVerb(
    {
      name: "piw slave-key",
      usage: "add NAME KEY|FILE | list | revoke NAME [options]",
      about: "Which slaves the master lets in.",
      verbs: verbsOf(slaveKeyPrograms, "no keys: no slave is let in"),
    },
    argv,
  );

/** `piw monitor-key VERB …` */
export const monitorKey = (argv: readonly string[]): Promise<void> =>
  runVerb(
    {
      name: "piw monitor-key",
      usage: "add NAME KEY|FILE [--right watch|control] | list | revoke NAME [options]",
      about: "Who may watch and control the master over tcp.",
      verbs: verbsOf(monitorKeyPrograms, "no keys: nobody may watch over tcp"),
    },
    argv,
  );

const verbsOf = (programs: KeyPrograms, none: string) => ({
  add: (argv: readonly string[]) => add(programs, argv),
  list: (argv: readonly string[]) => list(programs, none, argv),
  revoke: (argv: readonly string[]) => revoke(programs, argv),
});

function add(programs: KeyPrograms, argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: programs.add,
      logLevel: "warn",
      run: (values, [name, given, ...more], frame) => {
        if (name === undefined || given === undefined || more.length > 0) {
          throw new ConfigurationError("say NAME KEY: one name and its public key (or FILE.pub)");
        }
        const right = programs.hasRights ? String(values["right"]) : undefined;
        const added = addKey(keysFolder(programs, values), name, readKey(given), right);
        frame.print(`${name}: ${addedWords[added]}${right === undefined ? "" : ` to ${right}`}`);
        return Promise.resolve(0);
      },
    },
    argv,
  );
}

const addedWords: Readonly<Record<Added, string>> = {
  added: "authorised",
  known: "authorised already",
  changed: "authorised from now on",
};

/** A public key may look like a path, so a file that is there comes first. */
function readKey(given: string): string {
  if (!existsSync(given)) return given.trim();
  const key = readPublicKeyFile(given);
  if (/^\s*secret-key\s*=/m.test(readFileSync(given, "utf8"))) {
    throw new Error(
      `${given} holds a secret key, which should never leave its machine: make a new pair there with piw keygen, and bring FILE.pub only`,
    );
  }
  return key;
}

function list(programs: KeyPrograms, none: string, argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: programs.list,
      logLevel: "warn",
      run: (values, _operands, frame) => {
        const { hasRights } = programs;
        const keys = listKeys(keysFolder(programs, values)).map((key) => rowOf(key, hasRights));
        if (values["json"] === true) frame.print(JSON.stringify(keys, undefined, 2));
        else if (keys.length === 0) frame.print(none);
        else keyLines(keys, hasRights).forEach(frame.print);
        return Promise.resolve(0);
      },
    },
    argv,
  );
}

type KeyRow = ReturnType<typeof rowOf>;

/** A right that nobody knows is the least, as the master takes it. */
const rowOf = ({ name, state, publicKey, right, sinceAtMs }: RegisteredKey, hasRight: boolean) => ({
  name,
  state,
  ...(hasRight && { right: right === "control" ? "control" : "watch" }),
  publicKey: publicKey ?? null,
  since: new Date(sinceAtMs).toISOString(),
});

const keyLines = (keys: readonly KeyRow[], hasRights: boolean): string[] =>
  columns(
    ["NAME", "STATE", ...(hasRights ? ["RIGHT"] : []), "SINCE", "KEY"],
    keys.map(({ name, state, right, publicKey, since }) => [
      name,
      state,
      ...(right === undefined ? [] : [right]),
      since.slice(0, 16).replace("T", " "),
      publicKey ?? "",
    ]),
  );

function revoke(programs: KeyPrograms, argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: programs.revoke,
      logLevel: "warn",
      run: (values, [name = ""], frame) => {
        const gone = revokeKey(keysFolder(programs, values), name);
        if (gone.length === 0) frame.print(`${name}: revoked already`);
        for (const each of gone) frame.print(`${each}: revoked`);
        return Promise.resolve(0);
      },
    },
    argv,
  );
}
