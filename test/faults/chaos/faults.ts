/**
 * Carries out the decisions of a plan on a running farm, and says of each whether it hit somebody. It
 * decides nothing itself; what it cannot do at that moment (nobody lives there) is counted as missed.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Misbehaviour, RequestHook, SampleRequest } from "../../../samples/index.ts";
import { eachNode, type System } from "../../../supervisor/index.ts";
import type { Decision, DecisionKind, Targets, UpstreamFault, UpstreamPart } from "./plan.ts";
import { SLAVES, type Stage } from "./stage.ts";

/** How long a fault waits for what it is to hit: a transfer, a backend in mid-query, a request. */
const LURK_MS = 4_000;
const LOOK_EVERY_MS = 4;

const SESSIONS = "/services/farm/sessions";
const ORACLES = "/database/oracles";
const TRANSFERS = "/services/storage/transfers";

export interface Tally {
  hit: number;
  missed: number;
}

/** Who can be hit in a tree as it stands when nothing is wrong. */
export function targetsOf(system: System): Targets {
  const nodes = [...eachNode(system.tree())].filter((node) => node.path !== "/");
  const dynamic = nodes.filter((node) => node.kind === "dynamic").map((node) => node.path);
  const lasting = nodes.filter((node) => !dynamic.some((path) => node.path.startsWith(`${path}/`)));
  const pathsOf = (fits: (node: (typeof nodes)[number]) => boolean) =>
    lasting
      .filter(fits)
      .map((node) => node.path)
      .sort();
  return {
    actors: pathsOf((node) => node.kind === "worker"),
    supervisors: pathsOf((node) => node.kind !== "worker"),
    pausable: pathsOf((node) => node.pause !== "never"),
    slaves: SLAVES,
  };
}

