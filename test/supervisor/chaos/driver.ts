/** Lets a seeded random storm loose on a chaos system, step by step, and then lets it come to rest. */
import { eachNode, type System } from "../../../supervisor/index.ts";
import type { Books } from "./books.ts";
import type { ChaosMessages, Deed, Order } from "./chaos-actor.ts";
import { chaosBranch, chaosChild } from "./chaos-tree.ts";

/** By how often: most of a life is work. */
const deeds: readonly (readonly [Deed, number])[] = [
  ["note", 20],
  ["slow", 10],
  ["throw", 3],
  ["reject", 3],
  ["refuse", 1],
  ["exit", 1],
  ["hang", 1],
  ["defer", 2],
  ["settle", 2],
  ["tell", 4],
  ["ask", 4],
  ["watch", 4],
  ["unwatch", 1],
  ["run", 1],
  ["timers", 1],
];
const allDeeds = deeds.flatMap(([deed, weight]) => Array<Deed>(weight).fill(deed));
const dynamicIds = ["x0", "x1", "x2", "x3", "x4", "x5", "s0", "s1"];

export class Driver {
  readonly #system: System;
  readonly #books: Books;
  readonly #random: () => number;
  /** Paths that are or were there; some of them are nobody's now. */
  readonly #workers: readonly string[];
  readonly #supervisors: readonly string[];
  /** Starts, stops and sends that are under way. */
  readonly pending = new Set<Promise<unknown>>();

  constructor(system: System, books: Books) {
    this.#system = system;
    this.#books = books;
    this.#random = books.random("driver");
    const nodes = [...eachNode(system.tree())];
    const inDynamic = dynamicIds.map((id) => `/dynamic/${id}`);
    this.#workers = [
      ...nodes.filter((node) => node.kind === "worker").map((node) => node.path),
      ...inDynamic,
      "/dynamic/s0/a0",
      "/dynamic/s1/a1",
    ];
    this.#supervisors = nodes
      .filter((node) => node.kind === "supervisor" && node.path !== "/")
      .map((node) => node.path);
  }

  step(): void {
    const dice = this.#random();
    const worker = this.#pick(this.#workers);
    if (dice < 0.5) this.#tell(worker);
    else if (dice < 0.7) this.#ask(worker);
    else if (dice < 0.76) this.#send(worker);
    else if (dice < 0.8) this.#system.crash(worker, new Error("from aside"));
    else if (dice < 0.802) this.#system.crash(this.#pick(this.#supervisors), new Error("give up"));
    else if (dice < 0.84) this.#system.pause(this.#pick([worker, worker, "a3"]));
    else if (dice < 0.9) this.#system.resume(this.#pick([worker, worker, "*"]));
    else if (dice < 0.95) this.#startDynamic(this.#pick(dynamicIds));
    else if (dice < 0.97)
      this.#later(this.#system.stopChild(this.#pick(dynamicIds.map(inDynamic))));
    else if (dice < 0.965) this.#later(this.#system.stopChild(worker));
    else if (dice < 0.966) this.#later(this.#system.stopChild(this.#pick(this.#supervisors)));
    else this.#restartSomebody();
  }

  /** Everything is allowed to live again: nobody is paused or stopped by name, nothing fails. */
  async calm(): Promise<void> {
    this.#books.isRough = false;
    this.#system.resume("*");
  }

  /** Starts again what has ended or was stopped; parents first, as they bring their children. */
  async restartStopped(): Promise<number> {
    const stopped = [...eachNode(this.#system.tree())].filter((node) => node.state === "stopped");
    for (const { path } of stopped) {
      await this.#system.restartChild(path).catch(() => this.#books.count("not restarted"));
    }
    return stopped.length;
  }

  #order(whom: string): Order {
    return {
      number: this.#books.send(whom),
      deed: this.#pick(allDeeds),
      whom: this.#pick(this.#workers),
    };
  }

  #tell(path: string): void {
    const anyone = this.#system.ref<ChaosMessages>(path);
    const ref = this.#random() < 0.05 ? this.#system.pin(anyone) : anyone;
    const burst = this.#random() < 0.1 ? 15 : 1;
    for (let n = 0; n < burst; n++) {
      const result = ref.tell(this.#random() < 0.1 ? "URGENT" : "DO", this.#order(path));
      this.#books.count(`tell: ${result}`);
    }
  }

  #ask(path: string): void {
    const ref = this.#system.ref<ChaosMessages>(path);
    const timeoutMs = this.#pick([5, 50, 500, 5_000, Number.POSITIVE_INFINITY]);
    const controller = new AbortController();
    this.#books.ask(ref.ask("DO", this.#order(path), { timeoutMs, signal: controller.signal }));
    if (this.#random() < 0.1) this.#books.clock.setTimer(3, () => controller.abort());
  }

  #send(path: string): void {
    const sent = this.#system.ref<ChaosMessages>(path).send("DO", this.#order(path));
    this.#later(sent.then((result) => this.#books.count(`send: ${result}`)));
  }

  #startDynamic(id: string): void {
    const spec = id.startsWith("s")
      ? chaosBranch(id, this.#books)
      : chaosChild(id, Math.floor(this.#random() * 100), this.#books);
    this.#later(this.#system.startChild("/dynamic", spec).catch(() => undefined));
  }

  #restartSomebody(): void {
    const stopped = [...eachNode(this.#system.tree())].filter((node) => node.state === "stopped");
    if (stopped.length === 0) return;
    const { path } = this.#pick(stopped);
    this.#later(this.#system.restartChild(path).catch(() => undefined));
  }

  #later(work: Promise<unknown>): void {
    this.pending.add(work);
    void work.finally(() => this.pending.delete(work));
  }

  #pick<T>(all: readonly T[]): T {
    return all[Math.floor(this.#random() * all.length)] as T;
  }
}

const inDynamic = (id: string) => `/dynamic/${id}`;
