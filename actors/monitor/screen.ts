/**
 * The screen: has the terminal, turns keys and news into the next state and has it drawn. What it wants of the master it
 * asks of the watcher. It knows no links; a crash of it costs where one was, not what is known of the farm.
 */
import { type ActorContext, type ActorRef, defineActor } from "../../supervisor/index.ts";
import type { Drawing } from "./screen/draw.tsx";
import type { FarmView } from "./state/farm-view.ts";
import {
  type Effect,
  firstState,
  interestOf,
  type MonitorEvent,
  type MonitorState,
} from "./state/monitor-state.ts";
import { reduce } from "./state/reduce.ts";
import type { Terminal, TerminalHandlers } from "./terminal/terminal.ts";
import type { WatcherMessages } from "./watcher.ts";

export interface ScreenMessages {
  /** The farm as it is known now. */
  FARM(view: FarmView): void;
  /** Anything else that changes what is seen. */
  EVENT(event: MonitorEvent): void;
  TICK(): void;
  /** The watcher has begun, perhaps anew. */
  WATCHED(): void;
  /** Nobody looks any more. */
  GONE(): void;
}

export interface ScreenArgs {
  readonly openTerminal: (handlers: TerminalHandlers) => Terminal;
  readonly openDrawing: () => Drawing;
  readonly watcher: ActorRef<WatcherMessages>;
  /** Ends the program in order. */
  readonly quit: () => void;
}

interface Showing {
  readonly args: ScreenArgs;
  readonly terminal: Terminal;
  readonly drawing: Drawing;
  state: MonitorState;
  interest: string;
}

const SECOND_MS = 1_000;

type Context = ActorContext<ScreenMessages>;

export const screen = defineActor<ScreenMessages, ScreenArgs, Showing>({
  name: "shows the farm on a terminal",
  mailbox: { overflow: "drop-oldest" },
  init(ctx, args) {
    const drawing = args.openDrawing();
    const showing: { current?: Showing } = {};
    const tell = (event: MonitorEvent): void => {
      ctx.self.tell("EVENT", event);
    };
    const terminal = args.openTerminal({
      draw: () => (showing.current === undefined ? "" : drawing.draw(showing.current.state)),
      input: (input) => tell({ kind: "input", input }),
      resized: (size) => tell({ kind: "resized", size }),
      gone: () => {
        ctx.self.tell("GONE");
      },
    });
    const state = firstState(terminal.size, Date.now());
    showing.current = { args, terminal, drawing, state, interest: "" };
    ctx.every(SECOND_MS, "TICK");
    take(showing.current, { kind: "resized", size: terminal.size }, ctx);
    return showing.current;
  },
  handle: {
    FARM(showing, view, ctx) {
      take(showing, { kind: "farm", view }, ctx);
    },
    EVENT(showing, event, ctx) {
      take(showing, event, ctx);
    },
    TICK(showing, _body, ctx) {
      take(showing, { kind: "tick", now: Date.now() }, ctx);
    },
    WATCHED(showing) {
      tellInterest(showing);
    },
    GONE(showing) {
      showing.args.quit();
    },
  },
  async stop({ terminal, drawing }) {
    await terminal.close();
    drawing.close();
  },
});

function take(showing: Showing, event: MonitorEvent, ctx: Context): void {
  const { state, effects } = reduce(showing.state, event);
  showing.state = state;
  for (const effect of effects) bring(showing, effect, ctx);
  if (JSON.stringify(interestOf(state)) !== showing.interest) tellInterest(showing);
  showing.terminal.refresh();
}

function tellInterest(showing: Showing): void {
  const interest = interestOf(showing.state);
  showing.interest = JSON.stringify(interest);
  showing.args.watcher.tell("INTEREST", interest);
}

function bring({ args, terminal }: Showing, effect: Effect, ctx: Context): void {
  switch (effect.kind) {
    case "order":
      args.watcher.tell("ORDER", { id: effect.id, order: effect.order });
      return;
    case "quit":
      args.quit();
      return;
    case "redraw":
      terminal.redraw();
      return;
    case "suspend":
      ctx.run(() => terminal.suspend());
      return;
  }
}
