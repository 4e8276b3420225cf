/** The names of the pane's tabs and their places in its first line. Pure. */
import { type Tab, tabs } from "./monitor-state.ts";

export interface TabPlace {
  readonly tab: Tab;
  readonly text: string;
  /** From the beginning of the bar. */
  readonly x: number;
}

export const tabPlaces: readonly TabPlace[] = tabs.map((tab, at) => ({
  tab,
  text: ` ${at + 1} ${tab} `,
  x: tabs.slice(0, at).reduce((sum, one) => sum + one.length + 5, 0),
}));

export const tabAt = (x: number): Tab | undefined =>
  tabPlaces.find((place) => x >= place.x && x < place.x + place.text.length)?.tab;
