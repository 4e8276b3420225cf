/** What /metrics tells of the farm as a whole, from what database, Slave Driver and File Juggler say. Pure. */
import { DURATION_BOUNDS } from "../../../db/farm-metrics.ts";
import type { RequestResult } from "../../../db/requests.ts";
import type { Vitals } from "../../../protocol/links/tasks/control.ts";
import type { MetricFamily } from "../../../protocol/model/metric-family.ts";
import { slaveNowStates } from "../../../protocol/model/slave-now.ts";
import { family, histogram, type Sample } from "./family.ts";

type FarmMetrics = RequestResult<"farmMetrics">;

const QUEUE_STATES = ["ready", "leased", "waiting", "blocked", "cancelled"];

/** @param known what processes of the master tell of upstream, among others */
export function databaseFamilies(
  farm: FarmMetrics,
  known: readonly MetricFamily[],
  now: number,
): MetricFamily[] {
  return [
    ...queueFamilies(farm),
    ...buildFamilies(farm),
    ...upstreamFamilies(farm, known, now),
    ...owedFamilies(farm),
    family(
      "wheelwright_access_rows_total",
      "counter",
      "Access-log rows that were stored, by kind.",
      farm.visits.map(({ kind, count }) => ({ labels: { kind }, value: count })),
    ),
  ];
}

function queueFamilies({ tallies }: FarmMetrics): MetricFamily[] {
  const ofState = tallies.filter(
    ({ name, target }) => QUEUE_STATES.includes(name) && target !== "",
  );
  const ofFarm = (name: string) =>
    tallies.find((one) => one.name === name && one.target === "")?.n ?? 0;
  const one = (name: string, help: string, value: number) =>
    family(`wheelwright_${name}`, "gauge", help, [{ value }]);
  return [
    family(
      "wheelwright_queue_builds",
      "gauge",
      "Builds on the queue, by target and state.",
      ofState.map(({ name, target, n }) => ({ labels: { target, state: name }, value: n })),
    ),
    one("packages_published", "Packages with a public wheel.", ofFarm("packages")),
    one("versions_published", "Versions with a public wheel.", ofFarm("versions_built")),
    one("versions_known", "Versions that the farm knows.", ofFarm("versions")),
    one("files_published", "Public wheels.", ofFarm("files")),
    one("published_bytes", "Size of all public wheels.", ofFarm("bytes")),
  ];
}

function buildFamilies({ tallies }: FarmMetrics): MetricFamily[] {
  const results: Sample[] = tallies.flatMap(({ name, target, n }) => {
    const [kind, result = "", cause = ""] = name.split(" ");
    return kind === "result" ? [{ labels: { target, result, cause }, value: n }] : [];
  });
  const sumOf = (name: string) =>
    tallies.reduce((sum, one) => (one.name === name ? sum + one.n : sum), 0);
  const bounds = [...DURATION_BOUNDS.map(String), "+Inf"];
  return [
    family(
      "wheelwright_builds_total",
      "counter",
      "Attempts that ended, by target, result and cause; as the database has counted them.",
      results,
    ),
    histogram(
      "wheelwright_build_duration_seconds",
      "How long builds took, by whether a wheel was built; as the database has counted them.",
      ["built", "failed"].map((result) => ({
        labels: { result },
        bounds: DURATION_BOUNDS,
        counts: bounds.map((bound) => sumOf(`seconds ${result} ${bound}`)),
        sum: sumOf(`duration_ms ${result}`) / 1_000,
      })),
    ),
  ];
}

function upstreamFamilies(
  { serial, unread }: FarmMetrics,
  known: readonly MetricFamily[],
  now: number,
): MetricFamily[] {
  const seen = findValue(known, "wheelwright_upstream_serial");
  const caughtUp = findValue(known, "wheelwright_upstream_caught_up_timestamp_seconds");
  const one = (name: string, help: string, value: number | undefined) =>
    family(`wheelwright_upstream_${name}`, "gauge", help, value === undefined ? [] : [{ value }]);
  return [
    one("noted_serial", "Up to which serial the followed index's changes were noted.", serial),
    one(
      "lag_serials",
      "By how much that is behind the latest serial that the index has shown; absent where it has none.",
      seen === undefined || seen === 0 ? undefined : Math.max(0, seen - serial),
    ),
    one(
      "lag_seconds",
      "How long ago all that the index had said was noted and read; absent before the first time.",
      caughtUp === undefined || caughtUp === 0 ? undefined : Math.max(0, now / 1_000 - caughtUp),
    ),
    one(
      "unread_projects",
      "Projects that changed and were not read yet (at most 100,000).",
      unread,
    ),
  ];
}

const findValue = (families: readonly MetricFamily[], name: string): number | undefined =>
  families.find((each) => each.name === name)?.values[0]?.value;

function owedFamilies({ pages, oldestPageMs, failingPages, hooks }: FarmMetrics): MetricFamily[] {
  return [
    family(
      "wheelwright_pages_owed",
      "gauge",
      "Pages that are to be written, by kind (at most 100,000).",
      pages.map(({ kind, count }) => ({ labels: { kind }, value: count })),
    ),
    family("wheelwright_pages_oldest_seconds", "gauge", "Since when the oldest of them is owed.", [
      { value: (oldestPageMs ?? 0) / 1_000 },
    ]),
    family("wheelwright_pages_failing", "gauge", "Pages whose last attempt failed.", [
      { value: failingPages },
    ]),
    family(
      "wheelwright_hook_events_owed",
      "gauge",
      "Events that a hook is still to be told of (at most 100,000).",
      hooks.map(({ hook, owed }) => ({ labels: { hook }, value: owed })),
    ),
    family(
      "wheelwright_hook_disabled",
      "gauge",
      "1 where a hook said that it wants nothing more.",
      hooks.map(({ hook, isDisabled }) => ({ labels: { hook }, value: Number(isDisabled) })),
    ),
  ];
}

const SLAVE_STATES = slaveNowStates.filter((state) => state !== "gone");

/** Slaves that are here or were within the hour. Those that were not since the master began are known to the database alone. */
export function slaveFamily(
  slaves: NonNullable<Vitals["slaves"]>,
  farm: FarmMetrics | undefined,
): MetricFamily {
  const counts = new Map<string, number>();
  const count = (state: string) => counts.set(state, (counts.get(state) ?? 0) + 1);
  for (const { state } of slaves) count(state);
  const known = new Set(slaves.map(({ id }) => id));
  for (const { id } of farm?.slaves ?? []) if (!known.has(id)) count("silent");
  return family(
    "wheelwright_slaves",
    "gauge",
    "Slaves by what they do; silent ones were here within the last hour.",
    SLAVE_STATES.map((state) => ({ labels: { state }, value: counts.get(state) ?? 0 })),
  );
}

export function diskFamilies({
  freeBytes,
  sizeBytes,
}: NonNullable<Vitals["disk"]>): MetricFamily[] {
  return [
    family("wheelwright_disk_free_bytes", "gauge", "Free room on the disk of the site.", [
      { value: freeBytes },
    ]),
    family("wheelwright_disk_size_bytes", "gauge", "Size of the disk of the site.", [
      { value: sizeBytes },
    ]),
  ];
}
