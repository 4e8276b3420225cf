/**
 * Watches a master from outside: connects to its control and status links, keeps a `FarmPicture` of it, and asks for
 * everything again after whatever may have been missed. It comes back by itself, for ever. Called by monitors and by
 * the dashboard; orders and logs are asked through it too.
 */
import type { ClientEndpoint } from "../../supervisor/index.ts";
import { type ControlQuestions, controlLink } from "../links/control.ts";
import { statusLink } from "../links/status.ts";
import { type SlaveNow, sortedTargets } from "../model/slave-now.ts";
import type { SlaveRow } from "../model/steering.ts";
import {
  type ClientKeys,
  connectEndpoint,
  connectSubscriber,
  keysOverTcp,
  type Subscription,
  type TransportLog,
} from "../transport/index.ts";
import { type Answers, FarmPicture, MOST_ENDED } from "./farm-picture.ts";
import type { Subject } from "./past-hour.ts";
import { Repeater } from "./repeater.ts";

export interface WatchOptions {
  readonly controlAddress: string;
  readonly statusAddress: string;
  /** Needed where an address is not of this machine. */
  readonly keys?: ClientKeys;
  readonly log: TransportLog;
  /** Called when the picture has changed: what came within `paceMs` is told at once. */
  onChange(picture: FarmPicture): void;
  /** Default 100. */
  readonly paceMs?: number;
}

type AskMaster = ClientEndpoint<ControlQuestions>["ask"];

export interface MasterWatcher {
  readonly picture: FarmPicture;
  /**
   * A question or order of the control link. Rejects at once while the master is away.
   * @throws EndpointError `timeout`, `gone`, `refused` with the master's reason, `closed`
   */
  readonly ask: AskMaster;
  /** Keeps the last hour of this subject, beside those of farm and master. */
  follow(subject: Subject): void;
  unfollow(subject: Subject): void;
  /** Asks for the tree so often; null: not any more. */
  lookAtTree(everyMs: number | null): void;
  /** Ends both connections; `onChange` is not called any more. Idempotent. */
  close(): Promise<void>;
}

/** For one answer. A master may be busy with a large one. */
const ANSWER_MS = 10_000;
/** Between two rounds of asking for everything: whoever misses much must not burden the master. */
const ROUND_MS = { min: 500, max: 15_000 };
/** While nothing is heard on the status link, all is asked for so often. */
const DEAF_ROUND_MS = 3_000;
/** The publisher repeats its number every 2 s. */
const SILENT_MS = 8_000;
const LOOK_MS = 500;
const DEFAULT_PACE_MS = 100;
const RETRY_MS = { min: 100, max: 3_000 };

/** @throws EndpointConfigError where an address or the keys cannot work */
export function watchMaster(options: WatchOptions): MasterWatcher {
  return new Watching(options);
}

