/** The model of an actor: a place with a queue, in which incarnations live one after the other. */
import type { TellResult } from "../../../supervisor/index.ts";
import { ModelNode, type ModelParent, type Shown, type Started } from "./model-node.ts";
import type { End, Message, ModelWorld } from "./model-world.ts";
import type { WorkerPlan } from "./plan.ts";

/** The bound of every mailbox in this test; small, so that it is reached. */
export const mailboxBound = 5;

export class ModelWorker extends ModelNode {
  override readonly plan: WorkerPlan;
  queue: Message[] = [];
  isPaused = false;
  #isOpen = false;
  #incarnation = 0;
  #handled = 0;

  constructor(world: ModelWorld, parent: ModelParent, path: string, plan: WorkerPlan) {
    super(world, parent, path);
    this.plan = plan;
  }

  override get isAlive(): boolean {
    return this.#isOpen;
  }

  get canHandle(): boolean {
    return this.isUp && !this.isPaused;
  }

  override start(): Started {
    const { world, path } = this;
    this.#isOpen = true;
    this.#incarnation = ++world.incarnations;
    world.journal.push(`init ${path}`);
    const outcome = world.inits.get(path)?.shift();
    if (outcome === "throw") {
      this.lastEnd = "error";
      // It will be tried again, whoever is to do that.
      if (this.state !== "failed") this.state = "restarting";
      return "failed";
    }
    if (outcome === "ignore") {
      this.finish("normal");
      return "ignored";
    }
    this.isUp = true;
    this.state = "running";
    return "ready";
  }

  override halt(isFinal: boolean): void {
    if (isFinal) this.#close();
    if (this.isUp) {
      this.#stop("shutdown");
      this.state = "restarting";
    }
    if (isFinal) this.finish(this.lastEnd);
  }

  override finish(end: End): void {
    this.#close();
    this.state = "stopped";
    this.world.terminated(this.path, this.#incarnation, end);
  }

  tell(message: Message): TellResult {
    if (!this.#isOpen) {
      this.world.deadLetter("no-such-actor");
      this.world.answer(message, "dead");
      return "dead";
    }
    if (this.queue.length >= mailboxBound) {
      this.world.deadLetter("mailbox-full");
      this.world.answer(message, "rejected");
      return "rejected";
    }
    this.queue.push(message);
    return "queued";
  }

  /** Takes the oldest message. A crash loses it and nothing else. */
  handleOne(): void {
    const message = this.queue.shift();
    if (!message) return;
    const { world, path } = this;
    const all = world.handled.get(path) ?? [];
    world.handled.set(path, [...all, message.number]);
    this.#handled += 1;
    if (message.what === "throw" || message.what === "reject") {
      world.answer(message, "crashed");
      this.crash();
    } else {
      world.answer(message, `answer ${message.number}`);
      if (message.what !== "note") this.#endItself(message.what);
    }
  }

  crash(): void {
    this.#endItself("error");
  }

  #endItself(end: End): void {
    this.#stop(end);
    this.state = "restarting";
    this.parent.childExited(this, end);
  }

  #stop(end: End): void {
    this.isUp = false;
    this.lastEnd = end;
    this.world.journal.push(`stop ${this.path} ${end}`);
  }

  #close(): void {
    this.#isOpen = false;
    for (const message of this.queue.splice(0)) {
      this.world.deadLetter("stopped");
      this.world.answer(message, "dead");
    }
  }

  override show(): Shown[] {
    return [
      {
        path: this.path,
        state: this.state === "running" && this.isPaused ? "paused" : this.state,
        incarnation: this.#incarnation,
        restarts: this.restarts,
        handled: this.#handled,
        mailboxDepth: this.queue.length,
      },
    ];
  }
}
