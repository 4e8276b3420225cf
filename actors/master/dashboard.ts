/**
 * The dashboard: watches the master from outside, by its control and status queues, as a monitor elsewhere would, and shows it
 * below `/farm` of the web server. So it works in whichever process the web server is, and while other parts are away
 * it says so. It keeps nothing; its crash ends its streams, whose readers come back.
 */
import type { ClientKeys } from "../../protocol/transport/index.ts";
import { type MasterWatcher, watchMaster } from "../../protocol/watching/master-watcher.ts";
import { defineActor } from "../../supervisor/index.ts";
import { buildDashboard, type Dashboard } from "../../web/dashboard/dashboard.ts";
import type { WhoMayLook } from "../../web/dashboard/gate.ts";
import type { Mount, TokenGate } from "../../web/server.ts";
import { farmOf } from "./dashboard-farm.ts";

export interface DashboardArgs {
  readonly mount: Mount;
  readonly gate: TokenGate;
  readonly whoMayLook: WhoMayLook;
  /** Of the queues, as somebody connects to them. */
  readonly controlAddress: string;
  readonly statusAddress: string;
  /** The master's own; undefined: the queues are of this machine. */
  readonly keys: ClientKeys | undefined;
  /** The site is served over TLS, by this server or one before it. */
  readonly isTls: boolean;
}

interface State {
  readonly watcher: MasterWatcher;
  readonly dashboard: Dashboard;
  readonly leave: () => void;
}

/** It is told nothing: it hears by its links. */
type DashboardMessages = Record<never, never>;

export const dashboard = defineActor<DashboardMessages, DashboardArgs, State>({
  name: "shows the farm to browsers",
  async init(ctx, args) {
    const { mount, gate, whoMayLook, keys, controlAddress, statusAddress, isTls } = args;
    let changed: () => void = () => undefined;
    const watcher = watchMaster({
      controlAddress,
      statusAddress,
      ...(keys && { keys }),
      log: ctx.log,
      onChange: ctx.bind(() => changed()),
    });
    try {
      const shown = await buildDashboard({
        farm: farmOf(watcher),
        tokens: gate,
        whoMayLook,
        cookie: { path: mount.prefix, isTls },
        log: ctx.log,
        onCrash: ctx.bind((error: unknown) => {
          throw error;
        }),
      });
      changed = shown.changed;
      return { watcher, dashboard: shown, leave: mount.serve(shown.handle) };
    } catch (error) {
      await watcher.close();
      throw error;
    }
  },
  handle: {},
  async stop({ watcher, dashboard: shown, leave }) {
    leave();
    await shown.close();
    await watcher.close();
  },
});
