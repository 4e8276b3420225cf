/**
 * What a daemon tells systemd: that it is ready, that it is alive (the watchdog), that it stops. Called by `program.ts`
 * for every program that runs a tree. Node has no datagram sockets of the unix kind, so each word is said by
 * `systemd-notify`, which is there wherever systemd is; the unit has to say `NotifyAccess=all` for it.
 */
import { execFile } from "node:child_process";
import type { Logger } from "../supervisor/index.ts";

export interface ServiceManager {
  /** The tree stands. From now on the watchdog is fed, where the unit has one. */
  ready(): void;
  stopping(): void;
}

type Environment = Record<string, string | undefined>;

/** A systemd-notify that takes longer is given up; the next word is said all the same. */
const PATIENCE_MS = 10_000;

/**
 * Undefined where no service manager started this process. Takes what it finds out of the environment: a child, a
 * build above all, has nothing to say there.
 */
export function takeServiceManager(
  environment: Environment,
  logger: Logger,
): ServiceManager | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = environment;
  delete environment["NOTIFY_SOCKET"];
  delete environment["WATCHDOG_USEC"];
  delete environment["WATCHDOG_PID"];
  if (socket === undefined || socket === "") return undefined;
  const isOurs = pid === undefined || Number(pid) === process.pid;
  const watchdogMs = isOurs && Number(usec) > 0 ? Number(usec) / 1_000 : undefined;
  const env = { PATH: environment["PATH"], NOTIFY_SOCKET: socket };
  let isSaying = false;
  let hasComplained = false;
  const say = (word: string): void => {
    isSaying = true;
    execFile("systemd-notify", [word], { env, timeout: PATIENCE_MS }, (error) => {
      isSaying = false;
      if (error === null || hasComplained) return;
      hasComplained = true;
      logger.warn(
        { err: error },
        `systemd could not be told ${word}: is systemd-notify installed? Without it use Type=exec and no WatchdogSec`,
      );
    });
  };
  return {
    ready: () => {
      say("READY=1");
      if (watchdogMs === undefined) return;
      // A loop that hangs says nothing: that is what the watchdog waits for.
      const feed = () => {
        if (!isSaying) say("WATCHDOG=1");
      };
      setInterval(feed, Math.max(50, watchdogMs / 3)).unref();
    },
    stopping: () => say("STOPPING=1"),
  };
}
