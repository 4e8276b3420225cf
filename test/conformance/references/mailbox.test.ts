/** Case 64: what is promised of mailboxes, for every kind of reference. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { child, defineActor } from "../../../supervisor/index.ts";
import { seededRandom } from "../../../supervisor/random.ts";
import {
  allKinds,
  disposeThreads,
  each,
  localKinds,
  prepareThreads,
  remoteKinds,
} from "../../support/reference-kinds.ts";
import type { ProbeMessages } from "./probe-protocol.ts";
import { type References, until } from "./references.ts";

beforeAll(prepareThreads, 60_000);
afterAll(disposeThreads);

const here = allKinds.filter(({ isRemote }) => !isRemote);

/** The actor at `path` has begun a message and will not end it until `gate` is opened. */
async function hold({ ref, desk }: References, path: string, gate: string): Promise<void> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  ref(path).tell("HOLD", gate);
  await until(() => desk.of(name).includes(` holds ${gate}`), `${path} holds ${gate}`);
}

const waitFor = ({ node }: References, path: string, depth: number) =>
  until(() => node(path).mailboxDepth === depth, `${depth} messages wait at ${path}`);

describe("mailbox", () => {
  for (const how of ["CRASH", "CRASH_LATER"] as const) {
    each(
      allKinds,
      `24: a message that ends in ${how} is not delivered again; those after it are handled by the next incarnation, in order`,
      async ({ start }) => {
        const { ref, desk, node } = await start();
        const before = await ref("/a").ask("WHO");
        ref("/a").tell("NOTE", 1);
        ref("/a").tell(how, "boom");
        for (const n of [3, 4, 5]) ref("/a").tell("NOTE", n);
        expect(await ref("/a").ask("WHO")).toBe(before + 1);
        await until(() => desk.notes("a").length === 4, "all were handled");
        expect(desk.notes("a")).toEqual(["1", "3", "4", "5"]);
        expect(node("/a")).toMatchObject({ restarts: 1, lastError: "boom" });
      },
    );
  }

  each(
    allKinds,
    "25: what is queued when an actor ends for good becomes dead letters and is not handled",
    async ({ start }) => {
      const references = await start();
      const { callee, desk } = references;
      const ref = await references.startKid("x", "plain");
      await hold(references, "/kids/x", "gate");
      for (let n = 0; n < 7; n += 1) ref.tell("NOTE", n);
      await waitFor(references, "/kids/x", 7);
      const stopped = callee.stopChild("/kids/x");
      desk.open("gate");
      await stopped;
      expect(callee.deadLetters().byReason).toEqual({ stopped: 7 });
      await until(() => desk.of("x").length === 2, "the message in hand was finished");
      expect(desk.of("x")).toEqual([" holds gate", " held gate"]);
    },
  );

  const rules = [
    ["rejects", "rejected", [1, 2, 3]],
    ["dropsNew", "dropped", [1, 2, 3]],
    ["dropsOldest", "queued", [3, 4, 5]],
    ["waits", "rejected", [1, 2, 3]],
  ] as const;
  for (const [shape, said, kept] of rules) {
    const rule = `26: of five messages a full mailbox of three that ${shape} keeps ${kept.join(", ")}`;
    each(here, `${rule}; tell says ${said} of those over it`, async ({ start }) => {
      const references = await start({ actors: { a: shape } });
      const { ref, desk, callee } = references;
      await hold(references, "/a", "gate");
      const results = [1, 2, 3, 4, 5].map((n) => ref("/a").tell("NOTE", n));
      expect(results).toEqual(["queued", "queued", "queued", said, said]);
      desk.open("gate");
      await until(() => desk.notes("a").length === 3, "three are handled");
      expect(desk.notes("a")).toEqual(kept.map(String));
      expect(callee.deadLetters().byReason).toEqual({ "mailbox-full": 2 });
    });
    each(
      remoteKinds,
      `${rule}; tell can only say queued, and what was lost is a dead letter over there`,
      async ({ start }) => {
        const references = await start({ actors: { a: shape } });
        const { ref, desk, callee, caller } = references;
        await hold(references, "/a", "gate");
        const results = [1, 2, 3, 4, 5].map((n) => ref("/a").tell("NOTE", n));
        expect(results).toEqual(["queued", "queued", "queued", "queued", "queued"]);
        const lost = () => callee.deadLetters().byReason["mailbox-full"];
        await until(() => lost() === 2, "two are dead letters");
        desk.open("gate");
        await until(() => desk.notes("a").length === 3, "three are handled");
        expect(desk.notes("a")).toEqual(kept.map(String));
        expect(lost()).toBe(2);
        expect(caller.deadLetters().total).toBe(0);
      },
    );
  }

  each(
    allKinds,
    "26: send waits for room there, keeps its order, and says what became of it; as many may wait as there is room for",
    async ({ start }) => {
      const references = await start({ actors: { a: "rejects" } });
      const { ref, desk } = references;
      await hold(references, "/a", "gate");
      const sent = [1, 2, 3, 4, 5, 6, 7].map((n) => ref("/a").send("NOTE", n));
      expect(await sent[6]).toBe("rejected");
      desk.open("gate");
      const results = await Promise.all(sent);
      expect(results).toEqual([...new Array<string>(6).fill("queued"), "rejected"]);
      await until(() => desk.notes("a").length === 6, "six are handled");
      expect(desk.notes("a")).toEqual(["1", "2", "3", "4", "5", "6"]);
      expect(await ref("/nobody").send("NOTE", 1)).toBe("dead");
    },
  );

  each(
    allKinds,
    "26: an ask that finds a full mailbox is rejected at once; where the rule is wait, it waits",
    async ({ start }) => {
      const references = await start({ actors: { a: "rejects", b: "waits" } });
      const { ref, desk } = references;
      for (const path of ["/a", "/b"]) {
        await hold(references, path, `gate ${path}`);
        for (const n of [1, 2, 3]) ref(path).tell("NOTE", n);
        await waitFor(references, path, 3);
      }
      const options = { timeoutMs: 60_000 };
      await expect(ref("/a").ask("ECHO", 1, options)).rejects.toMatchObject({ code: "rejected" });
      const asked = ref("/b").ask("ECHO", "hello", options);
      desk.open("gate /b");
      expect(await asked).toBe("hello");
    },
  );

  each(
    allKinds,
    "27: a full mailbox loses neither Terminated nor control messages, and they come first",
    async ({ start }) => {
      const references = await start({ actors: { a: "rejects" } });
      const { ref, desk, callee } = references;
      await references.startKid("x", "plain");
      ref("/a").tell("WATCH", "/kids/x");
      await hold(references, "/a", "gate");
      for (const n of [1, 2, 3]) ref("/a").tell("NOTE", n);
      for (const n of [4, 5, 6, 7, 8]) expect(ref("/a").tell("URGENT", n)).toBe("queued");
      await waitFor(references, "/a", 8);
      await callee.stopChild("/kids/x");
      desk.open("gate");
      await until(() => desk.of("a").length === 11, "all are handled");
      expect(desk.of("a")).toEqual([
        " holds gate",
        " held gate",
        " saw x end: shutdown",
        ...[4, 5, 6, 7, 8].map((n) => `! ${n} after 0`),
        ...[1, 2, 3].map((n) => `: ${n}`),
      ]);
      expect(callee.deadLetters().total).toBe(0);
    },
  );

  const overtakes = async (references: References, count: number) => {
    const { ref, desk } = references;
    await hold(references, "/a", "gate");
    for (let n = 0; n < count; n += 1) expect(ref("/a").tell("COUNT")).toBe("queued");
    ref("/a").tell("URGENT", "QUIT");
    await waitFor(references, "/a", count + 1);
    desk.open("gate");
    await until(() => desk.of("a").length === 3, "the control message is handled");
    expect(desk.of("a")[2]).toBe("! QUIT after 0");
    expect(await ref("/a").ask("COUNTED", undefined, { timeoutMs: 30_000 })).toBe(count);
  };
  each(
    here,
    "28: a control message overtakes 200,000 user messages",
    async ({ start }) => overtakes(await start({ actors: { a: "roomy" } }), 200_000),
    60_000,
  );
  each(
    remoteKinds,
    "28: a control message overtakes 9,000 user messages that wait in the mailbox over there",
    async ({ start }) => overtakes(await start({ actors: { a: "roomy" } }), 9_000),
    60_000,
  );
  each(
    remoteKinds,
    "28: on the way to its node a control message overtakes nothing",
    async ({ start }) => {
      const { ref, desk, between } = await start({
        actors: { a: "roomy" },
        isConnected: false,
      });
      for (let n = 0; n < 9_000; n += 1) ref("/a").tell("COUNT");
      ref("/a").tell("URGENT", "QUIT");
      expect(between.channel.counters()["waiting"]).toBe(9_001);
      between.heal();
      await until(() => desk.of("a").length === 1, "the control message is handled");
      const [line = ""] = desk.of("a");
      // What came in the same turn as the control message was handled after it, the others before.
      expect(line).toMatch(/^! QUIT after \d+$/);
      expect(Number(line.slice("! QUIT after ".length))).toBeGreaterThan(0);
      expect(await ref("/a").ask("COUNTED")).toBe(9_000);
    },
  );

  each(
    allKinds,
    "29: PAUSE parks an actor after the message in hand, asks wait, RESUME goes on; both may be said twice, and it can be stopped while paused",
    async ({ start }) => {
      const references = await start({ actors: { a: "parks", b: "parks" } });
      const { ref, desk, callee, node } = references;
      await hold(references, "/a", "gate");
      ref("/a").tell("NOTE", 1);
      const asked = ref("/a").ask("ECHO", "waits", { timeoutMs: 60_000 });
      await waitFor(references, "/a", 2);
      expect(callee.pause("a")).toEqual(["a"]);
      expect(callee.pause("a")).toEqual(["a"]);
      desk.open("gate");
      await until(() => desk.of("a").includes(" held gate"), "the message in hand is finished");
      ref("/a").tell("URGENT", "overtakes");
      await until(() => desk.of("a").includes("! overtakes after 0"), "control goes on");
      expect(node("/a")).toMatchObject({ state: "paused", mailboxDepth: 2 });
      expect(desk.notes("a")).toEqual([]);
      expect(callee.resume("a")).toEqual(["a"]);
      expect(callee.resume("a")).toEqual(["a"]);
      expect(await asked).toBe("waits");
      await until(() => desk.notes("a").length === 1, "what came before it is handled");
      callee.pause("b");
      const lost = ref("/b").ask("ECHO", "never", { timeoutMs: 60_000 });
      await waitFor(references, "/b", 1);
      const rejected = expect(lost).rejects.toMatchObject({ code: "dead" });
      await callee.stopChild("/b");
      await rejected;
    },
  );

  each(
    allKinds,
    "30: what comes while an actor restarts is kept in order up to the bound, beyond it are dead letters; a second crash keeps the rest",
    async ({ start, isRemote }) => {
      const references = await start({ actors: { a: "rejects" } });
      const { ref, desk, callee, node } = references;
      desk.shut("init a");
      ref("/a").tell("CRASH", "boom");
      await until(() => node("/a").restarts === 1, "the next incarnation is being made");
      ref("/a").tell("NOTE", 1);
      ref("/a").tell("CRASH", "again");
      ref("/a").tell("NOTE", 2);
      expect(ref("/a").tell("NOTE", 3)).toBe(isRemote ? "queued" : "rejected");
      await until(() => callee.deadLetters().total === 1, "one too many");
      desk.open("init a");
      await until(() => desk.notes("a").length === 2, "what was kept is handled");
      expect(desk.notes("a")).toEqual(["1", "2"]);
      expect(node("/a").restarts).toBe(2);
      expect(callee.deadLetters().byReason).toEqual({ "mailbox-full": 1 });
    },
  );

  /** Tells from a place of its own. */
  const teller = defineActor<{ SAY(message: { to: string; what: string }): string }>({
    name: "tells others",
    init: () => undefined,
    handle: { SAY: (_state, { to, what }, ctx) => ctx.ref<ProbeMessages>(to).tell("NOTE", what) },
  });
  each(
    allKinds,
    "31: messages of one sender arrive in its order, however senders take turns and the receiver crashes and pauses",
    async ({ start, isThread }) => {
      const { ref, desk, path, caller, callee } = await start({ actors: { a: "parks" } });
      const random = seededRandom(31, "senders");
      const senders = await Promise.all(
        [0, 1, 2, 3].map((n) => caller.startChild("/callers", child(`s${n}`, teller, undefined))),
      );
      const sent = [0, 0, 0, 0];
      const steps = isThread ? 200 : 600;
      for (let step = 0; step < steps; step += 1) {
        const draw = random();
        const sender = Math.floor(random() * sent.length);
        if (draw < 0.85) {
          const number = (sent[sender] ?? 0) + 1;
          sent[sender] = number;
          senders[sender]?.tell("SAY", { to: path("/a"), what: `${sender} ${number}` });
        } else if (draw < 0.9) ref("/a").tell(draw < 0.88 ? "CRASH" : "CRASH_LATER", "boom");
        else if (draw < 0.95) callee[draw < 0.92 ? "pause" : "resume"]("a");
        else await nextTurn();
      }
      callee.resume("a");
      const total = sent.reduce((sum, count) => sum + count, 0);
      await until(() => desk.notes("a").length >= total, "all are handled", 30_000);
      for (const [sender, count] of sent.entries()) {
        const own = desk.notes("a").filter((line) => line.startsWith(`${sender} `));
        expect(own).toEqual(Array.from({ length: count }, (_, n) => `${sender} ${n + 1}`));
      }
      expect(callee.deadLetters().total).toBe(0);
    },
    60_000,
  );

  const successors = async ({ ref, caller, callee, desk }: References, isRemote: boolean) => {
    const pinned = caller.pin(ref("/kids/x"));
    expect(pinned.tell("NOTE", "for the first")).toBe("queued");
    const first = await pinned.ask("WHO");
    ref("/kids/x").tell("CRASH", "boom");
    const second = await ref("/kids/x").ask("WHO");
    expect(second).not.toBe(first);
    expect(pinned.tell("NOTE", "for the dead")).toBe(isRemote ? "queued" : "dead");
    await expect(pinned.ask("WHO")).rejects.toMatchObject({ code: "dead" });
    await callee.stopChild("/kids/x");
    await expect(pinned.ask("WHO")).rejects.toMatchObject({ code: "dead" });
    return () => {
      expect(desk.notes("x")).toEqual(["for the first", "for whoever has the name"]);
      expect(callee.deadLetters().byReason).toEqual({ "stale-incarnation": 5 });
    };
  };
  each(
    allKinds,
    "34: a ref to one incarnation reaches neither the next one nor an actor that was started later under its name",
    async ({ start, isRemote }) => {
      const references = await start();
      const { ref, caller, desk } = references;
      await references.startKid("x", "plain");
      const check = await successors(references, isRemote);
      const pinned = caller.pin(ref("/kids/x"));
      // Over there it is pinned when the callee's node hears of it, so before the next one begins.
      await expect(pinned.ask("WHO")).rejects.toMatchObject({ code: "dead" });
      await references.startKid("x", "plain");
      await expect(pinned.ask("WHO")).rejects.toMatchObject({ code: "dead" });
      ref("/kids/x").tell("NOTE", "for whoever has the name");
      await until(() => desk.notes("x").length === 2, "the new one handles it");
      check();
    },
  );

  each(
    localKinds,
    "a message that nobody declared costs its receiver nothing",
    async ({ start }) => {
      const { caller, ref, node } = await start();
      const odd = caller.ref<{ NONSENSE(): void; constructor(): void }>("/a");
      await expect(odd.ask("NONSENSE")).rejects.toMatchObject({ code: "failed" });
      odd.tell("constructor");
      expect(await ref("/a").ask("ECHO", "alive")).toBe("alive");
      expect(caller.deadLetters().byReason).toEqual({ unhandled: 2 });
      expect(node("/a").restarts).toBe(0);
    },
  );
});
