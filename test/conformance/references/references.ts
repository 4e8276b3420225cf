/**
 * What every kind of reference gives to a case of the suite: a caller, a callee and refs from one to the other.
 * Built by `two-nodes.ts` and `test/support/reference-kinds.ts`, which has the table of the kinds.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { MemoryNetwork } from "../../../protocol/transport/index.ts";
import {
  type ActorRef,
  type ChildOptions,
  type ChildSpec,
  dynamicSupervisor,
  type NodeChannel,
  type Protocol,
  type SupervisorOptions,
  type System,
  supervisor,
  type TreeNode,
} from "../../../supervisor/index.ts";
import { type Desk, deskChild } from "./desk.ts";
import type { NodeWire } from "./node-wire.ts";
import type { ShapeName } from "./probe.ts";
import { type ProbeMessages, probeProtocol } from "./probe-protocol.ts";

export interface KindOptions {
  /** Children of the callee's root, by id; beside them are `/desk` and the dynamic `/kids`. */
  readonly actors?: Readonly<Record<string, ShapeName>>;
  readonly root?: SupervisorOptions;
  /** Of the caller's channel. */
  readonly awayMs?: number;
  readonly bound?: number;
  readonly isConnected?: boolean;
  /** Over a network that loses, repeats and reorders, each with this probability (in-memory only). */
  readonly faults?: { readonly seed: number; readonly p: number };
  /** Between nodes. Default: the probe's at `/a`, `/b` and below `/kids`. */
  readonly protocols?: (path: string) => Protocol | undefined;
}

/** What only two nodes have: a connection that can be cut, and a callee that can be replaced. */
export interface Between {
  readonly wire: NodeWire;
  readonly network: MemoryNetwork | undefined;
  /** Nothing is encoded on the way (`inproc`). */
  readonly isByReference: boolean;
  /** The caller's, to the callee. */
  readonly channel: NodeChannel;
  cut(): Promise<void>;
  heal(): void;
  /** The callee's node is gone without a word; another one begins under its name, at the same address. */
  replace(): Promise<void>;
}

/** A caller and a callee, which are one system for the kinds within a system. */
export interface References {
  readonly caller: System;
  readonly callee: System;
  readonly desk: Desk;
  /** How the caller names a path of the callee. */
  path(path: string): string;
  ref(path: string): ActorRef<ProbeMessages>;
  /** As the callee sees it. */
  node(path: string): TreeNode;
  startKid(id: string, shape: ShapeName, options?: ChildOptions): Promise<ActorRef<ProbeMessages>>;
  readonly between: Between;
}

export interface Kind {
  readonly kind: string;
  /** Messages go to another node: a tell says `queued`, and what became of it is known there. */
  readonly isRemote: boolean;
  readonly isThread: boolean;
  start(options?: KindOptions): Promise<References>;
}

export const quick: SupervisorOptions = {
  backoff: { minMs: 1, maxMs: 5, resetAfterMs: 60_000 },
  intensity: { restarts: 100_000, withinMs: 1_000 },
};

/** Makes a probe as a child. */
export type Place = (
  id: string,
  shape: ShapeName,
  options?: ChildOptions,
) => ChildSpec<ProbeMessages>;

const isProbe = (path: string) => /^\/(?:[ab]|kids\/\w+)$/.test(path);
export const probesOnly = (path: string) => (isProbe(path) ? probeProtocol : undefined);

/** `/desk`, `/kids`, the probes, and `/callers` for where caller and callee are one system. */
export function calleeRoot(
  place: Place,
  desk: Desk,
  { actors = { a: "plain" }, root }: KindOptions,
) {
  const children = Object.entries(actors).map(([id, shape]) => place(id, shape));
  return supervisor("root", { ...quick, ...root }, [
    deskChild(desk),
    dynamicSupervisor("kids", quick),
    ...children,
    dynamicSupervisor("callers", quick),
  ]);
}

/** Waits for a condition; ZeroMQ and threads take their time on a busy machine. */
export async function until(fits: () => boolean, what: string, patienceMs = 10_000): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (!fits()) {
    if (performance.now() > deadlineMs) throw new Error(`never: ${what}`);
    await delay(1);
  }
}
