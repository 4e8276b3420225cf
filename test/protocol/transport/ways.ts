/** The ways on which a link can go, as a table for tests that promise the same of all of them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach } from "vitest";
import {
  createMemoryNetwork,
  forceCodec,
  generateKeyPair,
} from "../../../protocol/transport/index.ts";
import { callEcho, type EchoClient, echoLine, serveEcho, until } from "./echo-link.ts";

const folder = mkdtempSync(join(tmpdir(), "transport-"));
const network = createMemoryNetwork({ name: "ways" });
afterAll(() => {
  rmSync(folder, { recursive: true });
  network.close();
  forceCodec(false);
});

const secret = generateKeyPair();
const own = generateKeyPair();
const serverKeys = { secret, isAuthorised: (key: string) => key === own.publicKey };
const clientKeys = { own, serverPublicKey: secret.publicKey };

export interface Way {
  readonly way: string;
  readonly address: string;
  readonly isKeyed?: true;
  readonly hasCodecForced?: true;
}

/** Other processes can be reached, and hostile frames said. */
export const wireWays: readonly Way[] = [
  { way: "tcp", address: "tcp://127.0.0.1:0" },
  { way: "ipc", address: `ipc://${folder}/plain` },
  { way: "tcp with CURVE", address: "tcp://127.0.0.1:0", isKeyed: true },
];
export const frameWays: readonly Way[] = [
  ...wireWays,
  { way: "memory", address: "memory://ways/link" },
];
export const allWays: readonly Way[] = [
  ...frameWays,
  { way: "ipc with CURVE", address: `ipc://${folder}/keyed`, isKeyed: true },
  { way: "inproc, by reference", address: "inproc://ways" },
  { way: "inproc through the codec", address: "inproc://ways", hasCodecForced: true },
];

/** A server and clients that go that way. */
export function goBy({ address, isKeyed, hasCodecForced }: Way) {
  beforeEach(() => {
    forceCodec(hasCodecForced === true);
  });
  return {
    clientKeys: isKeyed && clientKeys,
    /** What a process of its own is started with. */
    childKeys: isKeyed ? { clientKeys, serverKeys: { secret, authorised: own.publicKey } } : {},
    serverKeys: isKeyed && serverKeys,
    serve: (options: Parameters<typeof serveEcho>[0] = {}) =>
      serveEcho({ address, ...(isKeyed && { keys: serverKeys }), ...options }),
    line: (to: string) => echoLine(to, isKeyed && { keys: clientKeys }),
    call: async (to: string, options: Parameters<typeof callEcho>[1] = {}) => {
      const client: EchoClient = callEcho(to, { ...(isKeyed && { keys: clientKeys }), ...options });
      await until(() => client.ups() > 0, "up");
      return client;
    },
  };
}
