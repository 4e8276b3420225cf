import { describe, expect, it } from "vitest";
import {
  child,
  defineActor,
  dynamicSupervisor,
  type Listing,
  SupervisionError,
  supervisor,
} from "../../supervisor/index.ts";
import { boot, gate, type ProbeMessages, probe } from "../support/probe.ts";

const quick = { minMs: 10, maxMs: 10, resetAfterMs: 1_000 };

interface ListenerMessages {
  FOUND(listing: Listing<ProbeMessages>): void;
  HOLD(until: Promise<void>): Promise<void>;
  STOP_LISTENING(): void;
  AGAIN(): void;
  CRASH(): void;
}

/** Writes down each listing of the name "w" that it is told. */
const listener = (heard: string[][]) =>
  defineActor<ListenerMessages>({
    name: "follows a name",
    mailbox: { bound: 1 },
    init: (ctx) => void ctx.subscribe("w", "FOUND"),
    handle: {
      FOUND: (_state, { refs }) => void heard.push(refs.map(({ path }) => path)),
      HOLD: (_state, until) => until,
      STOP_LISTENING: (_state, _body, ctx) => ctx.unsubscribe("w"),
      AGAIN: (_state, _body, ctx) => ctx.subscribe("w", "FOUND"),
      CRASH() {
        throw new Error("boom");
      },
    },
  });

interface NamedMessages {
  WHO_ELSE(): string[];
  LEAVE(): void;
  CRASH(): void;
}

const named = defineActor<NamedMessages, string>({
  name: "has a name",
  init: (ctx, name) => void ctx.register(name),
  handle: {
    WHO_ELSE: (_state, _body, ctx) => ctx.listing("w").refs.map(({ path }) => path),
    LEAVE: (_state, _body, ctx) => ctx.unregister("w"),
    CRASH() {
      throw new Error("boom");
    },
  },
});

