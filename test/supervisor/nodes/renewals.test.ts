/**
 * Nodes that begin anew, give each other up, or meet in the wrong order: what a review found. Each was seen to
 * fail before it was mended.
 */
import { describe, expect, it, onTestFinished } from "vitest";
import {
  child,
  defineActor,
  type NodeMessage,
  silentLogger,
  startSystem,
  supervisor,
  systemClock,
  type Terminated,
  VirtualClock,
} from "../../../supervisor/index.ts";
import { NodeChannel } from "../../../supervisor/nodes/node-channel.ts";
import { eventually, Pipe, pairOfNodes } from "../../support/node-pair.ts";
import { type ProbeMessages, probe } from "../../support/probe.ts";

interface KeeperMessages {
  SECRET(): string;
  HELLO(): string;
  NEVER(): string;
}

/** Answers SECRET when the test says so. */
function keeper() {
  let release = (): void => undefined;
  const definition = defineActor<KeeperMessages>({
    name: "keeps a secret for a while",
    init: () => undefined,
    handle: {
      SECRET: () =>
        new Promise((resolve) => {
          release = () => resolve("the secret");
        }),
      HELLO: () => "hello",
      NEVER: () => new Promise<string>(() => undefined),
    },
  });
  return { definition, release: () => release() };
}

const root = (...children: Parameters<typeof supervisor>[2]) => supervisor("root", {}, children);
const busyMs = (system: { tree(): { children: readonly { busyMs: number }[] } }) =>
  system.tree().children[0]?.busyMs ?? 0;

describe("a node that begins anew", () => {
  it("is not given an answer that its former life had asked for", async () => {
    const { definition, release } = keeper();
    const { a, b, pipe } = await pairOfNodes(root(child("x", definition, undefined)));
    const first = a.ref<KeeperMessages>("b:/x").ask("SECRET");
    first.catch(() => undefined);
    await eventually(() => busyMs(b) > 0);
    pipe.cut();
    release();
    await eventually(() => busyMs(b) === 0);
    const next = await pairOfNodes(root(), { connected: false });
    const question = next.a.ref<KeeperMessages>("b:/x").ask("HELLO");
    new Pipe(next.a.nodes.channel("b"), b.nodes.channel("a")).connect();
    expect(await question).toBe("hello");
    expect(next.a.deadLetters().total).toBe(0);
  });

  it("is not told of room that its former life had waited for, nor is that message delivered", async () => {
    const journal: string[] = [];
    const { a, b, pipe } = await pairOfNodes(
      root(child("x", probe({ journal, bound: 1, overflow: "wait" }), undefined)),
    );
    const ref = a.ref<ProbeMessages>("b:/x");
    let open: (value: unknown) => void = () => undefined;
    b.ref<ProbeMessages>("/x").tell(
      "HOLD",
      new Promise((resolve) => {
        open = resolve;
      }),
    );
    await eventually(() => busyMs(b) > 0);
    const sends = [1, 2].map((n) => ref.send("NOTE", n));
    await eventually(() => a.nodes.channel("b").counters()["waiting"] === 0);
    pipe.cut();
    const next = await pairOfNodes(root(), { connected: false });
    new Pipe(next.a.nodes.channel("b"), b.nodes.channel("a")).connect();
    await eventually(() => next.a.nodes.channel("b").state === "up");
    open(undefined);
    await eventually(() => journal.includes("x: 1") && b.tree().children[0]?.mailboxDepth === 0);
    expect(await b.ref<ProbeMessages>("/x").ask("ECHO", "after all")).toBe("after all");
    expect(journal.filter((line) => line.startsWith("x: "))).toEqual(["x: 1"]);
    expect(next.a.deadLetters().total).toBe(0);
    await next.a.stop();
    await a.stop();
    expect(await Promise.all(sends)).toEqual(["queued", "dead"]);
  });

  it("keeps a watch whose letter the former life had not taken", async () => {
    const news: Terminated[] = [];
    const watcher = defineActor<{ WATCH(): void; ENDED(ended: Terminated): void }>({
      name: "watches",
      init: () => undefined,
      handle: {
        WATCH: (_state, _body, ctx) => ctx.watch(ctx.ref("b:/x"), "ENDED"),
        ENDED: (_state, ended) => void news.push(ended),
      },
    });
    const { a, pipe } = await pairOfNodes(root(), { a: root(child("w", watcher, undefined)) });
    await eventually(() => a.nodes.channel("b").state === "up");
    pipe.cut();
    await a.ref<{ WATCH(): void }>("/w").ask("WATCH");
    const next = await pairOfNodes(root(child("x", probe(), undefined, { restart: "temporary" })), {
      connected: false,
    });
    new Pipe(a.nodes.channel("b"), next.b.nodes.channel("a")).connect();
    await a.ref<ProbeMessages>("b:/x").ask("WHO");
    expect(news).toEqual([]);
    next.b.crash("/x", new Error("boom"));
    await eventually(() => news.length > 0);
    expect(news).toMatchObject([{ path: "b:/x", reason: { kind: "error" } }]);
  });
});

