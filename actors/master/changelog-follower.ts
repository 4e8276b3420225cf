/**
 * Follows the changelog: each answer's projects and its serial go into the database in one transaction.
 * What the log says of them does not matter, only that something happened: so rows may come twice, late or
 * out of order. Used by Cloud Gazer for an index that has a changelog.
 */
import type { ListedProject } from "../../db/changes.ts";
import { type ChangelogEvent, UpstreamError } from "../../protocol/upstream/index.ts";
import { ChangedNames } from "./changed-names.ts";
import { ChangelogStretch, LOOK_BACK } from "./changelog-stretch.ts";
import { askUntilDone } from "./database.ts";
import type { Follower, FollowerArgs, FollowerContext } from "./follower.ts";

/** As many rows as the server gives at once: then it has more. */
const FULL_ANSWER = 50_000;
/** At every so manieth stretch, and at the first: see `LOOK_BACK`. */
const STRETCHES_PER_LOOK_BACK = 20;
/** At every so manieth empty answer upstream's last serial is compared: it may have been set back. */
const ANSWERS_PER_LOOK = 20;
/** A cache may be behind for a moment; only what is seen so often in a row is believed. */
const BEHIND_BEFORE_RESET = 3;
/** A serial further ahead than this is an error of upstream's: to follow it would be to skip all before it. */
const MAX_SERIAL_STEP = 1_000_000_000;

export class ChangelogFollower implements Follower {
  highestSerial = 0;
  readonly lookAgainMs = null;
  readonly #args: FollowerArgs;
  /** Serials taken up that are not further back than is looked. */
  #recent = new Set<number>();
  #stretches = 0;
  /** Questions for changes in a row that had nothing for an answer. */
  #emptyAnswers = 0;
  /** Looks in a row at which upstream was behind what it had shown before. */
  #timesBehind = 0;
  /** The last serial that was refused, so that it is logged once. */
  #refusedSerial = 0;
  /** The next stretch, gathered while the last one is being recorded. */
  #ahead:
    | { readonly from: number; readonly stretch: Promise<ChangelogStretch | "cut"> }
    | undefined;

  constructor(args: FollowerArgs) {
    this.#args = args;
  }

  async follow(ctx: FollowerContext): Promise<boolean> {
    const { database } = this.#args;
    let serial = await askUntilDone(ctx, database, "upstreamSerial", null);
    if (serial === 0) {
      serial = await this.#loadAll(ctx, 0);
      this.#recent.clear();
      this.#stretches = 0;
    }
    this.highestSerial = Math.max(this.highestSerial, serial);
    const stretch = await this.#next(ctx, serial);
    if (stretch === "cut") {
      ctx.log.warn(
        { serial },
        "the changelog is out of order here, and cut off: all projects are listed instead",
      );
      await this.#loadAll(ctx, serial);
      return true;
    }
    this.#args.meters.seen(Math.max(serial, stretch.to));
    const late = stretch.behind.filter(
      (event) => event.serial > serial - LOOK_BACK && !this.#recent.has(event.serial),
    );
    if (late.length > 0) await this.#takeUpLate(ctx, late);
    if (stretch.to > serial) return this.#takeUp(ctx, stretch);
    this.#remember(stretch, serial);
    this.#emptyAnswers += 1;
    return this.#findSetBack(ctx, serial);
  }

  /** The one that begins at this serial: it may be there already. */
  async #next(ctx: FollowerContext, serial: number): Promise<ChangelogStretch | "cut"> {
    const ahead = this.#ahead?.from === serial ? this.#ahead.stretch : undefined;
    this.#ahead = undefined;
    try {
      return await (ahead ?? this.#gather(ctx, serial));
    } catch (error) {
      if (!(error instanceof UpstreamError) || error.code !== "refused") throw error;
      const hint = "an index that has no changelog any more is followed with --pypi-xmlrpc none";
      throw new UpstreamError("refused", `${error.message} (${hint})`, { cause: error });
    }
  }

