/**
 * Children at run time, in OTP's terms: start, stop, restart and delete a child of a supervisor that
 * runs. A spec outlives its stopped child (but not in a dynamic supervisor, nor that of a temporary
 * child). What was added is gone once the supervisor itself restarts, and what was deleted of its own
 * specs is back then, since a supervisor always begins with those (OTP Design Principles, "Supervisor
 * Behaviour", "Adding a Child Process").
 */
import type { AnyChildSpec, SupervisorSpec } from "./child-spec.ts";
import type { ChildTable } from "./child-table.ts";
import { toError } from "./exit-reason.ts";
import { outsideScopes } from "./scope.ts";
import { checkSpec } from "./spec-validation.ts";
import type { Child } from "./supervised-child.ts";
import { SupervisionError, type SupervisionErrorCode } from "./supervision-error.ts";

/** The supervisor whose children they are. */
interface Owner {
  readonly path: string;
  readonly spec: SupervisorSpec;
  readonly children: ChildTable;
  /** False while it starts, stops or waits for its own restart. */
  canChange(): boolean;
}

export class RuntimeChildren {
  readonly #owner: Owner;

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  /**
   * Starts a child after all others. One that fails to start is not there afterwards.
   *
   * @throws SupervisionError `malformed`, `not_running`, `already_started`, `already_present`, or what
   * the child's `init` threw.
   */
  async start(spec: AnyChildSpec): Promise<void> {
    const { children } = this.#owner;
    checkSpec(spec, this.#owner.spec.options.autoShutdown);
    this.#requireRunning();
    const present = children.get(spec.id);
    if (present) throw refusal(present, isDown(present) ? "already_present" : "already_started");
    const child = children.add(spec, true);
    try {
      await outsideScopes(() => children.start(child));
      if (child.hasEnded && !child.keepsSpec) children.forget(child);
    } catch (thrown) {
      const error = toError(thrown);
      if (child.isWanted) child.cell.finish({ kind: "error", error });
      child.isWanted = false;
      children.forget(child);
      throw error;
    }
  }

  /** Stops a child, also one that waits for its restart. Nothing happens where none is. */
  async stop(id: string): Promise<void> {
    const child = this.#owner.children.get(id);
    if (!child) return;
    child.isWanted = false;
    child.isReviving = false;
    await outsideScopes(() => child.cell.halt(true));
    child.hasEnded = true;
    if (!child.keepsSpec) this.#owner.children.forget(child);
  }

  /**
   * Starts a stopped child again, from its spec. One that fails to start stays stopped.
   *
   * @throws SupervisionError `not_running`, `not_found`, `running`, `restarting`, or what `init` threw.
   */
  async restart(id: string): Promise<void> {
    this.#requireRunning();
    const child = this.#getStopped(id);
    try {
      await outsideScopes(() => this.#startAgain(child));
    } catch (thrown) {
      const error = toError(thrown);
      if (child.isWanted) child.cell.finish({ kind: "error", error });
      child.isWanted = false;
      child.hasEnded = true;
      throw error;
    }
  }

  /**
   * Forgets a stopped child and its spec.
   *
   * @throws SupervisionError `not_found`, `running`, `restarting`.
   */
  delete(id: string): void {
    this.#owner.children.forget(this.#getStopped(id));
  }

  #startAgain(child: Child): Promise<void> {
    child.isWanted = true;
    return this.#owner.children.start(child);
  }

  #getStopped(id: string): Child {
    const child = this.#owner.children.get(id);
    if (!child) {
      throw new SupervisionError("not_found", `${this.#owner.path}: has no child ${id}`);
    }
    if (child.cell.isUp) throw refusal(child, "running");
    if (!isDown(child)) throw refusal(child, "restarting");
    return child;
  }

  #requireRunning(): void {
    if (this.#owner.canChange()) return;
    throw new SupervisionError("not_running", `${this.#owner.path}: is not running`);
  }
}

/** It neither runs nor waits to run again. */
const isDown = (child: Child) => !child.cell.isUp && (child.hasEnded || !child.isWanted);

const whyNot = {
  already_started: "is there already",
  already_present: "is stopped, and its spec is still there",
  running: "is running",
  restarting: "is about to run again",
} satisfies Partial<Record<SupervisionErrorCode, string>>;

function refusal({ cell }: Child, code: keyof typeof whyNot): SupervisionError {
  const { path } = cell;
  return new SupervisionError(code, `${path}: ${whyNot[code]}`, { ref: { path } });
}
