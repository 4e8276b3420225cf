/**
 * What may happen to a supervision tree: each command says when it makes sense, does the same to the model
 * and to the real system, lets both come to rest and compares all that can be seen.
 */
import fc from "fast-check";
import { expect } from "vitest";
import type { RestartType } from "../../../supervisor/index.ts";
import { ModelSupervisor } from "./model-supervisor.ts";
import type { ModelSystem } from "./model-system.ts";
import type { InitOutcome, Message } from "./model-world.ts";
import type { Plan } from "./plan.ts";
import type { RealSystem } from "./real-system.ts";

type Command = fc.AsyncCommand<ModelSystem, RealSystem>;

interface Step {
  readonly label: string;
  /** Gives what the caller sees, to be compared with what `real` gives. */
  model(): unknown;
  real(real: RealSystem): unknown;
}

/** `plan` looks at the model and says what to do there, or undefined when it makes no sense. */
function command(name: string, plan: (model: ModelSystem) => Step | undefined): Command {
  return {
    check: (model) => plan(model as ModelSystem) !== undefined,
    async run(model, real) {
      const step = plan(model);
      if (!step) return;
      real.steps.push(step.label);
      const expected = step.model();
      model.settle();
      const seen = await step.real(real);
      await real.clock.settle();
      compare(model, real, expected, seen);
    },
    toString: () => name,
  };
}

/** All that can be seen of both, against each other. */
export function compare(model: ModelSystem, real: RealSystem, expected?: unknown, seen?: unknown) {
  const { world } = model;
  const { records } = real;
  const what = `after:\n  ${real.steps.join("\n  ")}\n`;
  expect(seen, `answers ${what}`).toEqual(expected);
  expect(records.journal, `inits and stops ${what}`).toEqual(world.journal);
  expect(real.show(), `the tree ${what}`).toEqual(model.show());
  expect(records.handled, `handled messages ${what}`).toEqual(world.handled);
  expect(records.answers, `answers to questions ${what}`).toEqual(world.answers);
  expect(records.saw, `what the watcher saw ${what}`).toEqual(world.saw);
  expect(real.system.deadLetters().byReason, `dead letters ${what}`).toEqual(world.deadLetters);
}

const pick = <T>(all: readonly T[], index: number): T | undefined => all[index % all.length];

// ---- the commands ---------------------------------------------------------------------------------

interface Burst {
  readonly worker: number;
  readonly whats: readonly Message["what"][];
  readonly isAsked: boolean;
  readonly inits: readonly InitOutcome[];
}

/** Several messages in one go, the last perhaps with an init that is going to fail some times. */
const tell = ({ worker: index, whats, isAsked, inits }: Burst) =>
  command(`tell #${index} ${whats.join(" ")}${inits.length > 0 ? ` (then ${inits})` : ""}`, (m) => {
    const worker = pick(m.workers(), index);
    const messages = whats.map((what, at) => ({ number: m.messages + at, what, isAsked }));
    if (!worker || m.wouldRace(worker, messages)) return undefined;
    const { path } = worker;
    return {
      label: `${isAsked ? "ask" : "tell"} ${path} ${whats.join(" ")}; then init: ${inits.join(" ")}`,
      model() {
        m.messages += messages.length;
        m.world.inits.set(path, [...inits]);
        const results = messages.map((message) => worker.tell(message));
        return isAsked ? results.map(() => "asked") : results;
      },
      real(real) {
        real.records.inits.set(path, [...inits]);
        return messages.map((message) => real.tell(path, message));
      },
    };
  });

const crash = (index: number, inits: readonly InitOutcome[]) =>
  command(`crash #${index} from aside (then ${inits.join(" ")})`, (m) => {
    const worker = pick(m.workers(), index);
    if (!worker?.isUp) return undefined;
    const { path } = worker;
    return {
      label: `crash ${path} from aside; then init: ${inits.join(" ")}`,
      model() {
        m.world.inits.set(path, [...inits]);
        worker.crash();
        return true;
      },
      real(real) {
        real.records.inits.set(path, [...inits]);
        return real.system.crash(path, new Error("from aside"));
      },
    };
  });

const crashSupervisor = (index: number) =>
  command(`make supervisor #${index} give up`, (m) => {
    const supervisor = pick(m.supervisors(), index);
    if (!supervisor?.isRunning) return undefined;
    return {
      label: `make ${supervisor.path} give up`,
      model() {
        supervisor.giveUp("gave up");
        return true;
      },
      real: (real) => real.system.crash(supervisor.path, new Error("from aside")),
    };
  });

