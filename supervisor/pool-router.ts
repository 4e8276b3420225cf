/**
 * The state of a pool's router: who is free, who has which job, and which jobs are to be tried again. It
 * asks the workers in the askers' stead. States of a worker, as the router sees it:
 *
 *     away -> free -> busy -> free          (it is ready; a job; the job has ended)
 *             free, busy -> away            (it has crashed or ended; its job is tried again or given up)
 */
import type { ActorContext, Deferred } from "./actor-context.ts";
import type { ActorRef } from "./actor-ref.ts";
import { AskError, Refusal } from "./ask-error.ts";
import { toError } from "./exit-reason.ts";
import { Fifo } from "./fifo.ts";

/** From a worker's incarnation. */
export interface WorkerNews {
  readonly path: string;
  readonly incarnation: number;
}

export interface RouterMessages {
  "pool:up"(news: WorkerNews): void;
  "pool:down"(news: WorkerNews): void;
}

/** Asked of a worker whose asker gave up: answered once the handler has settled all the same. */
export const IDLE = "pool:idle";

/** What is asked of workers; their own protocol is checked where the router's ref is used. */
type AnyMessages = Readonly<Record<string, (body: unknown) => unknown>>;

interface Job {
  readonly type: string;
  readonly body: unknown;
  readonly reply: Deferred;
  /** Aborted when the asker waits no longer. */
  readonly signal: AbortSignal;
  tries: number;
}

interface Worker {
  readonly ref: ActorRef<AnyMessages>;
  incarnation: number;
  isUp: boolean;
  /** It has a job, or has not finished one that nobody waits for. */
  isBusy: boolean;
}

export class PoolRouter {
  readonly #ctx: ActorContext<RouterMessages>;
  readonly #mostTries: number;
  readonly #workers = new Map<string, Worker>();
  /** The one that has been free the longest is first. */
  #free: Worker[] = [];
  /** The job just accepted, and those whose worker crashed: at most one more than there are workers. */
  readonly #next = new Fifo<Job>();

  constructor(ctx: ActorContext<RouterMessages>, mostTries: number) {
    this.#ctx = ctx;
    this.#mostTries = mostTries;
    ctx.hold(true);
  }

  /** A job from the mailbox, which is held while nobody is free. */
  accept(type: string, body: unknown, reply: Deferred): void {
    this.#next.push({ type, body, reply, signal: reply.signal, tries: 0 });
    this.#giveOut();
  }

  up({ path, incarnation }: WorkerNews): void {
    const worker = this.#workers.get(path) ?? {
      ref: this.#ctx.ref<AnyMessages>(path),
      incarnation,
      isUp: false,
      isBusy: false,
    };
    this.#workers.set(path, worker);
    worker.incarnation = incarnation;
    worker.isUp = true;
    this.#offer(worker);
  }

  /** A job that it had not begun stays in its mailbox; one that it had in hand rejects by itself. */
  down({ path, incarnation }: WorkerNews): void {
    const worker = this.#workers.get(path);
    if (worker?.incarnation === incarnation) this.#away(worker);
  }

  #away(worker: Worker): void {
    worker.isUp = false;
    this.#free = this.#free.filter((other) => other !== worker);
    this.#giveOut();
  }

  #offer(worker: Worker): void {
    if (worker.isUp && !worker.isBusy && !this.#free.includes(worker)) this.#free.push(worker);
    this.#giveOut();
  }

  #giveOut(): void {
    while (this.#free.length > 0) {
      const job = this.#next.shift();
      if (!job) break;
      const worker = this.#free.shift();
      if (!worker) break;
      worker.isBusy = true;
      job.tries += 1;
      this.#ctx.run(() => this.#serve(worker, job));
    }
    this.#ctx.hold(this.#free.length === 0);
  }

  async #serve(worker: Worker, job: Job): Promise<void> {
    const { type, body, reply, signal } = job;
    try {
      reply.resolve(
        await worker.ref.ask(type, body, { timeoutMs: Number.POSITIVE_INFINITY, signal }),
      );
    } catch (thrown) {
      const error = toError(thrown);
      const code = error instanceof AskError ? error.code : undefined;
      if (code === "crashed" || code === "dead") {
        worker.isBusy = false;
        this.#lost(job, error);
        this.#away(worker);
        return;
      }
      if (code === "aborted") await this.#finished(worker);
      else reply.reject(error instanceof Refusal ? error : toError(error.cause ?? error));
    }
    worker.isBusy = false;
    this.#offer(worker);
  }

  /** The asker has gone, but the handler may still run. */
  async #finished(worker: Worker): Promise<void> {
    try {
      await worker.ref.ask(IDLE, undefined, { timeoutMs: Number.POSITIVE_INFINITY });
    } catch {
      // It has ended instead; its successor says when it is there.
      worker.isUp = false;
    }
  }

  #lost(job: Job, error: Error): void {
    const { type, tries, reply } = job;
    if (tries < this.#mostTries) {
      this.#ctx.log.warn({ err: error, type, tries }, "a worker ended with its job: again");
      this.#next.push(job);
      return;
    }
    this.#ctx.log.error({ err: error, type, tries }, "a worker ended with its job: given up");
    reply.reject(error);
  }
}
