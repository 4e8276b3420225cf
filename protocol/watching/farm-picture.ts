/**
 * What a watcher knows of a farm: the master's figures, its slaves and what they do, the builds that ended last, what
 * happened, the last hour of what is plotted, the tree. A `MasterWatcher` tells it events and answers; screens read
 * it, or ask what has changed since they were drawn. It does no input or output, and is bounded in all it keeps.
 *
 * Every change gets a revision. Nothing in the picture is changed in place: what has a new revision is a new object.
 * Events and answers come over different links, in any order: what a slave does has a number from the Slave Driver
 * (`change`, within a `life` of it), figures have their instants, and the newer word wins.
 */
import type { HostStats } from "../model/host.ts";
import type { SlaveFacts, SlaveNow } from "../model/slave-now.ts";
import {
  type Everything,
  type FarmStatistics,
  figureRow,
  type HistoryPoint,
  hostRow,
  type SlaveFigures,
} from "../model/statistics.ts";
import type { EndedBuild, FarmEvent } from "../model/status.ts";
import type { TaskNode } from "../model/task-tree.ts";
import { keyOfSubject, PastHour, type PastPoint, type Subject, startOfStep } from "./past-hour.ts";
import { trimmed } from "./trimmed.ts";

export interface SlaveSeen extends SlaveNow {
  /** Null until they are known. */
  readonly facts: SlaveFacts | null;
  /** Of its machine, as it said last; null: it has not. */
  readonly stats: HostStats | null;
  readonly heardAt: number | null;
  /** The last word of the runner about the build in hand; null: none was heard. */
  readonly says: { readonly status: string; readonly text: string } | null;
}

export interface Connection {
  /**
   * - `connecting`: the master was not heard of yet.
   * - `here`: it answers.
   * - `away`: it was here, and is not heard any more.
   * - `refused`: it does not want this watcher; `why` says why.
   */
  readonly state: "connecting" | "here" | "away" | "refused";
  /** By the clock of the watcher, in ms since 1970; for `away` when the master was last heard. */
  readonly sinceAt: number;
  /** For people; empty where nothing is wrong. */
  readonly why: string;
  /** News come by themselves. False: only what is asked for is known. */
  readonly isHearing: boolean;
  /** All that the master knew was asked for since the last gap. */
  readonly isCaughtUp: boolean;
  /** How much the master's clock is ahead of the watcher's. */
  readonly aheadMs: number;
  /** Since when the master runs, by its clock; null: it has not said. */
  readonly upSinceAt: number | null;
}

/** What happened in the watching itself, among the events. */
export type WatchEvent =
  | { readonly kind: "gap"; readonly missed: number }
  | { readonly kind: "master"; readonly state: Connection["state"]; readonly why: string };

export interface HeardEvent {
  /** Counted from 1. */
  readonly number: number;
  /** By the clock of the watcher. */
  readonly at: number;
  /** Long texts and lists in it are cut. */
  readonly event: FarmEvent | WatchEvent;
}

export interface SeenTree {
  readonly tasks: readonly TaskNode[];
  /** Parts of a split master that did not answer. */
  readonly silent: readonly string[];
  /** By the clock of the watcher. */
  readonly at: number;
}

export interface PastSeen {
  readonly subject: Subject;
  readonly points: readonly PastPoint[];
  /** These are all; else those that are new or have changed. */
  readonly isWhole: boolean;
}

/** What a screen lacks that was drawn at a revision. Lists are kept as the picture keeps them: see each. */
export interface Changes {
  /** Of the picture with them. */
  readonly revision: number;
  /** Forget what was drawn: this is everything. */
  readonly isWhole: boolean;
  /** Null: as it was. */
  readonly connection: Connection | null;
  readonly figures: FarmStatistics | null;
  /** New ones, and those of which anything has changed, each whole. */
  readonly slaves: readonly SlaveSeen[];
  readonly removedSlaves: readonly number[];
  /** New or changed, by token. The picture keeps the newest `MOST_ENDED` in the order of `newestFirst`. */
  readonly ended: readonly EndedBuild[];
  /** After the ones before; the picture keeps the last `MOST_EVENTS`. */
  readonly events: readonly HeardEvent[];
  readonly pasts: readonly PastSeen[];
  /** All whose last hour is kept; others are forgotten. */
  readonly followed: readonly Subject[] | null;
  readonly tree: SeenTree | null;
}

