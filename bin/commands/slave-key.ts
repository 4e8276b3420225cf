/**
 * piw slave-key: which slaves the master lets in. Changes its folder of keys and asks no master, so it works while
 * none runs; one that runs looks at the folder every second.
 */
import { existsSync, readFileSync } from "node:fs";
import { ConfigurationError } from "../../config/configuration-error.ts";
import { harmless } from "../../config/log-line.ts";
import { findNearest } from "../../config/nearest.ts";
import {
  addSlaveKeyProgram,
  authorizedKeysFolder,
  listSlaveKeysProgram,
  revokeSlaveKeyProgram,
} from "../../config/slave-key-tools.ts";
import {
  addKey,
  listKeys,
  type RegisteredKey,
  readPublicKeyFile,
  revokeKey,
} from "../../protocol/transport/index.ts";
import { columns } from "../columns.ts";
import { runProgram } from "../program.ts";

const verbs: Readonly<Record<string, (argv: readonly string[]) => Promise<void>>> = {
  add,
  list,
  revoke,
};

/** `piw slave-key VERB …`; with no verb, what there is. */
export async function slaveKey([verb, ...argv]: readonly string[]): Promise<void> {
  if (verb === undefined || verb === "--help" || verb === "-h") {
    process.stdout.write(
      "Usage: piw slave-key add NAME KEY|FILE | list | revoke NAME [options]\n\nWhich slaves the master lets in. piw slave-key VERB --help shows the options.\n",
    );
    return;
  }
  const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (run === undefined) {
    const nearest = findNearest(verb, Object.keys(verbs)) ?? "";
    process.stderr.write(
      `piw: there is no "piw slave-key ${harmless(verb.slice(0, 60))}"; the nearest is "piw slave-key ${nearest}"\n`,
    );
    process.exitCode = 2;
    return;
  }
  await run(argv);
}

function add(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: addSlaveKeyProgram,
      logLevel: "warn",
      run: (values, [name, given, ...more], frame) => {
        if (name === undefined || given === undefined || more.length > 0) {
          throw new ConfigurationError("say NAME KEY: one slave and its public key (or FILE.pub)");
        }
        const folder = authorizedKeysFolder(values);
        const isNew = addKey(folder, name, readKey(given));
        frame.print(`${name}: ${isNew ? "authorised" : "authorised already"}`);
        return Promise.resolve(0);
      },
    },
    argv,
  );
}

/** A public key may look like a path, so a file that is there comes first. */
function readKey(given: string): string {
  if (!existsSync(given)) return given.trim();
  const key = readPublicKeyFile(given);
  if (/^\s*secret-key\s*=/m.test(readFileSync(given, "utf8"))) {
    throw new Error(
      `${given} holds the slave's secret key, which should never leave the slave: make a new pair there with piw keygen, and bring FILE.pub only`,
    );
  }
  return key;
}

function list(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: listSlaveKeysProgram,
      logLevel: "warn",
      run: (values, _operands, frame) => {
        const keys = listKeys(authorizedKeysFolder(values));
        if (values.json) frame.print(JSON.stringify(keys.map(asJson), undefined, 2));
        else keyLines(keys).forEach(frame.print);
        return Promise.resolve(0);
      },
    },
    argv,
  );
}

const asJson = ({ name, state, publicKey, sinceAtMs }: RegisteredKey) => ({
  name,
  state,
  publicKey: publicKey ?? null,
  since: new Date(sinceAtMs).toISOString(),
});

const keyLines = (keys: readonly RegisteredKey[]): string[] =>
  keys.length === 0
    ? ["no keys: no slave is let in"]
    : columns(
        ["NAME", "STATE", "SINCE", "KEY"],
        keys.map(({ name, state, publicKey, sinceAtMs }) => [
          name,
          state,
          new Date(sinceAtMs).toISOString().slice(0, 16).replace("T", " "),
          publicKey ?? "",
        ]),
      );

function revoke(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: revokeSlaveKeyProgram,
      logLevel: "warn",
      run: (values, [name = ""], frame) => {
        const folder = authorizedKeysFolder(values);
        const gone = revokeKey(folder, name);
        if (gone.length === 0) frame.print(`${name}: revoked already`);
        for (const each of gone) frame.print(`${each}: revoked`);
        return Promise.resolve(0);
      },
    },
    argv,
  );
}
