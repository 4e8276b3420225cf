/** Starts and ends the process that the bench `transport` talks to (`echo-child.ts`). */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateKeyPair, type KeyPair } from "../../protocol/transport/index.ts";
import type { Addresses, ChildOrder, ChildSays } from "./bench-link.ts";

export interface EchoProcess {
  readonly addresses: Addresses;
  readonly serverPublicKey: string;
  /** The pair that it lets in. */
  readonly clientKeys: KeyPair;
  /** Resolves when the last note of a row has come there, with their number. */
  counted(): Promise<number>;
  end(): Promise<void>;
}

export async function startEchoProcess(signal: AbortSignal): Promise<EchoProcess> {
  const folder = mkdtempSync(join(tmpdir(), "ww-bench-"));
  chmodSync(folder, 0o700);
  const program = fileURLToPath(
    new URL(`../echo-child${extname(import.meta.url)}`, import.meta.url),
  );
  const child = fork(program, [], { signal });
  // Aborted: whoever waits for what it says learns it by the exit.
  child.on("error", () => undefined);
  const end = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, "exit");
      if (child.connected) child.disconnect();
      await gone;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const clientKeys = generateKeyPair();
    const ready = said(child, "ready");
    child.send({ folder, clientPublicKey: clientKeys.publicKey } satisfies ChildOrder);
    const { addresses, publicKey } = await ready;
    return {
      addresses,
      serverPublicKey: publicKey,
      clientKeys,
      counted: async () => (await said(child, "counted")).notes,
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** The next thing it says, which is to be of that type. @throws Error when it ends instead. */
async function said<T extends ChildSays["type"]>(
  child: ChildProcess,
  type: T,
): Promise<Extract<ChildSays, { type: T }>> {
  return await new Promise((resolve, reject) => {
    const ended = (): void => {
      child.off("message", heard);
      reject(new Error("the process that echoes has ended"));
    };
    const heard = (words: unknown): void => {
      child.off("exit", ended);
      const said = words as ChildSays;
      if (said.type === type) resolve(said as Extract<ChildSays, { type: T }>);
      else reject(new Error(`it said ${said.type} instead of ${type}`));
    };
    child.once("message", heard).once("exit", ended);
  });
}
