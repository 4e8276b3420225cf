import { expect, it } from "vitest";
import {
  child,
  defineActor,
  dynamicSupervisor,
  Refusal,
  supervisor,
  type Terminated,
} from "../../../supervisor/index.ts";
import { VirtualClock } from "../../../supervisor/virtual-clock.ts";
import { anyProtocol, eventually, Pipe, pairOfNodes } from "../../support/node-pair.ts";
import { type ProbeMessages, probe } from "../../support/probe.ts";

const root = (...children: Parameters<typeof supervisor>[2]) => supervisor("root", {}, children);

it("an actor of another node answers what it is asked, in order with what it is told", async () => {
  const journal: string[] = [];
  const { a } = await pairOfNodes(root(child("x", probe({ journal }), undefined)));
  const ref = a.ref<ProbeMessages>("b:/x");
  for (let n = 0; n < 1_000; n += 1) expect(ref.tell("NOTE", n)).toBe("queued");
  expect(await ref.ask("ECHO", { deep: [1, "two", null] })).toEqual({ deep: [1, "two", null] });
  expect(journal.filter((line) => line.startsWith("x: "))).toEqual(
    Array.from({ length: 1_000 }, (_, n) => `x: ${n}`),
  );
});

it("59: the reliable lane gives every letter once and in order over a network that loses, repeats and reorders", async () => {
  for (const p of [0.1, 0.2, 0.3]) {
    const journal: string[] = [];
    const { a, pipe } = await pairOfNodes(root(child("x", probe({ journal }), undefined)), {
      faults: { seed: p * 100, lose: p, repeat: p, reorder: p },
    });
    const ref = a.ref<ProbeMessages>("b:/x");
    const lines: string[] = [];
    for (let n = 0; n < 2_000; n += 1) {
      ref.tell("NOTE", n);
      lines.push(`x: ${n}`);
      if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (n % 700 === 699) {
        pipe.cut();
        pipe.connect();
      }
    }
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => ref.ask("ECHO", n, { timeoutMs: 8_000 })),
    );
    expect(answers).toEqual(Array.from({ length: 100 }, (_, n) => n));
    expect(journal.filter((line) => line.startsWith("x: "))).toEqual(lines);
    expect(a.nodes.channel("b").counters()["resent"]).toBeGreaterThan(0);
  }
}, 30_000);

it("a question is rejected as the callee would have it here", async () => {
  const { a } = await pairOfNodes(root(child("x", probe(), undefined)));
  await expect(a.ref<ProbeMessages>("b:/nobody").ask("ECHO", 1)).rejects.toMatchObject({
    code: "dead",
  });
  const ref = a.ref<ProbeMessages>("b:/x");
  await expect(ref.ask("CRASH", "boom")).rejects.toMatchObject({
    code: "crashed",
    message: /boom/,
  });
  await expect(ref.ask("HANG", undefined, { timeoutMs: 30 })).rejects.toMatchObject({
    code: "timeout",
  });
});

it("a refusal keeps its code and data, and the answer's undefined stays undefined", async () => {
  const refuser = defineActor<{ NO(): void; NOTHING(): void }>({
    name: "refuses",
    init: () => undefined,
    handle: {
      NO: () => {
        throw new Refusal("not today", { code: "closed", data: { until: 9 } });
      },
      NOTHING: () => undefined,
    },
  });
  const { a } = await pairOfNodes(root(child("x", refuser, undefined)));
  const ref = a.ref<{ NO(): void; NOTHING(): void }>("b:/x");
  const error: unknown = await ref.ask("NO").catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Refusal);
  expect(error).toMatchObject({ code: "closed", data: { until: 9 }, message: "not today" });
  expect(await ref.ask("NOTHING")).toBeUndefined();
});

it("the callee sees when its asker on another node gives up", async () => {
  const given: string[] = [];
  const patient = defineActor<{ WAIT(): void }>({
    name: "waits for its asker to go",
    init: () => undefined,
    handle: {
      WAIT: (_state, _body, ctx) =>
        new Promise((resolve) =>
          ctx.askSignal.addEventListener("abort", () => {
            given.push("given up");
            resolve();
          }),
        ),
    },
  });
  const { a, b } = await pairOfNodes(root(child("x", patient, undefined)));
  const giveUp = new AbortController();
  const answer = a
    .ref<{ WAIT(): void }>("b:/x")
    .ask("WAIT", undefined, { signal: giveUp.signal, timeoutMs: 60_000 });
  await eventually(() => (b.tree().children[0]?.busyMs ?? 0) > 0);
  giveUp.abort();
  await expect(answer).rejects.toMatchObject({ code: "aborted" });
  await eventually(() => given.length === 1);
});

