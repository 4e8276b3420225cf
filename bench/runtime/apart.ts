/**
 * Gives each contender a process of its own, all of which stay for the rounds and play by turns. In one
 * process they would pay for each other: once AsyncLocalStorage is in use every promise costs more, code
 * that two of them share is compiled for both, and one cleans up after the other.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { type Contender, playRounds, type Rounds } from "../rounds.ts";

/** To each "play" that it is sent. */
export type ChildAnswer<T> = { readonly value: T } | { readonly error: string };

/** As `playRounds`, of contenders that `duels.ts` knows under that name. */
export async function playApart<T>(
  duel: string,
  contenders: readonly Contender<T>[],
  rounds: number,
  signal: AbortSignal,
): Promise<Rounds<T>> {
  return await withPlayers(
    duel,
    contenders,
    signal,
    async (players) => await playRounds(players, rounds, signal),
  );
}

/** Each plays a single round, in a process in which nothing has happened yet. */
export async function playOnce<T>(
  duel: string,
  contenders: readonly Contender<T>[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, T>> {
  return await withPlayers(duel, contenders, signal, async (players) => {
    const values = new Map<string, T>();
    for (const { name, play } of players) values.set(name, await play(signal));
    return values;
  });
}

async function withPlayers<T, R>(
  duel: string,
  contenders: readonly Contender<T>[],
  signal: AbortSignal,
  use: (players: readonly Contender<T>[]) => Promise<R>,
): Promise<R> {
  const processes = new Map(contenders.map(({ name }) => [name, startChild(duel, name, signal)]));
  try {
    return await use(
      [...processes].map(([name, child]) => ({ name, play: async () => await playIn<T>(child) })),
    );
  } finally {
    await Promise.all([...processes.values()].map(endChild));
  }
}

function startChild(duel: string, contender: string, signal: AbortSignal): ChildProcess {
  const program = fileURLToPath(
    new URL(`../runtime-child${extname(import.meta.url)}`, import.meta.url),
  );
  const child = fork(program, [duel, contender], {
    execArgv: [...process.execArgv, "--expose-gc"],
    signal,
  });
  // Aborted, say: whoever waits for its answer learns it by the exit.
  child.on("error", () => undefined);
  return child;
}

async function playIn<T>(child: ChildProcess): Promise<T> {
  const answer = await new Promise<ChildAnswer<T>>((resolve, reject) => {
    const ended = (): void => {
      child.off("message", answered);
      reject(new Error("the process of a contender has ended"));
    };
    const answered = (words: unknown): void => {
      child.off("exit", ended);
      resolve(words as ChildAnswer<T>);
    };
    child.once("message", answered).once("exit", ended);
    if (child.connected) child.send("play");
    else ended();
  });
  if ("error" in answer) throw new Error(answer.error);
  return answer.value;
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  if (child.connected) child.disconnect();
  await gone;
}
