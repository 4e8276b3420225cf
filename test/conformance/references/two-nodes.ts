/**
 * Two systems of one process that are nodes to each other, over a transport: the remote kinds of references.
 * The caller's node is `a`, the callee's `b`.
 */
import { onTestFinished } from "vitest";
import { createMemoryNetwork, type MemoryNetwork } from "../../../protocol/transport/index.ts";
import {
  child,
  dynamicSupervisor,
  type System,
  silentLogger,
  startSystem,
  supervisor,
} from "../../../supervisor/index.ts";
import { getNode } from "../../support/probe.ts";
import { Desk } from "./desk.ts";
import { NodeWire, type WireOptions } from "./node-wire.ts";
import { shapes } from "./probe.ts";
import type { ProbeMessages } from "./probe-protocol.ts";
import {
  calleeRoot,
  type KindOptions,
  type Place,
  probesOnly,
  quick,
  type References,
  until,
} from "./references.ts";

export const inTheSystem: Place = (id, shape, options) =>
  child(id, shapes[shape], undefined, options);

/** Starts both, connected unless told; both end with the test. */
export async function startApart(
  wireOptions: WireOptions,
  options: KindOptions,
): Promise<References> {
  const network = makeNetwork(wireOptions.address, options);
  const desk = new Desk();
  const caller = await startCaller(options);
  const channel = caller.nodes.channel("b");
  const newCallee = () =>
    startSystem({
      name: "b",
      logger: silentLogger,
      root: calleeRoot(inTheSystem, desk, options),
      node: { name: "b", protocols: options.protocols ?? probesOnly },
    });
  let callee = await newCallee();
  const wire = new NodeWire(wireOptions);
  await wire.bind(callee.nodes);
  onTestFinished(async () => {
    await wire.disconnect(channel);
    await wire.unbind();
    await caller.stop();
    await callee.stop();
    network?.close();
  });
  const heal = () => wire.connect(channel);
  if (options.isConnected !== false) {
    heal();
    const isUp = () => channel.state === "up" && callee.nodes.channel("a").state === "up";
    await until(isUp, "the nodes are connected");
  }
  const ref = (path: string) => caller.ref<ProbeMessages>(`b:${path}`);
  return {
    caller,
    get callee() {
      return callee;
    },
    desk,
    path: (path) => `b:${path}`,
    ref,
    node: (path) => getNode(callee, path),
    async startKid(id, shape, childOptions) {
      await callee.startChild("/kids", inTheSystem(id, shape, childOptions));
      return ref(`/kids/${id}`);
    },
    between: {
      wire,
      network,
      isByReference: wireOptions.address.startsWith("inproc:"),
      channel,
      cut: () => wire.disconnect(channel),
      heal,
      async replace() {
        const former = callee;
        await wire.unbind();
        callee = await newCallee();
        await wire.bind(callee.nodes);
        await former.stop();
      },
    },
  };
}

function startCaller({ protocols = probesOnly, awayMs, bound }: KindOptions): Promise<System> {
  return startSystem({
    name: "a",
    logger: silentLogger,
    root: supervisor("root", quick, [dynamicSupervisor("callers", quick)]),
    node: {
      name: "a",
      protocols,
      ...(awayMs !== undefined && { awayMs }),
      ...(bound !== undefined && { bound }),
    },
  });
}

function makeNetwork(address: string, { faults }: KindOptions): MemoryNetwork | undefined {
  const name = /^memory:\/\/(\w+)/.exec(address)?.[1];
  if (name === undefined) return undefined;
  const { p, seed } = faults ?? { p: 0, seed: 1 };
  return createMemoryNetwork({ name, seed, faults: { lose: p, repeat: p, reorder: p } });
}
