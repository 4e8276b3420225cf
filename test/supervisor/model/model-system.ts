/** The model of a whole system: its tree with everybody in it by path, and message handling to quiescence. */
import type { ModelNode, Shown } from "./model-node.ts";
import { ModelSupervisor } from "./model-supervisor.ts";
import { ModelWorker } from "./model-worker.ts";
import { type Message, ModelWorld } from "./model-world.ts";
import type { SupervisorPlan } from "./plan.ts";

export class ModelSystem {
  readonly world = new ModelWorld();
  readonly #root: ModelSupervisor;
  messages = 0;

  constructor(plan: SupervisorPlan) {
    const noParent = { childExited: () => undefined };
    this.#root = new ModelSupervisor(this.world, noParent, "/", plan);
    this.#root.start();
  }

  /** Everybody but the root, parents before their children. */
  nodes(): ModelNode[] {
    const below = (node: ModelNode): ModelNode[] =>
      node instanceof ModelSupervisor ? node.children.flatMap((c) => [c, ...below(c)]) : [];
    return below(this.#root);
  }

  workers(): ModelWorker[] {
    return this.nodes().filter((node) => node instanceof ModelWorker);
  }

  supervisors(): ModelSupervisor[] {
    return this.nodes().filter((node) => node instanceof ModelSupervisor);
  }

  /** Handles whatever can be handled. */
  settle(): void {
    for (;;) {
      const next = this.workers().find((worker) => worker.canHandle && worker.queue.length > 0);
      if (!next) return;
      next.handleOne();
    }
  }

  advance(byMs: number): void {
    this.world.advance(byMs, () => this.settle());
  }

  stop(): void {
    this.#root.halt(true);
  }

  /**
   * Whether it would be a race if `messages` were left in the queue of `worker`: with a crash in one queue,
   * who of two that wake at once handles something first is not promised.
   */
  wouldRace(worker: ModelWorker | undefined, messages: readonly Message[]): boolean {
    const firstEnd = messages.findIndex(({ what }) => what !== "note");
    const left = worker?.canHandle ? (firstEnd < 0 ? [] : messages.slice(firstEnd + 1)) : messages;
    const others = this.workers()
      .filter((other) => other !== worker)
      .flatMap((other) => other.queue);
    const hasEnd = (queue: readonly Message[]) => queue.some(({ what }) => what !== "note");
    return (hasEnd(left) && others.length > 0) || (left.length > 0 && hasEnd(others));
  }

  show(): Shown[] {
    return this.#root.show();
  }
}
