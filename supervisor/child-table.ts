/**
 * The children of one supervisor in the order of their starts, over all its lives. Starts and forgets
 * them; when, its supervisor decides.
 */
import type { Cell } from "./cell.ts";
import type { AnyChildSpec, SupervisorSpec } from "./child-spec.ts";
import type { Runtime } from "./runtime.ts";
import { type Child, makeChild } from "./supervised-child.ts";

export class ChildTable {
  readonly #runtime: Runtime;
  readonly #supervisor: SupervisorSpec;
  readonly #makeCell: (path: string, spec: AnyChildSpec) => Cell;
  readonly #base: string;
  #children = new Map<string, Child>();

  /** @param path of the supervisor. */
  constructor(
    runtime: Runtime,
    path: string,
    supervisor: SupervisorSpec,
    makeCell: (path: string, spec: AnyChildSpec) => Cell,
  ) {
    this.#runtime = runtime;
    this.#base = path === "/" ? "" : path;
    this.#supervisor = supervisor;
    this.#makeCell = makeCell;
  }

  get(id: string): Child | undefined {
    return this.#children.get(id);
  }

  /** As they started. A copy: children may come and go while it is walked. */
  inOrder(): Child[] {
    return [...this.#children.values()];
  }

  inReverse(): Child[] {
    return this.inOrder().reverse();
  }

  /** At the end of the order. It does not start yet. */
  add(spec: AnyChildSpec, isAdded: boolean): Child {
    const path = `${this.#base}/${spec.id}`;
    const child = makeChild(
      this.#makeCell(path, spec),
      isAdded,
      this.#supervisor,
      this.#runtime.random(path),
    );
    this.#children.set(spec.id, child);
    return child;
  }

  /** The child of a spec that the supervisor was made with; it comes back where it was deleted or forgotten. */
  getStatic(spec: AnyChildSpec): Child {
    const present = this.#children.get(spec.id);
    if (present) return present;
    const child = this.add(spec, false);
    this.#arrange();
    return child;
  }

  /** @throws whatever kept it from becoming ready. */
  async start(child: Child): Promise<void> {
    child.hasEnded = false;
    const outcome = await child.cell.start();
    child.hasEnded = outcome === "ignored";
    child.wasReady = true;
    child.backoff.ready(this.#runtime.clock.monotonicMs());
    if (child.hasEnded && !child.keepsSpec) this.forget(child);
  }

  forget(child: Child): void {
    const { id } = child.cell;
    // A successor of the same name may be there already.
    if (this.#children.get(id) !== child) return;
    this.#children.delete(id);
    child.cell.release();
  }

  /** What comes back goes to the place that its spec has; what was added at run time stays behind. */
  #arrange(): void {
    const previous = this.#children;
    const specs = this.#supervisor.children;
    if ([...previous.keys()].every((id, at) => specs[at]?.id === id)) return;
    this.#children = new Map();
    for (const { id } of specs) {
      const child = previous.get(id);
      if (child) this.#children.set(id, child);
    }
    for (const [id, child] of previous) this.#children.set(id, child);
  }
}
