/**
 * Whose code is running. Everything an incarnation starts carries its scope (AsyncLocalStorage), so that
 * a stray error can be laid at its door and what it sends after its end can be refused.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** Somebody who can be made to crash by what goes wrong in his name. */
export interface ScopeOwner {
  readonly path: string;
  readonly number: number;
  /** Aborted when the owner is told to end. */
  readonly signal: AbortSignal;
  /** False when he has ended already, so that the error concerns nobody. */
  crash(error: Error): boolean;
}

export interface Scope {
  readonly owner: ScopeOwner;
  /** False once fenced: what comes from here is refused. */
  isLive: boolean;
}

const storage = new AsyncLocalStorage<Scope | undefined>();

export const currentScope = (): Scope | undefined => storage.getStore();

export const inScope = <T>(scope: Scope, work: () => T): T => storage.run(scope, work);

/** For the runtime's own work, which is nobody's. */
export const outsideScopes = <T>(work: () => T): T => storage.run(undefined, work);
