/** piw-monitor: its options, and what they mean for its tree. */

import { statusQueueOption } from "./master.ts";
import { flag, option, type Program, type Values } from "./option.ts";
import type { MonitorSettings } from "./settings.ts";
import { controlOptions } from "./tools.ts";
import { choiceFormat } from "./value-format.ts";

const { wait: _wait, ...linkOptions } = controlOptions;

export const monitorProgram = {
  name: "piw-monitor",
  section: "monitor",
  summary:
    "Watches a master and its slaves on the terminal, and steers them: plots of the last hour, the log of a build as it is written, the tree of tasks, the queue, what happens. ? shows its keys. It works at 80 columns by 24 lines, without colours (NO_COLOR) and over a slow line; while the master is away it says so and waits for it.",
  options: {
    ...linkOptions,
    "status-queue": statusQueueOption,
    plots: option(
      choiceFormat("auto", "braille", "blocks", "ascii"),
      "STYLE",
      "auto",
      "Characters to plot with: auto, braille, blocks or ascii",
    ),
    ascii: flag("Draw with ASCII alone, as it does where the locale is not UTF-8"),
    "no-mouse": flag("Leave the mouse to the terminal, for selecting text"),
  },
} satisfies Program;

/** The program has this long to give the terminal back. */
const SHUTDOWN_MS = 5_000;

/** @param by who gives the orders */
export function monitorSettings(
  values: Values<typeof monitorProgram.options>,
  by: string,
): MonitorSettings {
  return {
    controlQueue: values["control-queue"],
    statusQueue: values["status-queue"],
    by,
    shutdownMs: SHUTDOWN_MS,
  };
}
