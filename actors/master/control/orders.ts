/**
 * Carries out what a person orders the master to do, and says in words what it was and what became of it. Called by
 * Control, which decides who may order and keeps it.
 */
import {
  type ControlOrders,
  type ControlQuestions,
  isOrder,
} from "../../../protocol/links/control.ts";
import type { ToSlaveDriver } from "../../../protocol/links/tasks/slave-driver.ts";
import type { Obeyed } from "../../../protocol/model/order.ts";
import type { SlavesAsked, Steered } from "../../../protocol/model/steering.ts";
import type { ActorRef, MessageOf } from "../../../supervisor/index.ts";
import type { DatabaseRef } from "../database.ts";
import type { MasterPart } from "../part.ts";
import { steer } from "../steering.ts";
import { askAll } from "./ask-parts.ts";

export type GivenOrder = MessageOf<ControlOrders>;

export const isGiven = (message: MessageOf<ControlQuestions>): message is GivenOrder =>
  isOrder(message.type);

export interface Staff {
  readonly database: DatabaseRef;
  readonly slaveDriver: ActorRef<ToSlaveDriver>;
  readonly parts: readonly MasterPart[];
}

/** As `piw` would be told. */
export function whatOf({ type, body }: GivenOrder): string {
  switch (type) {
    case "PAUSE":
      return `pause ${body.task}`;
    case "RESUME":
      return `resume ${body.task}`;
    case "QUIT_TASK":
      return `quit ${body.task}`;
    case "QUIT":
      return "quit";
    case "STEER":
      return `slaves ${body.action} ${nameOf(body.slaves)}`;
    case "LOG_LEVEL":
      return `log-level ${body.level ?? "reset"}${body.task === null ? "" : ` ${body.task}`}`;
  }
}

const nameOf = (slaves: SlavesAsked): string =>
  "id" in slaves ? `--id ${slaves.id}` : slaves.label;

/** What it is answered with. QUIT itself is for Control: it comes after the answer. */
export async function carryOut({ type, body }: GivenOrder, staff: Staff): Promise<Obeyed> {
  switch (type) {
    case "PAUSE":
      return atTasks(
        staff,
        (part) => part.pause(body.task),
        "paused",
        `no task of the master that can be paused is called ${body.task}`,
      );
    case "RESUME":
      return atTasks(
        staff,
        (part) => part.resume(body.task),
        "running",
        `no task of the master that can be paused, or was told to quit, is called ${body.task}`,
      );
    case "QUIT_TASK":
      return atTasks(
        staff,
        (part) => part.quitTask(body.task),
        "stopped",
        `no task of the master that can be stopped is called ${body.task}`,
      );
    case "QUIT":
      return { isDone: true, outcome: "the master stops" };
    case "STEER": {
      const slaves = await steer(staff, body.slaves, body.action);
      const isDone = slaves.some((slave) => slave.isDone);
      return { isDone, outcome: steeredText(slaves), ...{ slaves } };
    }
    case "LOG_LEVEL": {
      const { task, level } = body;
      const logs = level === null ? "logs as configured" : `logs at ${level}`;
      const said = (part: MasterPart) => part.logLevel(task, level);
      if (task !== null)
        return atTasks(staff, said, logs, `no task of the master is called ${task}`);
      const { silent } = await askAll(staff.parts, said);
      return told({ tasks: [], silent }, `the master ${logs}`);
    }
  }
}

async function atTasks(
  { parts }: Staff,
  say: (part: MasterPart) => Promise<readonly string[]>,
  done: string,
  nobody: string,
): Promise<Obeyed> {
  const { found, silent } = await askAll(parts, say);
  const tasks = [...new Set(found)];
  return told(
    { tasks, silent },
    tasks.length === 0 ? undefined : `${done}: ${tasks.join(", ")}`,
    nobody,
  );
}

/** `done` undefined: it concerned nobody. */
function told(
  whom: { readonly tasks: readonly string[]; readonly silent: readonly string[] },
  done: string | undefined,
  nobody = "",
): Obeyed {
  const { silent } = whom;
  const unknown =
    silent.length === 0
      ? []
      : [
          `these parts of the master did not answer, so whether their tasks obeyed is unknown: ${silent.join(", ")}`,
        ];
  const words = [...(done === undefined ? [] : [done]), ...unknown];
  const outcome = words.length === 0 ? nobody : words.join("; ");
  const isDone = done !== undefined && silent.length === 0;
  return { isDone, outcome: cut(outcome), ...whom };
}

function steeredText(slaves: readonly Steered[]): string {
  if (slaves.length === 0) return "the master knows no such slave";
  return cut(slaves.map(({ label, what }) => `${label}: ${what}`).join("; "));
}

const LONGEST_OUTCOME = 1_000;
const cut = (text: string): string =>
  text.length <= LONGEST_OUTCOME ? text : `${text.slice(0, LONGEST_OUTCOME - 1)}…`;
