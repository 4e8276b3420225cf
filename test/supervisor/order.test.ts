/** Order per sender, receiver and lane while everything around the messages goes wrong. */
import fc from "fast-check";
import { expect, it } from "vitest";
import {
  child,
  defineActor,
  type Strategy,
  silentLogger,
  startSystem,
  supervisor,
  VirtualClock,
} from "../../supervisor/index.ts";

interface Note {
  readonly sender: number;
  readonly number: number;
}

interface Messages {
  NOTE(note: Note): void | Promise<void>;
  URGENT(note: Note): void;
  CRASH(): void;
}

interface Log {
  readonly handled: string[];
}

const label = (lane: string, { sender, number }: Note) => `${lane} ${sender} ${number}`;

/** A bound of 4: senders that wait for room are the rule. */
const receiver = defineActor<Messages, ReadonlyMap<string, Log>, Log>({
  name: "writes down what it is told",
  pause: "park",
  mailbox: { bound: 4 },
  control: ["URGENT"],
  init: (ctx, logs) => logs.get(ctx.path) ?? { handled: [] },
  handle: {
    NOTE({ handled }, note) {
      handled.push(label("NOTE", note));
      // Every third takes a turn of the event loop.
      return note.number % 3 === 0 ? new Promise((next) => setImmediate(next)) : undefined;
    },
    URGENT: ({ handled }, note) => void handled.push(label("URGENT", note)),
    CRASH() {
      throw new Error("as told");
    },
  },
});

const paths = ["/a", "/b", "/c"];
const action = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      what: fc.constantFrom("tell", "send", "send", "urgent"),
      sender: fc.nat(2),
      to: fc.constantFrom(...paths),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constantFrom("crash", "crash from aside", "pause", "resume"),
      to: fc.constantFrom(...paths),
      sender: fc.constant(0),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constantFrom("turn", "wait"),
      to: fc.constant("/a"),
      sender: fc.constant(0),
    }),
  },
);

it("31: what a sender sends to a receiver is handled in its order and once, be it told or sent, while receivers crash, pause and restart for each other", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<Strategy>("one_for_one", "one_for_all", "rest_for_one"),
      fc.array(action, { maxLength: 120, size: "max" }),
      async (strategy, actions) => {
        const logs = new Map(paths.map((path) => [path, { handled: [] as string[] }]));
        const clock = new VirtualClock();
        const system = await startSystem({
          name: "order",
          logger: silentLogger,
          clock,
          seed: 1,
          root: supervisor(
            "root",
            {
              strategy,
              backoff: { minMs: 3, maxMs: 3, resetAfterMs: 1 },
              intensity: { restarts: 100_000, withinMs: 1 },
            },
            paths.map((path) => child(path.slice(1), receiver, logs)),
          ),
        });
        /** What was taken in, by receiver, in the order in which each sender sent it. */
        const accepted = new Map(paths.map((path) => [path, new Map<string, string>()]));
        /** `[urgent, note]`: the first has to come before the second. */
        const overtakes: { path: string; urgent: string; note: string }[] = [];
        let number = 0;
        for (const { what, sender, to } of actions) {
          const ref = system.ref<Messages>(to);
          const note = { sender, number: ++number };
          const own = accepted.get(to);
          const handled = logs.get(to)?.handled ?? [];
          if (what === "tell") own?.set(label("NOTE", note), ref.tell("NOTE", note));
          else if (what === "send") {
            own?.set(label("NOTE", note), "waits");
            void ref.send("NOTE", note).then((result) => own?.set(label("NOTE", note), result));
          } else if (what === "urgent") {
            for (const [waiting, result] of own ?? []) {
              const isQueued = result === "queued" && !handled.includes(waiting);
              if (isQueued && waiting.startsWith("NOTE")) {
                overtakes.push({ path: to, urgent: label("URGENT", note), note: waiting });
              }
            }
            own?.set(label("URGENT", note), ref.tell("URGENT", note));
          } else if (what === "crash") ref.tell("CRASH");
          else if (what === "crash from aside") system.crash(to, new Error("from aside"));
          else if (what === "pause" || what === "resume") system[what](to);
          else if (what === "turn") await clock.settle(1);
          else await clock.advance(2);
        }
        system.resume("*");
        for (let n = 0; n < 200 && depth(); n++) await clock.advance(5);
        await clock.advance(10);
        await system.stop();
        function depth(): number {
          return system.tree().children.reduce((sum, { mailboxDepth }) => sum + mailboxDepth, 0);
        }
        for (const path of paths) {
          const handled = logs.get(path)?.handled ?? [];
          const taken = [...(accepted.get(path) ?? [])].filter(([, result]) => result === "queued");
          for (const lane of ["NOTE", "URGENT"]) {
            for (const sender of [0, 1, 2]) {
              const isOwn = (line: string) => line.startsWith(`${lane} ${sender} `);
              expect(handled.filter(isOwn)).toEqual(taken.map(([line]) => line).filter(isOwn));
            }
          }
        }
        for (const { path, urgent, note } of overtakes) {
          const handled = logs.get(path)?.handled ?? [];
          expect(handled.indexOf(urgent), `${urgent} before ${note}`).toBeLessThan(
            handled.indexOf(note),
          );
        }
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);
