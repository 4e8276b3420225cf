/** Cases 45 and 58, and what only references to another node have: connections, other lives, bounds. */
import { describe, expect } from "vitest";
import { child, defineActor, type Terminated } from "../../../supervisor/index.ts";
import { each, inMemory, remoteKinds } from "../../support/reference-kinds.ts";
import { until } from "./references.ts";

const long = { timeoutMs: 600_000 };

const watcherOf = (news: Terminated[]) =>
  defineActor<{ WATCH(path: string): void; ENDED(ended: Terminated): void }>({
    name: "watches another node",
    init: () => undefined,
    handle: {
      WATCH: (_state, path, ctx) => ctx.watch(ctx.ref(path), "ENDED"),
      ENDED: (_state, ended) => void news.push(ended),
    },
  });

describe("another node", () => {
  each(
    remoteKinds,
    "45: when it stays away beyond its deadline watchers are told noconnection, once, and asks and tells fail; when it comes back it can be used and watched again",
    async ({ start }) => {
      const { ref, path, caller, callee, desk, between } = await start({ awayMs: 300 });
      const news: Terminated[] = [];
      const watcher = await caller.startChild("/callers", child("w", watcherOf(news), undefined));
      await watcher.ask("WATCH", path("/a"));
      const incarnation = await ref("/a").ask("WHO");
      await between.cut();
      const waiting = ref("/a").ask("WHO", undefined, long);
      expect(ref("/a").tell("NOTE", "given up")).toBe("queued");
      await expect(waiting).rejects.toMatchObject({ code: "noconnection" });
      await until(() => news.length === 1, "the watcher is told");
      expect(news).toEqual([{ path: "b:/a", incarnation: 0, reason: { kind: "noconnection" } }]);
      expect(between.channel.state).toBe("down");
      expect(ref("/a").tell("NOTE", "to nobody")).toBe("dead");
      expect(await ref("/a").send("NOTE", "to nobody")).toBe("dead");
      await expect(ref("/a").ask("WHO")).rejects.toMatchObject({ code: "noconnection" });
      expect(caller.deadLetters().byReason).toEqual({ "no-connection": 4 });
      between.heal();
      await until(() => between.channel.state === "up", "it is back");
      expect(await ref("/a").ask("WHO")).toBe(incarnation);
      await watcher.ask("WATCH", path("/a"));
      await ref("/a").ask("WHO");
      expect(news).toHaveLength(1);
      await callee.stopChild("/a");
      await until(() => news.length === 2, "the watcher is told of the end");
      expect(news[1]).toMatchObject({ incarnation, reason: { kind: "shutdown" } });
      expect(desk.notes("a")).toEqual([]);
    },
  );

  each(
    remoteKinds,
    "45: within its deadline a cut costs nothing: letters wait, asks in hand are answered, watchers hear nothing",
    async ({ start }) => {
      const { ref, path, caller, desk, between } = await start();
      const news: Terminated[] = [];
      const watcher = await caller.startChild("/callers", child("w", watcherOf(news), undefined));
      await watcher.ask("WATCH", path("/a"));
      const inHand = ref("/a").ask("HOLD", "gate", long);
      await until(() => desk.of("a").length === 1, "it is in hand");
      for (let round = 1; round <= 5; round += 1) {
        await between.cut();
        for (const n of [1, 2, 3]) ref("/a").tell("NOTE", round * 10 + n);
        between.heal();
        await until(() => between.channel.state === "up", "it is back");
        for (const n of [4, 5]) ref("/a").tell("NOTE", round * 10 + n);
      }
      desk.open("gate");
      expect(await inHand).toBe("gate");
      await until(() => desk.notes("a").length === 25, "all have arrived");
      const numbers = [1, 2, 3, 4, 5].flatMap((round) =>
        [1, 2, 3, 4, 5].map((n) => round * 10 + n),
      );
      expect(desk.notes("a")).toEqual(numbers.map(String));
      expect(news).toEqual([]);
    },
  );

  each(
    remoteKinds,
    "58: of a node that is gone for good, what it had taken fails as noconnection; what it had not is handled once by the one that comes under its name",
    async ({ start }) => {
      const references = await start();
      const { ref, path, caller, desk, between } = references;
      const news: Terminated[] = [];
      const watcher = await caller.startChild("/callers", child("w", watcherOf(news), undefined));
      await watcher.ask("WATCH", path("/a"));
      const pinned = caller.pin(ref("/a"));
      const taken = ref("/a").ask("HOLD", "for ever", long);
      const sent = ref("/a").send("NOTE", "taken");
      await until(() => desk.of("a").length === 1, "it is in hand");
      expect(await sent).toBe("queued");
      await until(() => between.channel.counters()["waiting"] === 0, "all was taken");
      await between.cut();
      for (let n = 0; n < 100; n += 1) ref("/a").tell("NOTE", n);
      const asked = ref("/a").ask("ECHO", "for whoever comes", long);
      const sentLater = ref("/a").send("NOTE", "sent");
      const forTheGone = pinned.ask("WHO", undefined, long);
      const failed = Promise.all([
        expect(taken).rejects.toMatchObject({ code: "noconnection" }),
        expect(forTheGone).rejects.toMatchObject({ code: "dead" }),
      ]);
      await between.replace();
      between.heal();
      await failed;
      expect(await asked).toBe("for whoever comes");
      expect(await sentLater).toBe("queued");
      await until(() => desk.notes("a").includes("sent"), "all has arrived");
      const numbers = Array.from({ length: 100 }, (_, n) => String(n));
      expect(desk.notes("a")).toEqual([...numbers, "sent"]);
      await until(() => news.length === 1, "the watcher is told");
      expect(news).toMatchObject([{ path: "b:/a", reason: { kind: "noconnection" } }]);
      expect(references.callee.deadLetters().byReason).toEqual({ "stale-incarnation": 1 });
    },
  );

  each(
    remoteKinds,
    "58: a node that goes without a word and comes anew is found by itself, in the midst of tells; none is handled twice or out of order",
    async ({ start }) => {
      const references = await start();
      const { ref, desk, between } = references;
      let n = 0;
      const say = () => {
        for (const end = n + 50; n < end; n += 1) ref("/a").tell("NOTE", n);
      };
      for (let life = 1; life <= 3; life += 1) {
        say();
        const replaced = between.replace();
        say();
        await replaced;
        say();
        // Whoever lives there now has what was not taken before.
        expect(await ref("/a").ask("ECHO", life, { timeoutMs: 15_000 })).toBe(life);
      }
      const numbers = desk.notes("a").map(Number);
      // Letters on their way at the moment of the change may be seen by both lives, each in order.
      const repeated = numbers.length - new Set(numbers).size;
      expect(repeated).toBeLessThanOrEqual(3 * 100);
      expect(numbers.at(-1)).toBe(n - 1);
      const firsts = numbers.filter((number, at) => numbers.indexOf(number) === at);
      expect(firsts).toEqual(firsts.toSorted((a, b) => a - b));
    },
    40_000,
  );

  each(
    remoteKinds,
    "10,000 letters may wait for a node; beyond that the teller, the sender and the asker are told, and the 10,000 arrive in order",
    async ({ start }) => {
      const { ref, desk, caller, between } = await start({
        actors: { a: "roomy" },
        isConnected: false,
      });
      for (let n = 0; n < 10_000; n += 1) expect(ref("/a").tell("NOTE", n)).toBe("queued");
      expect(ref("/a").tell("NOTE", "too many")).toBe("rejected");
      expect(await ref("/a").send("NOTE", "too many")).toBe("rejected");
      await expect(ref("/a").ask("WHO", undefined, long)).rejects.toMatchObject({
        code: "rejected",
      });
      expect(caller.deadLetters().byReason).toEqual({ "mailbox-full": 3 });
      between.heal();
      await until(() => desk.notes("a").length === 10_000, "all have arrived", 20_000);
      expect(desk.notes("a").every((line, n) => line === String(n))).toBe(true);
      await until(() => between.channel.counters()["waiting"] === 0, "all is acknowledged");
      expect(ref("/a").tell("NOTE", "room again")).toBe("queued");
    },
    40_000,
  );

  each(
    remoteKinds,
    "27: what is owed to the other node is never refused by the bound: watches, answers and ends reach it behind 10,000 letters",
    async ({ start }) => {
      const references = await start({ awayMs: 60_000, isConnected: false });
      const { ref, path, caller, callee, between } = references;
      await references.startKid("x", "plain");
      const news: Terminated[] = [];
      const watcher = await caller.startChild("/callers", child("w", watcherOf(news), undefined));
      for (let n = 0; n < 10_000; n += 1) ref("/nobody").tell("NOTE", n);
      expect(ref("/a").tell("NOTE", "too many")).toBe("rejected");
      await watcher.ask("WATCH", path("/kids/x"));
      const pinned = caller.pin(ref("/a"));
      between.heal();
      await until(() => between.channel.counters()["waiting"] === 0, "all is taken", 30_000);
      expect(await pinned.ask("ECHO", "pinned")).toBe("pinned");
      // The other way round: the callee has much to say to a caller that is away, and then an end and an answer.
      const asked = ref("/a").ask("HOLD", "gate", long);
      await until(() => references.desk.of("a").length === 1, "it is in hand");
      await between.cut();
      const back = callee.nodes.channel("a");
      await until(() => back.state === "away", "the callee knows");
      for (let n = 0; n < 10_000; n += 1) callee.ref<{ X(): void }>("a:/nobody").tell("X");
      expect(callee.ref<{ X(): void }>("a:/nobody").tell("X")).toBe("rejected");
      references.desk.open("gate");
      await callee.stopChild("/kids/x");
      between.heal();
      expect(await asked).toBe("gate");
      await until(() => news.length === 1, "the watcher is told", 30_000);
      expect(news).toMatchObject([{ path: path("/kids/x"), reason: { kind: "shutdown" } }]);
    },
    90_000,
  );

  each(
    remoteKinds,
    "lossy messages are lost while a node is away, and the teller is told",
    async ({ start }) => {
      const { ref, desk, between } = await start();
      expect(ref("/a").tell("NEWS", 1)).toBe("queued");
      await until(() => desk.of("a").length === 1, "the first has arrived");
      await between.cut();
      expect(ref("/a").tell("NEWS", 2)).toBe("dropped");
      between.heal();
      await until(() => between.channel.state === "up", "it is back");
      expect(ref("/a").tell("NEWS", 3)).toBe("queued");
      await until(() => desk.of("a").length === 2, "the third has arrived");
      expect(desk.of("a")).toEqual([" hears 1", " hears 3"]);
    },
  );

  const remoteBytes = remoteKinds.filter(({ kind }) => kind !== "remote, inproc");
  each(
    remoteBytes,
    "letters that fit into a message each, but not together, all arrive; one that fits into none is a dead letter or fails its ask",
    async ({ start }) => {
      const { ref, caller, between, node } = await start({ actors: { a: "roomy" } });
      const large = "x".repeat(400_000);
      const tooLarge = "y".repeat(17_000_000);
      // Both the questions and the answers are too many bytes for one message.
      const before = Array.from({ length: 30 }, (_, n) =>
        ref("/a").ask("ECHO", `${n}${large}`, long),
      );
      const failing = expect(ref("/a").ask("ECHO", tooLarge, long)).rejects.toMatchObject({
        code: "failed",
      });
      ref("/a").tell("NOTE", tooLarge);
      const after = Array.from({ length: 30 }, (_, n) =>
        ref("/a").ask("ECHO", `${n}${large}`, long),
      );
      await failing;
      for (const asked of [before, after]) {
        const answers = await Promise.all(asked);
        expect(answers.every((answer, n) => answer === `${n}${large}`)).toBe(true);
      }
      expect(caller.deadLetters().byReason).toEqual({ unsendable: 2 });
      expect(between.channel.state).toBe("up");
      expect(node("/a").restarts).toBe(0);
    },
    90_000,
  );

  each(
    [inMemory],
    "a partition without a word is found by heartbeats, and what was said meanwhile arrives after it",
    async ({ start }) => {
      const { ref, desk, between } = await start();
      await ref("/a").ask("WHO");
      between.network?.partition();
      for (const n of [1, 2, 3]) ref("/a").tell("NOTE", n);
      await until(() => between.channel.state === "away", "the silence is noticed");
      ref("/a").tell("NOTE", 4);
      between.network?.heal();
      await until(() => desk.notes("a").length === 4, "all have arrived");
      expect(desk.notes("a")).toEqual(["1", "2", "3", "4"]);
    },
    30_000,
  );
});
