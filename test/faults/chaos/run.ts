/**
 * One chaos from start to verdict: a farm that has warmed up, faults for so long, then quiet until
 * nothing is left to do, then every check. Called by `program.ts`.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { HttpMessages } from "../../../actors/master/http.ts";
import { type DeadLetterReason, superviseProcess } from "../../../supervisor/index.ts";
import { Faults, type Tally, targetsOf } from "./faults.ts";
import { Journal } from "./journal.ts";
import {
  type Attempts,
  checkFolder,
  checkPages,
  checkRecords,
  countAttempts,
  isIdle,
  leftAtSlaves,
  orphans,
} from "./outcomes.ts";
import { type DecisionKind, plan, type Step } from "./plan.ts";
import { Stage } from "./stage.ts";
import { compareStandings, namelessTree, type Standing, takeStanding, treeOf } from "./standing.ts";

export interface ChaosOptions {
  readonly seed: number;
  /** How long faults come. */
  readonly durationMs: number;
  /** Is told what is going on, a line at a time. */
  readonly say: (line: string) => void;
  /** Is told each decision and each line of the log. */
  readonly tell: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface ChaosReport {
  /** What does not hold, in words; empty when all does. */
  readonly wrong: readonly string[];
  readonly tallies: ReadonlyMap<DecisionKind, Tally>;
  readonly steps: number;
  readonly slaveStarts: number;
  readonly attempts: Attempts;
  readonly deadLetters: Readonly<Partial<Record<DeadLetterReason, number>>>;
  readonly before: Standing;
  readonly after: Standing;
  /** From the last fault until the farm was idle again. */
  readonly quietAfterMs: number;
  readonly journal: Journal;
}

/** The farm heals by itself with delays of up to 5 min where a branch gave up often. */
const PATIENCE_MS = 6 * 60_000;
const IMPATIENCE_MS = 15_000;
const LOOK_EVERY_MS = 50;

