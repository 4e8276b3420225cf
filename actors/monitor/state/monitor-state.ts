/** All that decides what is on the screen, as one value; `reduce.ts` makes the next one of it. */
import type { TaskNode } from "../../../protocol/model/task-tree.ts";
import { cleanText } from "../terminal/clean-text.ts";
import type { Size } from "../terminal/frame-painter.ts";
import type { Input } from "../terminal/key-parser.ts";
import { emptyView, type FarmView, type Subject, type SubjectKey, type Tone } from "./farm-view.ts";
import { type LogTail, noLog } from "./log-tail.ts";
import type { Order } from "./order.ts";

export const tabs = ["plots", "log", "tasks", "queue", "events"] as const;
export type Tab = (typeof tabs)[number];

export interface MenuItem {
  readonly label: string;
  readonly leadsTo:
    | { readonly order: Order }
    | { readonly tab: Tab }
    /** Which log level; null: of all tasks. */
    | { readonly levelsOf: string | null };
}

export type Dialog =
  | { readonly kind: "help"; readonly top: number }
  | {
      readonly kind: "confirm";
      readonly question: string;
      readonly why: string;
      readonly order: Order;
      readonly isYes: boolean;
    }
  | {
      readonly kind: "menu";
      readonly title: string;
      readonly items: readonly MenuItem[];
      readonly at: number;
    };

/** What became of an order, or why a key did nothing. */
export interface Notice {
  /** Of the order; 0 for what was none. */
  readonly id: number;
  readonly at: number;
  readonly tone: Tone;
  readonly text: string;
}

export interface MonitorState {
  readonly size: Size;
  /** By this machine's clock. */
  readonly now: number;
  readonly farm: FarmView;
  readonly selected: SubjectKey;
  /** The first line of the list that is in sight. */
  readonly top: number;
  readonly focus: "list" | "pane";
  readonly tab: Tab;
  /** Path of the task that is selected in the tree. */
  readonly task: string;
  /** Of the tree and the queue: the first line in sight. Of log and events: lines below those in sight. */
  readonly scroll: Readonly<Record<Tab, number>>;
  readonly filter: string;
  /** The filter is being typed. */
  readonly isFiltering: boolean;
  readonly dialog: Dialog | null;
  /** The last one at the end; bounded. */
  readonly notices: readonly Notice[];
  readonly lastOrder: number;
  readonly log: LogTail;
}

export type MonitorEvent =
  | { readonly kind: "farm"; readonly view: FarmView }
  | { readonly kind: "tick"; readonly now: number }
  | { readonly kind: "resized"; readonly size: Size }
  | { readonly kind: "input"; readonly input: Input }
  | {
      readonly kind: "answered";
      readonly id: number;
      /** Null: nobody knows. */
      readonly isDone: boolean | null;
      readonly text: string;
    }
  | { readonly kind: "log-begins"; readonly token: number; readonly title: string }
  | {
      readonly kind: "log-goes-on";
      readonly token: number;
      readonly text: string;
      readonly trouble: string | null;
      readonly isEnd: boolean;
    };

/** What is to be done outside of the state. */
export type Effect =
  | { readonly kind: "order"; readonly id: number; readonly order: Order }
  | { readonly kind: "quit" }
  | { readonly kind: "redraw" }
  | { readonly kind: "suspend" };

export const firstState = (size: Size, now: number): MonitorState => ({
  size,
  now,
  farm: emptyView(now),
  selected: "master",
  top: 0,
  focus: "list",
  tab: "plots",
  task: "",
  scroll: { plots: 0, log: 0, tasks: 0, queue: 0, events: 0 },
  filter: "",
  isFiltering: false,
  dialog: null,
  notices: [],
  lastOrder: 0,
  log: noLog,
});

/** Those that the filter lets through: a word for each thing that a line shows, all of which must fit. */
export function shownSubjects({ farm, filter }: MonitorState): readonly Subject[] {
  const words = filter.toLowerCase().split(" ").filter(Boolean);
  if (words.length === 0) return farm.subjects;
  return farm.subjects.filter((subject) => {
    const line = lineOf(subject);
    return words.every((word) => line.includes(word));
  });
}

const lineOf = ({ label, abi, state, task, facts }: Subject): string =>
  [label, abi, state, task, ...facts].map(cleanText).join(" ").toLowerCase();

export const selectedSubject = ({ farm, selected }: MonitorState): Subject | undefined =>
  farm.subjects.find(({ key }) => key === selected);

/** Supervisors and actors, a line each. */
export const shownTasks = ({ farm }: MonitorState): readonly TaskNode[] => farm.tasks ?? [];

export const keyOfTask = ({ part, path }: TaskNode): string => `${part}:${path}`;

/** What the watcher should look at for this screen. */
export interface Interest {
  readonly subject: SubjectKey;
  readonly tree: boolean;
  readonly log: { readonly token: number; readonly title: string } | null;
}

export function interestOf(state: MonitorState): Interest {
  const build = state.tab === "log" ? selectedSubject(state)?.lastBuild : undefined;
  return {
    subject: state.selected,
    tree: state.tab === "tasks",
    log:
      build === undefined || build === null
        ? null
        : { token: build.token, title: `${build.package} ${build.version} for ${build.target}` },
  };
}
