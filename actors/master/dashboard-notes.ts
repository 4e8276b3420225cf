/** What happened, in a line for people: events of a watcher as the dashboard lists them. */
import { causeText, verdictOf } from "../../protocol/model/cause.ts";
import type { HeardEvent } from "../../protocol/watching/farm-picture.ts";
import type { Note } from "../../web/dashboard/contract.ts";

type Words = Pick<Note, "kind" | "text" | "tone">;

/** The same note for the same event. Null: it is none of what is listed. */
const known = new WeakMap<HeardEvent, Note | null>();

export function noteOf(heard: HeardEvent): Note | null {
  let note = known.get(heard);
  if (note === undefined) {
    const words = wordsOf(heard.event);
    note = words === null ? null : { number: heard.number, at: heard.at, ...words };
    known.set(heard, note);
  }
  return note;
}

function wordsOf(event: HeardEvent["event"]): Words | null {
  switch (event.kind) {
    case "build-started": {
      const text = `${event.slave} builds ${event.package} ${event.version} for ${event.target}`;
      return { kind: "build", tone: "busy", text };
    }
    case "build-ended": {
      const { package: name, version, target, cause, slave, message } = event;
      const why = message === "" ? "" : `: ${message}`;
      const tones = {
        success: "good",
        failure: "bad",
        blocked: "busy",
        transient: "busy",
      } as const;
      const text = `${name} ${version} for ${target} on ${slave}: ${causeText[cause]}${why}`;
      return { kind: "build", tone: tones[verdictOf(cause)], text };
    }
    case "published":
      return { kind: "published", tone: "good", text: `${event.filename} is published` };
    case "slave":
      return slaveWords(event);
    case "order": {
      const { by, what, isDone, outcome } = event;
      const text = `${by}: ${what}: ${isDone ? "done" : "not done"}${outcome === "" ? "" : `, ${outcome}`}`;
      return { kind: "order", tone: isDone ? "good" : "bad", text };
    }
    case "gap": {
      const many = event.missed === 0 ? "Some" : String(event.missed);
      return {
        kind: "master",
        tone: "calm",
        text: `${many} events were missed; all is asked for anew`,
      };
    }
    case "master":
      return masterWords(event);
    case "figures":
    case "host":
    case "build-status":
      return null;
  }
}

/** What a slave does between two builds is no news. */
function slaveWords({
  label,
  state,
  asleep,
  facts,
}: Extract<HeardEvent["event"], { readonly kind: "slave" }>): Words | null {
  const kind = "slave";
  if (state === "gone") return { kind, tone: "bad", text: `${label} has gone` };
  if (state === "silent") return { kind, tone: "bad", text: `${label} is silent` };
  if (state === "asleep" && asleep !== null)
    return { kind, tone: "busy", text: `${label} sleeps: ${asleep.why}` };
  return facts === null ? null : { kind, tone: "good", text: `${label} is here` };
}

function masterWords({
  state,
  why,
}: {
  readonly state: "connecting" | "here" | "away" | "refused";
  readonly why: string;
}): Words {
  const words = {
    connecting: "The master is looked for",
    here: "The master is here",
    away: "The master does not answer",
    refused: "The master refuses to be watched",
  } as const;
  const text = why === "" ? words[state] : `${words[state]}: ${why}`;
  return { kind: "master", tone: state === "here" ? "good" : "bad", text };
}