  /** What goes wrong with it is told when it is asked for. */
  #gatherAhead(ctx: FollowerContext, from: number): void {
    const stretch = this.#gather(ctx, from);
    stretch.catch(() => undefined);
    this.#ahead = { from, stretch };
  }

  /** `cut`: nobody knows what the first answer left out. */
  async #gather(ctx: FollowerContext, from: number): Promise<ChangelogStretch | "cut"> {
    const isLookBack = this.#stretches % STRETCHES_PER_LOOK_BACK === 0;
    const since = isLookBack ? Math.max(0, from - LOOK_BACK) : from;
    const first = await this.#ask(ctx, since, from);
    this.#stretches += 1;
    if (first === "cut") return "cut";
    const stretch = new ChangelogStretch(from, first);
    while (stretch.hasRoom) {
      const { to } = stretch;
      // What is gathered is recorded all the same; the one after it is told what is wrong.
      const answer = await this.#ask(ctx, to, to).catch(() => "failed" as const);
      if (answer === "failed" || answer === "cut") break;
      stretch.add(answer);
    }
    return stretch;
  }

  async #ask(
    ctx: FollowerContext,
    since: number,
    serial: number,
  ): Promise<readonly ChangelogEvent[] | "cut"> {
    const answer = await this.#args.upstream.changelogSinceSerial(since, ctx.signal);
    const events = this.#plausible(ctx, answer, serial);
    return answer.length >= FULL_ANSWER && !isAscending(events, serial) ? "cut" : events;
  }

  /** Returns whether there may be more. */
  async #takeUp(ctx: FollowerContext, stretch: ChangelogStretch): Promise<boolean> {
    const { database } = this.#args;
    const { from, to, names, isMore } = stretch;
    this.#emptyAnswers = 0;
    this.#timesBehind = 0;
    if (isMore) this.#gatherAhead(ctx, to);
    names.warn(ctx.log);
    const batches = names.take();
    // The last one moves the serial; should a crash come before it, the others are noted again.
    const last = batches.pop() ?? [];
    for (const projects of batches)
      await askUntilDone(ctx, database, "recordListing", { projects });
    await askUntilDone(ctx, database, "recordChanges", {
      from,
      to,
      projects: last.map(withSerial),
    });
    this.highestSerial = to;
    this.#remember(stretch, to);
    ctx.log.debug({ from, to }, "changelog taken up");
    return isMore;
  }

  async #takeUpLate(ctx: FollowerContext, events: readonly ChangelogEvent[]): Promise<void> {
    for (const projects of changed(ctx, events))
      await askUntilDone(ctx, this.#args.database, "recordLateChanges", {
        projects: projects.map(withSerial),
      });
  }

  #remember({ behind, recent }: ChangelogStretch, serial: number): void {
    const limit = serial - LOOK_BACK;
    for (const event of behind) if (event.serial > limit) this.#recent.add(event.serial);
    for (const each of recent) this.#recent.add(each);
    for (const old of this.#recent) if (old <= limit) this.#recent.delete(old);
  }

  /** Without events whose serials cannot be. */
  #plausible(
    ctx: FollowerContext,
    events: readonly ChangelogEvent[],
    serial: number,
  ): readonly ChangelogEvent[] {
    const limit = serial + MAX_SERIAL_STEP;
    const refused = events.find((event) => event.serial > limit);
    if (refused === undefined) return events;
    if (refused.serial !== this.#refusedSerial)
      ctx.log.warn(
        { code: "garbled", package: refused.name.slice(0, 80), serial: refused.serial, at: serial },
        "upstream tells of a change with a serial that cannot be; it is passed over",
      );
    this.#refusedSerial = refused.serial;
    return events.filter((event) => event.serial <= limit);
  }

  /**
   * Nothing new for long may mean that upstream's serials were set back (restored from a backup): then
   * what changes until they pass ours would never be heard of. Returns whether all is to be listed anew.
   */
  async #findSetBack(ctx: FollowerContext, serial: number): Promise<boolean> {
    const { database, upstream } = this.#args;
    if (this.#timesBehind === 0 && this.#emptyAnswers % ANSWERS_PER_LOOK !== 0) return false;
    const last = await upstream.changelogLastSerial(ctx.signal);
    this.#args.meters.seen(Math.max(serial, last));
    this.#timesBehind = last < serial ? this.#timesBehind + 1 : 0;
    if (this.#timesBehind < BEHIND_BEFORE_RESET) return false;
    ctx.log.warn(
      { ours: serial, upstream: last },
      "upstream's serials went back: all is listed anew",
    );
    await askUntilDone(ctx, database, "resetSerial", null);
    this.#timesBehind = 0;
    this.highestSerial = 0;
    return true;
  }

  /**
   * The first load: the listing of all projects instead of the years of log before, whose first part (on PyPI up
   * to serial 628000) is out of order. The serial is asked for first, so that what changes meanwhile is read
   * again. Returns that serial.
   */
  async #loadAll(ctx: FollowerContext, from: number): Promise<number> {
    const { database, upstream, follow } = this.#args;
    const to = Math.max(1, await upstream.changelogLastSerial(ctx.signal));
    this.#args.meters.seen(to);
    if (follow === "all") {
      const names = new ChangedNames();
      let count = 0;
      const flush = async () => {
        for (const projects of names.take())
          await askUntilDone(ctx, database, "recordListing", { projects });
      };
      const listing = await upstream.listing(ctx.signal);
      for await (const project of listing.projects) {
        names.add(project.name, Math.min(project.lastSerial ?? to, to));
        count += 1;
        if (names.isFull) await flush();
      }
      await flush();
      names.warn(ctx.log);
      ctx.log.info({ projects: count, serial: to }, "the upstream listing was taken up");
    }
    await askUntilDone(ctx, database, "recordChanges", { from, to, projects: [] });
    return to;
  }
}

function changed(ctx: FollowerContext, events: readonly ChangelogEvent[]) {
  const names = new ChangedNames();
  for (const event of events) names.add(event.name, event.serial);
  names.warn(ctx.log);
  return names.take();
}

const withSerial = ({ name, spelling, serial }: ListedProject) => ({
  name,
  spelling,
  serial: serial ?? 0,
});

/** An answer that was cut off at its length tells all up to its last row only where its rows are in order. */
const isAscending = (events: readonly ChangelogEvent[], after: number): boolean => {
  let last = after;
  return events.every(({ serial }) => {
    if (serial <= after) return true;
    const isNext = serial >= last;
    last = serial;
    return isNext;
  });
};
