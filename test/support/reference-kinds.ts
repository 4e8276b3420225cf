/**
 * Every kind of reference as one table, so that a case of `docs/runtime-semantics.md` is written once and run for
 * each: within a system, through a codec, to another system over each transport, into a worker thread.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it, onTestFinished } from "vitest";
import { decode, encode } from "../../protocol/transport/codec.ts";
import { generateKeyPair } from "../../protocol/transport/index.ts";
import { silentLogger, startSystem, threadChild } from "../../supervisor/index.ts";
import { Desk } from "../conformance/references/desk.ts";
import type { WireOptions } from "../conformance/references/node-wire.ts";
import type { plain } from "../conformance/references/probe.ts";
import type { ProbeMessages } from "../conformance/references/probe-protocol.ts";
import {
  type Between,
  calleeRoot,
  type Kind,
  type KindOptions,
  type Place,
  probesOnly,
  type References,
} from "../conformance/references/references.ts";
import { inTheSystem, startApart } from "../conformance/references/two-nodes.ts";
import { getNode } from "./probe.ts";
import { compileThreads, type ThreadModules } from "./thread-modules.ts";

const probeFile = "test/conformance/references/probe.ts";

async function startWithin(
  place: Place,
  options: KindOptions,
  hasCodec: boolean,
): Promise<References> {
  const desk = new Desk();
  const system = await startSystem({
    name: "here",
    logger: silentLogger,
    root: calleeRoot(place, desk, options),
    node: { name: "here", protocols: options.protocols ?? probesOnly },
    ...(hasCodec && { forceCodec: { encode, decode } }),
  });
  onTestFinished(() => system.stop());
  const ref = (path: string) => system.ref<ProbeMessages>(path);
  return {
    caller: system,
    callee: system,
    desk,
    path: (path) => path,
    ref,
    node: (path) => getNode(system, path),
    startKid: (id, shape, childOptions) =>
      system.startChild("/kids", place(id, shape, childOptions)),
    get between(): Between {
      throw new Error("nothing is between a system and itself");
    },
  };
}

const oneName = () => randomUUID().replaceAll("-", "");

function ipcAddress(): string {
  const folder = mkdtempSync(join(tmpdir(), "references-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return `ipc://${folder}/b`;
}

const [serverPair, clientPair] = [generateKeyPair(), generateKeyPair()];
const curve = {
  server: { secret: serverPair, isAuthorised: (key: string) => key === clientPair.publicKey },
  client: { own: clientPair, serverPublicKey: serverPair.publicKey },
};

const remote = (kind: string, wire: () => WireOptions): Kind => ({
  kind,
  isRemote: true,
  isThread: false,
  start: (options = {}) => startApart(wire(), options),
});

/** Over a network of its own, which can also have faults. */
export const inMemory = remote("remote, in-memory", () => ({
  address: `memory://${oneName()}/b`,
  heartbeatMs: 250,
}));

export const remoteKinds: readonly Kind[] = [
  inMemory,
  remote("remote, inproc", () => ({ address: `inproc://${oneName()}` })),
  remote("remote, ipc", () => ({ address: ipcAddress() })),
  remote("remote, tcp with CURVE", () => ({ address: "tcp://127.0.0.1:0", keys: curve })),
];

const within = (kind: string, hasCodec: boolean): Kind => ({
  kind,
  isRemote: false,
  isThread: false,
  start: (options = {}) => startWithin(inTheSystem, options, hasCodec),
});

/** Compiled once for a test file. */
let modules: ThreadModules | undefined;

/** For `beforeAll` of files whose cases run in worker threads too: what a thread loads is compiled. */
export function prepareThreads(): void {
  modules = compileThreads(probeFile);
}

/** For `afterAll` of the same files. */
export function disposeThreads(): void {
  modules?.dispose();
  modules = undefined;
}

const inAThread: Place = (id, shape, options) => {
  if (modules === undefined) throw new Error("prepareThreads was not called");
  const { program } = modules;
  const own = { ...options, exportName: shape, program };
  return threadChild<typeof plain>(id, modules.module(probeFile), undefined, own);
};

const workerThread: Kind = {
  kind: "worker thread",
  isRemote: false,
  isThread: true,
  start: (options = {}) => startWithin(inAThread, options, false),
};

export const localKinds: readonly Kind[] = [
  within("local", false),
  within("local through the codec", true),
];

/** All that a ref may be. */
export const allKinds: readonly Kind[] = [...localKinds, ...remoteKinds, workerThread];

/** One test for each kind: `36: what is promised (remote, ipc)`. */
export function each(
  kinds: readonly Kind[],
  title: string,
  run: (kind: Kind) => Promise<void>,
  timeoutMs?: number,
): void {
  const options = timeoutMs === undefined ? {} : { timeout: timeoutMs };
  for (const kind of kinds) it(`${title} (${kind.kind})`, options, () => run(kind));
}