describe("channels that meet in the wrong order", () => {
  it("agree again when one gave up, and the SYNC that says so is lost", async () => {
    const taken: unknown[] = [];
    const user = {
      take: (item: unknown) => void taken.push(item),
      renewed: () => (item: readonly unknown[]) => item,
      gone: () => undefined,
      unsendable: (item: readonly unknown[]) => item,
      leaving: (items: readonly (readonly unknown[])[]) => items,
    };
    const make = (name: string, awayMs: number) =>
      new NodeChannel(
        name,
        {
          clock: systemClock,
          log: silentLogger,
          greeting: name,
          refuses: () => undefined,
          awayMs,
          bound: 100,
        },
        user,
      );
    const a = make("b", 20);
    const b = make("a", 60_000);
    onTestFinished(() => {
      a.close();
      b.close();
    });
    let passed = 0;
    let held: NodeMessage[] | undefined = [];
    let losesSync = false;
    a.up((message) => {
      passed += 1;
      if (message.type === "SYNC" && losesSync) losesSync = false;
      else setImmediate(() => b.received(structuredClone(message)));
      return "sent";
    });
    b.up((message) => {
      passed += 1;
      if (held) held.push(message);
      else setImmediate(() => a.received(structuredClone(message)));
      return "sent";
    });
    await eventually(() => a.state === "down");
    losesSync = true;
    const late = held;
    held = undefined;
    for (const message of late) a.received(message);
    a.post(["tell", "/x", 0, "NOTE"]);
    await eventually(() => taken.length === 1);
    const before = passed;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(passed - before).toBeLessThan(20);
  });

  it("take no letter before both have said SYNC, so a question is not served and its answer thrown away", async () => {
    const { definition } = keeper();
    const { a, b, pipe } = await pairOfNodes(root(child("x", definition, undefined)), {
      awayMs: 60,
    });
    expect(await a.ref<KeeperMessages>("b:/x").ask("HELLO")).toBe("hello");
    // `b` alone gives `a` up: to `a` the connection stands.
    b.nodes.channel("a").down("seen by one side only");
    await eventually(() => b.nodes.channel("a").state === "down");
    const question = a
      .ref<KeeperMessages>("b:/x")
      .ask("HELLO", undefined, { timeoutMs: Number.POSITIVE_INFINITY });
    const settled = question.then(
      (answer) => answer,
      (error: unknown) => (error as { code: string }).code,
    );
    pipe.cut();
    pipe.connect();
    expect(["hello", "noconnection"]).toContain(await settled);
  });

  it("stay away for a SYNC that comes after the connection has gone", async () => {
    const { a, pipe } = await pairOfNodes(root());
    await eventually(() => a.nodes.channel("b").state === "up");
    pipe.cut();
    a.nodes.channel("b").received({
      type: "SYNC",
      body: { node: "b", stream: "late", base: 1, known: null, heard: true },
    });
    expect(a.nodes.channel("b").state).toBe("away");
  });

  it("do not speak to a node whose greeting is refused, and say why", async () => {
    const { a, b } = await pairOfNodes(root(child("x", probe(), undefined)), {
      awayMs: 50,
      refuses: (_channel, greeting) => (greeting === "b" ? "it is not one of us" : undefined),
    });
    await expect(a.ref<ProbeMessages>("b:/x").ask("WHO")).rejects.toMatchObject({
      code: "noconnection",
    });
    expect(a.nodes.channel("b").refusal).toBe("it is not one of us");
    expect(b.tree().children[0]?.handled).toBe(0);
  });
});

describe("RESUME after QUIT", () => {
  it("starts a task again that was still on its way down", async () => {
    const { b } = await pairOfNodes(
      root(
        child(
          "x",
          probe({ stop: () => new Promise((resolve) => setTimeout(resolve, 30)) }),
          undefined,
        ),
      ),
    );
    const first = await b.ref<ProbeMessages>("/x").ask("WHO");
    expect(b.quit("x")).toEqual(["x"]);
    expect(b.resume("x")).toEqual(["x"]);
    await eventually(() => {
      const [x] = b.tree().children;
      return x?.state === "running" && x.incarnation !== first;
    });
    expect(b.quit("x")).toEqual(["x"]);
    await eventually(() => b.tree().children[0]?.state === "stopped");
    expect(b.resume("*")).toEqual(["x"]);
    await eventually(() => b.tree().children[0]?.state === "running");
    expect(b.resume("x")).toEqual([]);
  });
});

it("a tree that is refused leaves no channel waiting for its node", async () => {
  const clock = new VirtualClock();
  const starting = startSystem({
    name: "refused",
    logger: silentLogger,
    clock,
    root: ({ nodes }) => {
      nodes.channel("b");
      return supervisor("root", {}, [child("no blanks", probe(), undefined)]);
    },
  });
  await expect(starting).rejects.toMatchObject({ code: "malformed" });
  expect(clock.pendingTimers).toBe(0);
});