it("a question's deadline counts the time that it has waited for its node", async () => {
  const clock = new VirtualClock();
  const seen: { signal?: AbortSignal } = {};
  const patient = defineActor<{ WAIT(): void }>({
    name: "waits as long as its asker",
    init: () => undefined,
    handle: {
      WAIT: async (_state, _body, ctx) => {
        const { askSignal } = ctx;
        seen.signal = askSignal;
        await new Promise<void>((resolve) => {
          askSignal.addEventListener("abort", () => resolve(), { once: true });
        });
      },
    },
  });
  const { a, pipe } = await pairOfNodes(root(child("x", patient, undefined)), {
    connected: false,
    system: { clock },
  });
  const asked = a.ref<{ WAIT(): void }>("b:/x").ask("WAIT", undefined, { timeoutMs: 5_000 });
  asked.catch(() => undefined);
  await clock.advance(4_000);
  pipe.connect();
  await eventually(() => seen.signal !== undefined);
  // So that no word of the asker's giving up can come.
  pipe.cut();
  await clock.advance(900);
  expect(seen.signal?.aborted).toBe(false);
  await clock.advance(200);
  expect(seen.signal?.aborted).toBe(true);
  await expect(asked).rejects.toMatchObject({ code: "timeout" });
});

it("45: a watcher is told once that the node is out of reach, and nothing of its return", async () => {
  const news: Terminated[] = [];
  const watcher = defineActor<{ WATCH(): void; ENDED(ended: Terminated): void }>({
    name: "watches another node",
    init: () => undefined,
    handle: {
      WATCH: (_state, _body, ctx) => ctx.watch(ctx.ref("b:/x"), "ENDED"),
      ENDED: (_state, ended) => void news.push(ended),
    },
  });
  const { a, b, pipe } = await pairOfNodes(root(child("x", probe(), undefined)), {
    awayMs: 50,
    a: root(child("w", watcher, undefined)),
  });
  await a.ref<{ WATCH(): void }>("/w").ask("WATCH");
  await a.ref<ProbeMessages>("b:/x").ask("WHO");
  pipe.cut();
  const waiting = a.ref<ProbeMessages>("b:/x").ask("WHO");
  await expect(waiting).rejects.toMatchObject({ code: "noconnection" });
  await eventually(() => news.length === 1);
  expect(news).toEqual([{ path: "b:/x", incarnation: 0, reason: { kind: "noconnection" } }]);
  expect(a.ref<ProbeMessages>("b:/x").tell("NOTE", "lost")).toBe("dead");
  expect(a.deadLetters().byReason["no-connection"]).toBe(1);
  pipe.connect();
  await eventually(() => a.nodes.channel("b").state === "up");
  expect(await a.ref<ProbeMessages>("b:/x").ask("WHO")).toBeGreaterThan(0);
  b.crash("/x", new Error("a restart is no end"));
  expect(news).toHaveLength(1);
});

it("40: the end of a watched actor of another node is told once, with its reason", async () => {
  const news: Terminated[] = [];
  const watcher = defineActor<{ WATCH(path: string): void; ENDED(ended: Terminated): void }>({
    name: "watches another node",
    init: () => undefined,
    handle: {
      WATCH: (_state, path, ctx) => {
        ctx.watch(ctx.ref(path), "ENDED");
        ctx.watch(ctx.ref(path), "ENDED");
      },
      ENDED: (_state, ended) => void news.push(ended),
    },
  });
  const { a, b } = await pairOfNodes(root(dynamicSupervisor("kids")), {
    a: root(child("w", watcher, undefined)),
  });
  await b.startChild("/kids", child("x", probe(), undefined, { restart: "temporary" }));
  const w = a.ref<{ WATCH(path: string): void }>("/w");
  await w.ask("WATCH", "b:/kids/x");
  await w.ask("WATCH", "b:/kids/nobody");
  await eventually(() => news.length === 1);
  b.crash("/kids/x", new Error("boom"));
  await eventually(() => news.length === 2);
  expect(news.map(({ path, reason }) => [path, reason.kind])).toEqual([
    ["b:/kids/nobody", "noproc"],
    ["b:/kids/x", "error"],
  ]);
});

it("34: a pinned ref of another node never reaches a successor of the same name", async () => {
  const journal: string[] = [];
  const { a, b } = await pairOfNodes(root(child("x", probe({ journal }), undefined)));
  const pinned = a.pin(a.ref<ProbeMessages>("b:/x"));
  const first = await pinned.ask("WHO");
  b.crash("/x", new Error("boom"));
  const ref = a.ref<ProbeMessages>("b:/x");
  await eventually(
    () => b.tree().children[0]?.state === "running" && b.tree().children[0]?.incarnation !== first,
  );
  pinned.tell("NOTE", "for the dead");
  await expect(pinned.ask("WHO")).rejects.toMatchObject({ code: "dead" });
  expect(await ref.ask("WHO")).not.toBe(first);
  expect(journal).not.toContain("x: for the dead");
  expect(b.deadLetters().byReason["stale-incarnation"]).toBe(2);
});

