import { describe, expect, it } from "vitest";
import { child, defineActor, dynamicSupervisor, supervisor } from "../../supervisor/index.ts";
import { seededRandom } from "../../supervisor/random.ts";
import { boot, gate, type ProbeOptions, probe } from "../support/probe.ts";

const quick = { minMs: 10, maxMs: 10, resetAfterMs: 1_000 };
const one = (options: ProbeOptions = {}) =>
  supervisor("root", { backoff: quick, intensity: { restarts: 1_000, withinMs: 1_000 } }, [
    child("a", probe(options), undefined),
    child("b", probe(options), undefined),
  ]);

describe("mailbox", () => {
  it.each(["CRASH", "CRASH_LATER"] as const)(
    "24: a message that ends in %s is not delivered again; those after it are, in order",
    async (how) => {
      const journal: string[] = [];
      const { clock, ref } = await boot(one({ journal }));
      journal.length = 0;
      ref("/a").tell("NOTE", 1);
      ref("/a").tell(how, "boom");
      ref("/a").tell("NOTE", 3);
      ref("/a").tell("NOTE", 4);
      await clock.advance(50);
      expect(journal).toEqual(["a: 1", "stop a error", "init a", "ready a", "a: 3", "a: 4"]);
    },
  );

  it("24: what is queued at a sibling survives a restart for the crashed one's sake", async () => {
    const journal: string[] = [];
    const { clock, ref } = await boot(
      supervisor("root", { backoff: quick, strategy: "one_for_all" }, [
        child("a", probe({ journal }), undefined),
        child("b", probe({ journal }), undefined),
      ]),
    );
    const hold = gate();
    ref("/b").tell("HOLD", hold.promise);
    ref("/b").tell("NOTE", "after");
    ref("/a").tell("CRASH", "boom");
    await clock.settle();
    hold.open();
    await clock.advance(50);
    expect(journal).toContain("b: after");
  });

  it("25: what is queued when an actor ends for good becomes dead letters and is not handled", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(supervisor("root", {}, [dynamicSupervisor("d")]));
    await system.startChild("/d", child("x", probe({ journal }), undefined));
    const hold = gate();
    ref("/d/x").tell("HOLD", hold.promise);
    await clock.settle();
    for (let n = 0; n < 7; n++) ref("/d/x").tell("NOTE", n);
    const stopped = system.stopChild("/d/x");
    hold.open();
    await stopped;
    expect(system.deadLetters().byReason).toEqual({ stopped: 7 });
    expect(journal.filter((line) => line.startsWith("x:"))).toEqual([]);
    expect(journal.slice(-2)).toEqual(["x held", "stop x shutdown"]);
  });

  it.each([
    ["reject", ["queued", "queued", "queued", "rejected", "rejected"], ["1", "2", "3"], 2],
    ["drop-new", ["queued", "queued", "queued", "dropped", "dropped"], ["1", "2", "3"], 2],
    ["drop-oldest", ["queued", "queued", "queued", "queued", "queued"], ["3", "4", "5"], 2],
    ["wait", ["queued", "queued", "queued", "rejected", "rejected"], ["1", "2", "3"], 2],
  ] as const)("26: a full mailbox with %s answers %j", async (overflow, results, kept, lost) => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(one({ journal, bound: 3, overflow }));
    const hold = gate();
    ref("/a").tell("HOLD", hold.promise);
    await clock.settle();
    expect([1, 2, 3, 4, 5].map((n) => ref("/a").tell("NOTE", n))).toEqual(results);
    hold.open();
    await clock.settle();
    expect(journal.filter((line) => line.startsWith("a: "))).toEqual(kept.map((n) => `a: ${n}`));
    expect(system.deadLetters().byReason).toEqual({ "mailbox-full": lost });
  });

  it("26: send waits for room, keeps its order, and as many may wait as there is room for", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(one({ journal, bound: 2 }));
    const hold = gate();
    ref("/a").tell("HOLD", hold.promise);
    await clock.settle();
    const sent = [1, 2, 3, 4, 5].map((n) => ref("/a").send("NOTE", n));
    expect(ref("/a").tell("NOTE", "overtakes")).toBe("rejected");
    await expect(sent[4]).resolves.toBe("rejected");
    hold.open();
    await clock.settle();
    await expect(Promise.all(sent)).resolves.toEqual([
      "queued",
      "queued",
      "queued",
      "queued",
      "rejected",
    ]);
    expect(journal.filter((line) => line.startsWith("a: "))).toEqual(
      [1, 2, 3, 4].map((n) => `a: ${n}`),
    );
    const again = gate();
    ref("/a").tell("HOLD", again.promise);
    await clock.settle();
    const waiting = [1, 2, 3].map((n) => ref("/a").send("NOTE", n));
    const stopped = system.stop();
    await expect(waiting[2]).resolves.toBe("dead");
    again.open();
    await stopped;
  });

  it("26: an ask that finds a full mailbox is rejected, or waits where the rule is wait", async () => {
    for (const overflow of ["reject", "wait"] as const) {
      const { clock, ref } = await boot(one({ bound: 1, overflow }));
      const hold = gate();
      ref("/a").tell("HOLD", hold.promise);
      await clock.settle();
      ref("/a").tell("NOTE", 1);
      const asked = ref("/a").ask("ECHO", "hello");
      const outcome =
        overflow === "wait"
          ? expect(asked).resolves.toBe("hello")
          : expect(asked).rejects.toMatchObject({ code: "rejected" });
      hold.open();
      await outcome;
    }
  });

  it("27: a full mailbox loses neither Terminated nor control messages", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(one({ journal, bound: 1 }));
    ref("/a").tell("WATCH", "/b");
    await clock.settle();
    const hold = gate();
    ref("/a").tell("HOLD", hold.promise);
    await clock.settle();
    ref("/a").tell("NOTE", "fills it");
    for (let n = 0; n < 5; n++) expect(ref("/a").tell("URGENT", n)).toBe("queued");
    await system.stopChild("/b");
    journal.length = 0;
    hold.open();
    await clock.settle();
    expect(journal).toEqual([
      "a held",
      "a saw b end: shutdown",
      ...[0, 1, 2, 3, 4].map((n) => `a! ${n}`),
      "a: fills it",
    ]);
  });

  it("28: a control message overtakes 200,000 user messages", { timeout: 20_000 }, async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(one({ journal, bound: 200_000 }), {
      freezeMessages: false,
    });
    for (let n = 0; n < 200_000; n++) ref("/a").tell("NOTE", n);
    ref("/a").tell("URGENT", "QUIT");
    journal.length = 0;
    await clock.settle(2);
    expect(journal.length).toBeLessThan(1_000);
    await system.stop();
    expect(journal[0]).toBe("a! QUIT");
  });

  it("29: PAUSE parks an actor after the message in hand; RESUME goes on; both may be said twice", async () => {
    const journal: string[] = [];
    const { system, clock, ref, node } = await boot(one({ journal, pause: "park" }));
    const hold = gate();
    ref("/a").tell("HOLD", hold.promise);
    await clock.settle();
    journal.length = 0;
    ref("/a").tell("NOTE", 1);
    const asked = ref("/a").ask("ECHO", "waits");
    expect(system.pause("a")).toEqual(["a"]);
    expect(system.pause("A")).toEqual(["a"]);
    hold.open();
    await clock.settle();
    expect(journal).toEqual(["a held", "a paused"]);
    expect(node("/a")).toMatchObject({ state: "paused", mailboxDepth: 2 });
    ref("/a").tell("URGENT", "overtakes");
    await clock.settle();
    expect(journal.at(-1)).toBe("a! overtakes");
    expect(system.resume("*")).toEqual(["a", "b"]);
    expect(system.resume("*")).toEqual(["a", "b"]);
    await expect(asked).resolves.toBe("waits");
    expect(journal.slice(-2)).toEqual(["a resumed", "a: 1"]);
  });

  it("29: a drain actor is told of PAUSE and goes on; one that never pauses is not listed", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(
      supervisor("root", {}, [
        child("drains", probe({ journal, pause: "drain" }), undefined),
        child("never", probe({ journal }), undefined),
      ]),
    );
    journal.length = 0;
    expect(system.pause("*")).toEqual(["drains"]);
    ref("/drains").tell("NOTE", 1);
    ref("/never").tell("NOTE", 2);
    await clock.settle();
    expect(journal).toEqual(["drains paused", "drains: 1", "never: 2"]);
  });

  it("29: a paused actor that crashes is still paused in its next incarnation, and can be stopped", async () => {
    const journal: string[] = [];
    const { system, clock, ref, node } = await boot(one({ journal, pause: "park" }));
    system.pause("a");
    ref("/a").tell("NOTE", "kept");
    await clock.settle();
    expect(system.crash("/a", new Error("boom"))).toBe(true);
    await clock.advance(50);
    expect(node("/a")).toMatchObject({ state: "paused", mailboxDepth: 1, restarts: 1 });
    expect(journal.at(-1)).toBe("a paused");
    await system.stop();
    expect(journal.slice(-1)).toEqual(["stop a shutdown"]);
  });

  it("30: messages during a delay are kept in order up to the bound; a second crash keeps the rest", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(one({ journal, bound: 4 }));
    ref("/a").tell("CRASH", "boom");
    await clock.advance(1);
    journal.length = 0;
    ref("/a").tell("NOTE", 1);
    ref("/a").tell("CRASH", "again");
    ref("/a").tell("NOTE", 2);
    ref("/a").tell("NOTE", 3);
    expect(ref("/a").tell("NOTE", 4)).toBe("rejected");
    await clock.advance(50);
    expect(journal.filter((line) => line.startsWith("a:"))).toEqual(["a: 1", "a: 2", "a: 3"]);
    expect(system.deadLetters().byReason).toEqual({ "mailbox-full": 1 });
  });

  it("31: messages of one sender arrive in its order, however senders take turns, the receiver pauses and crashes", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(one({ journal, pause: "park" }));
    const random = seededRandom(31, "senders");
    const sent = [0, 0, 0, 0];
    for (let step = 0; step < 600; step++) {
      const draw = random();
      const sender = Math.floor(random() * sent.length);
      if (draw < 0.8) {
        const number = (sent[sender] ?? 0) + 1;
        sent[sender] = number;
        ref("/a").tell("NOTE", `${sender} ${number}`);
      } else if (draw < 0.85) ref("/a").tell("CRASH", "boom");
      else if (draw < 0.9) ref("/a").tell("HOLD", clock.settle(1));
      else if (draw < 0.95) system[draw < 0.92 ? "pause" : "resume"]("a");
      else await clock.advance(10);
    }
    system.resume("a");
    await clock.advance(5_000);
    for (const [sender, count] of sent.entries()) {
      const own = journal.filter((line) => line.startsWith(`a: ${sender} `));
      expect(own).toEqual(Array.from({ length: count }, (_, n) => `a: ${sender} ${n + 1}`));
    }
    expect(system.deadLetters().total).toBe(0);
  });

  it("32: handlers of one actor never overlap, also when it crashes from aside or for a sibling", async () => {
    let inside = 0;
    let most = 0;
    let handled = 0;
    const slow = defineActor<{ WORK(): void }>({
      name: "takes a few turns for each message",
      init() {},
      handle: {
        async WORK() {
          inside += 1;
          most = Math.max(most, inside);
          for (let turn = 0; turn < 3; turn++) await new Promise((next) => setImmediate(next));
          inside -= 1;
          handled += 1;
        },
      },
    });
    const { system, clock, ref } = await boot(
      supervisor(
        "root",
        {
          strategy: "one_for_all",
          backoff: { minMs: 1, maxMs: 1, resetAfterMs: 1 },
          intensity: { restarts: 1_000, withinMs: 1 },
        },
        [child("slow", slow, undefined), child("b", probe(), undefined)],
      ),
    );
    for (let n = 0; n < 200; n++) {
      system.ref<{ WORK(): void }>("/slow").tell("WORK");
      if (n % 7 === 0) ref("/b").tell("CRASH", "boom");
      if (n % 11 === 0) system.crash("/slow", new Error("from aside"));
      await clock.settle(1);
      if (n % 5 === 0) await clock.advance(1);
    }
    for (let ms = 0; ms < 1_000 && handled < 200; ms++) await clock.advance(1);
    expect(most).toBe(1);
    expect(handled).toBe(200);
  });

  it("33: a handler that never settles is fenced and its actor restarts; what it does later is ignored", async () => {
    const journal: string[] = [];
    const { system, clock, ref, node } = await boot(one({ journal, handlerTimeoutMs: 1_000 }));
    const hold = gate<string>();
    const asked = ref("/a").ask("HOLD", hold.promise, { timeoutMs: 60_000 });
    const rejected = expect(asked).rejects.toMatchObject({ code: "crashed" });
    ref("/a").tell("NOTE", "next");
    await clock.advance(999);
    expect(node("/a").restarts).toBe(0);
    await clock.advance(50);
    await rejected;
    expect(node("/a")).toMatchObject({ restarts: 1, state: "running" });
    expect(node("/a").lastError).toMatch(/HOLD not handled within 1000 ms/);
    expect(journal.at(-1)).toBe("a: next");
    hold.open("late");
    await clock.settle();
    expect(system.deadLetters().byReason).toEqual({ "late-reply": 1 });
  });

  it("33: a fenced incarnation can no longer tell, ask, watch or start anything", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(one({ journal }));
    const hold = gate();
    const outcomes: unknown[] = [];
    ref("/a").tell("RUN", async () => {
      await hold.promise;
      outcomes.push(ref("/b").tell("NOTE", "from the grave"));
      outcomes.push(
        await ref("/b")
          .ask("ECHO", 1)
          .catch((error: unknown) => error),
      );
    });
    ref("/a").tell("CRASH", "boom");
    await clock.advance(50);
    hold.open();
    await clock.settle();
    expect(outcomes).toEqual(["dead", expect.objectContaining({ code: "aborted" })]);
    expect(journal).not.toContain("b: from the grave");
    expect(system.deadLetters().byReason).toEqual({ fenced: 2 });
  });

  it("34: a ref to an incarnation does not reach an actor that was started later under the same name", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(supervisor("root", {}, [dynamicSupervisor("d")]));
    const spec = child("x", probe({ journal }), undefined);
    await system.startChild("/d", spec);
    const pinned = system.pin(ref("/d/x"));
    await system.stopChild("/d/x");
    await system.startChild("/d", spec);
    expect(pinned.tell("NOTE", "for the first")).toBe("dead");
    await expect(pinned.ask("WHO")).rejects.toMatchObject({ code: "dead" });
    expect(ref("/d/x").tell("NOTE", "for whoever has the name")).toBe("queued");
    await clock.settle();
    expect(journal.filter((line) => line.startsWith("x:"))).toEqual([
      "x: for whoever has the name",
    ]);
    expect(system.deadLetters().byReason).toEqual({ "stale-incarnation": 2 });
  });

  it("34: a ref to an incarnation that has ended does not reach its successor", async () => {
    const journal: string[] = [];
    const { system, clock, ref } = await boot(one({ journal }));
    const pinned = system.pin(ref("/a"));
    expect(pinned.tell("NOTE", "before")).toBe("queued");
    await clock.settle();
    ref("/a").tell("CRASH", "boom");
    expect(pinned.tell("NOTE", "queued behind the crash")).toBe("queued");
    await clock.advance(50);
    expect(pinned.tell("NOTE", "after")).toBe("dead");
    await expect(pinned.ask("WHO")).rejects.toMatchObject({ code: "dead" });
    await clock.settle();
    expect(journal.filter((line) => line.startsWith("a:"))).toEqual(["a: before"]);
    expect(system.deadLetters().byReason).toEqual({ "stale-incarnation": 3 });
    await expect(ref("/a").ask("ECHO", "successor")).resolves.toBe("successor");
  });
});
