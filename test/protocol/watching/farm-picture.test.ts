/** The picture of a farm: whatever is lost, repeated or late, it ends as one that missed nothing, and says all that has changed. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SlaveFacts, SlaveNow } from "../../../protocol/model/slave-now.ts";
import {
  type FarmFigures,
  type FarmStatistics,
  figureNames,
  figureRow,
  type HistoryPoint,
} from "../../../protocol/model/statistics.ts";
import type { EndedBuild, FarmEvent } from "../../../protocol/model/status.ts";
import {
  type Answers,
  type Changes,
  FarmPicture,
  MOST_ENDED,
  MOST_EVENTS,
  MOST_SLAVES,
  newestFirst,
  type SlaveSeen,
} from "../../../protocol/watching/farm-picture.ts";
import { keyOfSubject, type PastPoint } from "../../../protocol/watching/past-hour.ts";

const START = 1_700_000_000_000;
const FARM = { kind: "farm", id: 0 } as const;
const facts: SlaveFacts = {
  ...{ slot: "main", identity: "key", hostname: "h", os: "os", board: "", version: "1" },
  targets: ["cp311-linux_x86_64"],
};
const stats = {
  ...{ diskFreeBytes: 1, diskSizeBytes: 2, memoryFreeBytes: 3, memorySizeBytes: 4 },
  ...{ swapFreeBytes: 0, swapSizeBytes: 0, loadAverage: 0.5, temperatureC: null },
};
const noFigures = Object.fromEntries(figureNames.farm.map((name) => [name, null])) as FarmFigures;

/** A farm that says what happens, and answers who asks. */
class Farm {
  life = "1";
  change = 0;
  now = START;
  readonly slaves = new Map<number, SlaveNow>();
  readonly hosts = new Map<number, { stats: typeof stats; heardAt: number }>();
  ended: EndedBuild[] = [];
  figures: FarmStatistics = { asOf: null, farm: null, targets: [], master: null, resting: null };
  readonly history: HistoryPoint[] = [];
  token = 0;

  do(deed: Deed): FarmEvent {
    this.now += 1_000;
    const { id } = deed;
    const before = this.slaves.get(id) ?? slaveOf(id, this.now);
    switch (deed.what) {
      case "idle":
        return this.#says({ ...before, state: "idle", build: null, sinceAt: this.now });
      case "build": {
        this.token += 1;
        const build = { token: this.token, ...subject, sinceAt: this.now };
        return this.#says({ ...before, state: "building", build, sinceAt: this.now });
      }
      case "silent":
        return this.#says({ ...before, state: "silent", connectedAt: null, sinceAt: this.now });
      case "sleep":
        return this.#says({ ...before, state: "asleep", asleep: { by: "person", why: "x" } });
      case "host": {
        // Who says something of its machine has been greeted.
        if (!this.slaves.has(id)) return this.do({ ...deed, what: "idle" });
        const figures = { stats: { ...stats, loadAverage: deed.n }, heardAt: this.now };
        this.hosts.set(id, figures);
        return { kind: "host", slaveId: id, label: `s${id}`, ...figures };
      }
      case "ended": {
        this.token += 1;
        const ended: EndedBuild = {
          ...{ token: this.token, ...subject, slave: `s${id}`, slaveId: id, cause: "built" },
          ...{ message: "", durationMs: 1, endedAt: this.now, files: [] },
        };
        this.ended = [...this.ended, ended].toSorted(newestFirst).slice(0, MOST_ENDED);
        return { kind: "build-ended", ...ended };
      }
      case "figures": {
        // Of a step of its own each.
        this.now += 10_000;
        const farm = { ...noFigures, ready: deed.n, loadAverage: 0.1 };
        this.figures = { ...this.figures, asOf: this.now, farm };
        this.history.push({
          ...{ subject: 0, at: Math.floor(this.now / 10_000) * 10_000, samples: 1, maximum: null },
          average: figureRow("farm", farm).map((n) => (n === null ? null : Math.fround(n))),
        });
        return { kind: "figures", ...this.figures };
      }
      case "published":
        return { kind: "published", package: "foo", filename: "foo-1.0-py3-none-any.whl" };
    }
  }

  #says(slave: SlaveNow): FarmEvent {
    const isNew = !this.slaves.has(slave.id);
    this.slaves.set(slave.id, slave);
    this.change += 1;
    const { life, change } = this;
    return { kind: "slave", life, change, facts: isNew ? facts : null, ...slave };
  }

  /** Another master, or another Slave Driver: nobody is here yet. */
  beginAnew(): void {
    this.life = `${this.life}+`;
    this.change = 0;
    for (const [id, slave] of this.slaves)
      this.slaves.set(id, { ...slave, state: "silent", connectedAt: null });
  }

  answers(picture: FarmPicture): Answers {
    const { doubts } = picture;
    const { life, change, ended } = this;
    const slaves = Array.from(this.slaves.values(), (now) => ({ now, facts }));
    const hosts = Array.from(this.hosts, ([slaveId, figures]) => ({
      ...{ slaveId, label: `s${slaveId}`, ...figures },
    }));
    const everything = { ...this.figures, nowAt: START, upSinceAt: START, slaves: hosts };
    return { doubts, everything, slaves, life, change, ended };
  }
}

