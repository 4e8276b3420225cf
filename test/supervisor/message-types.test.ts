/**
 * What the compiler must refuse: a message that its receiver does not take, wherever it is said. Checked by
 * `tsc` in `npm run check` (`@ts-expect-error` fails where nothing is wrong); nothing here is run but the
 * declarations.
 */
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { declareProtocol } from "../../protocol/links/declare.ts";
import {
  type ActorContext,
  type ActorRef,
  type ClientEndpoint,
  child,
  type Deferred,
  defineActor,
  type MessagesOfProtocol,
  type Peer,
  type ServerEndpoint,
  type System,
  type TellResult,
  type Terminated,
} from "../../supervisor/index.ts";

interface Door {
  OPEN(key: { readonly code: number }): boolean;
  COUNT(): number;
  RING(): void;
  GONE(news: Terminated): void;
}

/** Only ever looked at by the compiler. */
const never = <T>(): T => undefined as never;
const compiledOnly = (_work: () => void) => expect(true).toBe(true);

describe("a message that the receiver does not take does not compile", () => {
  it("through a ref: tell, send and ask", () => {
    compiledOnly(() => {
      const ref = never<ActorRef<Door>>();
      expectTypeOf(ref.tell("OPEN", { code: 1 })).toEqualTypeOf<TellResult>();
      expectTypeOf(ref.send("RING")).toEqualTypeOf<Promise<TellResult>>();
      expectTypeOf(ref.ask("OPEN", { code: 1 })).resolves.toEqualTypeOf<boolean>();
      expectTypeOf(ref.ask("COUNT")).resolves.toEqualTypeOf<number>();
      expectTypeOf(ref.ask("RING", undefined, { timeoutMs: 1 })).toEqualTypeOf<Promise<void>>();
      // @ts-expect-error nobody takes SHUT
      ref.tell("SHUT");
      // @ts-expect-error OPEN wants a key
      ref.tell("OPEN");
      // @ts-expect-error the code is a number
      ref.tell("OPEN", { code: "1" });
      // @ts-expect-error RING has no body
      ref.tell("RING", { code: 1 });
      // @ts-expect-error nobody takes SHUT
      void ref.send("SHUT");
      // @ts-expect-error OPEN wants a key
      void ref.send("OPEN");
      // @ts-expect-error the code is a number
      void ref.send("OPEN", { code: "1" });
      // @ts-expect-error RING has no body
      void ref.send("RING", { code: 1 });
      // @ts-expect-error nobody takes SHUT
      void ref.ask("SHUT");
      // @ts-expect-error OPEN wants a key
      void ref.ask("OPEN");
      // @ts-expect-error the code is a number
      void ref.ask("OPEN", { code: "1" });
      // @ts-expect-error RING has no body
      void ref.ask("RING", { code: 1 });
      // @ts-expect-error the options come after the body
      void ref.ask("COUNT", { timeoutMs: 1 });
      // @ts-expect-error COUNT gives a number
      expectTypeOf(ref.ask("COUNT")).resolves.toEqualTypeOf<string>();
    });
  });

  it("to itself: ctx.self, ctx.after, ctx.every and ctx.watch", () => {
    compiledOnly(() => {
      const ctx = never<ActorContext<Door>>();
      expectTypeOf(ctx.self).toEqualTypeOf<ActorRef<Door>>();
      ctx.after(1, "OPEN", { code: 1 });
      ctx.every(1, "RING");
      ctx.watch(ctx.self, "GONE");
      // @ts-expect-error nobody takes SHUT
      ctx.self.tell("SHUT");
      // @ts-expect-error nobody takes SHUT
      ctx.after(1, "SHUT");
      // @ts-expect-error OPEN wants a key
      ctx.after(1, "OPEN");
      // @ts-expect-error RING has no body
      ctx.every(1, "RING", { code: 1 });
      // @ts-expect-error OPEN cannot carry a Terminated
      ctx.watch(ctx.self, "OPEN");
      // @ts-expect-error RING has no body at all
      ctx.watch(ctx.self, "RING");
      // @ts-expect-error nobody takes SHUT
      ctx.watch(ctx.self, "SHUT");
    });
  });

  it("by handing a ref on: of a wider protocol as of a narrower one, but not the other way round", () => {
    compiledOnly(() => {
      const door = never<ActorRef<Door>>();
      const bell: ActorRef<Pick<Door, "RING">> = door;
      // @ts-expect-error a bell cannot be opened
      const wider: ActorRef<Door> = bell;
      // @ts-expect-error a door is no lamp
      const other: ActorRef<{ LIGHT(): void }> = door;
      // @ts-expect-error this door's key is no string
      const body: ActorRef<{ OPEN(key: string): boolean }> = door;
      // @ts-expect-error this door answers with a boolean
      const reply: ActorRef<{ OPEN(key: { readonly code: number }): string }> = door;
      void [wider, other, body, reply];
    });
  });

  it("to a child that was started at run time, or pinned", async () => {
    const opener = defineActor<Door, { readonly code: number }>({
      name: "opens",
      init() {},
      handle: { OPEN: () => true, COUNT: () => 1, RING() {}, GONE() {} },
    });
    expect(opener.name).toBe("opens");
    compiledOnly(() => {
      void (async (system: System) => {
        const started = await system.startChild("/d", child("x", opener, { code: 1 }));
        expectTypeOf(started).toEqualTypeOf<ActorRef<Door>>();
        expectTypeOf(system.pin(started)).toEqualTypeOf<ActorRef<Door>>();
        // @ts-expect-error nobody takes SHUT
        started.tell("SHUT");
        // @ts-expect-error nobody takes SHUT
        system.pin(started).tell("SHUT");
        // @ts-expect-error its args are a code
        child("x", opener, undefined);
        // @ts-expect-error its code is a number
        child("x", opener, { code: "1" });
      });
    });
  });

  it("by declaring handlers: one for each message, with its body, answering with its reply", () => {
    const others = { COUNT: () => 1, RING() {}, GONE() {} };
    const init = () => undefined;
    expect([
      defineActor<Door>({
        name: "takes the body and answers later",
        init,
        handle: {
          ...others,
          OPEN(_state, key, ctx) {
            expectTypeOf(key).toEqualTypeOf<{ readonly code: number }>();
            expectTypeOf(ctx).toEqualTypeOf<ActorContext<Door>>();
            expectTypeOf(ctx.defer<boolean>()).toEqualTypeOf<Deferred<boolean>>();
            return ctx.defer<boolean>();
          },
        },
      }),
      // @ts-expect-error no handler for OPEN
      defineActor<Door>({ name: "lacks one", init, handle: others }),
      defineActor<Door>({
        name: "answers wrongly",
        init,
        // @ts-expect-error OPEN answers with a boolean
        handle: { ...others, OPEN: () => "yes" },
      }),
      defineActor<Door>({
        name: "wants another body",
        init,
        // @ts-expect-error the body of OPEN is a key
        handle: { ...others, OPEN: (_state, key: string) => key === "" },
      }),
      defineActor<Door>({
        name: "has a control message that it does not take",
        init,
        // @ts-expect-error nobody takes SHUT
        control: ["SHUT"],
        handle: { ...others, OPEN: () => true },
      }),
    ]).toHaveLength(5);
  });
});

