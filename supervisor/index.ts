/**
 * The front door of the runtime: how actors are declared, live, fail, restart and stop. Everything
 * outside this folder imports this file only. What is promised is in `docs/runtime-semantics.md`.
 */

export type { ActorContext, Deferred, Timer, WatchType } from "./actor-context.ts";
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
export * from "./endpoint.ts";
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
export { type ProcessSupervisionOptions, superviseProcess } from "./process-supervision.ts";
export { SupervisionError, type SupervisionErrorCode } from "./supervision-error.ts";
export { type System, type SystemOptions, startSystem } from "./system.ts";
export type { TraceEvent, TraceHook } from "./tracing.ts";
export { VirtualClock } from "./virtual-clock.ts";