const setPaused = (index: number, isPaused: boolean) =>
  command(`${isPaused ? "pause" : "resume"} #${index}`, (m) => {
    const worker = pick(m.workers(), index);
    if (!worker) return undefined;
    const others = m.workers().filter((other) => other !== worker && other.queue.length > 0);
    if (others.length > 0 && m.wouldRace(worker, worker.queue)) return undefined;
    return {
      label: `${isPaused ? "pause" : "resume"} ${worker.path}`,
      model() {
        worker.isPaused = isPaused;
        return [worker.plan.id];
      },
      real: (real) => real.system[isPaused ? "pause" : "resume"](worker.path),
    };
  });

const startChild = (index: number, id: string, restart: RestartType, init?: InitOutcome) =>
  command(`start ${id} (${restart}${init ? `, init: ${init}` : ""}) below #${index}`, (m) => {
    const supervisor = pick(m.supervisors(), index);
    if (!supervisor) return undefined;
    const path = `${supervisor.path}/${id}`;
    const plan: Plan = { kind: "worker", id, restart, significant: false, reviveMs: undefined };
    const inits = init ? [init] : [];
    return {
      label: `start ${path} (${restart}); init: ${inits.join(" ")}`,
      model() {
        m.world.inits.set(path, [...inits]);
        return supervisor.startNew(plan);
      },
      real(real) {
        real.records.inits.set(path, [...inits]);
        return real.startNew(supervisor.path, plan);
      },
    };
  });

/** Anybody but the uppermost supervisor, after whom nothing would be left to look at. */
const changeChild = (how: "stopChild" | "restartChild" | "deleteChild", index: number) =>
  command(`${how} #${index}`, (m) => {
    const node = pick(m.nodes().slice(1), index);
    if (!node || !(node.parent instanceof ModelSupervisor)) return undefined;
    const { parent } = node;
    return {
      label: `${how} ${node.path}`,
      model: () => parent[how](node),
      real: (real) => real[how](node.path),
    };
  });

const watch = (index: number) =>
  command(`watch #${index}`, (m) => {
    const node = pick(m.nodes(), index);
    if (!node) return undefined;
    return {
      label: `watch ${node.path}`,
      model: () => m.world.watch(node.path, node.isAlive),
      real: (real) => real.watch(node.path),
    };
  });

const advance = (byMs: number) =>
  command(`wait ${byMs} ms`, (m) => ({
    label: `wait ${byMs} ms`,
    model: () => m.advance(byMs),
    real: (real) => real.clock.advance(byMs),
  }));

// ---- drawing --------------------------------------------------------------------------------------

const anyone = fc.nat(30);
const init = fc.constantFrom<InitOutcome>("throw", "throw", "throw", "ignore");
const inits = fc.oneof(
  { weight: 3, arbitrary: fc.constant<InitOutcome[]>([]) },
  { weight: 1, arbitrary: fc.array(init, { minLength: 1, maxLength: 3 }) },
);
const what = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Message["what"]>("note") },
  { weight: 2, arbitrary: fc.constantFrom<Message["what"]>("throw", "reject") },
  { weight: 1, arbitrary: fc.constantFrom<Message["what"]>("normal", "shutdown") },
);
const whats = fc.array(what, { minLength: 1, maxLength: 7 });
const restart = fc.constantFrom<RestartType>("permanent", "transient", "temporary");

/** Weights by repetition: crashes and waiting make most of a life. */
export const someCommands: fc.Arbitrary<Command>[] = [
  fc.record({ worker: anyone, whats, isAsked: fc.boolean(), inits }).map(tell),
  fc.record({ worker: anyone, whats, isAsked: fc.boolean(), inits }).map(tell),
  fc.tuple(anyone, inits).map((args) => crash(...args)),
  fc.tuple(anyone, inits).map((args) => crash(...args)),
  fc.integer({ min: 1, max: 60 }).map(advance),
  fc.integer({ min: 1, max: 60 }).map(advance),
  fc.integer({ min: 1, max: 12 }).map(advance),
  anyone.map(crashSupervisor),
  fc.tuple(anyone, fc.boolean()).map((args) => setPaused(...args)),
  fc
    .tuple(anyone, fc.constantFrom("x", "y"), restart, fc.option(init, { nil: undefined, freq: 3 }))
    .map((args) => startChild(...args)),
  anyone.map((index) => changeChild("stopChild", index)),
  fc
    .tuple(fc.constantFrom("stopChild", "restartChild", "deleteChild"), anyone)
    .map(([how, index]) => changeChild(how, index)),
  anyone.map(watch),
];
