/**
 * The context that handlers see, made of what its incarnation can do. A class: each of thousands of sessions has one, and
 * as many closures of its own would be the larger part of an actor.
 */
import type { ActorContext, Deferred, Timer } from "./actor-context.ts";
import type { UntypedContext } from "./actor-definition.ts";
import type { ActorRef, AnyRef } from "./actor-ref.ts";
import type { ChildSpec } from "./child-spec.ts";
import type { Logger } from "./logger.ts";
import type { Listing } from "./registry.ts";
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

class IncarnationContext implements LooseContext {
  readonly self: ActorRef<object>;
  readonly #source: ContextSource;

  constructor(source: ContextSource) {
    this.#source = source;
    this.self = source.runtime.ref<object>(source.path);
  }

  get path(): string {
    return this.#source.path;
  }

  get incarnation(): number {
    return this.#source.number;
  }

  get log(): Logger {
    return this.#source.log;
  }

  get signal(): AbortSignal {
    return this.#source.signal;
  }

  get askSignal(): AbortSignal {
    return this.#source.askSignal;
  }

  get paused(): boolean {
    return this.#source.isPaused;
  }

  ref<N>(to: string): ActorRef<N> {
    return this.#source.runtime.ref<N>(to);
  }

  pin<N>(ref: ActorRef<N>): ActorRef<N> {
    return this.#source.runtime.pin(ref);
  }

  async startChild<N>(supervisorPath: string, spec: ChildSpec<N>): Promise<ActorRef<N>> {
    this.#requireLife();
    return await this.#source.runtime.startChild<N>(supervisorPath, spec);
  }

  async stopChild(childPath: string): Promise<void> {
    this.#requireLife();
    await this.#source.runtime.stopChild(childPath);
  }

  async restartChild<N>(childPath: string): Promise<ActorRef<N>> {
    this.#requireLife();
    return await this.#source.runtime.restartChild<N>(childPath);
  }

  deleteChild(childPath: string): void {
    this.#requireLife();
    this.#source.runtime.deleteChild(childPath);
  }

  watch(ref: AnyRef, type: string): void {
    this.#source.watch(ref.path, type);
  }

  unwatch(ref: AnyRef): void {
    this.#source.unwatch(ref.path);
  }

  register(name: string): void {
    this.#requireLife();
    this.#source.runtime.registry.register(name, { path: this.path });
  }

  unregister(name: string): void {
    this.#source.runtime.registry.unregister(name, { path: this.path });
  }

  listing<N>(name: string): Listing<N> {
    return this.#source.runtime.registry.listing<N>(name);
  }

  subscribe(name: string, type: string): void {
    this.#source.subscribe(name, type);
  }

  unsubscribe(name: string): void {
    this.#source.unsubscribe(name);
  }

  after(delayMs: number, type: string, body?: unknown): Timer {
    return this.#source.after(delayMs, type, body);
  }

  every(intervalMs: number, type: string, body?: unknown): Timer {
    return this.#source.every(intervalMs, type, body);
  }

  run(work: (signal: AbortSignal) => Promise<void>): void {
    this.#source.run(work);
  }

  bind<A extends readonly unknown[]>(callback: (...args: A) => unknown): (...args: A) => void {
    const source = this.#source;
    return (...args) => source.callback(() => callback(...args));
  }

  defer<R>(): Deferred<R> {
    return this.#source.defer() as Deferred<R>;
  }

  hold(isHeld: boolean): void {
    this.#source.hold(isHeld);
  }

  degraded(reason: string): void {
    this.#source.setDegraded(reason);
  }

  healthy(): void {
    this.#source.setDegraded(undefined);
  }

  exit(reason: "normal" | "shutdown" = "normal"): void {
    this.#source.exit(reason);
  }

  #requireLife(): void {
    if (this.#source.canAct) return;
    throw new SupervisionError("stopped", `${this.path}: this incarnation has ended`);
  }
}

export const buildContext = (source: ContextSource): UntypedContext =>
  new IncarnationContext(source) as unknown as UntypedContext;
