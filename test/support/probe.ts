/** A small actor that does on demand whatever an actor can do wrong, and a journal of what happened. */
import { onTestFinished } from "vitest";
import {
  type ActorDefinition,
  type ActorRef,
  type ChildSpec,
  type Deferred,
  defineActor,
  eachNode,
  IGNORE,
  type Overflow,
  type PauseKind,
  type System,
  type SystemOptions,
  silentLogger,
  startSystem,
  type Terminated,
  type TreeNode,
  VirtualClock,
} from "../../supervisor/index.ts";

export interface ProbeMessages {
  NOTE(what: unknown): void;
  /** The same on the control lane. */
  URGENT(what: unknown): void;
  ECHO(value: unknown): unknown;
  /** Which incarnation answers. */
  WHO(): number;
  CRASH(message: string): void;
  CRASH_LATER(message: string): Promise<void>;
  /** Waits for a promise and returns what it gives. */
  HOLD(gate: Promise<unknown>): unknown;
  HANG(): void;
  DEFER(): unknown;
  /** Answers what DEFER put off. */
  SETTLE(value: unknown): void;
  EXIT(kind: "normal" | "shutdown"): void;
  WATCH(path: string): void;
  UNWATCH(path: string): void;
  ENDED(news: Terminated): void;
  TELL(message: { readonly to: string; readonly what: unknown }): string;
  ASK(message: { readonly to: string; readonly what: unknown }): unknown;
  RUN(work: (signal: AbortSignal) => Promise<void>): void;
}

export interface ProbeOptions {
  readonly journal?: string[];
  readonly pause?: PauseKind;
  readonly bound?: number;
  readonly overflow?: Overflow;
  readonly handlerTimeoutMs?: number;
  /** Called with the number of inits so far, from 1. May throw, wait, or return IGNORE. */
  readonly init?: (count: number, signal: AbortSignal) => unknown;
  readonly stop?: (path: string) => unknown;
}

interface ProbeState {
  readonly deferred: Deferred[];
}

export function probe(options: ProbeOptions = {}): ActorDefinition<ProbeMessages> {
  const journal = options.journal ?? [];
  let inits = 0;
  return defineActor<ProbeMessages, undefined, ProbeState>({
    name: "does what it is told",
    pause: options.pause ?? "never",
    mailbox: { bound: options.bound ?? 10_000, overflow: options.overflow ?? "reject" },
    control: ["URGENT"],
    handlerTimeoutMs: options.handlerTimeoutMs ?? 60_000,
    async init(ctx) {
      inits += 1;
      const name = nameOf(ctx.path);
      journal.push(`init ${name}`);
      const outcome = await options.init?.(inits, ctx.signal);
      if (outcome === IGNORE) return IGNORE;
      journal.push(`ready ${name}`);
      return { deferred: [] };
    },
    handle: {
      NOTE: (_state, what, ctx) => void journal.push(`${nameOf(ctx.path)}: ${String(what)}`),
      URGENT: (_state, what, ctx) => void journal.push(`${nameOf(ctx.path)}! ${String(what)}`),
      ECHO: (_state, value) => value,
      WHO: (_state, _body, ctx) => ctx.incarnation,
      CRASH: (_state, message) => {
        throw new Error(message);
      },
      CRASH_LATER: async (_state, message) => {
        await Promise.resolve();
        throw new Error(message);
      },
      HOLD: async (_state, gate, ctx) => {
        const value = await gate;
        journal.push(`${nameOf(ctx.path)} held`);
        return value;
      },
      HANG: () => new Promise<void>(() => undefined),
      DEFER: (state, _body, ctx) => {
        const deferred = ctx.defer();
        state.deferred.push(deferred);
        return deferred;
      },
      SETTLE: (state, value) => {
        for (const deferred of state.deferred.splice(0)) deferred.resolve(value);
      },
      EXIT: (_state, kind, ctx) => ctx.exit(kind),
      WATCH: (_state, path, ctx) => ctx.watch(ctx.ref(path), "ENDED"),
      UNWATCH: (_state, path, ctx) => ctx.unwatch(ctx.ref(path)),
      ENDED: (_state, { path, reason }, ctx) => {
        journal.push(`${nameOf(ctx.path)} saw ${nameOf(path)} end: ${reason.kind}`);
      },
      TELL: (_state, { to, what }, ctx) => ctx.ref<ProbeMessages>(to).tell("NOTE", what),
      ASK: (_state, { to, what }, ctx) => ctx.ref<ProbeMessages>(to).ask("ECHO", what),
      RUN: (_state, work, ctx) => ctx.run(work),
    },
    pauseChanged: (_state, paused, ctx) => {
      journal.push(`${nameOf(ctx.path)} ${paused ? "paused" : "resumed"}`);
    },
    async stop(_state, reason, ctx) {
      journal.push(`stop ${nameOf(ctx.path)} ${reason.kind}`);
      await options.stop?.(ctx.path);
    },
  });
}

const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

export interface Fixture {
  readonly system: System;
  readonly clock: VirtualClock;
  ref(path: string): ActorRef<ProbeMessages>;
  node(path: string): TreeNode;
}

/** Starts a system on a virtual clock; it is stopped when the test ends. */
export async function boot(
  root: ChildSpec,
  options: Partial<SystemOptions> & { readonly clock?: VirtualClock } = {},
): Promise<Fixture> {
  const clock = options.clock ?? new VirtualClock();
  const starting = startSystem({
    name: "test",
    logger: silentLogger,
    seed: 1,
    root,
    ...options,
    clock,
  });
  const system = await starting;
  onTestFinished(async () => {
    const stopped = system.stop();
    await clock.advance(100_000);
    await stopped;
  });
  return {
    system,
    clock,
    ref: (path) => system.ref<ProbeMessages>(path),
    node: (path) => getNode(system, path),
  };
}

export function getNode(system: System, path: string): TreeNode {
  for (const node of eachNode(system.tree())) if (node.path === path) return node;
  throw new Error(`no node at ${path}`);
}

export function findNode(system: System, path: string): TreeNode | undefined {
  return [...eachNode(system.tree())].find((node) => node.path === path);
}

/** A promise with its handles, for gates that a test opens. */
export function gate<T = void>() {
  let open: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}
