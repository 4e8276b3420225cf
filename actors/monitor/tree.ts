/**
 * The monitor's tree. Called by the command with plain settings and the terminal's two ends.
 *
 *     monitor (one_for_one)
 *     |- watcher    has the links: news in, orders out
 *     `- screen     has the terminal: keys in, frames out
 *
 * One for one: a screen that is started again finds the farm known, and a watcher the screen as it was left.
 */
import type { MonitorSettings } from "../../config/settings.ts";
import type { ClientKeys } from "../../protocol/transport/index.ts";
import { watchMaster } from "../../protocol/watching/master-watcher.ts";
import {
  child,
  type Logger,
  type System,
  startSystem,
  supervisor,
} from "../../supervisor/index.ts";
import { openDrawing } from "./screen/draw.tsx";
import { type ScreenMessages, screen } from "./screen.ts";
import { Terminal, type TerminalOptions } from "./terminal/terminal.ts";
import { type WatcherMessages, watcher } from "./watcher.ts";

export interface MonitorTerminal extends TerminalOptions {
  readonly hasColours: boolean;
  readonly plots: "braille" | "blocks" | "ascii";
}

/**
 * Starts a monitor. The system ends by `stop`, or by itself when its user quits or the terminal is gone.
 * @param keys for a master at tcp://
 * @throws EndpointConfigError where an address or the keys cannot work
 */
export async function startMonitor(
  settings: MonitorSettings,
  keys: ClientKeys | undefined,
  terminal: MonitorTerminal,
  logger: Logger,
  signal?: AbortSignal,
): Promise<System> {
  const { controlQueue, statusQueue } = settings;
  const watch: Parameters<typeof watchFor>[0] = { controlQueue, statusQueue, keys };
  // What cannot work is said before the terminal is taken.
  await watchFor(watch)({ log: logger, onChange: () => undefined }).close();
  let system: System | undefined;
  // The user may quit before all has started.
  const user = { hasQuit: false };
  const quit = (): void => {
    user.hasQuit = true;
    void system?.stop();
  };
  system = await startSystem({
    name: "monitor",
    logger,
    stopDeadlineMs: settings.shutdownMs,
    ...(signal === undefined ? {} : { signal }),
    root: ({ ref }) =>
      supervisor("monitor", {}, [
        child("watcher", watcher, {
          watch: watchFor(watch),
          screen: ref<ScreenMessages>("/screen"),
          by: settings.by,
        }),
        child("screen", screen, {
          openTerminal: (handlers) => new Terminal(terminal, handlers),
          openDrawing: () =>
            openDrawing({ hasColours: terminal.hasColours, plots: terminal.plots }, controlQueue),
          watcher: ref<WatcherMessages>("/watcher"),
          quit,
        }),
      ]),
  });
  if (user.hasQuit) void system.stop();
  return system;
}

interface Links {
  readonly controlQueue: string;
  readonly statusQueue: string;
  readonly keys: ClientKeys | undefined;
}

const watchFor =
  ({ controlQueue, statusQueue, keys }: Links) =>
  (options: Pick<Parameters<typeof watchMaster>[0], "log" | "onChange" | "paceMs">) =>
    watchMaster({
      controlAddress: controlQueue,
      statusAddress: statusQueue,
      ...(keys && { keys }),
      ...options,
    });