export class Faults {
  readonly tallies = new Map<DecisionKind, Tally>();
  readonly #stage: Stage;
  #isOver = false;
  #samplesLeft = ["wheelwright-axle", "Wheelwright.Felloe"];

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async carryOut(decision: Decision): Promise<void> {
    const outcome = this.#do(decision);
    if (typeof outcome === "boolean") this.#count(decision.kind, outcome);
    else
      this.#stage.beside(decision.kind, async () => {
        this.#count(decision.kind, await outcome);
      });
  }

  /** Nothing misbehaves any more and nobody is paused. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#stage.besideIsOver();
    this.#stage.upstream.onRequest = undefined;
    this.#stage.master.system.resume("*");
    this.#isOver = false;
  }

  #count(kind: DecisionKind, isHit: boolean): void {
    const tally = this.tallies.get(kind) ?? { hit: 0, missed: 0 };
    if (isHit) tally.hit += 1;
    else tally.missed += 1;
    this.tallies.set(kind, tally);
  }

  #do(decision: Decision): boolean | Promise<boolean> {
    const { system } = this.#stage.master;
    const error = new Error(`chaos: ${decision.kind}`);
    switch (decision.kind) {
      case "crash actor":
      case "crash supervisor":
      case "cut link":
        return system.crash(decision.path, error);
      case "crash session":
        return this.#crashAmong(SESSIONS, decision.pick, error);
      case "crash transfer":
        return this.#lurk(() => this.#crashAmong(TRANSFERS, decision.pick, error));
      case "crash slave actor":
      case "cut slave":
        return this.#slave(decision.slave)?.crash(decision.path, error) ?? false;
      case "restart slave":
        return this.#endSlave(decision.slave, decision.how, error);
      case "terminate backends":
        return this.#terminate(decision.which, decision.pick);
      case "crash request":
        return this.#crashRequest(decision.request, decision.afterMs, error);
      case "pause":
        return this.#pause(decision.pattern, decision.forMs);
      case "upstream misbehaves":
        return this.#misbehave(decision);
      case "publish":
        this.#publish(decision);
        return true;
    }
  }

  #slave(number: number): System | undefined {
    return this.#stage.master.slaves[number - 1];
  }

  #crashAmong(path: string, pick: number, error: Error): boolean {
    const living = this.#stage.master.actorsBelow(path).sort();
    const chosen = living[pick % Math.max(1, living.length)];
    return chosen !== undefined && this.#stage.master.system.crash(chosen, error);
  }

  async #lurk(strike: () => boolean | Promise<boolean>): Promise<boolean> {
    const until = performance.now() + LURK_MS;
    while (performance.now() < until && !this.#isOver) {
      if (await strike()) return true;
      await delay(LOOK_EVERY_MS);
    }
    return false;
  }

  /** The stage starts it again. */
  async #endSlave(number: number, how: "killed" | "stopped", error: Error): Promise<boolean> {
    const slave = this.#slave(number);
    if (slave === undefined) return false;
    if (how === "killed") return slave.crash("/", error);
    await slave.stop();
    return true;
  }

  #terminate(which: "one" | "all" | "busy", pick: number): Promise<boolean> {
    const { admin } = this.#stage;
    const chosen = {
      all: admin`true`,
      one: admin`true`,
      // In a transaction, or running a statement at this moment.
      busy: admin`state <> 'idle'`,
    }[which];
    const strike = async () => {
      const rows = await admin<{ isGone: boolean }[]>`
        with among as (
          select pid, row_number() over (order by application_name, pid) as place,
            count(*) over () as size
          from pg_stat_activity
          where application_name like 'wheelwright%' and datname = current_database() and ${chosen})
        select pg_terminate_backend(pid) as "isGone" from among
        where ${which === "all"} or place = 1 + ${pick}::int % size`;
      return rows.some((row) => row.isGone);
    };
    return which === "busy" ? this.#lurk(strike) : strike();
  }

  async #crashRequest(request: string, afterMs: number, error: Error): Promise<boolean> {
    const { system } = this.#stage.master;
    let victim: string | undefined;
    const stopTracing = system.trace(`${ORACLES}/*`, ({ direction, path, body }) => {
      const name = (body as { readonly name?: unknown } | null | undefined)?.name;
      if (direction === "in" && name === request) victim ??= path;
    });
    try {
      if (!(await this.#lurk(() => victim !== undefined))) return false;
      await delay(afterMs);
      return victim !== undefined && system.crash(victim, error);
    } finally {
      stopTracing();
    }
  }

  async #pause(pattern: string, forMs: number): Promise<boolean> {
    const { system } = this.#stage.master;
    const paused = system.pause(pattern);
    await delay(forMs);
    system.resume(pattern);
    return paused.length > 0;
  }

  async #misbehave(what: {
    readonly part: UpstreamPart;
    readonly fault: UpstreamFault;
    readonly every: number;
    readonly forMs: number;
  }): Promise<boolean> {
    const { upstream } = this.#stage;
    let asked = 0;
    const hook: RequestHook = (request) => {
      if (what.part !== "all" && partOf(request) !== what.part) return undefined;
      asked += 1;
      return asked % what.every === 0 ? misbehaviours[what.fault] : undefined;
    };
    upstream.onRequest = hook;
    // So that somebody asks for something.
    this.#stage.publishSlow({});
    await delay(what.forMs);
    if (upstream.onRequest === hook) upstream.onRequest = undefined;
    return asked >= what.every;
  }

  #publish(what: { readonly buildMs: number; readonly payloadBytes: number }): void {
    const sample = this.#samplesLeft.shift();
    if (sample === undefined) this.#stage.publishSlow(what);
    else this.#stage.publishSample(sample);
  }
}

const misbehaviours: Readonly<Record<UpstreamFault, Misbehaviour>> = {
  "hang-up": { kind: "hang-up" },
  cut: { kind: "cut" },
  late: { kind: "late", delayMs: 1_000 },
  error: { kind: "answer", answer: { status: 500 } },
  busy: { kind: "answer", answer: { status: 503, headers: { "retry-after": "1" } } },
};

function partOf({ method, path }: SampleRequest): UpstreamPart {
  if (path.startsWith("/packages/")) return "files";
  return method === "POST" ? "changelog" : "pages";
}
