/**
 * What a person has the master or slaves do: which of it must be confirmed, with what question, and in which words it is
 * spoken of. The orders are those of the control link.
 */
import type { LogLevel } from "../../../protocol/model/order.ts";

import type { Steering } from "../../../protocol/model/steering.ts";
import { cleanText } from "../terminal/clean-text.ts";

/** Slaves by number with the label to speak of, or all. */
export type Whom = { readonly id: number; readonly label: string } | "all";

export type Order =
  /** `*` is all tasks. */
  | { readonly type: "PAUSE" | "RESUME" | "QUIT_TASK"; readonly task: string }
  | { readonly type: "QUIT" }
  | { readonly type: "STEER"; readonly action: Steering; readonly whom: Whom }
  | { readonly type: "LOG_LEVEL"; readonly task: string | null; readonly level: LogLevel | null };

const whoText = (whom: Whom): string => (whom === "all" ? "all slaves" : cleanText(whom.label));
const taskText = (task: string): string => (task === "*" ? "all tasks" : cleanText(task));

/** As one would say it: `kill slave-1`. */
export function orderText(order: Order): string {
  switch (order.type) {
    case "PAUSE":
      return `pause ${taskText(order.task)}`;
    case "RESUME":
      return `resume ${taskText(order.task)}`;
    case "QUIT_TASK":
      return `stop ${taskText(order.task)}`;
    case "QUIT":
      return "terminate the master";
    case "STEER":
      return order.action === "skip"
        ? `have ${whoText(order.whom)} skip the build in hand`
        : order.action === "sleep"
          ? `put ${whoText(order.whom)} to sleep`
          : `${order.action} ${whoText(order.whom)}`;
    case "LOG_LEVEL":
      return `log ${taskText(order.task ?? "*")} ${order.level === null ? "as configured" : `at level ${order.level}`}`;
  }
}

/** What is asked before it is sent; undefined for what harms nobody, or is undone with one key. */
export function questionOf(order: Order): { question: string; why: string } | undefined {
  const question = `${orderText(order).replace(/^./, (letter) => letter.toUpperCase())}?`;
  switch (order.type) {
    case "QUIT":
      return {
        question,
        why: "It stops in order, with all its parts. Somebody must start it again.",
      };
    case "QUIT_TASK":
      return { question, why: "It does nothing more until it is resumed." };
    case "PAUSE":
      return order.task === "*"
        ? { question, why: "Nothing new is begun until they are resumed." }
        : undefined;
    case "STEER":
      return steeringQuestion(question, order.action, order.whom);
    case "RESUME":
    case "LOG_LEVEL":
      return undefined;
  }
}

function steeringQuestion(question: string, action: Steering, whom: Whom) {
  switch (action) {
    case "kill":
      return {
        question,
        why: "What is being built is lost, and the program ends with all its jobs.",
      };
    case "skip":
      return { question, why: "What is being built is lost, and goes to other slaves first." };
    case "sleep":
      return whom === "all"
        ? { question, why: "No builds are given out until they are woken." }
        : undefined;
    case "wake":
      return undefined;
  }
}