it("26: send to another node waits for room there, and says what became of it", async () => {
  const { a } = await pairOfNodes(
    root(child("x", probe({ bound: 2, overflow: "wait" }), undefined)),
  );
  const ref = a.ref<ProbeMessages>("b:/x");
  const open = () => {};
  void open;
  const results = await Promise.all([
    ref.send("NOTE", 1),
    ref.send("NOTE", 2),
    ref.send("NOTE", 3),
  ]);
  expect(results).toEqual(["queued", "queued", "queued"]);
  expect(await a.ref<ProbeMessages>("b:/gone").send("NOTE", 1)).toBe("dead");
});

it("what waits for a node that is away is bounded, and beyond that the teller is told", async () => {
  const { a, pipe } = await pairOfNodes(root(child("x", probe(), undefined)), {
    bound: 10,
    connected: false,
  });
  const ref = a.ref<ProbeMessages>("b:/x");
  const results = Array.from({ length: 12 }, (_, n) => ref.tell("NOTE", n));
  expect(results.filter((result) => result === "queued")).toHaveLength(10);
  expect(results.filter((result) => result === "rejected")).toHaveLength(2);
  pipe.connect();
  await eventually(() => a.nodes.channel("b").counters()["waiting"] === 0);
});

it("what waits for a node that is away is bounded by its bytes too, and there is room again once it was taken", async () => {
  const { a, pipe } = await pairOfNodes(root(child("x", probe(), undefined)), {
    connected: false,
  });
  const ref = a.ref<ProbeMessages>("b:/x");
  const waiting = (what: string) => a.nodes.channel("b").counters()[what] ?? Number.NaN;
  const large = { nested: [Buffer.alloc(8 * 1024 * 1024)] };
  const results = Array.from({ length: 12 }, () => ref.tell("NOTE", large));
  expect(results.filter((result) => result === "queued")).toHaveLength(7);
  expect(results.filter((result) => result === "rejected")).toHaveLength(5);
  expect(waiting("waitingBytes")).toBeLessThan(64 * 1024 * 1024);
  // What is small still has room, and what is due.
  expect(ref.tell("NOTE", "small")).toBe("queued");
  pipe.connect();
  await eventually(() => waiting("waiting") === 0);
  expect(waiting("waitingBytes")).toBe(0);
  expect(ref.tell("NOTE", large)).toBe("queued");
});

it("a body that cannot be sent is a dead letter and costs its neighbours nothing", async () => {
  const journal: string[] = [];
  const { a } = await pairOfNodes(root(child("x", probe({ journal }), undefined)));
  const ref = a.ref<ProbeMessages>("b:/x");
  ref.tell("NOTE", "before");
  ref.tell("NOTE", () => "a function");
  const asked = ref.ask("ECHO", () => "a function");
  ref.tell("NOTE", "after");
  await expect(asked).rejects.toMatchObject({ code: "failed" });
  await eventually(() => journal.includes("x: after"));
  expect(journal).toContain("x: before");
  expect(a.deadLetters().byReason.unsendable).toBe(2);
});

it("a message that does not pass its protocol is refused, counted, and harms nobody", async () => {
  const strict = {
    ...anyProtocol,
    checkBody: (type: string, value: unknown) =>
      type === "ECHO" && typeof value !== "number"
        ? { ok: false as const, reason: "probe: ECHO: body: not a number" }
        : { ok: true as const, value },
    checkReply: (_type: string, value: unknown) =>
      value === 13
        ? { ok: false as const, reason: "an unlucky answer" }
        : { ok: true as const, value },
  };
  const { a, b } = await pairOfNodes(root(child("x", probe(), undefined)), {
    protocols: (path) => (path === "/x" ? strict : undefined),
  });
  const ref = a.ref<ProbeMessages>("b:/x");
  await expect(ref.ask("ECHO", "text")).rejects.toMatchObject({
    code: "failed",
    message: /not a number/,
  });
  await expect(ref.ask("ECHO", 13)).rejects.toMatchObject({ code: "failed", message: /unlucky/ });
  expect(await ref.ask("ECHO", 12)).toBe(12);
  expect(b.deadLetters().byReason.invalid).toBe(1);
  // A path without a protocol is nobody to another node.
  await expect(a.ref<ProbeMessages>("b:/").ask("WHO")).rejects.toMatchObject({ code: "dead" });
});

it("58: a node that began anew fails what its former life had taken, and takes what it had not", async () => {
  const journal: string[] = [];
  const { a, pipe } = await pairOfNodes(root(child("x", probe(), undefined, { shutdownMs: 10 })));
  const held = a.ref<ProbeMessages>("b:/x").ask("HANG", undefined, { timeoutMs: 60_000 });
  await eventually(() => a.nodes.channel("b").counters()["waiting"] === 0);
  pipe.cut();
  a.ref<ProbeMessages>("b:/x").tell("NOTE", "not taken yet");
  const other = await pairOfNodes(root(child("x", probe({ journal }), undefined)), {
    connected: false,
  });
  new Pipe(a.nodes.channel("b"), other.b.nodes.channel("a")).connect();
  await expect(held).rejects.toMatchObject({ code: "noconnection" });
  await eventually(() => journal.includes("x: not taken yet"));
  expect(journal.filter((line) => line === "x: not taken yet")).toHaveLength(1);
});
