/**
 * What the chaos does and when, as a function of its seed: the same seed over the same tree gives the same
 * sequence of decisions. Whether somebody is there when a decision's time comes depends on the moment; that
 * is why a decision names a path, or a number that picks among those who live then.
 *
 * Some things are limited in how often they come, not to spare the farm but so that it can be idle again
 * within a test: each end of a revived branch doubles the time until it is back (5 s to 5 min), each
 * crashed session doubles the time that its slave has to stay away, and a root that is made to give up
 * has no supervisor. All of them happen, most several times.
 */
import { type Random, seededRandom } from "../../../supervisor/random.ts";

export type UpstreamFault = "hang-up" | "cut" | "late" | "error" | "busy";
/** What of upstream misbehaves: its changelog, pages of projects, sdists, or all of it. */
export type UpstreamPart = "changelog" | "pages" | "files" | "all";

export type Decision =
  | { readonly kind: "crash actor"; readonly path: string }
  | { readonly kind: "crash supervisor"; readonly path: string }
  /** `pick` chooses among those who live at that moment. */
  | { readonly kind: "crash session"; readonly pick: number }
  | { readonly kind: "crash transfer"; readonly pick: number }
  | { readonly kind: "crash slave actor"; readonly slave: number; readonly path: string }
  /** The master's end of a link: all slaves lose it. */
  | { readonly kind: "cut link"; readonly path: string }
  /** A slave's own end. */
  | { readonly kind: "cut slave"; readonly slave: number; readonly path: string }
  | { readonly kind: "restart slave"; readonly slave: number; readonly how: "killed" | "stopped" }
  | {
      readonly kind: "terminate backends";
      readonly which: "one" | "all" | "busy";
      readonly pick: number;
    }
  /** An Oracle, this soon after it has begun the next request of that name: it may be done all the same. */
  | { readonly kind: "crash request"; readonly request: string; readonly afterMs: number }
  | { readonly kind: "pause"; readonly pattern: string; readonly forMs: number }
  | {
      readonly kind: "upstream misbehaves";
      readonly part: UpstreamPart;
      readonly fault: UpstreamFault;
      /** Each so manieth request. */
      readonly every: number;
      readonly forMs: number;
    }
  | { readonly kind: "publish"; readonly buildMs: number; readonly payloadBytes: number };

export type DecisionKind = Decision["kind"];

export interface Step {
  readonly number: number;
  /** Since the step before, in ms. */
  readonly waitMs: number;
  /** Since the beginning, if nothing took any time. */
  readonly atMs: number;
  readonly decision: Decision;
}

/** Who can be hit: paths of the master's tree that are there from start to end. */
export interface Targets {
  readonly actors: readonly string[];
  readonly supervisors: readonly string[];
  readonly pausable: readonly string[];
  readonly slaves: number;
}

const LINKS = ["/links/slave", "/links/file"];
const SLAVE_LINKS = ["/job-1/link-session", "/job-1/file-sender"];
const SLAVE_ACTORS = ["/job-1/builder", "/job-1/link-session", "/job-1/file-sender"];
/** Those that a second run could do harm to, the first most of all. */
const REQUESTS = ["settleBuild", "settleBuild", "markPlaced", "leaseBuild", "recordProject"];
const UPSTREAM_FAULTS: readonly UpstreamFault[] = ["hang-up", "cut", "late", "error", "busy"];
const UPSTREAM_PARTS: readonly UpstreamPart[] = ["changelog", "pages", "files", "all"];

const MIN_WAIT_MS = 100;
const MAX_WAIT_MS = 600;
/** A draw that comes too soon is drawn again; after so many the moment passes with a version published. */
const MAX_DRAWS = 30;

const weights: readonly (readonly [DecisionKind, number])[] = [
  ["crash actor", 8],
  ["crash supervisor", 3],
  ["crash session", 2],
  ["crash transfer", 3],
  ["crash slave actor", 2],
  ["cut link", 2],
  ["cut slave", 2],
  ["restart slave", 1],
  ["terminate backends", 4],
  ["crash request", 4],
  ["pause", 3],
  ["upstream misbehaves", 3],
  ["publish", 6],
];

