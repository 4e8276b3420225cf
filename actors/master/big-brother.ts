/**
 * Big Brother: gathers the farm's figures (from the database's counters, its own machine, the output disk and
 * what slaves say of themselves), keeps their history and tells monitors; and has the farm rest while the
 * output disk is nearly full.
 *
 * It keeps no truth: figures are asked for anew each time, and whether the farm rests is told again with each
 * look at the disk, so that this task, the Architect and the File Juggler may each be started again. Without
 * the database the history has a gap; the disk is watched all the same, also while this task is paused.
 */
import type { Sample } from "../../db/history.ts";
import { hostStats } from "../../protocol/host/host-reader.ts";
import type { ToArchitect } from "../../protocol/links/tasks/architect.ts";
import type { ToBigBrother } from "../../protocol/links/tasks/big-brother.ts";
import type { ToFileJuggler } from "../../protocol/links/tasks/file-juggler.ts";
import type { ToSlaveDriver } from "../../protocol/links/tasks/slave-driver.ts";
import type { ToStatus } from "../../protocol/links/tasks/status.ts";
import type { DiskRoom } from "../../protocol/model/host.ts";
import {
  type FarmStatistics,
  figureRow,
  hostRow,
  MAX_SLAVES,
  type SlaveFigures,
} from "../../protocol/model/statistics.ts";
import { type ActorContext, type ActorRef, defineActor, toError } from "../../supervisor/index.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";
import { restReason } from "./disk-reserve.ts";

export interface BigBrotherMessages extends ToBigBrother {
  TICK(): void;
}

export interface BigBrotherArgs {
  readonly database: DatabaseRef;
  readonly fileJuggler: ActorRef<ToFileJuggler>;
  readonly architect: ActorRef<ToArchitect>;
  readonly slaveDriver: ActorRef<ToSlaveDriver>;
  readonly status: ActorRef<ToStatus>;
  /** How often the figures are taken, in ms. */
  readonly statisticsMs: number;
  /** How often the output disk is looked at, in ms. */
  readonly diskCheckMs: number;
  /** The farm rests while the output disk has less room than this; 0: it never does. */
  readonly diskReserveBytes: number;
}

interface State {
  readonly args: BigBrotherArgs;
  known: FarmStatistics;
  /** Of the output disk; undefined while it could not be measured. */
  room: DiskRoom | undefined;
  /** By id, whoever spoke last at the end. */
  readonly slaves: Map<number, SlaveFigures>;
  /** Slaves that said something since the last figures were taken. */
  readonly fresh: Set<number>;
  isLooking: boolean;
  isTaking: boolean;
  /** What keeps it from its work, but for a full disk. */
  trouble: string | undefined;
}

type Context = ActorContext<BigBrotherMessages>;

/** A colleague or the database that takes longer is done without, this time. */
const PATIENCE_MS = 8_000;
/** A slave that was silent for so long is shown no more. */
const FORGET_MS = 3_600_000;
const UNKNOWN_ROOM: DiskRoom = { freeBytes: 0, sizeBytes: 0 };
/** Of one statement. */
const MAX_SAMPLES = 2_000;
/** Rows of counters that are put together by one statement, and how many of those follow each other. */
const FOLD = { limit: 10_000, rounds: 20 };
/** What one statement thins, and how many of those follow each other: days are caught up with in a minute. */
const THIN = { steps: 12, rows: 20_000, rounds: 20 };

