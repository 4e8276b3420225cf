/** What the cells of one system share. Made by `system.ts`, handed down the tree; no cell makes its own. */
import type { ActorRef, TellResult } from "./actor-ref.ts";
import type { Border } from "./border.ts";
import type { ChildSpec } from "./child-spec.ts";
import type { Clock } from "./clock.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { DeathWatch } from "./death-watch.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Gauges } from "./gauges.ts";
import type { Logger } from "./logger.ts";
import type { Envelope } from "./mailbox.ts";
import type { RemoteNodes } from "./nodes/nodes.ts";
import type { Random } from "./random.ts";
import type { Registry } from "./registry.ts";
import type { Tracer } from "./tracing.ts";

/** The cell behind a path, as far as a ref needs it. */
export interface Receiver {
  readonly id: string;
  /** Whether messages are taken: false before the first start, after the end, and for supervisors. */
  readonly isOpen: boolean;
  /** Whether it has not ended for good: what death watch asks. */
  readonly isAlive: boolean;
  /** The present incarnation; 0 when there is none. */
  readonly incarnationNumber: number;
  deliver(envelope: Envelope): TellResult;
  deliverWhenRoom(envelope: Envelope): Promise<TellResult>;
}

export interface Runtime {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly dispatcher: Dispatcher;
  readonly undelivered: DeadLetters;
  readonly deathWatch: DeathWatch;
  readonly tracer: Tracer;
  readonly receivers: Map<string, Receiver>;
  readonly gauges: Gauges;
  readonly registry: Registry;
  readonly remoteNodes: RemoteNodes;
  /** Makes local messages with a protocol go through a codec; see `SystemOptions.forceCodec`. */
  readonly border: Border | undefined;
  readonly freezesMessages: boolean;
  nextIncarnation(): number;
  /** A stream of random numbers for the jitter of one path. */
  random(path: string): Random;
  ref<M>(path: string): ActorRef<M>;
  pin<M>(ref: ActorRef<M>): ActorRef<M>;
  startChild<M>(supervisorPath: string, spec: ChildSpec<M>): Promise<ActorRef<M>>;
  stopChild(path: string): Promise<void>;
  restartChild<M>(path: string): Promise<ActorRef<M>>;
  deleteChild(path: string): void;
  /** Whether QUIT was said to it and RESUME not since: its supervisor starts without it. */
  isToldToQuit(path: string): boolean;
}
