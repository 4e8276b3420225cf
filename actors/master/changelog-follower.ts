/**
 * Follows the changelog: each answer's projects and its serial go into the database in one transaction.
 * What the log says of them does not matter, only that something happened: so rows may come twice, late or
 * out of order. Used by Cloud Gazer for an index that has a changelog.
 */
import type { ListedProject } from "../../db/changes.ts";
import { type ChangelogEvent, UpstreamError } from "../../protocol/upstream/index.ts";
import { ChangedNames } from "./changed-names.ts";
import { askUntilDone } from "./database.ts";
import type { Follower, FollowerArgs, FollowerContext } from "./follower.ts";

/** As many rows as the server gives at once: then it has more. */
const FULL_ANSWER = 50_000;
/** An answer of so many rows is asked after at once: a server may give fewer at a time than PyPI does. */
const LONG_ANSWER = 1_000;
/**
 * Rows are numbered when they are written and seen when they are committed, so that one may appear behind
 * others that were taken up already. How far back is looked for such: on PyPI more than an hour.
 */
const LOOK_BACK = 1_000;
/** At every so manieth question, and at the first. */
const QUESTIONS_PER_LOOK_BACK = 20;
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
  #questions = 0;
  /** Questions for changes in a row that had nothing for an answer. */
  #emptyAnswers = 0;
  /** Looks in a row at which upstream was behind what it had shown before. */
  #timesBehind = 0;
  /** The last serial that was refused, so that it is logged once. */
  #refusedSerial = 0;
  /** The next answer, asked for while the last one was being recorded. */
  #ahead:
    | { readonly since: number; readonly answer: Promise<readonly ChangelogEvent[]> }
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
      this.#questions = 0;
    }
    this.highestSerial = Math.max(this.highestSerial, serial);
    const answer = await this.#ask(ctx, serial);
    const events = this.#plausible(ctx, answer, serial);
    this.#args.meters.seen(Math.max(serial, highest(events)));
    const fresh = events.filter((event) => event.serial > serial);
    const late = events.filter(
      (event) =>
        event.serial <= serial &&
        event.serial > serial - LOOK_BACK &&
        !this.#recent.has(event.serial),
    );
    if (late.length > 0) await this.#takeUpLate(ctx, late);
    if (fresh.length > 0) return this.#takeUp(ctx, serial, fresh, answer.length);
    this.#remember(events, serial);
    this.#emptyAnswers += 1;
    return this.#findSetBack(ctx, serial);
  }

  async #ask(ctx: FollowerContext, serial: number): Promise<readonly ChangelogEvent[]> {
    const isLookBack = this.#questions % QUESTIONS_PER_LOOK_BACK === 0;
    const since = isLookBack ? Math.max(0, serial - LOOK_BACK) : serial;
    const ahead = this.#ahead?.since === since ? this.#ahead.answer : undefined;
    this.#ahead = undefined;
    try {
      const answer = await (ahead ?? this.#args.upstream.changelogSinceSerial(since, ctx.signal));
      this.#questions += 1;
      return answer;
    } catch (error) {
      if (!(error instanceof UpstreamError) || error.code !== "refused") throw error;
      const hint = "an index that has no changelog any more is followed with --pypi-xmlrpc none";
      throw new UpstreamError("refused", `${error.message} (${hint})`, { cause: error });
    }
  }

  /** Returns whether there may be more. */
  async #takeUp(
    ctx: FollowerContext,
    from: number,
    events: readonly ChangelogEvent[],
    answered: number,
  ): Promise<boolean> {
    const { database } = this.#args;
    this.#emptyAnswers = 0;
    this.#timesBehind = 0;
    if (answered >= FULL_ANSWER && !isAscending(events)) {
      ctx.log.warn(
        { serial: from },
        "the changelog is out of order here, and cut off: all projects are listed instead",
      );
      await this.#loadAll(ctx, from);
      return true;
    }
    const to = highest(events);
    const isMore = answered >= LONG_ANSWER;
    if (isMore) this.#askAhead(ctx, to);
    const batches = changed(ctx, events);
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
    this.#remember(events, to);
    ctx.log.debug({ from, to, events: events.length }, "changelog taken up");
    return isMore;
  }

  /** What goes wrong with it is told when it is asked for. */
  #askAhead(ctx: FollowerContext, since: number): void {
    const answer = this.#args.upstream.changelogSinceSerial(since, ctx.signal);
    answer.catch(() => undefined);
    this.#ahead = { since, answer };
  }

  async #takeUpLate(ctx: FollowerContext, events: readonly ChangelogEvent[]): Promise<void> {
    for (const projects of changed(ctx, events))
      await askUntilDone(ctx, this.#args.database, "recordLateChanges", {
        projects: projects.map(withSerial),
      });
  }

  #remember(events: readonly ChangelogEvent[], serial: number): void {
    const limit = serial - LOOK_BACK;
    for (const event of events) if (event.serial > limit) this.#recent.add(event.serial);
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

const highest = (events: readonly ChangelogEvent[]): number =>
  events.reduce((most, event) => Math.max(most, event.serial), 0);

/** An answer that was cut off at its length tells all up to its last row only where its rows are in order. */
const isAscending = (events: readonly ChangelogEvent[]): boolean =>
  events.every((event, at) => at === 0 || (events[at - 1]?.serial ?? 0) <= event.serial);