/** Everything that the master answers to who begins to watch, or has missed something. */
export interface Answers {
  /** Of the picture, when the first of them was asked for. */
  readonly doubts: number;
  readonly everything: Everything;
  readonly slaves: readonly { readonly now: SlaveNow; readonly facts: SlaveFacts | null }[];
  /** Which life of the Slave Driver this is, and the number of its last change then. */
  readonly life: string;
  readonly change: number;
  readonly ended: readonly EndedBuild[];
}

export const MOST_EVENTS = 1_000;
export const MOST_ENDED = 200;
/** Slaves beyond are not kept. */
export const MOST_SLAVES = 10_000;
/** The one that was followed first is forgotten. */
export const MOST_FOLLOWED = 32;
const MOST_TASKS = 5_000;
/** Removals that are remembered: who lacks more is given everything. */
const MOST_REMOVED = 1_000;
/** An instant that is older by more says that a clock was set back. */
const CLOCK_SET_BACK_MS = 60_000;

export const newestFirst = (a: EndedBuild, b: EndedBuild): number =>
  b.endedAt - a.endedAt || b.token - a.token;

interface Kept<T> {
  readonly value: T;
  readonly revision: number;
}
interface KeptSlave extends Kept<SlaveSeen> {
  readonly life: string;
  readonly change: number;
}

const NOTHING: FarmStatistics = {
  asOf: null,
  farm: null,
  targets: [],
  master: null,
  resting: null,
};
const FARM: Subject = { kind: "farm", id: 0 };
const MASTER: Subject = { kind: "master", id: 0 };

export class FarmPicture {
  readonly #clock: () => number;
  #revision = 1;
  /** Who was drawn before this has to begin anew. */
  #wholeBefore = 1;
  #connection: Kept<Connection>;
  #figures: Kept<FarmStatistics> = { value: NOTHING, revision: 1 };
  readonly #slaves = new Map<number, KeptSlave>();
  #removed: Kept<number>[] = [];
  /** Newest first. */
  #ended: Kept<EndedBuild>[] = [];
  #events: Kept<HeardEvent>[] = [];
  #eventCount = 0;
  readonly #pasts = new Map<string, { readonly past: PastHour; readonly since: number }>();
  #followedAt = 1;
  #tree: Kept<SeenTree | null> = { value: null, revision: 1 };
  /** Of the last answers and events. */
  #life = "";
  /** What is older is of another life, and goes with the next answers. */
  #lifeSince = 0;
  #doubts = 1;
  #settledDoubts = 0;

