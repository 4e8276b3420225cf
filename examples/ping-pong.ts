/**
 * Two actors that play ping-pong, and one that watches: messages with types, asks, and a system that stops in
 * order. Run it with `node dist/examples/ping-pong.js` after `npm run build`.
 */
import {
  type ActorRef,
  child,
  type Deferred,
  defineActor,
  silentLogger,
  startSystem,
  supervisor,
  type Terminated,
} from "../supervisor/index.ts";

/** What a player takes. A message that is not listed here does not compile. */
interface PlayerMessages {
  BALL(body: { readonly from: ActorRef<PlayerMessages>; readonly left: number }): void;
  HITS(): number;
}

const player = defineActor<PlayerMessages, undefined, { hits: number }>({
  name: "plays",
  init: () => ({ hits: 0 }),
  handle: {
    BALL(state, { from, left }, ctx) {
      state.hits += 1;
      if (left > 0) from.tell("BALL", { from: ctx.self, left: left - 1 });
      else ctx.exit();
    },
    HITS: (state) => state.hits,
  },
});

interface UmpireMessages {
  OVER(ended: Terminated): void;
  RESULT(): string;
}

/** An answer that is given later: handlers do not overlap, so waiting in one would keep OVER out. */
interface UmpireState {
  result: string | undefined;
  readonly waiting: Deferred<string>[];
}

const umpire = defineActor<UmpireMessages, readonly string[], UmpireState>({
  name: "sees who ends first",
  init(ctx, players) {
    for (const path of players) ctx.watch(ctx.ref(path), "OVER");
    return { result: undefined, waiting: [] };
  },
  handle: {
    OVER(state, { path, reason }) {
      state.result = `${path} has ended: ${reason.kind}`;
      for (const answer of state.waiting.splice(0)) answer.resolve(state.result);
    },
    RESULT(state, _body, ctx) {
      if (state.result !== undefined) return state.result;
      const answer = ctx.defer<string>();
      state.waiting.push(answer);
      return answer;
    },
  },
});

const system = await startSystem({
  name: "ping-pong",
  logger: silentLogger,
  root: supervisor("root", {}, [
    child("ping", player, undefined, { restart: "transient" }),
    child("pong", player, undefined, { restart: "transient" }),
    child("umpire", umpire, ["/ping", "/pong"]),
  ]),
});

const ping = system.ref<PlayerMessages>("/ping");
const pong = system.ref<PlayerMessages>("/pong");
const result = system.ref<UmpireMessages>("/umpire").ask("RESULT");
ping.tell("BALL", { from: pong, left: 9_999 });
process.stdout.write(`${await result}\n`);
process.stdout.write(`/ping hit the ball ${await ping.ask("HITS")} times\n`);
await system.stop();