const subject = { package: "foo", version: "1.0", target: "t" };
const slaveOf = (id: number, now: number): SlaveNow => ({
  ...{ id, label: `s${id}`, state: "idle", sinceAt: now, asleep: null, build: null },
  ...{ delivering: 0, connectedAt: now },
});

const whats = [
  "idle",
  "build",
  "silent",
  "sleep",
  "host",
  "ended",
  "figures",
  "published",
] as const;
interface Deed {
  readonly what: (typeof whats)[number];
  readonly id: number;
  readonly n: number;
}
const deed: fc.Arbitrary<Deed> = fc.record({
  what: fc.constantFrom(...whats),
  id: fc.integer({ min: 1, max: 6 }),
  n: fc.nat(1_000),
});

const open = () => new FarmPicture(() => START);
const catchUp = (picture: FarmPicture, farm: Farm, answers = farm.answers(picture)) => {
  picture.catchUp(answers);
  picture.past(FARM, farm.history);
};
/** What both must agree on: not the events, of which one has missed some. */
const known = (picture: FarmPicture) => ({
  slaves: picture.slaves().toSorted((a, b) => a.id - b.id),
  figures: picture.figures,
  ended: picture.ended(),
  past: picture.findPast(FARM)?.map(({ at, figures }) => ({ at, figures })),
});

/** A screen that is told only what has changed. */
class Screen {
  revision = 0;
  slaves = new Map<number, SlaveSeen>();
  ended = new Map<number, EndedBuild>();
  events: Changes["events"][number][] = [];
  pasts = new Map<string, Map<number, PastPoint>>();
  figures: Changes["figures"] = null;
  connection: Changes["connection"] = null;
  tree: Changes["tree"] = null;

  apply(changes: Changes): void {
    if (changes.isWhole) Object.assign(this, new Screen());
    this.revision = changes.revision;
    this.figures = changes.figures ?? this.figures;
    this.connection = changes.connection ?? this.connection;
    this.tree = changes.tree ?? this.tree;
    for (const id of changes.removedSlaves) this.slaves.delete(id);
    for (const slave of changes.slaves) this.slaves.set(slave.id, slave);
    for (const build of changes.ended) this.ended.set(build.token, build);
    this.events = [...this.events, ...changes.events].slice(-MOST_EVENTS);
    if (changes.followed !== null) {
      const followed = new Set(changes.followed.map(keyOfSubject));
      for (const key of this.pasts.keys()) if (!followed.has(key)) this.pasts.delete(key);
    }
    for (const { subject: of, points, isWhole } of changes.pasts) {
      const past =
        (isWhole ? undefined : this.pasts.get(keyOfSubject(of))) ?? new Map<number, PastPoint>();
      for (const point of points) past.set(point.at, point);
      this.pasts.set(keyOfSubject(of), past);
    }
  }

  drawn() {
    return {
      slaves: [...this.slaves.values()].toSorted((a, b) => a.id - b.id),
      ended: [...this.ended.values()].toSorted(newestFirst).slice(0, MOST_ENDED),
      events: this.events,
      pasts: [...this.pasts].map(([key, past]) => [
        key,
        [...past.values()]
          .toSorted((a, b) => a.at - b.at)
          .map(({ at, figures }) => ({ at, figures })),
      ]),
      figures: this.figures,
      connection: this.connection,
      tree: this.tree,
    };
  }
}

