/** The mailbox of an actor beside a naive one of plain arrays, seen from outside: tell, send, ask, stop. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AskError,
  child,
  defineActor,
  type Overflow,
  silentLogger,
  startSystem,
  supervisor,
  VirtualClock,
} from "../../supervisor/index.ts";

interface Messages {
  DO(number: number): number;
  URGENT(number: number): number;
}

type Step =
  | { readonly op: "tell" | "send" | "ask" | "urgent"; readonly count: number }
  | { readonly op: "take" | "crash" };

const someStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constantFrom("tell", "tell", "send", "send", "ask", "urgent"),
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constantFrom("take", "take", "take", "crash") }) },
);

/** One message in hand, two queues, and those who wait for room; `results` as their senders see them. */
class NaiveMailbox {
  readonly handled: number[] = [];
  readonly results = new Map<number, string>();
  lost = 0;
  left = 0;
  inHand: number | undefined;
  readonly #bound: number;
  readonly #overflow: Overflow;
  #user: number[] = [];
  #control: number[] = [];
  #waiting: number[] = [];
  readonly #asked = new Set<number>();

  constructor(bound: number, overflow: Overflow) {
    this.#bound = bound;
    this.#overflow = overflow;
  }

  put(op: "tell" | "send" | "ask" | "urgent", number: number): void {
    if (op === "ask") this.#asked.add(number);
    const waits = op === "send" || (op === "ask" && this.#overflow === "wait");
    if (op === "urgent") {
      this.#control.push(number);
      this.#told(number, "queued");
    } else if (this.#user.length < this.#bound) {
      this.#user.push(number);
      this.#told(number, "queued");
    } else if (waits && this.#waiting.length < this.#bound) this.#waiting.push(number);
    else if (!waits && this.#overflow === "drop-oldest") {
      this.#lose(this.#user.shift());
      this.#user.push(number);
      this.#told(number, "queued");
    } else {
      this.#told(number, !waits && this.#overflow === "drop-new" ? "dropped" : "rejected");
      this.#lose(number);
    }
  }

  takeWhenIdle(): void {
    if (this.inHand !== undefined) return;
    this.inHand = this.#control.shift() ?? this.#user.shift();
    if (this.inHand !== undefined) this.handled.push(this.inHand);
    while (this.#waiting.length > 0 && this.#user.length < this.#bound) {
      const next = this.#waiting.shift() ?? 0;
      this.#user.push(next);
      this.#told(next, "queued");
    }
  }

  release(didCrash: boolean): void {
    const number = this.inHand;
    this.inHand = undefined;
    if (number !== undefined && this.#asked.has(number)) {
      this.results.set(number, didCrash ? "crashed" : "answered");
    }
  }

  stop(): void {
    for (const number of [...this.#control, ...this.#user]) {
      this.left += 1;
      if (this.#asked.has(number)) this.results.set(number, "dead");
    }
    for (const number of this.#waiting) {
      this.left += 1;
      this.results.set(number, "dead");
    }
    this.#control = [];
    this.#user = [];
    if (this.inHand !== undefined) this.release(false);
  }

  get depth(): number {
    return this.#control.length + this.#user.length;
  }

  #told(number: number, result: string): void {
    if (!this.#asked.has(number)) this.results.set(number, result);
  }

  #lose(number: number | undefined): void {
    this.lost += 1;
    if (number !== undefined && this.#asked.has(number)) this.results.set(number, "rejected");
  }
}

/** Starts one actor that holds each message in hand until it is told what to do with it. */
async function start(bound: number, overflow: Overflow) {
  const handled: number[] = [];
  let release: (didCrash: boolean) => void = () => undefined;
  const hold = async (number: number) => {
    handled.push(number);
    const didCrash = await new Promise<boolean>((resolve) => {
      release = resolve;
    });
    if (didCrash) throw new Error("as told");
    return number;
  };
  const holder = defineActor<Messages>({
    name: "holds its message until it is told to let go",
    mailbox: { bound, overflow },
    control: ["URGENT"],
    handlerTimeoutMs: 0,
    init() {},
    handle: { DO: (_s, number) => hold(number), URGENT: (_s, number) => hold(number) },
  });
  const clock = new VirtualClock();
  const options = {
    backoff: { minMs: 1, maxMs: 1, resetAfterMs: 1 },
    intensity: { restarts: 1_000, withinMs: 1 },
  };
  const root = supervisor("root", options, [child("a", holder, undefined)]);
  const system = await startSystem({ name: "mailbox", logger: silentLogger, root, clock });
  return { system, clock, handled, release: (didCrash: boolean) => release(didCrash) };
}

async function live(bound: number, overflow: Overflow, steps: readonly Step[]): Promise<void> {
  const { system, clock, handled, release } = await start(bound, overflow);
  const naive = new NaiveMailbox(bound, overflow);
  const ref = system.ref<Messages>("/a");
  const results = new Map<number, string>();
  const note = (number: number) => (result: string) => void results.set(number, result);
  let next = 0;
  const put = (op: "tell" | "send" | "ask" | "urgent") => {
    const number = ++next;
    naive.put(op, number);
    if (op === "tell") note(number)(ref.tell("DO", number));
    else if (op === "urgent") note(number)(ref.tell("URGENT", number));
    else if (op === "send") void ref.send("DO", number).then(note(number));
    else {
      ref.ask("DO", number, { timeoutMs: Number.POSITIVE_INFINITY }).then(
        () => note(number)("answered"),
        (error: unknown) => note(number)(error instanceof AskError ? error.code : String(error)),
      );
    }
  };
  const compare = () => {
    expect(handled).toEqual(naive.handled);
    expect(new Map([...results].sort(byNumber))).toEqual(
      new Map([...naive.results].sort(byNumber)),
    );
    expect(system.deadLetters().byReason["mailbox-full"] ?? 0).toBe(naive.lost);
    expect(system.tree().children[0]?.mailboxDepth).toBe(naive.depth);
  };
  for (const step of steps) {
    if (!("count" in step)) {
      if (naive.inHand === undefined) continue;
      const didCrash = step.op === "crash";
      naive.release(didCrash);
      release(didCrash);
      await clock.advance(2);
    } else for (let n = 0; n < step.count; n++) put(step.op);
    naive.takeWhenIdle();
    await clock.settle();
    compare();
  }
  naive.stop();
  const stopped = system.stop();
  release(false);
  await clock.settle();
  await stopped;
  compare();
  expect(system.deadLetters().byReason.stopped ?? 0).toBe(naive.left);
}

const byNumber = ([one]: [number, string], [other]: [number, string]) => one - other;

describe("26: a mailbox", () => {
  it.each<Overflow>(["reject", "drop-new", "drop-oldest", "wait"])(
    "with the rule %s keeps, refuses, drops and lets in what a naive list does, in its order",
    async (overflow) => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 4 }),
          fc.array(someStep, { maxLength: 40, size: "max" }),
          (bound, steps) => live(bound, overflow, steps),
        ),
        { numRuns: 30 },
      );
    },
    60_000,
  );
});
