/**
 * The slave's end of the file link: answers each FETCH with the range of a finished build's file, or says
 * why not. The puller decides what and when, and asks again for what did not arrive; nothing is remembered
 * here from one answer to the next.
 *
 * It is connected only while there is something to send: from SEND on the slave link until the builds that were
 * named there have left the outbox. An idle slave costs the master one connection, not two.
 */

import { setTimeout as delay } from "node:timers/promises";
import { type FromFileSender, filesLink, type ToFileSender } from "../../protocol/links/files.ts";
import type { Token } from "../../protocol/model/build.ts";
import {
  type ActorContext,
  type ActorRef,
  type BodyOf,
  type ClientEndpoint,
  defineActor,
  type MessageOf,
} from "../../supervisor/index.ts";
import { type Connection, openLink } from "./connection.ts";
import type { FileSenderMessages, LinkSessionMessages } from "./messages.ts";
import type { Outbox } from "./outbox.ts";

type Fetch = BodyOf<ToFileSender, "FETCH">;

export interface FileSenderArgs {
  readonly connection: Connection;
  readonly outbox: Outbox;
  /** Whose files it hands out. */
  readonly job: number;
  /** Where the link session lives. */
  readonly linkPath: string;
}

interface State extends FileSenderArgs {
  readonly link: ActorRef<LinkSessionMessages>;
  endpoint: ClientEndpoint<FromFileSender> | undefined;
  /** Builds that the master wants; some may have left the outbox. */
  readonly serving: Set<Token>;
  /** Being read or sent. */
  inFlight: number;
  readonly waiting: Fetch[];
}

type Context = ActorContext<FileSenderMessages>;

/** How long a connection stays that nothing is asked on any more. */
const LOOK_MS = 2_000;
/** Enough to keep the disk and the network busy at the same time; 1 MiB of memory each. */
const MAX_IN_FLIGHT = 4;
/** More than any puller keeps open. Beyond it the oldest is forgotten; the puller asks again. */
const MAX_WAITING = 256;
/** The transport's outbox is full: how often to try, and how long before the chunk is given up. */
const FULL_RETRY_MS = 20;
const FULL_TIMEOUT_MS = 30_000;

export const fileSender = defineActor<FileSenderMessages, FileSenderArgs, State>({
  name: "hands files to the master",
  init(ctx, args) {
    ctx.every(LOOK_MS, "LOOK");
    return {
      ...args,
      link: ctx.ref(args.linkPath),
      endpoint: undefined,
      // A predecessor that crashed may have been asked already; one look tells what is not wanted.
      serving: new Set(args.outbox.finished(args.job).map(({ token }) => token)),
      inFlight: 0,
      waiting: [],
    };
  },
  handle: {
    SERVE(state, { token }, ctx) {
      state.serving.add(token);
      connect(state, ctx);
    },
    async LOOK(state, _body, ctx) {
      for (const token of state.serving)
        if (state.outbox.find(token) === undefined) state.serving.delete(token);
      if (state.serving.size > 0) {
        connect(state, ctx);
        return;
      }
      const { endpoint } = state;
      state.endpoint = undefined;
      state.waiting.length = 0;
      await endpoint?.close();
      await state.outbox.rest();
    },
    FETCH(state, body, ctx) {
      if (state.inFlight < MAX_IN_FLIGHT) {
        start(state, body, ctx);
        return;
      }
      state.waiting.push(body);
      if (state.waiting.length > MAX_WAITING) state.waiting.shift();
    },
    ANSWERED(state, _body, ctx) {
      state.inFlight -= 1;
      const next = state.waiting.shift();
      if (next !== undefined) start(state, next, ctx);
    },
  },
  async stop(state) {
    await state.endpoint?.close();
    await state.outbox.rest();
  },
});

function connect(state: State, ctx: Context): void {
  state.endpoint ??= openLink(filesLink, state.connection, ctx.log, {
    up: () => ctx.log.debug("file link is up"),
    down: (reason) => ctx.log.debug({ reason }, "file link is down"),
    message: ctx.bind(({ body }: MessageOf<ToFileSender>) => void ctx.self.tell("FETCH", body)),
  });
}

function start(state: State, fetch: Fetch, ctx: Context): void {
  state.inFlight += 1;
  ctx.run(async (signal) => {
    await answer(state, fetch, ctx, signal);
    ctx.self.tell("ANSWERED");
  });
}

async function answer(
  { endpoint, outbox, link }: State,
  { token, filename, offset, lengthBytes }: Fetch,
  ctx: Context,
  signal: AbortSignal,
): Promise<void> {
  const part = await outbox.read(token, filename, offset, lengthBytes);
  if ("missing" in part) {
    ctx.log.warn({ build: token, filename, offset, reason: part.missing }, "a file is not given");
    endpoint?.send("MISSING", { token, filename, reason: part.missing });
    return;
  }
  const chunk = { token, filename, offset, data: part.data };
  const endAt = performance.now() + FULL_TIMEOUT_MS;
  let sent = endpoint?.send("CHUNK", chunk);
  while (sent === "full" && performance.now() < endAt && !signal.aborted) {
    await delay(FULL_RETRY_MS, undefined, { signal }).catch(() => undefined);
    sent = endpoint?.send("CHUNK", chunk);
  }
  if (sent === "sent" && part.isLast) link.tell("SENT", { token, filename });
}
