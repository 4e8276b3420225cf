/**
 * The watcher: tells the master what is wanted, shows how the builds get on, and ends `--once` when
 * nothing is left to do. It asks and listens over the links that any monitor uses, and decides nothing
 * for the farm.
 */
import { statusLink } from "../../protocol/links/status.ts";
import type { FarmEvent, FarmReport } from "../../protocol/model/status.ts";
import { connectSubscriber, type Subscription } from "../../protocol/transport/index.ts";
import { defineActor, toError } from "../../supervisor/index.ts";
import { connectReporter, type Reporter, want } from "./master-links.ts";
import { isSettled } from "./outcome.ts";
import type { Progress } from "./progress.ts";

export interface WatcherMessages {
  HEARD(event: FarmEvent): void;
  /** Events were lost: what they said is in the next report. */
  LOOK(): void;
  TOLD(report: FarmReport): void;
}

export interface WatcherArgs {
  readonly addresses: {
    readonly control: string;
    readonly status: string;
    readonly import: string;
  };
  /** Empty: everything that the upstream has. */
  readonly requirements: readonly string[];
  readonly progress: Progress;
  readonly lookEveryMs: number;
  /** Called at the first report with a slave. */
  readonly onServing: () => void;
  /** Called when two reports in a row say that nothing is left; undefined: the farm runs on. */
  readonly onSettled: ((report: FarmReport) => void) | undefined;
}

interface Watching {
  readonly args: WatcherArgs;
  readonly reporter: Reporter;
  readonly subscription: Subscription;
  isAsking: boolean;
  /** Questions in a row. */
  unanswered: number;
  isServing: boolean;
  settledReports: number;
  /** As the last report had them. */
  troubles: readonly string[];
}

export const watcher = defineActor<WatcherMessages, WatcherArgs, Watching>({
  name: "shows how the builds get on",
  mailbox: { overflow: "drop-oldest" },
  async init(ctx, args) {
    const { addresses, requirements } = args;
    if (requirements.length > 0) await want(addresses.import, requirements, ctx.signal, ctx.log);
    const subscription = connectSubscriber(statusLink, {
      address: addresses.status,
      log: ctx.log,
      onMessage: ({ body }) => {
        ctx.self.tell("HEARD", body);
      },
      onGap: () => {
        ctx.self.tell("LOOK");
      },
    });
    const reporter = connectReporter(addresses.control, ctx.log);
    ctx.self.tell("LOOK");
    ctx.every(args.lookEveryMs, "LOOK");
    return {
      args,
      reporter,
      subscription,
      isAsking: false,
      unanswered: 0,
      isServing: false,
      settledReports: 0,
      troubles: [],
    };
  },
  handle: {
    HEARD(state, event) {
      state.args.progress.event(event);
    },
    LOOK(state, _body, ctx) {
      if (state.isAsking) return;
      state.isAsking = true;
      // Beside the mailbox: events are shown while the master takes its time.
      ctx.run(async () => {
        try {
          ctx.self.tell("TOLD", await state.reporter.report());
          state.unanswered = 0;
          ctx.healthy();
        } catch (error) {
          state.unanswered += 1;
          // A session takes a moment to be made.
          if (state.unanswered < 3) return;
          ctx.degraded(`the master does not answer: ${toError(error).message}`);
        } finally {
          state.isAsking = false;
        }
      });
    },
    TOLD(state, report) {
      const { args } = state;
      // Its zeros are nobody's; the trouble is worth a line all the same.
      if (report.isComplete) args.progress.report(report);
      // Once for each: the same trouble may last for hours.
      for (const trouble of report.troubles)
        if (!state.troubles.includes(trouble)) args.progress.note(`trouble  ${trouble}`);
      state.troubles = report.troubles;
      if (!state.isServing && report.slaves > 0) {
        state.isServing = true;
        args.onServing();
      }
      // One report may fall between a step and its consequence.
      state.settledReports = isSettled(report) ? state.settledReports + 1 : 0;
      if (state.settledReports === 2) args.onSettled?.(report);
    },
  },
  async stop(state) {
    await Promise.all([state.subscription.close(), state.reporter.close()]);
    state.args.progress.close();
  },
});
