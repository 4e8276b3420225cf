/** What has happened, in one line for people; undefined for what is shown otherwise, such as figures. Pure. */
import type { HeardEvent } from "../../../protocol/watching/farm-picture.ts";
import type { EventShown } from "./farm-view.ts";
import { timeText } from "./words.ts";

export function shownEvent(
  event: HeardEvent["event"],
): Pick<EventShown, "tone" | "text"> | undefined {
  switch (event.kind) {
    case "build-started":
      return { tone: "news", text: `building ${buildText(event)} on ${event.slave}` };
    case "build-ended": {
      const isBuilt = event.cause === "built";
      const word = isBuilt ? "built" : `failed (${event.cause})`;
      const why = isBuilt || event.message === "" ? "" : `: ${event.message}`;
      return {
        tone: isBuilt ? "good" : "bad",
        text: `${word} ${buildText(event)} on ${event.slave} in ${timeText(event.durationMs)}${why}`,
      };
    }
    case "published":
      return { tone: "good", text: `published ${event.filename}` };
    case "slave":
      return slaveText(event);
    case "order":
      return {
        tone: event.isDone ? "warning" : "bad",
        text: `${event.by} (${event.via}): ${event.what}: ${event.isDone ? "" : "refused: "}${event.outcome}`,
      };
    case "gap":
      return {
        tone: "warning",
        text:
          event.missed === 0
            ? "news were missed: all is asked for again"
            : `${event.missed} news were missed: all is asked for again`,
      };
    case "master":
      return masterText(event.state, event.why);
    case "build-status":
    case "figures":
    case "host":
      return undefined;
  }
}

const buildText = (build: {
  readonly package: string;
  readonly version: string;
  readonly target: string;
}): string => `${build.package} ${build.version} for ${build.target}`;

function slaveText({
  label,
  state,
}: {
  readonly label: string;
  readonly state: string;
}): Pick<EventShown, "tone" | "text"> {
  const isLost = state === "gone" || state === "silent";
  return { tone: isLost ? "warning" : "quiet", text: `slave ${label} is ${state}` };
}

function masterText(
  state: "connecting" | "here" | "away" | "refused",
  why: string,
): Pick<EventShown, "tone" | "text"> {
  const reason = why === "" ? "" : `: ${why}`;
  switch (state) {
    case "connecting":
      return { tone: "quiet", text: "connecting to the master" };
    case "here":
      return { tone: "good", text: "the master is here" };
    case "away":
      return { tone: "bad", text: `the master is away${reason}` };
    case "refused":
      return { tone: "bad", text: `the master refuses this monitor${reason}` };
  }
}
