/** piw keygen: a key pair for a master or a slave. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { keygenProgram } from "../../config/tools.ts";
import { writeKeyFile, writePublicKeyFile } from "../../protocol/transport/index.ts";
import { runProgram } from "../program.ts";

export function keygen(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: keygenProgram,
      logLevel: "warn",
      run: (_values, [name], frame) => {
        const file = resolve(name ?? "piwheels.key");
        const { publicKey } = writeKeyFile(file);
        writePublicKeyFile(`${file}.pub`, publicKey, `${hostname()}:${file}`);
        frame.print(`secret key: ${file} (keep it on this machine)`);
        frame.print(`public key: ${file}.pub`);
        frame.print(publicKey);
        return Promise.resolve(0);
      },
    },
    argv,
  );
}