const doorProtocol = declareProtocol({
  name: "door",
  messages: {
    OPEN: { body: z.object({ code: z.number() }), reply: z.boolean() },
    RING: {},
    NEWS: { body: z.string(), lossy: true },
  },
});
type DeclaredDoor = MessagesOfProtocol<typeof doorProtocol>;

describe("a declared protocol", () => {
  it("gives the same types as one that is written by hand", () => {
    expectTypeOf<keyof DeclaredDoor>().toEqualTypeOf<"OPEN" | "RING" | "NEWS">();
    expectTypeOf<DeclaredDoor["RING"]>().toEqualTypeOf<() => void>();
    expectTypeOf<DeclaredDoor["NEWS"]>().toEqualTypeOf<(body: string) => void>();
    compiledOnly(() => {
      const ref = never<ActorRef<DeclaredDoor>>();
      expectTypeOf(ref.ask("OPEN", { code: 1 })).resolves.toEqualTypeOf<boolean>();
      ref.tell("RING");
      // @ts-expect-error nobody takes SHUT
      ref.tell("SHUT");
      // @ts-expect-error the code is a number
      ref.tell("OPEN", { code: "1" });
      // @ts-expect-error OPEN wants a key
      ref.tell("OPEN");
      // @ts-expect-error RING has no body
      ref.tell("RING", {});
      // @ts-expect-error a declared door is not one that counts
      const counting: ActorRef<Door> = ref;
      void counting;
    });
  });

  it("says at run time what its types say", () => {
    expect(doorProtocol.checkBody("OPEN", { code: 1 })).toEqual({ ok: true, value: { code: 1 } });
    expect(doorProtocol.checkBody("OPEN", { code: "1" }).ok).toBe(false);
    expect(doorProtocol.checkBody("OPEN", undefined).ok).toBe(false);
    expect(doorProtocol.checkBody("RING", undefined).ok).toBe(true);
    expect(doorProtocol.checkBody("RING", { code: 1 }).ok).toBe(false);
    expect(doorProtocol.checkBody("SHUT", undefined).ok).toBe(false);
    expect(doorProtocol.checkBody("constructor", undefined).ok).toBe(false);
    expect(doorProtocol.checkReply("OPEN", true).ok).toBe(true);
    expect(doorProtocol.checkReply("OPEN", "yes").ok).toBe(false);
    expect([...doorProtocol.lossy]).toEqual(["NEWS"]);
  });
});

describe("a link", () => {
  type ToServer = { readonly HELLO: { readonly body: { readonly name: string } } } & {
    readonly SUM: { readonly body: readonly number[]; readonly reply: number };
  };
  type ToClient = { readonly BYE: { readonly body: string } };

  it("takes its own messages from either end, and no others", () => {
    compiledOnly(() => {
      const client = never<ClientEndpoint<ToServer>>();
      const server = never<ServerEndpoint<ToClient>>();
      const peer = never<Peer>();
      client.send("HELLO", { name: "a" });
      server.send(peer, "BYE", "b");
      expectTypeOf(client.ask("SUM", [1], 5)).resolves.toEqualTypeOf<number>();
      // @ts-expect-error BYE is what the server says
      client.send("BYE", "b");
      // @ts-expect-error a name is a string
      client.send("HELLO", { name: 1 });
      // @ts-expect-error HELLO is what the client says
      server.send(peer, "HELLO", { name: "a" });
      // @ts-expect-error numbers
      void client.ask("SUM", ["1"], 5);
      // @ts-expect-error HELLO has no answer
      expectTypeOf(client.ask("HELLO", { name: "a" }, 5)).resolves.toEqualTypeOf<number>();
    });
  });
});
