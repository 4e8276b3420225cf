/**
 * Child specs: what a supervisor starts, and what it does when that ends. Written as plain values in a
 * program's `tree.ts`; checked as a whole before anything starts (`spec-validation.ts`).
 */
import type { protocol } from "./actor-ref.ts";

/** Only the runtime looks inside a definition (`behaviourOf`). */
export const behaviour: unique symbol = Symbol("supervisor.behaviour");

/** What `defineActor` makes. Opaque: a child spec names it, the runtime runs it. */
export interface ActorDefinition<M extends object, Args = undefined> {
  readonly name: string;
  readonly [behaviour]: object;
  readonly [protocol]?: (args: Args) => M;
}

/** `permanent`: always restarted; `transient`: after a crash only; `temporary`: never. */
export type RestartType = "permanent" | "transient" | "temporary";

/**
 * Who is restarted with a child: itself (`one_for_one`), all (`one_for_all`), itself and those started
 * after it (`rest_for_one`).
 */
export type Strategy = "one_for_one" | "one_for_all" | "rest_for_one";

export interface Delays {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface ChildOptions {
  /** Default `permanent`. */
  readonly restart?: RestartType;
  /** How long it may take to stop before it is fenced. Default 5,000; of a supervisor: its children's. */
  readonly shutdownMs?: number;
  /** How long `init` may take. Default 30,000; of a supervisor: its children's. */
  readonly startMs?: number;
  /** Its own orderly end ends its supervisor (see `autoShutdown`). Not for permanent children. */
  readonly significant?: boolean;
  /**
   * Delayed restart: beyond its budget this child is `failed` with an alarm in the log, its queue is
   * dead-lettered, and it is started again after growing delays; its supervisor lives. The budget of an
   * actor is its supervisor's intensity, counted for itself; that of a supervisor is its own intensity.
   */
  readonly revive?: Delays;
}

export interface SupervisorOptions extends ChildOptions {
  /** Default `one_for_one`. */
  readonly strategy?: Strategy;
  /** At most `restarts` within `withinMs`; one more ends this supervisor. Default 3 within 5,000 ms. */
  readonly intensity?: { readonly restarts: number; readonly withinMs: number };
  /**
   * Delay before a restart: doubles from `minMs` to `maxMs` with jitter, back to the start after
   * `resetAfterMs` without a crash. Default 50, 5,000, 10,000.
   */
  readonly backoff?: Delays & { readonly resetAfterMs: number };
  /** Whether this supervisor ends when a significant child, or the last of them, ends. Default `never`. */
  readonly autoShutdown?: "never" | "any_significant" | "all_significant";
}

/** A definition whose protocol is forgotten. */
export interface AnyDefinition {
  readonly name: string;
  readonly [behaviour]: object;
}

export interface WorkerSpec {
  readonly kind: "worker";
  readonly id: string;
  readonly definition: AnyDefinition;
  readonly args: unknown;
  readonly options: ChildOptions;
}

export interface SupervisorSpec {
  readonly kind: "supervisor" | "dynamic";
  readonly id: string;
  readonly options: SupervisorOptions;
  readonly children: readonly AnyChildSpec[];
}

export type AnyChildSpec = WorkerSpec | SupervisorSpec;

/** What `child`, `supervisor` and `dynamicSupervisor` make. `M` is the protocol of the actor. */
export type ChildSpec<M = unknown> = AnyChildSpec & {
  [protocol]?(messages: M): void;
};

/** An actor as a child. `id` is its name in the tree: no slash, no blank, unique among its siblings. */
export function child<M extends object, Args>(
  id: string,
  definition: ActorDefinition<M, Args>,
  args: NoInfer<Args>,
  options: ChildOptions = {},
): ChildSpec<M> {
  return { kind: "worker", id, definition, args, options };
}

/** A supervisor with children that are known beforehand. They start in order and stop in reverse. */
export function supervisor(
  id: string,
  options: SupervisorOptions,
  children: readonly ChildSpec[],
): ChildSpec {
  return { kind: "supervisor", id, options, children };
}

/** A supervisor whose children come and go at run time; all are stopped at once. */
export function dynamicSupervisor(id: string, options: SupervisorOptions = {}): ChildSpec {
  return { kind: "dynamic", id, options, children: [] };
}
