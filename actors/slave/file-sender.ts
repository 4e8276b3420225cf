/**
 * The slave's end of the file link: answers each FETCH with the range of a finished build's file, or says
 * why not. The puller decides what and when, and asks again for what did not arrive; nothing is remembered
 * here from one answer to the next. SEND on the slave link is only a permission, which a FETCH implies.
 */

import { setTimeout as delay } from "node:timers/promises";
import { type FromFileSender, filesLink, type ToFileSender } from "../../protocol/links/files.ts";
import {
  type ActorContext,
  type ActorRef,
  type BodyOf,
  type ClientEndpoint,
  defineActor,
  type MessageOf,
} from "../../supervisor/index.ts";
import { type Connection, openLink } from "./connection.ts";
import type { LinkSessionMessages } from "./messages.ts";
import type { Outbox } from "./outbox.ts";

type Fetch = BodyOf<ToFileSender, "FETCH">;

export interface FileSenderMessages {
  FETCH(body: Fetch): void;
  /** An answer has gone out, or will not. */
  ANSWERED(): void;
}

export interface FileSenderArgs {
  readonly connection: Connection;
  readonly outbox: Outbox;
  /** Where the link session lives. */
  readonly linkPath: string;
}

interface State extends FileSenderArgs {
  readonly link: ActorRef<LinkSessionMessages>;
  readonly endpoint: ClientEndpoint<FromFileSender>;
  /** Being read or sent. */
  inFlight: number;
  readonly waiting: Fetch[];
}

type Context = ActorContext<FileSenderMessages>;

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
    const endpoint = openLink(filesLink, args.connection, ctx.log, {
      up: () => ctx.log.debug("file link is up"),
      down: (reason) => ctx.log.debug({ reason }, "file link is down"),
      message: ctx.bind(({ body }: MessageOf<ToFileSender>) => void ctx.self.tell("FETCH", body)),
    });
    return { ...args, link: ctx.ref(args.linkPath), endpoint, inFlight: 0, waiting: [] };
  },
  handle: {
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
    await state.endpoint.close();
  },
});

function start(state: State, fetch: Fetch, ctx: Context): void {
  state.inFlight += 1;
  ctx.run(async (signal) => {
    await answer(state, fetch, ctx, signal);
    ctx.self.tell("ANSWERED");
  });
}

async function answer(
  state: State,
  { token, filename, offset, lengthBytes }: Fetch,
  ctx: Context,
  signal: AbortSignal,
): Promise<void> {
  const part = await state.outbox.read(token, filename, offset, lengthBytes);
  if ("missing" in part) {
    ctx.log.warn({ build: token, filename, offset, reason: part.missing }, "a file is not given");
    state.endpoint.send("MISSING", { token, filename, reason: part.missing });
    return;
  }
  const chunk = { token, filename, offset, data: part.data };
  const endAt = performance.now() + FULL_TIMEOUT_MS;
  let sent = state.endpoint.send("CHUNK", chunk);
  while (sent === "full" && performance.now() < endAt && !signal.aborted) {
    await delay(FULL_RETRY_MS, undefined, { signal }).catch(() => undefined);
    sent = state.endpoint.send("CHUNK", chunk);
  }
  if (sent === "sent" && part.isLast) state.link.tell("SENT", { token, filename });
}
