/** Colours by meaning. Nothing is told by colour alone: states are words, and what is selected has a mark. */
import type { SubjectState, Tone } from "../state/farm-view.ts";

/** A name that every terminal with colours knows. */
export type Colour =
  | "green"
  | "cyan"
  | "blue"
  | "magenta"
  | "yellow"
  | "red"
  | "gray"
  | "blueBright"
  | "yellowBright";

export const stateColours: Readonly<Record<SubjectState, Colour>> = {
  idle: "green",
  building: "cyan",
  sending: "blueBright",
  cleaning: "magenta",
  silent: "yellow",
  dead: "red",
  asleep: "gray",
  running: "green",
  degraded: "yellowBright",
  paused: "magenta",
  resting: "yellow",
  away: "red",
};

export const toneColours: Readonly<Record<Tone, Colour | undefined>> = {
  good: "green",
  bad: "red",
  warning: "yellow",
  news: "cyan",
  quiet: undefined,
};