describe("registry", () => {
  it("56: a name leads to all actors that have it, and is freed when one ends for good, not when it restarts", async () => {
    const { system, clock } = await boot(
      supervisor("root", { backoff: quick }, [
        child("one", named, "w"),
        child("two", named, "w"),
        child("other", named, "v"),
      ]),
    );
    const names = () => system.listing("w").refs.map(({ path }) => path);
    expect(names()).toEqual(["/one", "/two"]);
    expect(system.listing("v").refs).toHaveLength(1);
    expect(system.listing("nobody's")).toEqual({ name: "nobody's", refs: [] });
    const [ref] = system.listing<NamedMessages>("w").refs;
    await expect(ref?.ask("WHO_ELSE")).resolves.toEqual(["/one", "/two"]);
    ref?.tell("CRASH");
    await clock.settle();
    expect(names()).toEqual(["/one", "/two"]);
    await clock.advance(50);
    expect(names()).toEqual(["/one", "/two"]);
    await system.stopChild("/one");
    expect(names()).toEqual(["/two"]);
    system.ref<NamedMessages>("/two").tell("LEAVE");
    await clock.settle();
    expect(names()).toEqual([]);
  });

  it("56: a name is freed when its actor is failed, and taken again by the incarnation that is revived", async () => {
    const { system, clock } = await boot(
      supervisor("root", { backoff: quick, intensity: { restarts: 0, withinMs: 1_000 } }, [
        child("one", named, "w", { revive: { minMs: 500, maxMs: 500 } }),
      ]),
    );
    system.ref<NamedMessages>("/one").tell("CRASH");
    await clock.advance(100);
    expect(system.listing("w").refs).toEqual([]);
    await clock.advance(500);
    expect(system.listing("w").refs).toHaveLength(1);
  });

  it("56: nobody, a supervisor, the ended, another node's actor and an empty name are refused", async () => {
    const { system } = await boot(
      supervisor("root", {}, [dynamicSupervisor("d"), child("a", probe(), undefined)]),
    );
    const ref = await system.startChild("/d", child("x", probe(), undefined));
    await system.stopChild("/d/x");
    const refused = (name: string, path: string, code: string) => {
      const register = () => system.register(name, { path });
      expect(register).toThrow(SupervisionError);
      expect(register).toThrow(expect.objectContaining({ code }));
    };
    refused("w", "/nobody", "not_found");
    refused("w", "/d", "not_found");
    refused("w", ref.path, "not_found");
    refused("w", "db:/a", "not_local");
    refused("", "/a", "malformed");
    expect(system.listing("w").refs).toEqual([]);
    system.register("w", system.ref("/a"));
    system.register("w", system.ref("/a"));
    expect(system.listing("w").refs).toHaveLength(1);
    system.unregister("w", system.ref("/a"));
    system.unregister("w", system.ref("/a"));
    expect(system.listing("w").refs).toEqual([]);
  });

  it("56: a fenced incarnation cannot take a name", async () => {
    const hold = gate();
    const outcomes: unknown[] = [];
    const late = defineActor<{ CRASH(): void }>({
      name: "registers late",
      init: (ctx) =>
        void ctx.run(async () => {
          await hold.promise;
          try {
            ctx.register("w");
          } catch (error) {
            outcomes.push(error);
          }
        }),
      handle: {
        CRASH() {
          throw new Error("boom");
        },
      },
    });
    const { system, clock } = await boot(
      supervisor("root", {}, [child("a", late, undefined, { restart: "temporary" })]),
    );
    system.ref<{ CRASH(): void }>("/a").tell("CRASH");
    await clock.settle();
    hold.open();
    await clock.settle();
    expect(outcomes).toMatchObject([{ code: "stopped" }]);
    expect(system.listing("w").refs).toEqual([]);
  });

  it("56: a subscriber gets the listing at once and after each change, also with a full mailbox", async () => {
    const heard: string[][] = [];
    const { system, clock } = await boot(
      supervisor("root", {}, [
        child("l", listener(heard), undefined),
        dynamicSupervisor("d"),
        child("a", probe(), undefined),
      ]),
    );
    await clock.settle();
    expect(heard).toEqual([[]]);
    await system.startChild("/d", child("x", named, "w"));
    await clock.settle();
    system.register("w", system.ref("/a"));
    await clock.settle();
    system.register("w", system.ref("/a"));
    await clock.settle();
    expect(heard.slice(1)).toEqual([["/d/x"], ["/d/x", "/a"]]);
    const hold = gate();
    const ref = system.ref<ListenerMessages>("/l");
    ref.tell("HOLD", hold.promise);
    await clock.settle();
    while (ref.tell("AGAIN") === "queued");
    await system.stopChild("/d/x");
    system.unregister("w", system.ref("/a"));
    hold.open();
    await clock.settle();
    // Both changes came while it was busy: one message tells of both.
    expect(heard.slice(3)).toEqual([[]]);
  });

  it("56: a subscription ends with unsubscribe, even for what is on its way, and with the incarnation that made it", async () => {
    const heard: string[][] = [];
    const { system, clock } = await boot(
      supervisor("root", { backoff: quick }, [
        child("l", listener(heard), undefined),
        child("a", probe(), undefined),
      ]),
    );
    const ref = system.ref<ListenerMessages>("/l");
    const hold = gate();
    await clock.settle();
    heard.length = 0;
    ref.tell("CRASH");
    await clock.advance(50);
    // The next incarnation subscribed for itself: it is told once, not once for each of them.
    expect(heard).toEqual([[]]);
    ref.tell("AGAIN");
    system.register("w", system.ref("/a"));
    await clock.settle();
    expect(heard).toEqual([[], ["/a"]]);
    await ref.send("HOLD", hold.promise);
    await clock.settle();
    await ref.send("STOP_LISTENING");
    hold.open();
    await clock.settle();
    system.unregister("w", system.ref("/a"));
    await clock.settle();
    expect(heard).toHaveLength(2);
    ref.tell("AGAIN");
    await clock.settle();
    expect(heard.slice(2)).toEqual([[]]);
  });

  it("56: what is on its way when the subscriber unsubscribes is not delivered", async () => {
    const heard: string[][] = [];
    const fickle = defineActor<{ CHANGE(): void; FOUND(listing: Listing): void }>({
      name: "changes its mind",
      init(ctx) {
        ctx.subscribe("w", "FOUND");
        // @ts-expect-error CHANGE cannot carry a Listing
        ctx.subscribe("w", "CHANGE");
      },
      handle: {
        CHANGE(_state, _body, ctx) {
          ctx.register("w");
          ctx.unsubscribe("w");
        },
        FOUND: (_state, { refs }) => void heard.push(refs.map(({ path }) => path)),
      },
    });
    const { system, clock } = await boot(supervisor("root", {}, [child("f", fickle, undefined)]));
    await clock.settle();
    system.ref<{ CHANGE(): void }>("/f").tell("CHANGE");
    await clock.settle();
    expect(system.listing("w").refs).toHaveLength(1);
    expect(heard).toEqual([[]]);
  });
});