export const bigBrother = defineActor<BigBrotherMessages, BigBrotherArgs, State>({
  name: "gathers the farm's figures",
  pause: "drain",
  init(ctx, args) {
    ctx.self.tell("LOOK");
    ctx.self.tell("TICK");
    ctx.every(args.diskCheckMs, "LOOK");
    ctx.every(args.statisticsMs, "TICK");
    return {
      args,
      known: { asOf: null, farm: null, targets: [], master: null, resting: null },
      room: undefined,
      slaves: new Map(),
      fresh: new Set(),
      isLooking: false,
      isTaking: false,
      trouble: undefined,
    };
  },
  handle: {
    HOST(state, said) {
      const slave: SlaveFigures = { ...said, heardAt: Date.now() };
      state.slaves.delete(slave.slaveId);
      state.slaves.set(slave.slaveId, slave);
      state.fresh.add(slave.slaveId);
      const [oldest] = state.slaves.keys();
      if (oldest !== undefined && state.slaves.size > MAX_SLAVES) {
        state.slaves.delete(oldest);
        state.fresh.delete(oldest);
      }
      state.args.status.tell("EVENT", { kind: "host", ...slave });
    },
    LOOK(state, _body, ctx) {
      if (state.isLooking) return;
      state.isLooking = true;
      ctx.run(async (signal) => {
        try {
          const options = { timeoutMs: PATIENCE_MS, signal };
          state.room = await state.args.fileJuggler.ask("ROOM", undefined, options);
          rest(state, state.room, ctx);
        } catch (error) {
          // Nobody can say: whether the farm rests stays as it is.
          state.room = undefined;
          if (!signal.aborted)
            ctx.log.debug({ err: error }, "the output disk could not be measured");
        } finally {
          state.isLooking = false;
        }
      });
    },
    TICK(state, _body, ctx) {
      if (ctx.paused || state.isTaking) return;
      state.isTaking = true;
      ctx.run(async (signal) => {
        try {
          await take(state, signal);
          state.trouble = undefined;
        } catch (error) {
          if (signal.aborted) return;
          state.trouble = `no figures are kept now: ${toError(error).message}`;
        } finally {
          state.isTaking = false;
        }
        tellHealth(state, ctx);
      });
    },
    EVERYTHING: (state) => ({
      ...state.known,
      nowAt: Date.now(),
      upSinceAt: Math.round(performance.timeOrigin),
      slaves: [...state.slaves.values()],
    }),
  },
});

/** Decides whether builds may be given out, and says so to the Architect whether it is new or not. */
function rest(state: State, room: DiskRoom, ctx: Context): void {
  const before = state.known.resting;
  const reason = restReason(room, state.args.diskReserveBytes, before !== null);
  state.known = { ...state.known, resting: reason };
  state.args.architect.tell("REST", { reason });
  if (before === null && reason !== null) {
    ctx.log.warn(reason);
    const { database } = state.args;
    ctx.run(async () => {
      await askUntilDone(ctx, database, "announceEvent", { event: "disk-low", message: reason });
    });
  }
  if (before !== null && reason === null)
    ctx.log.info({ ...room }, "the output disk has room again: builds are given out");
  tellHealth(state, ctx);
}

function tellHealth(state: State, ctx: Context): void {
  const reason = state.known.resting ?? state.trouble;
  if (reason === undefined) ctx.healthy();
  else ctx.degraded(reason);
}

/** Takes the figures of this moment, tells them, keeps them, and puts what is old together. */
async function take(state: State, signal: AbortSignal): Promise<void> {
  const { database, fileJuggler, slaveDriver, status } = state.args;
  const options = { timeoutMs: PATIENCE_MS, signal };
  const look = () => fileJuggler.ask("ROOM", undefined, options).catch(() => UNKNOWN_ROOM);
  const master = await hostStats(state.room ?? (await look()));
  state.known = { ...state.known, master };
  forget(state);
  const [figures, slaves] = await Promise.all([
    database.ask("farmFigures", null, options),
    slaveDriver.ask("COUNT", undefined, options).catch(() => null),
  ]);
  const farm = { ...figures.farm, slaves };
  state.known = { ...state.known, ...figures, farm };
  status.tell("EVENT", { kind: "figures", ...state.known });

  const samples: Sample[] = [
    { kind: "farm", subject: 0, figures: figureRow("farm", farm) },
    { kind: "master", subject: 0, figures: hostRow(master) },
    ...figures.targets.map((target) => ({
      kind: "target" as const,
      subject: target.id,
      figures: figureRow("target", target.figures),
    })),
    ...[...state.fresh].flatMap((id) => {
      const slave = state.slaves.get(id);
      return slave === undefined
        ? []
        : [{ kind: "slave" as const, subject: id, figures: hostRow(slave.stats) }];
    }),
  ];
  // What cannot be stored now is not tried again: the next figures come.
  state.fresh.clear();
  for (let start = 0; start < samples.length; start += MAX_SAMPLES) {
    const some = samples.slice(start, start + MAX_SAMPLES);
    await database.ask("recordFigures", { at: figures.asOf, samples: some }, options);
  }
  for (let round = 0; round < FOLD.rounds; round += 1) {
    const folded = await database.ask("foldTallies", { limit: FOLD.limit }, options);
    if (folded < FOLD.limit) break;
  }
  const { steps, rows } = THIN;
  for (let round = 0; round < THIN.rounds; round += 1)
    if (!(await database.ask("thinHistory", { at: figures.asOf, steps, rows }, options))) break;
}

function forget(state: State): void {
  const oldest = Date.now() - FORGET_MS;
  for (const [id, { heardAt }] of state.slaves) {
    if (heardAt >= oldest) return;
    state.slaves.delete(id);
  }
}
