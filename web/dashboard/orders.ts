/** What may be ordered from the dashboard: one JSON object, checked, with its words and whether it needs a second thought. */
import { z } from "zod";
import { logLevelSchema } from "../../protocol/model/order.ts";
import { rowIdSchema } from "../../protocol/model/scalar.ts";
import { slavesAskedSchema, steeringSchema } from "../../protocol/model/steering.ts";
import { textSchema } from "../../protocol/model/text.ts";

const taskSchema = textSchema(200).refine((task) => task !== "", "a task is to be named");

export const logLevels = logLevelSchema.options;

export const orderSchema = z.discriminatedUnion("what", [
  z.strictObject({ what: z.literal("steer"), action: steeringSchema, slaves: slavesAskedSchema }),
  /** `*`: all tasks. */
  z.strictObject({ what: z.literal("pause"), task: taskSchema }),
  z.strictObject({ what: z.literal("resume"), task: taskSchema }),
  z.strictObject({ what: z.literal("quit-task"), task: taskSchema }),
  /** The master itself. */
  z.strictObject({ what: z.literal("quit") }),
  z.strictObject({
    what: z.literal("log-level"),
    task: taskSchema.nullable(),
    /** Null: as it was configured. */
    level: logLevelSchema.nullable(),
  }),
]);
export type Order = z.infer<typeof orderSchema>;

export interface OrderOutcome {
  /** False: refused, or there was nothing to do; `text` says which. */
  readonly isDone: boolean;
  /** For people, a line each. */
  readonly text: string;
}

/** What an order button of a page carries; its script sends it as it is. */
export interface OrderButton {
  readonly order: Order;
  /** On the button. */
  readonly text: string;
  /** Asked before it is sent; undefined for what can be taken back and harms nobody. */
  readonly question?: string;
}

export function slaveButtons(slave: {
  readonly id: number;
  readonly label: string;
  readonly isAsleep: boolean;
}): readonly OrderButton[] {
  const slaves = { id: rowIdSchema.parse(slave.id) };
  const { label } = slave;
  return [
    slave.isAsleep
      ? { order: { what: "steer", action: "wake", slaves }, text: "Wake" }
      : {
          order: { what: "steer", action: "sleep", slaves },
          text: "Sleep",
          question: `Put ${label} to sleep? It finishes the build in hand, and is given no other until it is woken.`,
        },
    {
      order: { what: "steer", action: "skip", slaves },
      text: "Skip build",
      question: `Have ${label} drop the build in hand? Other slaves are offered it first.`,
    },
    {
      order: { what: "steer", action: "kill", slaves },
      text: "Kill",
      question: `Kill ${label}? What it builds now is lost, and it ends.`,
    },
  ];
}

const allSlaves = { label: "*" };

export const allSlavesButtons: readonly OrderButton[] = [
  { order: { what: "steer", action: "wake", slaves: allSlaves }, text: "Wake all" },
  {
    order: { what: "steer", action: "sleep", slaves: allSlaves },
    text: "Sleep all",
    question:
      "Put all slaves to sleep? They finish the builds in hand, and are given no others until they are woken.",
  },
  {
    order: { what: "steer", action: "skip", slaves: allSlaves },
    text: "Skip all builds",
    question: "Have all slaves drop what they build now?",
  },
  {
    order: { what: "steer", action: "kill", slaves: allSlaves },
    text: "Kill all",
    question: "Kill all slaves? What they build now is lost, and they end.",
  },
];

export const masterButtons: readonly OrderButton[] = [
  { order: { what: "resume", task: "*" }, text: "Resume all tasks" },
  {
    order: { what: "pause", task: "*" },
    text: "Pause all tasks",
    question: "Pause all tasks? No builds are given out until they are resumed.",
  },
  {
    order: { what: "quit" },
    text: "End the master",
    question:
      "End the master? This page ends with it, and whoever runs the farm has to start it again.",
  },
];

export function taskButtons(task: {
  readonly name: string;
  readonly canPause: boolean;
  readonly isPaused: boolean;
  readonly isStopped: boolean;
}): readonly OrderButton[] {
  const { name } = task;
  if (task.isPaused || task.isStopped)
    return [{ order: { what: "resume", task: name }, text: "Resume" }];
  const quit: OrderButton = {
    order: { what: "quit-task", task: name },
    text: "End",
    question: `End ${name}? It stays ended until it is resumed.`,
  };
  if (!task.canPause) return [quit];
  return [
    {
      order: { what: "pause", task: name },
      text: "Pause",
      question: `Pause ${name}? What it does waits until it is resumed.`,
    },
    quit,
  ];
}
