/**
 * Two systems in one process that are nodes to each other, over a pipe that a test can cut, and that loses,
 * repeats and reorders by seed. What goes through is cloned, so nothing is shared.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { onTestFinished } from "vitest";
import {
  type ChildSpec,
  type NodeChannel,
  type NodeMessage,
  type Protocol,
  type System,
  type SystemOptions,
  silentLogger,
  startSystem,
  supervisor,
} from "../../supervisor/index.ts";
import { seededRandom } from "../../supervisor/random.ts";

export interface PipeFaults {
  readonly seed: number;
  /** Each a probability per message and direction. */
  readonly lose?: number;
  readonly repeat?: number;
  readonly reorder?: number;
}

/** Carries messages between two channels, a turn of the event loop later. */
export class Pipe {
  readonly #ends: readonly [NodeChannel, NodeChannel];
  readonly #random: () => number;
  #faults: PipeFaults;
  /** Raised by each connection: what an earlier one still carried is lost with it. */
  #connection = 0;
  readonly #waiting: (() => void)[][] = [[], []];
  passed = 0;

  constructor(a: NodeChannel, b: NodeChannel, faults: PipeFaults = { seed: 1 }) {
    this.#ends = [a, b];
    this.#faults = faults;
    this.#random = seededRandom(faults.seed, "pipe");
  }

  connect(): void {
    this.#connection += 1;
    const connection = this.#connection;
    for (const at of [0, 1] as const) {
      this.#ends[at].up((message) => {
        if (connection !== this.#connection) return "gone";
        this.#carry(connection, at === 0 ? 1 : 0, structuredClone(message));
        return "sent";
      });
    }
  }

  cut(): void {
    this.#connection += 1;
    for (const end of this.#ends) end.down("cut by the test");
  }

  heal(): void {
    this.#faults = { seed: 0 };
  }

  #carry(connection: number, to: 0 | 1, message: NodeMessage): void {
    const { lose = 0, repeat = 0, reorder = 0 } = this.#faults;
    if (this.#random() < lose) return;
    const times = this.#random() < repeat ? 2 : 1;
    const waiting = this.#waiting[to] ?? [];
    for (let time = 0; time < times; time += 1) {
      const give = () => {
        if (connection !== this.#connection) return;
        this.passed += 1;
        this.#ends[to].received(structuredClone(message));
      };
      if (this.#random() < reorder) waiting.unshift(give);
      else waiting.push(give);
    }
    setImmediate(() => waiting.shift()?.());
    if (times === 2) setImmediate(() => waiting.shift()?.());
  }
}

/** Anything may be said to any path: for tests of the way, not of what travels on it. */
export const anyProtocol: Protocol = {
  name: "any",
  lossy: new Set(["NEWS"]),
  declares: () => true,
  checkBody: (_type, value) => ({ ok: true, value }),
  checkReply: (_type, value) => ({ ok: true, value }),
};

export interface NodePair {
  readonly a: System;
  readonly b: System;
  readonly pipe: Pipe;
}

/** System `a` (with nothing in it unless told) and system `b`, connected. Both end with the test. */
export async function pairOfNodes(
  b: ChildSpec,
  options: {
    readonly faults?: PipeFaults;
    readonly awayMs?: number;
    readonly bound?: number;
    readonly a?: ChildSpec;
    readonly protocols?: (path: string) => Protocol | undefined;
    readonly connected?: boolean;
    /** Of both. */
    readonly refuses?: (channel: string, greeting: string) => string | undefined;
    readonly system?: Partial<SystemOptions>;
  } = {},
): Promise<NodePair> {
  const { faults, awayMs, bound, protocols = () => anyProtocol } = options;
  const start = (name: string, root: ChildSpec) =>
    startSystem({
      name,
      logger: silentLogger,
      root,
      node: {
        name,
        protocols,
        ...(awayMs !== undefined && { awayMs }),
        ...(bound !== undefined && { bound }),
        ...(options.refuses && { refuses: options.refuses }),
      },
      ...options.system,
    });
  const first = await start("a", options.a ?? supervisor("root", {}, []));
  const second = await start("b", b);
  const pipe = new Pipe(first.nodes.channel("b"), second.nodes.channel("a"), faults);
  if (options.connected !== false) pipe.connect();
  onTestFinished(async () => {
    await first.stop();
    await second.stop();
  });
  return { a: first, b: second, pipe };
}

/** Lets the event loop turn until the condition holds. */
export async function eventually(fits: () => boolean, patienceMs = 8_000): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!fits()) {
    if (performance.now() > deadline) throw new Error("the condition never held");
    await nextTurn();
  }
}
