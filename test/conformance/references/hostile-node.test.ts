/** Case 62 for references: a node that says what no node says. Frames below the node link are the transport's tests. */
import fc from "fast-check";
import { describe, expect } from "vitest";
import type { ClientEndpoint, Item, NodeMessage, NodeMessages } from "../../../supervisor/index.ts";
import { each, remoteKinds } from "../../support/reference-kinds.ts";
import { type References, until } from "./references.ts";

/** A node of its own name, without a runtime: it numbers letters and sees what comes back. */
class RawNode {
  readonly heard: NodeMessage[] = [];
  readonly #endpoint: ClientEndpoint<NodeMessages>;
  #isUp = false;
  #next = 1;
  #received = 0;
  /** The stream of the node that it speaks to. */
  #theirs = "";
  readonly #stream: string;

  constructor({ between }: References, name: string) {
    this.#stream = `stream of ${name}`;
    this.#endpoint = between.wire.dial(name, {
      up: () => {
        this.#isUp = true;
      },
      message: (message) => {
        this.heard.push(message);
        if (message.type === "SYNC") this.#greet(message.body);
        else if (message.type === "LETTERS") this.#acknowledge(message.body);
      },
      down: () => {
        this.#isUp = false;
      },
    });
  }

  async begin(): Promise<void> {
    await until(() => this.#isUp, "it is let in");
    await this.#greeted(0);
  }

  /** After this the other side has heard its SYNC again. */
  async greetedAfter(act: () => void): Promise<void> {
    const before = this.heard.length;
    act();
    await this.#greeted(before);
  }

  async #greeted(before: number): Promise<void> {
    const isGreeted = () =>
      this.heard.slice(before).some((one) => one.type === "SYNC" && one.body.heard);
    await until(isGreeted, "it is greeted");
  }

  get theirs(): string {
    return this.#theirs;
  }

  sync(stream = this.#stream, base = 1): void {
    const known = this.#theirs === "" ? null : { stream: this.#theirs, received: this.#received };
    this.say("SYNC", { node: "raw", stream, base, known, heard: true });
  }

  say<K extends keyof NodeMessages & string>(type: K, body: NodeMessages[K]["body"]): void {
    expect(this.#endpoint.send(type, body)).toBe("sent");
  }

  #greet({ stream, heard }: NodeMessages["SYNC"]["body"]): void {
    if (this.#theirs !== stream) this.#received = 0;
    this.#theirs = stream;
    if (!heard) this.sync();
  }

  /** As a proper node does, or soon nothing more is sent to it. */
  #acknowledge({ stream, first, items }: NodeMessages["LETTERS"]["body"]): void {
    if (first > this.#received + 1) return;
    this.#received = Math.max(this.#received, first + items.length - 1);
    this.#endpoint.send("ACK", { stream, received: this.#received });
  }

  letters(...items: Item[]): void {
    this.say("LETTERS", { stream: this.#stream, to: this.#theirs, first: this.#next, items });
    this.#next += items.length;
  }

  /** What it was told in letters, each once. */
  get items(): readonly Item[] {
    const byNumber = new Map<number, Item>();
    for (const message of this.heard) {
      if (message.type !== "LETTERS") continue;
      const { first, items } = message.body;
      for (const [at, item] of items.entries()) byNumber.set(first + at, item);
    }
    return [...byNumber.values()];
  }

  answers(id: number): readonly Item[] {
    return this.items.filter(([kind, to]) => (kind === "ok" || kind === "error") && to === id);
  }

  /** All that it has said was taken, and in order: a proper question behind it is answered. */
  async isServed(id: number): Promise<void> {
    this.letters(["ask", id, "/a", 0, "ECHO", 0, `hello ${id}`]);
    await until(() => this.answers(id).length > 0, "a proper question is answered");
    expect(this.answers(id)).toEqual([["ok", id, `hello ${id}`]]);
  }

  close(): Promise<void> {
    return this.#endpoint.close();
  }
}

async function withRawNode(
  references: References,
  run: (raw: RawNode) => Promise<void>,
): Promise<void> {
  const raw = new RawNode(references, "raw");
  try {
    await raw.begin();
    await run(raw);
    // Neither the others nor the endpoint have felt anything of it.
    expect(await references.ref("/a").ask("ECHO", "unharmed")).toBe("unharmed");
    expect(references.node("/a").restarts).toBe(0);
    expect(references.between.wire.counters()["handler threw"]).toBeUndefined();
  } finally {
    await raw.close();
  }
}

/** Has no conversion to a number or a text. */
const odd = { toString: 1, valueOf: 1 };

const questions: readonly (readonly [what: string, item: Item, code: string, why: RegExp])[] = [
  ["a body that does not pass", ["ask", 1, "/a", 0, "NOTE", 0, [1]], "failed", /invalid: .*NOTE/],
  ["no body where one is due", ["ask", 1, "/a", 0, "ECHO", 0], "failed", /invalid/],
  ["a body where none is due", ["ask", 1, "/a", 0, "WHO", 0, 5], "failed", /invalid/],
  ["an unknown type", ["ask", 1, "/a", 0, "NONSENSE", 0, 5], "failed", /unknown message/],
  ["a name of every object", ["ask", 1, "/a", 0, "constructor", 0, 5], "failed", /unknown message/],
  ["an actor's own message", ["ask", 1, "/a", 0, "ENDED", 0, {}], "failed", /unknown message/],
  ["an unknown path", ["ask", 1, "/nobody", 0, "WHO", 0], "dead", /nobody lives/],
  ["a path without a protocol", ["ask", 1, "/desk", 0, "PASS", 0, "x"], "dead", /nobody lives/],
  ["a supervisor's path", ["ask", 1, "/kids", 0, "WHO", 0], "dead", /nobody lives/],
  ["a path that is no text", ["ask", 1, odd, 0, "WHO", 0], "failed", /damaged/],
  ["a type that is no text", ["ask", 1, "/a", 0, odd, 0], "failed", /damaged/],
  ["a pin that nobody made", ["ask", 1, "/a", 99, "WHO", 0], "dead", /./],
  ["a pin that is none", ["ask", 1, "/a", odd, "WHO", 0], "dead", /./],
  ["nothing but its number", ["ask", 1], "failed", /damaged/],
];

const noise: readonly (readonly [what: string, item: Item])[] = [
  ["an empty item", []],
  ["an unknown kind", ["shout", 1, 2]],
  ["a kind that is no text", [odd]],
  ["a tell of nobody", ["tell", "/nobody", 0, "NOTE", "x"]],
  ["a tell with a body that does not pass", ["tell", "/a", 0, "NOTE", { no: 1 }]],
  ["a tell with nothing in it", ["tell"]],
  ["an answer that nobody waits for", ["ok", 77, "x"]],
  ["an answer to no number", ["ok", odd, odd]],
  ["an error of no kind", ["error", 78, odd, odd]],
  ["a refusal of no kind", ["refused", odd, odd, odd, odd]],
];

const alsoCounted: typeof noise = [
  ["a cancel of nothing", ["cancel", odd]],
  ["a watch of no path", ["watch", odd]],
  ["an unwatch of no path", ["unwatch", [odd]]],
  ["a pin of no path", ["pin", odd, odd]],
  ["an unpin of nothing", ["unpin", odd]],
  ["a send without a number", ["send", odd, "/a", 0, "NOTE", "x"]],
  ["a question without a number", ["ask", odd, "/a", 0, "WHO", odd]],
];

const dead = (references: References) => references.callee.deadLetters();

describe("a hostile node", () => {
  each(
    remoteKinds,
    `62: a question with ${questions.map(([what]) => what).join(", ")} is answered with an error at once and counted`,
    async ({ start }) => {
      const references = await start();
      await withRawNode(references, async (raw) => {
        let id = 100;
        for (const [what, item, code, why] of questions) {
          id += 1;
          const before = dead(references).total;
          raw.letters([item[0], id, ...item.slice(2)]);
          await until(() => raw.answers(id).length > 0, `an answer to ${what}`);
          const [answer] = raw.answers(id);
          expect([what, ...(answer ?? [])]).toEqual([
            what,
            "error",
            id,
            code,
            expect.stringMatching(why),
          ]);
          expect([what, dead(references).total - before]).toEqual([what, 1]);
        }
        await raw.isServed(1);
      });
    },
  );

  each(
    remoteKinds,
    `62: ${noise.map(([what]) => what).join(", ")} are counted and harm nobody`,
    async ({ start }) => {
      const references = await start();
      await withRawNode(references, async (raw) => {
        for (const [at, [what, item]] of noise.entries()) {
          const before = dead(references).total;
          raw.letters(item);
          await raw.isServed(500 + at);
          expect([what, dead(references).total - before]).toEqual([what, 1]);
        }
        expect(references.desk.of("a")).toEqual([]);
      });
    },
  );

  each(
    remoteKinds,
    `62: the same all in one message and on the lossy lane, with ${alsoCounted.map(([what]) => what).join(", ")}, are counted and harm nobody`,
    async ({ start }) => {
      const references = await start();
      const all = [...noise, ...alsoCounted].map(([, item]) => item);
      await withRawNode(references, async (raw) => {
        raw.letters(...all);
        await raw.isServed(600);
        expect(dead(references).total).toBe(all.length);
        for (const item of all) raw.say("NEWS", { item });
        // The end of one that is not watched may have been on its way.
        raw.say("NEWS", { item: ["ended", "/a", odd, odd, odd] });
        await raw.isServed(601);
        expect(dead(references).total).toBe(2 * all.length);
        expect(references.desk.of("a")).toEqual([]);
      });
    },
  );

  const anything = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom<unknown>(odd, "/a", "/kids/x", 0, 1, "WHO", "ECHO", "NOTE", -1, 1e300),
  );
  const kinds = [
    ...["tell", "send", "ask", "cancel", "ok", "refused", "error"],
    ...["watch", "unwatch", "ended", "pin", "unpin", "void"],
  ];
  const item = fc
    .tuple(
      fc.oneof(fc.constantFrom<unknown>(...kinds), anything),
      fc.array(anything, { maxLength: 7 }),
    )
    .map(([kind, rest]): Item => [kind, ...rest]);
  each(
    remoteKinds,
    "62: whatever lists a node sends as letters, its own questions are answered and nobody else notices",
    async ({ start }) => {
      const references = await start();
      await withRawNode(references, async (raw) => {
        let id = 1_000_000;
        await fc.assert(
          fc.asyncProperty(fc.array(item, { maxLength: 30 }), async (items) => {
            raw.letters(...items);
            id += 1;
            await raw.isServed(id);
          }),
          { numRuns: 40 },
        );
      });
    },
    60_000,
  );

  each(
    remoteKinds,
    "62: messages that are none of the link's are dropped by the transport; letters beyond the window, of another stream, and acknowledgements of what was never sent change nothing",
    async ({ start }) => {
      const references = await start();
      const { desk, callee } = references;
      await withRawNode(references, async (raw) => {
        const shout = raw.say.bind(raw) as (type: string, body: unknown) => void;
        // By reference nothing is checked: no stranger can come in by that way.
        if (!references.between.isByReference) {
          shout("SHOUT", { loud: true });
          shout("SYNC", { node: 1 });
          shout("LETTERS", { stream: "s", first: -1, items: [] });
          shout("LETTERS", { stream: "s", first: 1, items: ["no list"] });
          shout("ACK", null);
          shout("NEWS", { item: { no: "list" } });
          const dropped = () => references.between.wire.counters()["invalid message"];
          await until(() => dropped() === 6, "six are counted");
        }
        const far = ["tell", "/a", 0, "NOTE", "from afar"];
        const to = raw.theirs;
        // What is not for the present streams makes the other side greet anew, and nothing else.
        await raw.greetedAfter(() =>
          raw.say("LETTERS", { stream: "another stream", to, first: 1, items: [far] }),
        );
        await raw.greetedAfter(() =>
          raw.say("LETTERS", { stream: "stream of raw", to: "nobody", first: 1, items: [far] }),
        );
        raw.say("LETTERS", { stream: "stream of raw", to, first: 1_000_000, items: [far] });
        raw.say("ACK", { stream: to, received: 1_000_000 });
        raw.say("ACK", { stream: "stream of nobody", received: 1 });
        await raw.isServed(1);
        expect(desk.notes("a")).toEqual([]);
        expect(callee.deadLetters().total).toBe(0);
      });
    },
  );

  each(
    remoteKinds,
    "62: one that begins anew all the time, and one that watches and pins without end, harm nobody",
    async ({ start }) => {
      const references = await start();
      await withRawNode(references, async (raw) => {
        for (let life = 0; life < 200; life += 1) raw.sync(`life ${life}`);
        raw.sync();
        for (let round = 0; round < 60; round += 1) {
          raw.letters(
            ...Array.from({ length: 400 }, (_, n): Item => {
              const number = round * 400 + n;
              return n % 2 === 0 ? ["pin", number, "/a"] : ["watch", `/nobody/${number}`];
            }),
          );
          if (round % 10 === 9) await raw.isServed(round);
        }
        await raw.isServed(1_000);
      });
    },
    60_000,
  );
});