describe("a picture", { timeout: 120_000 }, () => {
  it("of a watcher that missed, heard twice or late ends as that of one that heard all", () => {
    const fate = fc.constantFrom(
      "heard",
      "heard",
      "heard",
      "lost",
      "twice",
      "late",
      "asks",
      "anew",
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(deed, fate), { maxLength: 120 }), (story) => {
        const farm = new Farm();
        const all = open();
        const some = open();
        catchUp(all, farm);
        catchUp(some, farm);
        const late: FarmEvent[] = [];
        let asked: Answers | undefined;
        for (const [what, how] of story) {
          if (how === "anew") {
            farm.beginAnew();
            catchUp(all, farm);
            late.length = 0;
            some.missed(0);
          }
          // The first word of a slave comes before those of its machine.
          const wasKnown = farm.slaves.has(what.id);
          const event = farm.do(what);
          all.heard(event);
          if (all.isStale) catchUp(all, farm);
          if (how === "lost") some.missed(1);
          else if (how === "late" && wasKnown) late.push(event);
          else some.heard(event);
          if (how === "twice") some.heard(event);
          // Its answer comes after what happens next.
          if (asked !== undefined) catchUp(some, farm, asked);
          asked = how === "asks" ? farm.answers(some) : undefined;
        }
        for (const event of late) some.heard(event);
        // What it heard late it may have to ask about; what it lost it has to, until it was answered.
        if (story.at(-1)?.[1] === "lost") expect(some.isStale).toBe(true);
        // One that has no doubts need not ask.
        if (some.isStale) catchUp(some, farm);
        expect(known(some)).toEqual(known(all));
        expect(some.isStale).toBe(false);
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  it("says all that has changed: a screen that is told no more equals one that is drawn anew", () => {
    const step = fc.oneof(
      { weight: 12, arbitrary: deed.map((what) => ({ kind: "deed" as const, what })) },
      { weight: 2, arbitrary: fc.constant({ kind: "look" as const }) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constantFrom("follow" as const, "unfollow" as const),
          id: fc.integer({ min: 1, max: 4 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constantFrom("gap", "asks", "anew", "forget", "away", "tree" as const),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const farm = new Farm();
        const picture = open();
        const screen = new Screen();
        const look = () => {
          screen.apply(picture.changesSince(screen.revision));
          const anew = new Screen();
          anew.apply(picture.changesSince(0));
          expect(screen.drawn()).toEqual(anew.drawn());
          expect(screen.drawn().slaves).toEqual(picture.slaves().toSorted((a, b) => a.id - b.id));
          expect(screen.drawn().ended).toEqual(picture.ended());
        };
        for (const each of steps) {
          if (each.kind === "deed") picture.heard(farm.do(each.what));
          else if (each.kind === "follow") picture.follow({ kind: "slave", id: each.id });
          else if (each.kind === "unfollow") picture.unfollow({ kind: "slave", id: each.id });
          else if (each.kind === "gap") picture.missed(3);
          else if (each.kind === "asks") catchUp(picture, farm);
          else if (each.kind === "anew") farm.beginAnew();
          else if (each.kind === "forget") farm.slaves.delete(3);
          else if (each.kind === "away") picture.connected({ state: "away", why: "silent" });
          else if (each.kind === "tree") picture.treeIs([], ["db"]);
          else look();
        }
        look();
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  it("gives everything to who lacks more removals than it remembers", () => {
    const farm = new Farm();
    const picture = open();
    for (let id = 1; id <= 1_500; id += 1) farm.do({ what: "idle", id, n: 0 });
    catchUp(picture, farm);
    const before = picture.revision;
    for (let id = 1; id <= 1_500; id += 1) farm.slaves.delete(id);
    catchUp(picture, farm);
    expect(picture.slaves()).toEqual([]);
    expect(picture.changesSince(before)).toMatchObject({ isWhole: true, slaves: [] });
    expect(picture.changesSince(picture.revision).isWhole).toBe(false);
  });

  it("keeps what a screen can show, however much is said and however long", () => {
    const picture = open();
    const long = "x".repeat(2_000);
    const farm = new Farm();
    for (let id = 1; id <= MOST_SLAVES + 500; id += 1) {
      const event = farm.do({ what: "sleep", id, n: 0 });
      if (event.kind !== "slave") throw new Error(event.kind);
      const targets = Array.from({ length: 1_000 }, () => long.slice(0, 200));
      picture.heard({
        ...event,
        asleep: { by: "person", why: long },
        facts: id % 100 === 0 ? { ...facts, targets } : facts,
      });
    }
    for (let token = 1; token <= 400; token += 1)
      picture.heard({
        ...{ kind: "build-ended", token, ...subject, slave: "s", slaveId: 1, cause: "built" },
        ...{ message: long, durationMs: 1, endedAt: token },
        files: Array.from({ length: 100 }, () => "f".repeat(255)),
        suspicious: Array.from({ length: 100 }, () => long),
      });
    expect(picture.slaves()).toHaveLength(MOST_SLAVES);
    expect(picture.ended()).toHaveLength(MOST_ENDED);
    expect(picture.events()).toHaveLength(MOST_EVENTS);
    const sizes = [...picture.events(), ...picture.ended(), ...picture.slaves()].map(
      (each) => JSON.stringify(each).length,
    );
    expect(Math.max(...sizes)).toBeLessThan(20_000);
    for (let id = 1; id <= 100; id += 1) picture.follow({ kind: "slave", id });
    expect(picture.followed()).toHaveLength(32);
    const point = { subject: 0, samples: 1, average: [1], maximum: null };
    picture.past(
      FARM,
      Array.from({ length: 10_000 }, (_, at) => ({ ...point, at: START + at * 10_000 })),
    );
    expect(picture.findPast(FARM)).toHaveLength(360);
  });

  it("goes by a clock that was set back", () => {
    const picture = open();
    const farm = new Farm();
    catchUp(picture, farm);
    picture.heard(farm.do({ what: "idle", id: 1, n: 0 }));
    picture.heard(farm.do({ what: "host", id: 1, n: 1 }));
    farm.now -= 3_600_000;
    picture.heard(farm.do({ what: "host", id: 1, n: 2 }));
    expect(picture.findSlave(1)?.stats?.loadAverage).toBe(2);
  });
});