const minGapMs: Readonly<Partial<Record<DecisionKind, number>>> = {
  "crash session": 10_000,
  "crash transfer": 2_000,
  "crash slave actor": 4_000,
  "cut link": 4_000,
  "cut slave": 3_000,
  "restart slave": 6_000,
  "terminate backends": 1_500,
  "crash request": 1_500,
  pause: 2_500,
  "upstream misbehaves": 3_000,
  publish: 1_800,
};
/** The root has three restarts within 5 s for the branches that are not revived. */
const TOP_LEVEL_GAP_MS = 8_000;
const SUPERVISOR_GAP_MS = 120_000;

/** Steps without end; whoever runs them decides when it is enough. */
export function* plan(seed: number, targets: Targets): Generator<Step, never> {
  const random = seededRandom(seed, "chaos");
  const lastAtMs = new Map<string, number>();
  let atMs = 0;
  for (let number = 1; ; number += 1) {
    const waitMs = MIN_WAIT_MS + Math.floor(random() * (MAX_WAIT_MS - MIN_WAIT_MS));
    atMs += waitMs;
    yield { number, waitMs, atMs, decision: decide(random, targets, lastAtMs, atMs) };
  }
}

function decide(
  random: Random,
  targets: Targets,
  lastAtMs: Map<string, number>,
  atMs: number,
): Decision {
  for (let draws = 0; draws < MAX_DRAWS; draws += 1) {
    const decision = draw(random, targets);
    const gaps = gapsOf(decision);
    if (gaps.some(([key, gapMs]) => atMs - (lastAtMs.get(key) ?? -Infinity) < gapMs)) continue;
    for (const [key] of gaps) lastAtMs.set(key, atMs);
    return decision;
  }
  return { kind: "publish", buildMs: 0, payloadBytes: 0 };
}

/** What a decision counts as, and how long ago the last of these must be. */
function gapsOf(decision: Decision): [key: string, gapMs: number][] {
  if (decision.kind !== "crash supervisor") return [[decision.kind, minGapMs[decision.kind] ?? 0]];
  const gaps: [string, number][] = [[decision.path, SUPERVISOR_GAP_MS]];
  if (isTopLevel(decision.path)) gaps.push(["top level", TOP_LEVEL_GAP_MS]);
  return gaps;
}

const isTopLevel = (path: string): boolean => path.lastIndexOf("/") === 0;

function draw(random: Random, targets: Targets): Decision {
  const below = (limit: number): number => Math.floor(random() * limit);
  const among = <T>(values: readonly T[]): T => {
    const value = values[below(values.length)];
    if (value === undefined) throw new RangeError("nothing to choose from");
    return value;
  };
  const slave = (): number => 1 + below(targets.slaves);
  const kind = weighted(random);
  switch (kind) {
    case "crash actor":
      return { kind, path: among(targets.actors) };
    case "crash supervisor":
      return { kind, path: among(targets.supervisors) };
    case "crash session":
    case "crash transfer":
      return { kind, pick: below(1_000) };
    case "crash slave actor":
      return { kind, slave: slave(), path: among(SLAVE_ACTORS) };
    case "cut link":
      return { kind, path: among(LINKS) };
    case "cut slave":
      return { kind, slave: slave(), path: among(SLAVE_LINKS) };
    case "restart slave":
      return { kind, slave: slave(), how: among(["killed", "stopped"] as const) };
    case "terminate backends":
      return { kind, which: among(["one", "all", "busy", "busy"] as const), pick: below(1_000) };
    case "crash request":
      return { kind, request: among(REQUESTS), afterMs: below(8) };
    case "pause":
      return { kind, pattern: among([...targets.pausable, "*"]), forMs: 200 + below(2_500) };
    case "upstream misbehaves":
      return {
        kind,
        part: among(UPSTREAM_PARTS),
        fault: among(UPSTREAM_FAULTS),
        every: 1 + below(2),
        forMs: 1_000 + below(2_000),
      };
    case "publish":
      return {
        kind,
        buildMs: among([0, 0, 300, 1_000, 2_500]),
        payloadBytes: among([0, 0, 2, 8, 24]) * 1024 ** 2,
      };
  }
}

function weighted(random: Random): DecisionKind {
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
  let rest = random() * total;
  for (const [kind, weight] of weights) {
    rest -= weight;
    if (rest < 0) return kind;
  }
  return "publish";
}
