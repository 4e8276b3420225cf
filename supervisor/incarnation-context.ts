/** Builds the context that handlers see from what its incarnation can do. */
import type { ActorContext, Deferred, Timer } from "./actor-context.ts";
import type { UntypedContext } from "./actor-definition.ts";
import type { ActorRef, AnyRef } from "./actor-ref.ts";
import type { ChildSpec } from "./child-spec.ts";
import type { Logger } from "./logger.ts";
import type { Runtime } from "./runtime.ts";
import { SupervisionError } from "./supervision-error.ts";

/** What a context needs of its incarnation. */
export interface ContextSource {
  readonly path: string;
  readonly number: number;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly askSignal: AbortSignal;
  readonly isPaused: boolean;
  /** False once fenced. */
  readonly canAct: boolean;
  watch(path: string, type: string): void;
  unwatch(path: string): void;
  subscribe(name: string, type: string): void;
  unsubscribe(name: string): void;
  after(delayMs: number, type: string, body: unknown): Timer;
  every(intervalMs: number, type: string, body: unknown): Timer;
  run(work: (signal: AbortSignal) => Promise<void>): void;
  callback(work: () => unknown): void;
  defer(): Deferred;
  hold(isHeld: boolean): void;
  setDegraded(reason: string | undefined): void;
  exit(reason: "normal" | "shutdown"): void;
}

/** Written for any protocol at all; `ActorContext` says what an actor of a given one may do. */
type LooseContext = Omit<ActorContext<object>, "watch" | "subscribe" | "after" | "every"> & {
  watch(ref: AnyRef, type: string): void;
  subscribe(name: string, type: string): void;
  after(delayMs: number, type: string, body?: unknown): Timer;
  every(intervalMs: number, type: string, body?: unknown): Timer;
};

export function buildContext(source: ContextSource): UntypedContext {
  const { runtime, path } = source;
  const context: LooseContext = {
    self: runtime.ref<object>(path),
    path,
    incarnation: source.number,
    log: source.log,
    signal: source.signal,
    get askSignal() {
      return source.askSignal;
    },
    get paused() {
      return source.isPaused;
    },
    ref: <N>(to: string) => runtime.ref<N>(to),
    pin: <N>(ref: ActorRef<N>) => runtime.pin(ref),
    async startChild<N>(supervisorPath: string, spec: ChildSpec<N>) {
      requireLife(source);
      return await runtime.startChild<N>(supervisorPath, spec);
    },
    async stopChild(childPath) {
      requireLife(source);
      await runtime.stopChild(childPath);
    },
    async restartChild<N>(childPath: string) {
      requireLife(source);
      return await runtime.restartChild<N>(childPath);
    },
    deleteChild(childPath) {
      requireLife(source);
      runtime.deleteChild(childPath);
    },
    watch: (ref, type) => source.watch(ref.path, type),
    unwatch: (ref) => source.unwatch(ref.path),
    register(name) {
      requireLife(source);
      runtime.registry.register(name, { path });
    },
    unregister: (name) => runtime.registry.unregister(name, { path }),
    listing: <N>(name: string) => runtime.registry.listing<N>(name),
    subscribe: (name, type) => source.subscribe(name, type),
    unsubscribe: (name) => source.unsubscribe(name),
    after: (delayMs, type, body) => source.after(delayMs, type, body),
    every: (intervalMs, type, body) => source.every(intervalMs, type, body),
    run: (work) => source.run(work),
    bind:
      (callback) =>
      (...args) =>
        source.callback(() => callback(...args)),
    defer: <R>() => source.defer() as Deferred<R>,
    hold: (isHeld) => source.hold(isHeld),
    degraded: (reason) => source.setDegraded(reason),
    healthy: () => source.setDegraded(undefined),
    exit: (reason = "normal") => source.exit(reason),
  };
  return context as unknown as UntypedContext;
}

function requireLife(source: ContextSource): void {
  if (source.canAct) return;
  throw new SupervisionError("stopped", `${source.path}: this incarnation has ended`);
}
