/**
 * The builder: runs one build at a time and is the only writer of the outbox. The link session tells it what
 * to build and what to drop; it tells back what is finished and what is gone. It does not know whether the
 * master is connected: a build goes on while the link is down.
 *
 * States: free -> building -> free. A crash loses the build in hand; the link session is restarted with it
 * and its HELLO no longer lists the token, so that the master gives the build to somebody else at once.
 */
import type { BuildResult, Token } from "../../protocol/model/build.ts";
import { type ActorRef, defineActor } from "../../supervisor/index.ts";
import { DroppedError, NoRoomError, runBuild } from "./build.ts";
import type { Interpreter } from "./interpreter.ts";
import type { BuilderMessages, LinkSessionMessages } from "./messages.ts";
import type { RunnerStatus } from "./runner-status.ts";
import type { BuildSite } from "./workshop.ts";

export interface BuilderArgs {
  readonly site: BuildSite;
  readonly interpreters: readonly Interpreter[];
  /** Where the link session lives. */
  readonly linkPath: string;
}

interface Current {
  readonly token: Token;
  readonly drop: AbortController;
  /** Settles when nothing of the build is left running. */
  readonly over: Promise<unknown>;
}

interface State extends BuilderArgs {
  readonly link: ActorRef<LinkSessionMessages>;
  current: Current | undefined;
}

export const builder = defineActor<BuilderMessages, BuilderArgs, State>({
  name: "builds one package at a time",
  init: (ctx, args) => ({ ...args, link: ctx.ref(args.linkPath), current: undefined }),
  handle: {
    BUILD(state, { order, upstreamIndex, farmIndex }, ctx) {
      const { token } = order;
      if (state.current !== undefined) {
        ctx.log.warn(
          { build: token, inHand: state.current.token },
          "asked to build while building",
        );
        return;
      }
      const finished = state.site.outbox.find(token);
      if (finished !== undefined) {
        state.link.tell("FINISHED", { token });
        return;
      }
      const fields = { package: order.package, version: order.version, build: token };
      const interpreter = state.interpreters.find(({ target }) => target.name === order.target);
      if (interpreter === undefined) {
        // The master was told what this slave serves; the order expires without a BUSY.
        ctx.log.error({ ...fields, target: order.target }, "ordered for a target not served here");
        state.link.tell("DROPPED", { token });
        return;
      }
      ctx.log.info({ ...fields, target: order.target }, "building");
      const drop = new AbortController();
      const signal = AbortSignal.any([ctx.signal, drop.signal]);
      const onStatus = ({ status, text }: RunnerStatus) =>
        void state.link.tell("STATUS", { token, status, text });
      const request = { order, interpreter, upstreamIndex, farmIndex, onStatus };
      const build = endOf(runBuild(request, state.site, signal), (noRoom) =>
        ctx.log.error({ ...fields, alarm: true }, noRoom.message),
      );
      state.current = { token, drop, over: build.catch(() => undefined) };
      ctx.run(async () => {
        const result = await build;
        if (result === undefined) ctx.log.info(fields, "build dropped");
        else
          ctx.log.info({ ...fields, cause: result.cause, detail: result.message }, "build ended");
        ctx.self.tell("ENDED", { token, result });
      });
    },
    async DROP(state, { token, ifRunning = false }) {
      if (state.current?.token === token) {
        state.current.drop.abort();
        return;
      }
      if (ifRunning && state.site.outbox.find(token) !== undefined) {
        state.link.tell("FINISHED", { token });
        return;
      }
      await forget(state, token);
    },
    RUNNING: (state) => state.current?.token ?? null,
    async ENDED(state, { token, result }) {
      const wasDropped = state.current?.drop.signal.aborted ?? false;
      state.current = undefined;
      if (result === undefined || wasDropped) await forget(state, token);
      else state.link.tell("FINISHED", { token });
    },
  },
  async stop(state) {
    // The incarnation's signal has ended the build; its processes and its folder take a moment to go.
    await state.current?.over;
  },
});

async function forget({ site, link }: State, token: Token): Promise<void> {
  await site.outbox.discard(token);
  link.tell("DROPPED", { token });
}

/** Undefined for a build that was dropped, or that a full disk ended without a trace. */
async function endOf(
  build: Promise<BuildResult>,
  onNoRoom: (error: NoRoomError) => void,
): Promise<BuildResult | undefined> {
  try {
    return await build;
  } catch (error) {
    if (error instanceof DroppedError) return undefined;
    if (error instanceof NoRoomError) {
      onNoRoom(error);
      return undefined;
    }
    throw error;
  }
}
