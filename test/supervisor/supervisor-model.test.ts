import fc from "fast-check";
import { expect, it } from "vitest";
import { compare, someCommands } from "./model/commands.ts";
import { ModelSystem } from "./model/model-system.ts";
import { describePlan, type SupervisorPlan, treePlan } from "./model/plan.ts";
import { RealSystem } from "./model/real-system.ts";

/**
 * A counterexample prints its tree, its steps by name and a seed. `MODEL_SEED` and `MODEL_PATH` replay it,
 * `MODEL_RUNS` makes the search longer.
 */
const { MODEL_SEED, MODEL_PATH, MODEL_RUNS = "250" } = process.env;
const replay = {
  numRuns: Number(MODEL_RUNS),
  ...(MODEL_SEED !== undefined && { seed: Number(MODEL_SEED) }),
  ...(MODEL_PATH !== undefined && { path: MODEL_PATH }),
};

async function live(
  plan: SupervisorPlan,
  commands: Iterable<fc.AsyncCommand<ModelSystem, RealSystem>>,
): Promise<void> {
  const real = await RealSystem.start(plan);
  const model = new ModelSystem(plan);
  real.steps.push(`start\n${describePlan(plan, "    ")}`);
  try {
    compare(model, real);
    await fc.asyncModelRun(() => ({ model, real }), commands);
    real.steps.push("stop");
    const { world } = model;
    model.stop();
    await real.system.stop();
    await real.clock.settle();
    const what = `after:\n  ${real.steps.join("\n  ")}`;
    expect(real.records.journal, `inits and stops ${what}`).toEqual(world.journal);
    expect(real.records.answers, `answers ${what}`).toEqual(world.answers);
    expect(real.show(), `the tree ${what}`).toEqual(model.show());
    expect(real.clock.pendingTimers, `timers ${what}`).toBe(0);
  } finally {
    await real.system.stop();
  }
}

it(
  "whatever happens to a tree of supervisors, it does what OTP's rules say: who lives, who is restarted, in which order, with which messages",
  async () => {
    const histories = fc.commands(someCommands, { maxCommands: 40, size: "max" });
    await fc.assert(
      fc.asyncProperty(treePlan, histories, (plan, commands) => live(plan, commands)),
      replay,
    );
  },
  60_000 + Number(MODEL_RUNS) * 200,
);