  /** @param clock of the watcher, in ms since 1970 */
  constructor(clock: () => number = Date.now) {
    this.#clock = clock;
    this.#connection = {
      value: {
        state: "connecting",
        sinceAt: clock(),
        why: "",
        isHearing: false,
        isCaughtUp: false,
        aheadMs: 0,
        upSinceAt: null,
      },
      revision: 1,
    };
    this.follow(FARM);
    this.follow(MASTER);
  }

  /** Grows with each change. */
  get revision(): number {
    return this.#revision;
  }
  get connection(): Connection {
    return this.#connection.value;
  }
  get figures(): FarmStatistics {
    return this.#figures.value;
  }
  findSlave(id: number): SlaveSeen | undefined {
    return this.#slaves.get(id)?.value;
  }
  /** In no order. */
  slaves(): SlaveSeen[] {
    return Array.from(this.#slaves.values(), ({ value }) => value);
  }
  /** Newest first. */
  ended(): EndedBuild[] {
    return this.#ended.map(({ value }) => value);
  }
  /** Oldest first. */
  events(): HeardEvent[] {
    return this.#events.map(({ value }) => value);
  }
  /** Undefined where it is not followed. */
  findPast(subject: Subject): readonly PastPoint[] | undefined {
    return this.#pasts.get(keyOfSubject(subject))?.past.points;
  }
  followed(): Subject[] {
    return Array.from(this.#pasts.values(), ({ past }) => past.subject);
  }
  get tree(): SeenTree | null {
    return this.#tree.value;
  }
  /** The master has to be asked for everything: something was missed, or nothing was asked yet. */
  get isStale(): boolean {
    return this.#doubts > this.#settledDoubts;
  }
  /** How often something was missed. An answer settles those that were there before it was asked for. */
  get doubts(): number {
    return this.#doubts;
  }

  /** What happens, in the order in which it was said. */
  heard(event: FarmEvent): void {
    switch (event.kind) {
      case "figures": {
        const { kind: _kind, ...figures } = event;
        this.#takeFigures(figures);
        return;
      }
      case "host": {
        const { kind: _kind, ...said } = event;
        this.#takeHost(said);
        return;
      }
      case "build-status":
        this.#takeWord(event.slaveId, event.token, { status: event.status, text: event.text });
        return;
      case "build-ended": {
        const { kind: _kind, ...ended } = event;
        this.#takeEnded([ended]);
        this.#note(event);
        return;
      }
      case "slave":
        this.#takeSlave(event);
        return;
      case "build-started":
      case "published":
      case "order":
        this.#note(event);
        return;
    }
  }

  /** Events were lost, or the publisher is another one. @param missed 0: nobody knows how many */
  missed(missed: number): void {
    this.#doubts += 1;
    this.#note({ kind: "gap", missed });
    this.connected({ isCaughtUp: false });
  }

  /** All that the master knows. Events that came meanwhile and are newer stay. */
  catchUp({ doubts, everything, slaves, life, change, ended }: Answers): void {
    // Of a life that may be over: it is asked again, since the doubt remains.
    if (doubts < this.#doubts && life !== this.#life && this.#life !== "") return;
    this.#setLife(life);
    const rows = new Map(slaves.slice(0, MOST_SLAVES).map((row) => [row.now.id, row]));
    for (const [id, known] of this.#slaves) {
      const isNewer = known.life === life && known.change > change;
      if (!rows.has(id) && !isNewer) this.#remove(id);
    }
    for (const { now, facts } of rows.values()) {
      const known = this.#slaves.get(now.id);
      const isNewer = known !== undefined && known.life === life && known.change > change;
      this.#putSlave(isNewer ? known.value : now, facts, {
        life,
        change: isNewer ? known.change : change,
      });
    }
    const { slaves: hosts, nowAt, upSinceAt, ...figures } = everything;
    for (const host of hosts) this.#takeHost(host);
    this.#takeFigures(figures);
    const before = this.#ended.length;
    this.#ended = this.#ended.filter(({ revision }) => revision >= this.#lifeSince);
    if (this.#ended.length < before) this.#wholeBefore = this.#next();
    this.#takeEnded(ended);
    this.#lifeSince = 0;
    this.#settledDoubts = Math.max(this.#settledDoubts, doubts);
    this.connected({
      isCaughtUp: !this.isStale,
      aheadMs: nowAt - this.#clock(),
      upSinceAt,
    });
  }

  connected(change: Partial<Connection>): void {
    const before = this.#connection.value;
    const names = Object.keys(change) as (keyof Connection)[];
    // A clock is never read at the same moment twice.
    const isSame = (name: keyof Connection) =>
      name === "aheadMs"
        ? Math.abs((change.aheadMs ?? 0) - before.aheadMs) < 500
        : change[name] === before[name];
    if (names.every(isSame)) return;
    const value = { ...before, ...change };
    this.#connection = { value, revision: this.#next() };
    if (value.state !== before.state)
      this.#note({ kind: "master", state: value.state, why: value.why });
  }

  treeIs(tasks: readonly TaskNode[], silent: readonly string[]): void {
    const value = {
      tasks: tasks.slice(0, MOST_TASKS).map(trimmed),
      silent: trimmed(silent),
      at: this.#clock(),
    };
    this.#tree = { value, revision: this.#next() };
  }

  /** Keeps the last hour of a subject from now on; what was before has to be asked for. @returns false: it did already */
  follow(subject: Subject): boolean {
    const key = keyOfSubject(subject);
    if (this.#pasts.has(key)) return false;
    const revision = this.#next();
    this.#pasts.set(key, { past: new PastHour(subject), since: revision });
    this.#followedAt = revision;
    // The farm and the master are always followed.
    const [, , eldest] = this.#pasts.keys();
    if (this.#pasts.size > MOST_FOLLOWED && eldest !== undefined) this.#pasts.delete(eldest);
    return true;
  }

  unfollow(subject: Subject): void {
    if (subject.kind === "farm" || subject.kind === "master") return;
    if (this.#pasts.delete(keyOfSubject(subject))) this.#followedAt = this.#next();
  }

  /** What the history says of a subject. */
  past(subject: Subject, points: readonly HistoryPoint[]): void {
    const followed = this.#pasts.get(keyOfSubject(subject));
    if (followed === undefined) return;
    const revision = this.#revision + 1;
    if (followed.past.fill(points, revision)) this.#revision = revision;
  }

  /** What somebody lacks who knows the picture as it was at a revision; 0: who knows nothing. */
  changesSince(since: number): Changes {
    const isWhole = since < this.#wholeBefore || since > this.#revision;
    const from = isWhole ? 0 : since;
    const isNew = ({ revision }: { readonly revision: number }) => revision > from;
    const fresh = <T>(kept: Iterable<Kept<T>>): T[] =>
      Array.from(kept)
        .filter(isNew)
        .map(({ value }) => value);
    return {
      revision: this.#revision,
      isWhole,
      connection: isNew(this.#connection) ? this.#connection.value : null,
      figures: isNew(this.#figures) ? this.#figures.value : null,
      slaves: fresh(this.#slaves.values()),
      removedSlaves: isWhole ? [] : fresh(this.#removed).filter((id) => !this.#slaves.has(id)),
      ended: fresh(this.#ended),
      events: fresh(this.#events),
      pasts: Array.from(this.#pasts.values(), ({ past, since: begun }) => ({
        subject: past.subject,
        isWhole: begun > from,
        points: begun > from ? past.points : past.pointsSince(from),
      })).filter(({ points, isWhole: isAll }) => points.length > 0 || isAll),
      followed: this.#followedAt > from ? this.followed() : null,
      tree: isNew(this.#tree) ? this.#tree.value : null,
    };
  }

  #next(): number {
    this.#revision += 1;
    return this.#revision;
  }

  #setLife(life: string): void {
    if (life === this.#life) return;
    if (this.#life !== "") this.#lifeSince = this.#revision;
    this.#life = life;
  }

  #takeSlave(event: Extract<FarmEvent, { kind: "slave" }>): void {
    const { kind: _kind, life, change, facts, ...now } = event;
    if (life !== this.#life) this.#doubts += 1;
    this.#setLife(life);
    const known = this.#slaves.get(now.id);
    if (known?.life === life && known.change >= change) return;
    // Its facts were said while nobody listened.
    if (known === undefined && facts === null) this.#doubts += 1;
    const isHere = now.connectedAt !== null;
    const wasHere = known !== undefined && known.value.connectedAt !== null;
    const isAsleep = now.asleep !== null;
    const wasAsleep = known !== undefined && known.value.asleep !== null;
    this.#putSlave(now, facts, { life, change });
    // Builds are events of their own.
    if (isHere !== wasHere || isAsleep !== wasAsleep) this.#note(event);
  }

  /** With what else is known of it. */
  #putSlave(
    now: SlaveNow,
    facts: SlaveFacts | null,
    { life, change }: { readonly life: string; readonly change: number },
  ): void {
    const before = this.#slaves.get(now.id)?.value;
    if (before === undefined && this.#slaves.size >= MOST_SLAVES) return;
    const inHand = before?.build ?? null;
    const isSameBuild = inHand !== null && inHand.token === now.build?.token;
    const { id, label, state, sinceAt, asleep, build, delivering, connectedAt } = trimmed(now);
    const value: SlaveSeen = {
      // In one order of names, however it came.
      ...{ id, label, state, sinceAt, asleep, build, delivering, connectedAt },
      facts: facts === null ? (before?.facts ?? null) : trimmed(facts),
      stats: before?.stats ?? null,
      heardAt: before?.heardAt ?? null,
      says: isSameBuild ? (before?.says ?? null) : null,
    };
    const isSame = before !== undefined && JSON.stringify(before) === JSON.stringify(value);
    const revision = isSame ? (this.#slaves.get(now.id)?.revision ?? 0) : this.#next();
    this.#slaves.set(now.id, { value: isSame ? before : value, revision, life, change });
  }

  #remove(id: number): void {
    if (!this.#slaves.delete(id)) return;
    this.#removed = this.#removed.filter(({ value }) => value !== id);
    this.#removed.push({ value: id, revision: this.#next() });
    const forgotten = this.#removed.length > MOST_REMOVED ? this.#removed.shift() : undefined;
    if (forgotten !== undefined)
      this.#wholeBefore = Math.max(this.#wholeBefore, forgotten.revision);
  }

  #changeSlave(id: number, change: Partial<SlaveSeen>): void {
    const known = this.#slaves.get(id);
    if (known === undefined) return;
    this.#slaves.set(id, {
      ...known,
      value: { ...known.value, ...change },
      revision: this.#next(),
    });
  }

  #takeHost({ slaveId, stats, heardAt }: SlaveFigures): void {
    const known = this.#slaves.get(slaveId)?.value.heardAt ?? null;
    if (!isNewer(heardAt, known)) return;
    this.#changeSlave(slaveId, { stats, heardAt });
    this.#pasts
      .get(keyOfSubject({ kind: "slave", id: slaveId }))
      ?.past.put(heardAt, hostRow(stats), this.#revision);
  }

  #takeWord(id: number, token: number, word: { status: string; text: string }): void {
    const build = this.#slaves.get(id)?.value.build;
    if (build?.token === token) this.#changeSlave(id, { says: trimmed(word) });
  }

  #takeFigures(figures: FarmStatistics): void {
    const { value: known } = this.#figures;
    const { asOf } = figures;
    const isNews = asOf === null ? known.asOf === null : isNewer(asOf, known.asOf);
    const revision = this.#revision + 1;
    if (isNews) this.#figures = { value: figures, revision };
    let hasChanged = isNews;
    // Late ones belong to the past all the same, but for a step whose last word came.
    const isPast =
      isNews || (known.asOf !== null && startOfStep(asOf ?? 0) < startOfStep(known.asOf));
    if (asOf !== null && isPast) hasChanged = this.#putPasts(asOf, figures, revision) || hasChanged;
    if (hasChanged) this.#revision = revision;
  }

  #putPasts(asOf: number, { farm, targets, master }: FarmStatistics, revision: number): boolean {
    let hasChanged = false;
    const put = (subject: Subject, row: () => readonly (number | null)[]) => {
      const past = this.#pasts.get(keyOfSubject(subject))?.past;
      if (past?.put(asOf, row(), revision) === true) hasChanged = true;
    };
    if (farm !== null) put(FARM, () => figureRow("farm", farm));
    if (master !== null) put(MASTER, () => hostRow(master));
    for (const { id, figures: row } of targets)
      put({ kind: "target", id }, () => figureRow("target", row));
    return hasChanged;
  }

  #takeEnded(builds: readonly EndedBuild[]): void {
    const known = new Map(this.#ended.map((kept) => [kept.value.token, kept]));
    for (const build of builds) {
      const value = trimmed(build);
      const before = known.get(build.token);
      if (before !== undefined && JSON.stringify(before.value) === JSON.stringify(value)) continue;
      known.set(build.token, { value, revision: this.#next() });
    }
    this.#ended = [...known.values()]
      .toSorted((a, b) => newestFirst(a.value, b.value))
      .slice(0, MOST_ENDED);
  }

  #note(event: FarmEvent | WatchEvent): void {
    this.#eventCount += 1;
    const value = { number: this.#eventCount, at: this.#clock(), event: trimmed(event) };
    this.#events.push({ value, revision: this.#next() });
    if (this.#events.length > MOST_EVENTS) this.#events.shift();
  }
}

const isNewer = (at: number, known: number | null): boolean =>
  known === null || at > known || at < known - CLOCK_SET_BACK_MS;
