/**
 * The front door of the runtime: how actors are declared, live, fail, restart and stop. Everything
 * outside this folder imports this file only. What is promised is in `docs/runtime-semantics.md`.
 */

export type { ActorContext, Deferred, ListingType, Timer, WatchType } from "./actor-context.ts";
export {
  type ActorBehaviour,
  defineActor,
  type Handlers,
  IGNORE,
  type Overflow,
  type PauseKind,
} from "./actor-definition.ts";
export type {
  ActorRef,
  AnyRef,
  AskArgs,
  AskOptions,
  Body,
  BodyArgs,
  MessageType,
  Reply,
  TellResult,
} from "./actor-ref.ts";
export { AskError, type AskErrorCode, Refusal } from "./ask-error.ts";
export type { Codec } from "./border.ts";
export {
  type ActorDefinition,
  type ChildOptions,
  type ChildSpec,
  child,
  type Delays,
  dynamicSupervisor,
  type RestartType,
  type Strategy,
  type SupervisorOptions,
  supervisor,
} from "./child-spec.ts";
export { type CancelTimer, type Clock, systemClock } from "./clock.ts";
export type { DeadLetter, DeadLetterReason, DeadLetterSummary } from "./dead-letters.ts";
export { type Deadline, type Due, setDeadline } from "./deadlines.ts";
export * from "./endpoint.ts";
export type { EventLoopDelay } from "./event-loop-delay.ts";
export {
  describeExit,
  type ExitReason,
  isOrderly,
  type Terminated,
  toError,
} from "./exit-reason.ts";
export {
  countChildren,
  eachNode,
  type NodeState,
  type TreeCounts,
  type TreeNode,
} from "./introspection.ts";
export { type Logger, type LogMethod, silentLogger } from "./logger.ts";
export { namePattern } from "./name-pattern.ts";
export type { NodeChannel } from "./nodes/node-channel.ts";
export type { Item, NodeMessage, NodeMessages } from "./nodes/node-message.ts";
export { isNodeName, type NodeOptions, type Nodes } from "./nodes/nodes.ts";
export { type PoolOptions, pool } from "./pool.ts";
export { type ProcessSupervisionOptions, superviseProcess } from "./process-supervision.ts";
export type { MessagesOfProtocol, Protocol } from "./protocol.ts";
export { type Random, seededRandom } from "./random.ts";
export type { Listing } from "./registry.ts";
export type { SystemStatistics } from "./statistics.ts";
export { SupervisionError, type SupervisionErrorCode } from "./supervision-error.ts";
export { type System, type SystemOptions, startSystem } from "./system.ts";
export { type ThreadOptions, threadChild } from "./threads/thread-child.ts";
export type { RecentEvent } from "./trace-ring.ts";
export type { TraceEvent, TraceHook } from "./tracing.ts";
export { VirtualClock } from "./virtual-clock.ts";
