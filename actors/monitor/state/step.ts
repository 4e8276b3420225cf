/** What a key, a click or a piece of news leads to: the next state, and what is to be done outside of it. Pure. */
import type { Tone } from "./farm-view.ts";
import type { Effect, MonitorState, Notice } from "./monitor-state.ts";
import { type Order, orderText, questionOf } from "./order.ts";

export interface Step {
  readonly state: MonitorState;
  readonly effects: readonly Effect[];
}

export const still = (state: MonitorState): Step => ({ state, effects: [] });

/** More would be remembered than anybody could look at: only the last is on the screen. */
const MAX_NOTICES = 50;

/** Sends an order, or asks first where it could do harm. */
export function propose(state: MonitorState, order: Order): Step {
  const asked = questionOf(order);
  if (asked === undefined) return send(state, order);
  const dialog = { kind: "confirm" as const, ...asked, order, isYes: false };
  return still({ ...state, dialog });
}

/** Without a question: it was asked, or there was none. */
export function send(state: MonitorState, order: Order): Step {
  const closed = { ...state, dialog: null };
  const what = orderText(order);
  if (!state.farm.connection.isHere)
    return still(note(closed, "bad", `${what}: refused: the master is away`));
  const id = state.lastOrder + 1;
  return {
    state: { ...note(closed, "quiet", `${what}: asked the master…`, id), lastOrder: id },
    effects: [{ kind: "order", id, order }],
  };
}

export function note(state: MonitorState, tone: Tone, text: string, id = 0): MonitorState {
  const notice: Notice = { id, at: state.now, tone, text };
  return { ...state, notices: [...state.notices, notice].slice(-MAX_NOTICES) };
}
