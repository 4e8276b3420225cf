/**
 * Slaves as a person sees them, and what a person has them do. Control asks here for SLAVES and STEER: the
 * database says who is meant and keeps who is asleep, the Slave Driver tells those that are connected.
 */
import type { RequestResult } from "../../db/requests.ts";
import type { ControlQuestions } from "../../protocol/links/control.ts";
import type { Presence, ToSlaveDriver } from "../../protocol/links/tasks/slave-driver.ts";
import type { SlaveRow, SlavesAsked, Steered, Steering } from "../../protocol/model/steering.ts";
import type { ActorRef, ReplyOf } from "../../supervisor/index.ts";
import type { DatabaseRef } from "./database.ts";

interface Helpers {
  readonly database: DatabaseRef;
  readonly slaveDriver: ActorRef<ToSlaveDriver>;
}

/** Both answers within what the tools wait. */
const ANSWER_OPTIONS = { timeoutMs: 2_000 };

/** What slaves are told, and what their logs and `piw status` show. */
const reasons: Readonly<Record<Steering, string>> = {
  kill: "killed by a person",
  sleep: "put to sleep by a person",
  wake: "",
  skip: "",
};

/**
 * Of each of the two lists of an answer, which has to fit into a frame. Honest slaves take some 500 bytes; one that says the most it may,
 * over and over under other names, would otherwise have nobody see any slave.
 */
const LISTED_BYTES = 6 * 1024 ** 2;

/** Those that are connected first, as many as there is room for. */
export function fitting<T>(rows: readonly T[], isHere: (row: T) => boolean): T[] {
  let leftBytes = LISTED_BYTES;
  const ordered = [...rows.filter(isHere), ...rows.filter((row) => !isHere(row))];
  const kept = new Set<T>();
  for (const row of ordered) {
    leftBytes -= Buffer.byteLength(JSON.stringify(row));
    if (leftBytes < 0) break;
    kept.add(row);
  }
  return rows.filter((row) => kept.has(row));
}

export async function listSlaves({
  database,
  slaveDriver,
}: Helpers): Promise<ReplyOf<ControlQuestions, "SLAVES">> {
  const [rows, whereabouts] = await Promise.all([
    database.ask("listSlaves", null, ANSWER_OPTIONS),
    slaveDriver.ask("WHEREABOUTS", undefined, ANSWER_OPTIONS),
  ]);
  const known = new Map(whereabouts.slaves.map((slave) => [slave.id, slave.state]));
  const slaves = rows.map((row) => ({
    ...row,
    state: stateOf(known.get(row.id), row.asleep !== null),
  }));
  return {
    slaves: fitting(slaves, ({ state }) => state !== "silent" && state !== "gone"),
    whereabouts: {
      ...whereabouts,
      slaves: fitting(whereabouts.slaves, ({ connectedAt }) => connectedAt !== null),
    },
  };
}

/** The database knows first who is asleep. */
function stateOf(state: SlaveRow["state"] = "silent", isAsleep: boolean): SlaveRow["state"] {
  if (state !== "idle" && state !== "asleep") return state;
  return isAsleep ? "asleep" : "idle";
}

/**
 * The database first: a slave that comes back in between hears it there. Where it is away, a kill is told to those that
 * are connected: what does harm has to be stopped then, too.
 */
export async function steer(
  helpers: Helpers,
  slaves: SlavesAsked,
  action: Steering,
): Promise<Steered[]> {
  const { database, slaveDriver } = helpers;
  const why = reasons[action];
  let meant: RequestResult<"steerSlaves">;
  try {
    meant = await database.ask("steerSlaves", { slaves, action, why }, ANSWER_OPTIONS);
  } catch (error) {
    const killed = action === "kill" ? await killPresent(helpers, slaves, why) : [];
    if (killed.length === 0) throw error;
    return killed;
  }
  if (meant.length === 0) return [];
  const slaveIds = meant.map(({ id }) => id);
  const told = byId(
    await slaveDriver.ask("STEER", { slaveIds, action, reason: why }, ANSWER_OPTIONS),
  );
  return meant.map((slave) => {
    const { id, label } = slave;
    return { id, label, ...outcomes[action](told.get(id), slave) };
  });
}

async function killPresent(
  { slaveDriver }: Helpers,
  slaves: SlavesAsked,
  reason: string,
): Promise<Steered[]> {
  const killed = await slaveDriver.ask("KILL", { slaves, reason }, ANSWER_OPTIONS);
  return killed.map((presence) => {
    const { slaveId: id, label } = presence;
    return { id, label, ...outcomes.kill(presence, { id, label, asleepBy: null, build: null }) };
  });
}

type Meant = RequestResult<"steerSlaves">[number];
type Outcome = Pick<Steered, "isDone" | "what">;

const done = (what: string): Outcome => ({ isDone: true, what });
const left = (what: string): Outcome => ({ isDone: false, what });

const outcomes: Readonly<
  Record<Steering, (presence: Presence | undefined, slave: Meant) => Outcome>
> = {
  kill(presence, slave) {
    if (presence === undefined) return left("is not connected");
    const { running } = presence;
    return done(running === null ? "killed" : `killed, and with it ${nameOf(running, slave)}`);
  },
  sleep(presence, { asleepBy }) {
    if (asleepBy === "person") return left("is asleep already");
    if (presence === undefined) return done("sleeps as soon as it is here");
    return done(presence.running === null ? "sleeps" : "sleeps after the build in hand");
  },
  wake(presence, { asleepBy }) {
    if (asleepBy === null) return left("is awake already");
    return done(presence === undefined ? "is awake as soon as it is here" : "is awake");
  },
  skip(presence, slave) {
    if (presence === undefined) return left("is not connected");
    const { running } = presence;
    return running === null
      ? left("has no build in hand")
      : done(`drops ${nameOf(running, slave)}`);
  },
};

const nameOf = (token: number, { build }: Meant): string =>
  build?.token === token ? `${build.package} ${build.version}` : `build ${token}`;

const byId = (presences: readonly Presence[]): Map<number, Presence> =>
  new Map(presences.map((presence) => [presence.slaveId, presence]));
