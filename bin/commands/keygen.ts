/** piw keygen: a key pair for a master or a slave, or (`--signing`) the key that a master signs wheels with. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { keygenProgram } from "../../config/tools.ts";
import { writeKeyFile, writePublicKeyFile } from "../../protocol/transport/index.ts";
import { type Frame, runProgram } from "../program.ts";

export function keygen(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: keygenProgram,
      logLevel: "warn",
      run: (values, [name], frame) =>
        values.signing
          ? makeSigningKey(resolve(name ?? "piwheels-signing.key"), values.name, frame)
          : makeKeyPair(resolve(name ?? "piwheels.key"), frame),
    },
    argv,
  );
}

function makeKeyPair(file: string, frame: Frame): Promise<number> {
  const { publicKey } = writeKeyFile(file);
  writePublicKeyFile(`${file}.pub`, publicKey, `${hostname()}:${file}`);
  frame.print(`secret key: ${file} (keep it on this machine)`);
  frame.print(`public key: ${file}.pub`);
  frame.print(publicKey);
  return Promise.resolve(0);
}

async function makeSigningKey(file: string, name: string, frame: Frame): Promise<number> {
  const { writeNewSigningKey } = await import("../../web/provenance/new-signing-key.ts");
  const { id, publicFile, certificateFile } = await writeNewSigningKey(file, name);
  frame.print(`signing key: ${file} (secret: for --signing-key of the master, and a backup)`);
  frame.print(`public key:  ${publicFile} (for piw verify --key)`);
  frame.print(`certificate: ${certificateFile}`);
  frame.print(id);
  return 0;
}
