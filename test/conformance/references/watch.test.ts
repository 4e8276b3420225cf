/** Case 64: what is promised of death watch, for every kind of reference. */
import { afterAll, beforeAll, describe, expect } from "vitest";
import { child, defineActor, type Terminated } from "../../../supervisor/index.ts";
import { gate } from "../../support/probe.ts";
import { allKinds, disposeThreads, each, prepareThreads } from "../../support/reference-kinds.ts";
import { type References, until } from "./references.ts";

beforeAll(prepareThreads, 60_000);
afterAll(disposeThreads);

interface WatcherMessages {
  WATCH(path: string): void;
  UNWATCH(path: string): void;
  CRASH(): void;
  /** In hand until it has been told to go on; then gives up the watch of that path. */
  LOSE_INTEREST(message: { readonly path: string; when(begun: true): Promise<void> }): void;
  ENDED(news: Terminated): void;
}

/** An actor of the caller's that watches, and what it was told. */
async function startWatcher({ caller }: References) {
  const news: Terminated[] = [];
  const watcher = defineActor<WatcherMessages>({
    name: "watches others",
    init: () => undefined,
    handle: {
      // Twice is as once.
      WATCH: (_state, path, ctx) => {
        ctx.watch(ctx.ref(path), "ENDED");
        ctx.watch(ctx.ref(path), "ENDED");
      },
      UNWATCH: (_state, path, ctx) => ctx.unwatch(ctx.ref(path)),
      CRASH: () => {
        throw new Error("boom");
      },
      LOSE_INTEREST: async (_state, { path, when }, ctx) => {
        await when(true);
        ctx.unwatch(ctx.ref(path));
      },
      ENDED: (_state, ended) => void news.push(ended),
    },
  });
  const ref = await caller.startChild("/callers", child("w", watcher, undefined));
  return { ref, news };
}

/** What was said to the callee before has arrived there, watches too. */
const arrived = ({ ref }: References) => ref("/a").ask("WHO");

describe("watch", () => {
  const ends = [
    ["a stop", "shutdown"],
    ["a normal end", "normal"],
    ["a crash of a temporary child", "error"],
  ] as const;
  for (const [how, reason] of ends) {
    each(allKinds, `40: ${how} is told once, with the reason ${reason}`, async ({ start }) => {
      const references = await start();
      const { path, callee } = references;
      const kid = await references.startKid("x", "plain", { restart: "temporary" });
      const { ref, news } = await startWatcher(references);
      await ref.ask("WATCH", path("/kids/x"));
      const incarnation = await kid.ask("WHO");
      if (how === "a stop") await callee.stopChild("/kids/x");
      else if (reason === "normal") kid.tell("EXIT", "normal");
      else kid.tell("CRASH", "boom");
      await until(() => news.length === 1, "the watcher is told");
      expect(news[0]).toMatchObject({
        path: path("/kids/x"),
        incarnation,
        reason: { kind: reason },
      });
      if (reason === "error")
        expect(news[0]).toMatchObject({ reason: { error: { message: "boom" } } });
      // Another watch of the same path is another question.
      await ref.ask("WATCH", path("/kids/x"));
      await until(() => news.length === 2, "nobody lives there now");
      expect(news[1]).toMatchObject({ reason: { kind: "noproc" } });
      await arrived(references);
      expect(news).toHaveLength(2);
    });
  }

  each(
    allKinds,
    "41, 44: a watch of nobody is told at once, once, as noproc, also when it was made twice",
    async ({ start }) => {
      const references = await start();
      const { ref, news } = await startWatcher(references);
      await ref.ask("WATCH", references.path("/b"));
      await until(() => news.length === 1, "the watcher is told");
      await arrived(references);
      expect(news).toEqual([
        { path: references.path("/b"), incarnation: 0, reason: { kind: "noproc" } },
      ]);
    },
  );

  each(allKinds, "42: a restart is no end", async ({ start }) => {
    const references = await start();
    const { ref: refTo, path, callee } = references;
    const { ref, news } = await startWatcher(references);
    await ref.ask("WATCH", path("/a"));
    const first = await arrived(references);
    refTo("/a").tell("CRASH", "boom");
    const second = await arrived(references);
    expect(second).not.toBe(first);
    expect(news).toEqual([]);
    await callee.stopChild("/a");
    await until(() => news.length === 1, "the watcher is told");
    expect(news[0]).toMatchObject({ incarnation: second, reason: { kind: "shutdown" } });
  });

  each(
    allKinds,
    "43: unwatch between the end and its delivery means that nothing is delivered",
    async ({ start }) => {
      const references = await start();
      const { path, callee, caller } = references;
      await references.startKid("x", "plain");
      const { ref, news } = await startWatcher(references);
      await ref.ask("WATCH", path("/kids/x"));
      await arrived(references);
      const begun = gate();
      const proceed = gate();
      const when = () => {
        begun.open();
        return proceed.promise;
      };
      const lost = ref.ask("LOSE_INTEREST", { path: path("/kids/x"), when });
      await begun.promise;
      await callee.stopChild("/kids/x");
      const depth = () => caller.tree().children.at(-1)?.children[0]?.mailboxDepth;
      await until(() => depth() === 1, "the news waits at the watcher");
      proceed.open();
      await lost;
      await arrived(references);
      await ref.ask("UNWATCH", path("/kids/x"));
      expect(depth()).toBe(0);
      expect(news).toEqual([]);
    },
  );

  each(allKinds, "43: after unwatch nothing is told", async ({ start }) => {
    const references = await start();
    const { path, callee } = references;
    await references.startKid("x", "plain");
    await references.startKid("y", "plain");
    const { ref, news } = await startWatcher(references);
    await ref.ask("WATCH", path("/kids/x"));
    await ref.ask("WATCH", path("/kids/y"));
    await ref.ask("UNWATCH", path("/kids/x"));
    await arrived(references);
    await callee.stopChild("/kids/x");
    await callee.stopChild("/kids/y");
    await until(() => news.length === 1, "the watcher is told of the other");
    expect(news).toMatchObject([{ path: path("/kids/y") }]);
  });

  each(
    allKinds,
    "44: watching twice tells once; a watch ends with the incarnation that made it",
    async ({ start }) => {
      const references = await start();
      const { path, callee } = references;
      for (const id of ["x", "y", "z"]) await references.startKid(id, "plain");
      const { ref, news } = await startWatcher(references);
      await ref.ask("WATCH", path("/kids/x"));
      await ref.ask("CRASH").catch(() => undefined);
      for (const id of ["y", "y", "z"]) await ref.ask("WATCH", path(`/kids/${id}`));
      await arrived(references);
      for (const id of ["x", "y", "z"]) await callee.stopChild(`/kids/${id}`);
      await until(() => news.some((one) => one.path === path("/kids/z")), "the last one is told");
      await arrived(references);
      expect(news.map((one) => one.path)).toEqual([path("/kids/y"), path("/kids/z")]);
    },
  );
});
