/** The tree of a chaos run: 500 actors below supervisors of every strategy, and a place for dynamic ones. */
import {
  type ChildSpec,
  child,
  dynamicSupervisor,
  type Overflow,
  type PauseKind,
  type RestartType,
  type Strategy,
  supervisor,
} from "../../../supervisor/index.ts";
import type { Books } from "./books.ts";
import { chaosActor, shutdownMs, startMs } from "./chaos-actor.ts";

const pauses: readonly PauseKind[] = ["park", "drain", "never"];
const overflows: readonly Overflow[] = ["reject", "drop-new", "drop-oldest", "wait"];
const strategies: readonly Strategy[] = ["one_for_one", "one_for_all", "rest_for_one"];
const restarts: readonly RestartType[] = [
  ...Array<RestartType>(7).fill("permanent"),
  ...Array<RestartType>(3).fill("transient"),
  "temporary",
];

const definitions = pauses.flatMap((pause) =>
  overflows.map((overflow) => chaosActor(pause, overflow)),
);

const nth = <T>(all: readonly T[], n: number): T => all[n % all.length] as T;

export function chaosChild(id: string, n: number, books: Books, restart?: RestartType): ChildSpec {
  const options = { restart: restart ?? nth(restarts, n), startMs, shutdownMs };
  return child(id, nth(definitions, n), books as never, options);
}

const revive = { minMs: 100, maxMs: 2_000 };
const backoff = { minMs: 5, maxMs: 200, resetAfterMs: 1_000 };

/** 12 branches of 41 actors: 5 of its own, and 3 inner supervisors of 12. With 8 dynamic ones: 500. */
export function chaosTree(books: Books): ChildSpec {
  const branches = Array.from({ length: 12 }, (_, b) => {
    const inner = Array.from({ length: 3 }, (_unused, s) =>
      supervisor(
        `s${s}`,
        {
          strategy: nth(strategies, b + s),
          restart: s === 2 ? "transient" : "permanent",
          intensity: { restarts: 3, withinMs: 500 },
          backoff,
          ...(s === 1 && { revive }),
        },
        Array.from({ length: 12 }, (_none, n) => chaosChild(`a${n}`, b + n, books)),
      ),
    );
    const own = Array.from({ length: 5 }, (_unused, n) => chaosChild(`a${n}`, b + n, books));
    return supervisor(
      `b${b}`,
      {
        strategy: nth(strategies, b),
        intensity: { restarts: 6, withinMs: 1_000 },
        backoff,
        revive,
      },
      // Inner supervisors between actors, so that rest_for_one has both before and behind them.
      [...own.slice(0, 2), ...inner, ...own.slice(2)],
    );
  });
  const patient = { restarts: 1_000_000, withinMs: 1 };
  return supervisor("root", { intensity: patient, backoff }, [
    ...branches,
    dynamicSupervisor("dynamic", { intensity: patient, backoff }),
  ]);
}

/** A whole supervisor that comes and goes at run time. */
export function chaosBranch(id: string, books: Books): ChildSpec {
  return supervisor(id, { restart: "temporary", strategy: "one_for_all", backoff }, [
    chaosChild("a0", 0, books, "permanent"),
    chaosChild("a1", 1, books, "permanent"),
  ]);
}

/** Paths of everybody who must be there in the end, in order: all but temporary and dynamic ones. */
export function lastingPaths(spec: ChildSpec, base = ""): string[] {
  if (spec.kind === "worker") return [];
  return spec.children.flatMap((below) => {
    if (below.options.restart === "temporary") return [];
    const path = `${base}/${below.id}`;
    return [path, ...lastingPaths(below, path)];
  });
}
