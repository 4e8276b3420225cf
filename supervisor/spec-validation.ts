/** Checks a tree of child specs as a whole, before anything of it starts. */
import { type AnyChildSpec, behaviour, type Delays, type SupervisorSpec } from "./child-spec.ts";
import { SupervisionError } from "./supervision-error.ts";

const longestId = 200;
/** Slashes part a path, a star is a pattern; blanks and control characters spoil logs. */
const forbiddenInIds = /[/*\s\p{Cc}]/u;
const strategies: readonly string[] = ["one_for_one", "one_for_all", "rest_for_one"];
const restarts: readonly string[] = ["permanent", "transient", "temporary"];
const shutdowns: readonly string[] = ["never", "any_significant", "all_significant"];

/**
 * @param autoShutdown of the supervisor that the spec is for.
 * @throws SupervisionError `malformed`, naming the child.
 */
export function checkSpec(spec: AnyChildSpec, autoShutdown: string = "never"): void {
  const { id, options } = spec;
  const refuse = (why: string): never => {
    throw new SupervisionError("malformed", `child spec ${JSON.stringify(id)}: ${why}`);
  };
  if (typeof id !== "string" || id === "" || id.length > longestId) {
    refuse(`an id is a string of 1 to ${longestId} characters`);
  }
  if (forbiddenInIds.test(id)) refuse("an id has no slash, star, blank or control character");
  if (!restarts.includes(options.restart ?? "permanent")) refuse(`restart ${options.restart}`);
  for (const key of ["shutdownMs", "startMs"] as const) {
    if (!isDuration(options[key] ?? 0)) refuse(`${key} is no duration`);
  }
  if (options.revive && !areDelays(options.revive)) refuse("revive wants 0 < minMs <= maxMs");
  if (options.revive && options.restart === "temporary") refuse("what is temporary is not revived");
  if (options.significant) {
    // As OTP has it: a permanent child never ends, and without autoShutdown nothing would follow.
    if ((options.restart ?? "permanent") === "permanent") refuse("a significant child can end");
    if (autoShutdown === "never") refuse("significant without autoShutdown means nothing");
  }
  if (spec.kind === "worker") {
    const { definition } = spec;
    if (typeof definition !== "object" || !(behaviour in definition)) {
      refuse("there is no actor definition");
    }
  } else checkSupervisor(spec, refuse);
}

function checkSupervisor(spec: SupervisorSpec, refuse: (why: string) => never): void {
  const { strategy = "one_for_one", intensity, backoff, autoShutdown = "never" } = spec.options;
  if (!strategies.includes(strategy)) refuse(`strategy ${JSON.stringify(strategy)}`);
  if (spec.kind === "dynamic" && strategy !== "one_for_one") {
    refuse("a dynamic supervisor is one_for_one");
  }
  if (!shutdowns.includes(autoShutdown)) refuse(`autoShutdown ${JSON.stringify(autoShutdown)}`);
  if (intensity && !(isCount(intensity.restarts) && intensity.withinMs > 0)) {
    refuse("intensity wants restarts >= 0 within more than 0 ms");
  }
  if (backoff && !(areDelays(backoff) && isDuration(backoff.resetAfterMs))) {
    refuse("backoff wants 0 < minMs <= maxMs and a resetAfterMs");
  }
  const ids = new Set<string>();
  for (const child of spec.children) {
    checkSpec(child, autoShutdown);
    if (ids.has(child.id)) refuse(`two children are called ${JSON.stringify(child.id)}`);
    ids.add(child.id);
  }
}

const isDuration = (ms: number) => typeof ms === "number" && ms >= 0;
const isCount = (count: number) => Number.isInteger(count) && count >= 0;
const areDelays = ({ minMs, maxMs }: Delays) =>
  Number.isFinite(maxMs) && minMs > 0 && minMs <= maxMs;