class Watching implements MasterWatcher {
  readonly picture = new FarmPicture();
  readonly ask: AskMaster;
  readonly #options: WatchOptions;
  readonly #control: ClientEndpoint<ControlQuestions>;
  readonly #status: Subscription;
  readonly #looking: NodeJS.Timeout;
  readonly #round: Repeater;
  readonly #tree: Repeater;
  #pacing: NodeJS.Timeout | undefined;
  #told = 0;
  #isUp = false;
  /** Monotonic; -Infinity: not yet. */
  #heardMs = Number.NEGATIVE_INFINITY;
  /** Of either link, by the wall clock. */
  #seenAt = Date.now();
  #closed: Promise<void> | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    const { controlAddress, statusAddress, keys, log } = options;
    this.#control = connectEndpoint(controlLink, {
      address: controlAddress,
      ...keysFor(controlAddress, keys),
      log,
      retryMs: RETRY_MS,
      handlers: {
        up: () => this.#up(),
        message: () => undefined,
        down: (reason) => this.#down(reason),
      },
    });
    this.ask = (type, body, timeoutMs) => this.#control.ask(type, body, timeoutMs);
    this.#round = new Repeater({
      work: () => this.#askForAll(),
      pauseMs: ROUND_MS,
    });
    this.#tree = new Repeater({ work: () => this.#askForTree(), pauseMs: ROUND_MS });
    try {
      this.#status = connectSubscriber(statusLink, {
        address: statusAddress,
        ...keysFor(statusAddress, keys),
        log,
        onSign: () => this.#hears(),
        onMessage: ({ body }) => {
          this.picture.heard(body);
          if (this.picture.isStale) this.#round.now();
          this.#tell();
        },
        onGap: (missed) => {
          this.picture.missed(missed);
          this.#round.now();
        },
      });
    } catch (error) {
      this.#round.stop();
      this.#tree.stop();
      void this.#control.close();
      throw error;
    }
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
  }

  follow(subject: Subject): void {
    if (this.picture.follow(subject) && this.#isUp)
      void this.#askForPast(subject).catch(() => undefined);
    this.#tell();
  }

  unfollow(subject: Subject): void {
    this.picture.unfollow(subject);
    this.#tell();
  }

  lookAtTree(everyMs: number | null): void {
    this.#tree.every(everyMs);
    if (everyMs !== null) this.#tree.now();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#looking);
    clearTimeout(this.#pacing);
    this.#round.stop();
    this.#tree.stop();
    await Promise.all([this.#control.close(), this.#status.close()]);
  }

  #up(): void {
    this.#isUp = true;
    this.#seenAt = Date.now();
    this.picture.connected({ state: "here", sinceAt: this.#seenAt, why: "", isCaughtUp: false });
    this.#round.now();
    this.#tell();
  }

  #down(reason: string): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    const { connection } = this.picture;
    if (reason.startsWith("refused")) {
      this.picture.connected({
        state: "refused",
        why: reason,
        isCaughtUp: false,
        ...(connection.state !== "refused" && { sinceAt: Date.now() }),
      });
    } else if (wasUp)
      this.picture.connected({
        state: "away",
        sinceAt: this.#seenAt,
        why: reason,
        isCaughtUp: false,
      });
    this.#tell();
  }

  /** What was said before it heard anything it has missed, and nobody tells it. */
  #hears(): void {
    if (!this.picture.connection.isHearing) this.#round.now();
    this.#heardMs = performance.now();
    this.#seenAt = Date.now();
    this.picture.connected({ isHearing: true });
    this.#tell();
  }

  /** What no event says: that there are none. */
  #look(): void {
    const isHearing = performance.now() - this.#heardMs < SILENT_MS;
    this.picture.connected({ isHearing });
    this.#round.every(this.#isUp && !isHearing ? DEAF_ROUND_MS : null);
    if (this.#isUp && this.picture.isStale) this.#round.now();
    this.#tell();
  }

  #tell(): void {
    if (this.#closed !== undefined || this.#pacing !== undefined) return;
    if (this.picture.revision === this.#told) return;
    this.#pacing = setTimeout(() => {
      this.#pacing = undefined;
      this.#told = this.picture.revision;
      this.#options.onChange(this.picture);
    }, this.#options.paceMs ?? DEFAULT_PACE_MS);
  }

  async #askForAll(): Promise<void> {
    if (!this.#isUp) return;
    const { doubts } = this.picture;
    const [everything, { slaves, whereabouts }, { builds }] = await Promise.all([
      this.#control.ask("HELLO", {}, ANSWER_MS),
      this.#control.ask("SLAVES", {}, ANSWER_MS),
      this.#control.ask("ENDED", { limit: MOST_ENDED }, ANSWER_MS),
    ]);
    const { life, change } = whereabouts;
    this.picture.catchUp({
      doubts,
      everything,
      slaves: seenSlaves(slaves, whereabouts.slaves),
      ...{ life, change, ended: builds },
    });
    this.#seenAt = Date.now();
    this.#tell();
    for (const subject of this.picture.followed()) await this.#askForPast(subject);
  }

  async #askForPast(subject: Subject): Promise<void> {
    const { kind, id } = subject;
    const question = { kind, subject: id, stepS: 10, after: null } as const;
    const { points } = await this.#control.ask("HISTORY", question, ANSWER_MS);
    this.picture.past(subject, points);
    this.#tell();
  }

  async #askForTree(): Promise<void> {
    if (!this.#isUp) return;
    const { tasks, silent } = await this.#control.ask("TREE", { sessions: false }, ANSWER_MS);
    this.picture.treeIs(tasks, silent);
    this.#tell();
  }
}

function keysFor(address: string, keys: ClientKeys | undefined): { keys?: ClientKeys } {
  const needed = keysOverTcp(address, keys);
  return needed === undefined ? {} : { keys: needed };
}

/** Slaves that are on record, with what the Slave Driver knows of them: it does not know who was gone before it began. */
function seenSlaves(rows: readonly SlaveRow[], known: readonly SlaveNow[]): Answers["slaves"] {
  const byId = new Map(known.map((now) => [now.id, now]));
  return rows.map((row) => {
    const { slot, identity, hostname, os, board, version } = row;
    const targets = sortedTargets(row.targets);
    return {
      now: byId.get(row.id) ?? absentSlave(row),
      facts: { slot, identity, hostname, os, board, version, targets },
    };
  });
}

function absentSlave({ id, label, asleep, build, seenAt }: SlaveRow): SlaveNow {
  return {
    ...{ id, label, state: "silent", sinceAt: seenAt, asleep, delivering: 0, connectedAt: null },
    build:
      build === null
        ? null
        : {
            token: build.token,
            package: build.package,
            version: build.version,
            target: build.target,
            sinceAt: build.sinceAt,
          },
  };
}
