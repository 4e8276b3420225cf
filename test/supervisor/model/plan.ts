/**
 * Supervision trees as plain plans: drawn at random for the model test, read by the model and turned into
 * child specs for the real runtime. All delays of a plan are fixed, so that both sides know them.
 */
import fc from "fast-check";
import type {
  ActorDefinition,
  ChildSpec,
  RestartType,
  Strategy,
} from "../../../supervisor/index.ts";
import { child, dynamicSupervisor, supervisor } from "../../../supervisor/index.ts";

export type AutoShutdown = "never" | "any_significant" | "all_significant";

interface ChildPlan {
  readonly id: string;
  readonly restart: RestartType;
  readonly significant: boolean;
  /** The delay of `revive`; undefined without it. */
  readonly reviveMs: number | undefined;
}

export interface WorkerPlan extends ChildPlan {
  readonly kind: "worker";
}

export interface SupervisorPlan extends ChildPlan {
  readonly kind: "supervisor" | "dynamic";
  readonly strategy: Strategy;
  readonly restarts: number;
  readonly withinMs: number;
  readonly delayMs: number;
  readonly autoShutdown: AutoShutdown;
  readonly children: readonly Plan[];
}

export type Plan = WorkerPlan | SupervisorPlan;

// ---- drawing --------------------------------------------------------------------------------------

const someChild = {
  id: fc.constant(""),
  restart: fc.oneof(
    { weight: 5, arbitrary: fc.constant<RestartType>("permanent") },
    { weight: 2, arbitrary: fc.constant<RestartType>("transient") },
    { weight: 2, arbitrary: fc.constant<RestartType>("temporary") },
  ),
  significant: fc.boolean(),
  reviveMs: fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.integer({ min: 5, max: 60 }) },
  ),
};

const someSupervisor = {
  ...someChild,
  restarts: fc.integer({ min: 0, max: 3 }),
  withinMs: fc.integer({ min: 10, max: 120 }),
  delayMs: fc.integer({ min: 3, max: 25 }),
};

const workerPlan: fc.Arbitrary<Plan> = fc.record({ ...someChild, kind: fc.constant("worker") });

const dynamicPlan: fc.Arbitrary<Plan> = fc.record({
  ...someSupervisor,
  kind: fc.constant("dynamic"),
  strategy: fc.constant<Strategy>("one_for_one"),
  autoShutdown: fc.constant<AutoShutdown>("never"),
  children: fc.constant([]),
});

function supervisorPlan(below: fc.Arbitrary<Plan>): fc.Arbitrary<SupervisorPlan> {
  return fc.record({
    ...someSupervisor,
    kind: fc.constant("supervisor"),
    strategy: fc.constantFrom<Strategy>("one_for_one", "one_for_all", "rest_for_one"),
    autoShutdown: fc.oneof(
      { weight: 4, arbitrary: fc.constant<AutoShutdown>("never") },
      { weight: 1, arbitrary: fc.constant<AutoShutdown>("any_significant") },
      { weight: 1, arbitrary: fc.constant<AutoShutdown>("all_significant") },
    ),
    children: fc.array(below, { minLength: 1, maxLength: 4 }),
  });
}

const leaf = fc.oneof({ weight: 5, arbitrary: workerPlan }, { weight: 1, arbitrary: dynamicPlan });
const lowest = supervisorPlan(leaf);
const middle = supervisorPlan(
  fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 2, arbitrary: lowest }),
);

/** A tree of two or three levels under the root, which itself never gives up. */
export const treePlan: fc.Arbitrary<SupervisorPlan> = middle.map((drawn) => {
  const top = named(drawn, "t", "never");
  const plan = { ...rootPlan, children: [{ ...top, restart: "permanent" as const }] };
  return { ...plan, [fc.toStringMethod]: () => `\n${describePlan(plan)}\n` };
});

const rootPlan: Omit<SupervisorPlan, "children"> = {
  kind: "supervisor",
  id: "root",
  restart: "permanent",
  significant: false,
  reviveMs: undefined,
  strategy: "one_for_one",
  restarts: 1_000_000,
  withinMs: 1,
  delayMs: 6,
  autoShutdown: "never",
};

/** Gives everybody a name that says where it is, and takes back what a spec must not say. */
function named(plan: Plan, id: string, autoShutdown: AutoShutdown): Plan {
  const significant = plan.significant && autoShutdown !== "never" && plan.restart !== "permanent";
  const reviveMs = plan.restart === "temporary" ? undefined : plan.reviveMs;
  const own = { ...plan, id, significant, reviveMs };
  if (own.kind === "worker") return own;
  const letters = "abcd";
  const children = own.children.map((below, at) =>
    named(below, `${below.kind === "worker" ? "" : "s"}${letters[at] ?? ""}`, own.autoShutdown),
  );
  return { ...own, children };
}

// ---- as a child spec ------------------------------------------------------------------------------

/** The same tree for `startSystem`, with every worker running `definition`. */
export function specOf<A>(plan: Plan, definition: ActorDefinition<object, A>, args: A): ChildSpec {
  const { id, restart, significant, reviveMs } = plan;
  const options = {
    restart,
    significant,
    ...(reviveMs !== undefined && { revive: { minMs: reviveMs, maxMs: reviveMs } }),
  };
  if (plan.kind === "worker") return child(id, definition, args as NoInfer<A>, options);
  const { strategy, restarts, withinMs, delayMs, autoShutdown } = plan;
  const supervision = {
    ...options,
    intensity: { restarts, withinMs },
    backoff: { minMs: delayMs, maxMs: delayMs, resetAfterMs: 1 },
  };
  if (plan.kind === "dynamic") return dynamicSupervisor(id, supervision);
  return supervisor(
    id,
    { ...supervision, strategy, autoShutdown },
    plan.children.map((below) => specOf(below, definition, args)),
  );
}

/** One line per node, for a counterexample that can be read. */
export function describePlan(plan: Plan, indent = ""): string {
  const { id, kind, restart, significant, reviveMs } = plan;
  const own = [
    restart,
    significant ? "significant" : "",
    reviveMs === undefined ? "" : `revive ${reviveMs} ms`,
  ];
  if (plan.kind === "worker") return `${indent}${id} (${own.filter(Boolean).join(", ")})`;
  own.push(
    plan.strategy,
    `${plan.restarts} in ${plan.withinMs} ms`,
    `delay ${plan.delayMs} ms`,
    plan.autoShutdown === "never" ? "" : plan.autoShutdown,
  );
  const lines = plan.children.map((below) => describePlan(below, `${indent}  `));
  return [`${indent}${id} [${kind}: ${own.filter(Boolean).join(", ")}]`, ...lines].join("\n");
}