/** @throws where the farm could not be started, or did not come to rest before anything was done to it. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { say, signal } = options;
  const journal = new Journal(options.tell);
  say("starting PostgreSQL, a master and its slaves");
  const stage = await Stage.start(journal);
  const release = superviseProcess(stage.master.system);
  try {
    return await new Run(stage, journal, options).report();
  } finally {
    if (signal.aborted) say("interrupted");
    release();
    await stage.end();
  }
}

class Run {
  readonly #stage: Stage;
  readonly #journal: Journal;
  readonly #options: ChaosOptions;
  readonly #faults: Faults;

  constructor(stage: Stage, journal: Journal, options: ChaosOptions) {
    this.#stage = stage;
    this.#journal = journal;
    this.#options = options;
    this.#faults = new Faults(stage);
  }

  async report(): Promise<ChaosReport> {
    const { say, seed, durationMs } = this.#options;
    const stage = this.#stage;
    say("building the first packages");
    const before = await this.#warmUp();
    const targets = targetsOf(stage.master.system);
    const trees = this.#trees();
    say(
      `${Math.round(durationMs / 1_000)} s of faults for ${targets.actors.length} actors and ` +
        `${targets.supervisors.length} supervisors of the master and ${targets.slaves} slaves`,
    );
    const steps = await this.#strike(plan(seed, targets));
    say("faults are over; waiting until nothing is left to do");
    const overAtMs = performance.now();
    await this.#faults.end();
    const wrong: string[] = [];
    await this.#until(wrong, "the farm has nothing left to do", () => isIdle(stage));
    const quietAfterMs = performance.now() - overAtMs;
    const differences = () => differencesOf(trees, this.#trees());
    await this.#until(wrong, "the trees are as they were", () => differences().length === 0);
    wrong.push(...differences());
    await this.#until(
      wrong,
      "nothing orphaned is kept beyond its grace",
      async () => (await orphans(stage)).length === 0,
    );
    wrong.push(...(await orphans(stage)), ...leftAtSlaves(stage));
    const after = await this.#sameStanding(before);
    wrong.push(...compareStandings(before, after));
    wrong.push(...(await checkRecords(stage)));
    wrong.push(...(await checkFolder(stage)));
    wrong.push(...(await this.#checkPages()));
    wrong.push(...this.#journal.strays, ...stage.ends);
    return {
      wrong,
      tallies: this.#faults.tallies,
      steps,
      slaveStarts: stage.slaveStarts,
      attempts: await countAttempts(stage),
      deadLetters: this.#deadLetters(),
      before,
      after,
      quietAfterMs,
      journal: this.#journal,
    };
  }

  /** Every way is gone once, so that what is loaded, compiled and connected late is in the first measurement. */
  async #warmUp(): Promise<Standing> {
    const stage = this.#stage;
    for (const sample of ["wheelwright-hub", "wheelwright-linchpin"]) stage.publishSample(sample);
    for (const payloadBytes of [0, 4 * 1024 ** 2, 0, 1024 ** 2])
      stage.publishSlow({ buildMs: 100, payloadBytes });
    await this.#faults.carryOut({ kind: "terminate backends", which: "all", pick: 0 });
    await this.#faults.carryOut({ kind: "crash session", pick: 0 });
    await this.#faults.carryOut({ kind: "restart slave", slave: 2, how: "killed" });
    await this.#faults.end();
    this.#faults.tallies.clear();
    stage.slaveStarts = 0;
    const wrong: string[] = [];
    await this.#until(wrong, "the farm has built its first packages", () => isIdle(stage));
    await this.#until(wrong, "all of its trees run", () => this.#isAtRest());
    if (wrong.length > 0)
      throw new Error(`${wrong.join("; ")}\n${this.#journal.last(60).join("\n")}`);
    return takeStanding(stage);
  }

  #isAtRest(): boolean {
    const { master } = this.#stage;
    return (
      [master.system, ...master.slaves].every((system) =>
        treeOf(system).every((line) => line.endsWith(" running")),
      ) &&
      master.actorsBelow("/services/farm/sessions").length === master.slaves.length &&
      master.actorsBelow("/services/storage/transfers").length === 0
    );
  }

  /** Returns how many steps there were. */
  async #strike(steps: Generator<Step, never>): Promise<number> {
    const { durationMs, signal } = this.#options;
    for (;;) {
      const step: Step = steps.next().value;
      // By the plan's own clock: how many decisions a seed means is the same on any machine.
      if (step.atMs > durationMs) return step.number - 1;
      await delay(step.waitMs, undefined, { signal });
      const { kind, ...what } = step.decision;
      this.#journal.note(`CHAOS ${step.number} ${kind} ${JSON.stringify(what)}`);
      await this.#faults.carryOut(step.decision);
      if (this.#stage.ends.length > 0) return step.number;
    }
  }

  #trees(): string[][] {
    const { master } = this.#stage;
    return [master.system, ...master.slaves].map(namelessTree);
  }

  /** What is closed may take a moment to be gone: the last measurement counts. */
  async #sameStanding(before: Standing): Promise<Standing> {
    let after = await takeStanding(this.#stage);
    for (let attempt = 0; attempt < 10; attempt += 1) {
      if (compareStandings(before, after).length === 0) break;
      after = await takeStanding(this.#stage);
    }
    return after;
  }

  async #checkPages(): Promise<string[]> {
    try {
      const { url } = await this.#stage.master.system
        .ref<HttpMessages>("/services/web/http")
        .ask("ADDRESS");
      return url === null ? ["the web server has no address"] : await checkPages(this.#stage, url);
    } catch (error) {
      return [`the pages cannot be read: ${String(error)}`];
    }
  }

  #deadLetters(): Partial<Record<DeadLetterReason, number>> {
    const sum: Partial<Record<DeadLetterReason, number>> = {};
    const { master } = this.#stage;
    for (const system of [master.system, ...master.slaves])
      for (const [reason, count] of Object.entries(system.deadLetters().byReason))
        sum[reason as DeadLetterReason] = (sum[reason as DeadLetterReason] ?? 0) + count;
    return sum;
  }

  async #until(
    wrong: string[],
    what: string,
    fits: () => boolean | Promise<boolean>,
  ): Promise<void> {
    // What has failed once is not waited for again: the rest is looked at as it is.
    const patienceMs = wrong.length === 0 ? PATIENCE_MS : IMPATIENCE_MS;
    const deadline = performance.now() + patienceMs;
    let failure = "";
    while (performance.now() < deadline && this.#stage.ends.length === 0) {
      this.#options.signal.throwIfAborted();
      try {
        if (await fits()) return;
        failure = "";
      } catch (error) {
        failure = `: ${String(error)}`;
      }
      await delay(LOOK_EVERY_MS);
    }
    wrong.push(`not so within ${patienceMs / 1_000} s: ${what}${failure}`);
  }
}

/** Lines that only one of the two has, per system. */
function differencesOf(before: readonly string[][], after: readonly string[][]): string[] {
  return before.flatMap((was, at) => {
    const program = at === 0 ? "master" : `slave ${at}`;
    const is = after[at] ?? [];
    return [
      ...without(was, is).map((line) => `${program}: gone from the tree: ${line}`),
      ...without(is, was).map((line) => `${program}: new in the tree: ${line}`),
    ];
  });
}

/** As often as a line is more often in the first. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return lines.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
