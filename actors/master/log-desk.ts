/**
 * Answers who asks for a build's log: looks up where it is, and has the slave or File Juggler give a part. Used by
 * Control, for each question anew, so that a log is followed from its slave to the storage without a seam.
 */
import type { WhereLogIs } from "../../db/build-log.ts";
import type { ControlQuestions } from "../../protocol/links/control.ts";
import type { LogAnswer, LogPart } from "../../protocol/model/build-log.ts";
import type { BodyOf } from "../../supervisor/index.ts";
import { Refusal } from "../../supervisor/index.ts";
import type { Colleagues } from "./colleagues.ts";

type Question = BodyOf<ControlQuestions, "LOG">;
type Desk = Pick<Colleagues, "database" | "slaveDriver" | "fileJuggler">;

const ANSWER_OPTIONS = { timeoutMs: 4_000 };
/** How much longer than the log may be waited for the Slave Driver may take. */
const DRIVER_MS = 3_000;

export async function readLog(desk: Desk, question: Question): Promise<LogAnswer> {
  const { token, slave } = question;
  const found = await desk.database.ask("findLogs", { token, slave }, ANSWER_OPTIONS);
  const [first, second] = found;
  if (first === undefined)
    return nothing(null, `there is no build ${token ?? `of a slave ${slave ?? ""}`}`);
  if (second !== undefined) {
    const tokens = found.map(({ build }) => `${build.token} (${build.package} ${build.version})`);
    return nothing(
      null,
      `${slave ?? ""} has several builds in hand: ask for one of ${tokens.join(", ")}`,
    );
  }
  if (first.isImport) return nothing(first, "it was imported: it has no log");
  return first.isPlaced ? stored(desk, first, question) : ofSlave(desk, first, question);
}

const nothing = (found: WhereLogIs | null, trouble: string, isForNow = false): LogAnswer => ({
  build: found?.build ?? null,
  part: null,
  trouble,
  isForNow,
});

const given = (found: WhereLogIs, part: LogPart): LogAnswer => ({
  build: found.build,
  part,
  trouble: null,
  isForNow: !part.isEnd,
});

async function stored(desk: Desk, found: WhereLogIs, { position }: Question): Promise<LogAnswer> {
  const { token } = found.build;
  const part = await desk.fileJuggler.ask("READ_LOG", { token, position }, ANSWER_OPTIONS);
  return part === null
    ? nothing(
        found,
        "its log is not in the output folder any more (piw-audit tells what else is not)",
      )
    : given(found, part);
}

/** Until it is placed the slave has it: in hand, finished, or left behind by one that was killed. */
async function ofSlave(desk: Desk, found: WhereLogIs, question: Question): Promise<LogAnswer> {
  const { build, slaveIdentity: identity, slaveSlot: slot } = found;
  const { position, waitMs } = question;
  const isRunning = build.phase === "running";
  const comesBack = isRunning || found.isStored;
  try {
    const part = await desk.slaveDriver.ask(
      "READ_LOG",
      { identity, slot, token: build.token, position, waitMs },
      { timeoutMs: waitMs + DRIVER_MS },
    );
    if (part !== null) return given(found, part);
    return nothing(
      found,
      isRunning ? `${build.slave} has no log of it yet` : gone(found),
      comesBack,
    );
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const where = isRunning ? "the log is there" : "where a log of it is left, it is there";
    const reason = `${build.slave}: ${error.message}, and ${where}`;
    return nothing(found, reason, comesBack || error.code === "busy");
  }
}

function gone({ build, isStored }: WhereLogIs): string {
  if (isStored) return "its log is about to be placed";
  return build.phase === "lost"
    ? `it ended without a result (${build.cause ?? "unknown why"}), and ${build.slave} has no log of it`
    : "no log came with its result";
}
